# %% [markdown]
"""
# 07 Does the circuit behind the mean field fire as its region does?

`wong_wang` is the spiking network from which the Reduced Wong-Wang mean field was derived. It
stands in for three regions, one at a time: a well connected one, the strongest hub and a weak one.
With seconds this is a look; `docs/validation.md` has a minute of each, with intervals.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cosim
from cosim.plan_brain import plan_brain

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))

REGIONS = ("rPCUN", "rISTC", "lENT")
SKIP_MS = 50.0 if SHORT else 1000.0
brain = cosim.Brain(parameters={"G": 0.2}, noise={"S_e": 0.001}, dt_ms=0.5)
rest = plan_brain(brain, Path(), driven=True)
duration_ms = SKIP_MS + (100.0 if SHORT else 6000.0)


# %%
def block_means(region: str, cells: bool) -> np.ndarray:
    """Means of the excitatory rate over ten blocks, Hz."""
    circuits = []
    if cells:
        own = {"S_E_start": rest.value("S_e", region)}
        circuits = [cosim.Circuit(circuit="wong_wang", regions=[region], parameters=own)]
    experiment = cosim.Experiment(duration_ms=duration_ms, brain=brain, circuits=circuits)
    average = cosim.run(experiment).mean_field.temporal_average
    rate = average.sel(variable="R_e", region=region)
    kept = rate[rate.time_temporal_average > SKIP_MS].values
    return np.array([part.mean() for part in np.array_split(kept, 10)])


# %%
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
for row, region in enumerate(REGIONS):
    for cells, colour in ((False, "0.4"), (True, "C0")):
        blocks = block_means(region, cells)
        error = blocks.std(ddof=1) / np.sqrt(blocks.size)
        label = ("mean field", "500 cells")[cells] if row == 0 else None
        axes.errorbar(
            row + 0.1 * cells,
            blocks.mean(),
            2 * error,
            fmt="o",
            color=colour,
            capsize=3,
            label=label,
        )
        print(
            region, "cells" if cells else "mean field", f"{blocks.mean():.2f} +- {2 * error:.2f} Hz"
        )
axes.set_xticks(range(len(REGIONS)), REGIONS)
axes.set(ylabel="excitatory rate, Hz", ylim=(0, None), title="Mean and two standard errors")
axes.legend(frameon=False)
figure.savefig(OUTPUT / "07_circuit_behind_the_mean_field.png", dpi=110)
