# %% [markdown]
"""
# 08 Which weights make my circuit fire as the region that it replaces?

As written, `balanced_ei` fires at a rate of its own. `cosim calibrate` finds input weights and
backgrounds with which its stationary rates follow the mean-field node while the brain drives it
from half to twice its rest.
"""

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import yaml

from cosim.calibration_run import calibrate_file
from cosim.calibration_settings import Settings

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))

FOLDER = Path(tempfile.mkdtemp())
EXPERIMENT = """
brain: {connectome: hagmann66, parameters: {G: 0.2}}
circuits:
  - circuit: balanced_ei
    regions: [rPCUN]
    parameters: {recurrent_excitation: 0.1}
    inputs:
      - {from: R_e, to: E, trains_per_source: 1, weight_uS: 0.14}
      - {from: R_e, to: I, trains_per_source: 2, weight_uS: 0.1}
"""

# %% [markdown]
"""The same as `cosim calibrate experiment.yaml` in a shell."""

# %%
(FOLDER / "experiment.yaml").write_text(EXPERIMENT)
target = FOLDER / "experiment.calibrated.yaml"
settings = Settings(0.5, 2.0, tolerance=0.15, seconds=1.0 if SHORT else 2.0)
for line in calibrate_file(FOLDER / "experiment.yaml", (), target, settings, 0.0, 300.0):
    print(line)

# %%
curves = yaml.safe_load(target.read_text())["regions"]["rPCUN"]["curves"]
drive = curves["source_factor"]
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for rate, panel in zip(("R_e", "R_i"), axes, strict=True):
    panel.plot(drive, curves["mean_field_hz"][rate], color="0.5", label="mean field: wanted")
    panel.plot(drive, curves["before_hz"][rate], "x--", color="C3", label="as written")
    error = 2 * np.array(curves["standard_error_hz"][rate])
    panel.errorbar(
        drive, curves["circuit_hz"][rate], error, fmt="o", color="C0", label="calibrated"
    )
    panel.set(xlabel="rates of all sources over rest", ylabel=f"${rate[0]}_{rate[-1].upper()}$, Hz")
axes[0].set_title("Excitatory: fitted")
axes[1].set_title("Inhibitory: fitted at rest alone")
axes[0].legend(frameon=False)
figure.savefig(OUTPUT / "08_calibrate.png", dpi=110)
