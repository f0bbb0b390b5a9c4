# %% [markdown]
"""
# 01 What does a brain notice of one region that became cells?

The right precuneus of Hagmann's 66 regions is a mean field, and then 160 spiking cells. Noise is
keyed by seed, region and step, so all other regions have the same noise in both runs, and what
differs between them is the cells' doing.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cosim

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))

# %% [markdown]
"""Two experiments that differ in one line."""

# %%
brain = cosim.Brain(parameters={"G": 0.2}, noise={"S_e": 0.001, "S_i": 0.001})
cells = cosim.Circuit(
    circuit="balanced_ei",
    regions=["rPCUN"],
    parameters={"recurrent_excitation": 0.1},
    inputs=[
        cosim.Input(to="E", trains_per_source=1, weight_uS=0.14),
        cosim.Input(to="I", trains_per_source=2, weight_uS=0.1),
    ],
)
duration_ms = 300.0 if SHORT else 3000.0
mean_field = cosim.run(cosim.Experiment(duration_ms=duration_ms, brain=brain))
with_cells = cosim.run(cosim.Experiment(duration_ms=duration_ms, brain=brain, circuits=[cells]))

# %%
S = [run.mean_field.temporal_average.sel(variable="S_e") for run in (mean_field, with_cells)]
change = 100 * (S[1] / S[0] - 1).mean("time_temporal_average")
others = change.drop_sel(region="rPCUN")
strongest = others.sortby(abs(others), ascending=False)[:15]

figure, (own, around) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for series, label in zip(S, ("mean field", "160 cells"), strict=True):
    own.plot(series.time_temporal_average / 1000, series.sel(region="rPCUN"), label=label)
own.set(xlabel="time, s", ylabel="$S_E$", title="Right precuneus")
own.legend(frameon=False)
around.barh(np.arange(15), strongest.values[::-1])
around.set_yticks(np.arange(15), strongest.region.values[::-1], fontsize=8)
around.set(xlabel="change of mean $S_E$, %", title="The others, most changed first")
figure.savefig(OUTPUT / "01_one_region_as_cells.png", dpi=110)
print(f"rPCUN {float(change.sel(region='rPCUN')):+.1f} %, the others {float(others.mean()):+.3f} %")
