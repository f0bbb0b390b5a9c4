# %% [markdown]
"""
# 03 When does a region hear of what the cells do?

Two runs without noise that differ in one thing: in the second the cells get extra background
spikes. Everything else is the same to the last bit, so the first step at which a region differs is
the first step at which it can know. That is the first extra spike plus the delay along the shortest
way, tract length over 3 mm/ms. None hears earlier. Regions that are weakly connected hear later,
as a difference has to grow above the single precision in which TVB keeps the past.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse.csgraph import dijkstra

import cosim
from cosim.plan import plan

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))

REGION, DT_MS = "rPCUN", 0.1


# %%
def experiment(background_hz: float) -> cosim.Experiment:
    drive = cosim.Input(trains_per_source=1, weight_uS=0.14, background_hz=background_hz)
    return cosim.Experiment(
        duration_ms=30.0 if SHORT else 80.0,
        brain=cosim.Brain(
            parameters={"G": 0.2}, dt_ms=DT_MS, monitors={"raw": cosim.Monitor(period_ms=DT_MS)}
        ),
        circuits=[cosim.Circuit(circuit="balanced_ei", regions=[REGION], inputs=[drive])],
    )


planned = plan(experiment(0.0))
runs = [cosim.run(experiment(hz)) for hz in (0.0, 100.0)]

# %% [markdown]
"""The first step at which each region differs, and the shortest way to it."""

# %%
S = [run.mean_field.raw.sel(variable="S_e").values for run in runs]
differs = S[0] != S[1]  # exactly: any bit
first_ms = np.where(differs.any(axis=0), differs.argmax(axis=0) * DT_MS, np.nan)

connectome = planned.connectome
lengths_mm = np.where(connectome.weights > 0, connectome.lengths_mm, 0.0)
# Rows are targets; a path is followed from its source.
way_ms = dijkstra(lengths_mm.T, indices=connectome.index(REGION)) / 3.0
start_ms = first_ms[connectome.index(REGION)]

figure, axes = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
reach = np.array([0.0, np.nanmax(first_ms - start_ms)])
axes.plot(reach, reach, color="0.7", zorder=0, label="the delay itself")
way_ms[connectome.index(REGION)] = np.nan  # itself
direct = connectome.weights[:, connectome.index(REGION)] > 0
for chosen, label, mark in (
    (direct, "connected directly", "o"),
    (~direct, "by way of others", "^"),
):
    axes.plot(way_ms[chosen], (first_ms - start_ms)[chosen], mark, ms=4.5, label=label)
axes.legend(frameon=False)
axes.set(xlabel="delay along the shortest way, ms", ylabel="first difference, ms")
axes.set_title(f"Regions that hear of {REGION}")
figure.savefig(OUTPUT / "03_when_a_region_hears.png", dpi=110)
late = (first_ms - start_ms) - way_ms
print(
    f"{np.isfinite(late).sum()} regions; off by {np.nanmin(late):.2f} to {np.nanmax(late):.2f} ms"
)
