# %% [markdown]
"""
# 09 What do the scalp, an electrode in the tissue and a pipette see of the same cells?

Cells with dendrites in the right posterior cingulate of `tvb76`, the connectome for which tvb-data
has lead fields: EEG of the whole brain, the field potential beside the cells, and two membranes.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt

import cosim

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))

experiment = cosim.Experiment(
    duration_ms=150.0 if SHORT else 1000.0,
    brain=cosim.Brain(
        connectome="tvb76",
        parameters={"G": 0.007},  # weights of this connectome are 1 to 3
        noise={"S_e": 0.001},
        monitors={"eeg": {"period_ms": 1.0}, "temporal_average": {"period_ms": 1.0}},
    ),
    circuits=[
        cosim.Circuit(
            circuit="calcium_sk",
            regions=["rCCP"],
            parameters={"cell": "dendritic", "order": 40},
            inputs=[
                cosim.Input(to="E", trains_per_source=1, weight_uS=0.18),
                cosim.Input(to="I", trains_per_source=2, weight_uS=0.12),
            ],
            record={
                "traces": [{"population": "E", "cells": [0, 1], "period_ms": 0.2}],
                "lfp": {"electrodes_um": [[50, 50, 50]], "period_ms": 0.5},
            },
        )
    ],
)
result = cosim.run(experiment)

# %%
figure, (scalp, field, cells) = plt.subplots(
    3, 1, figsize=(8, 6), sharex=True, layout="constrained"
)
eeg = result.mean_field.eeg.isel(variable_eeg=0)
eeg = eeg - eeg.mean("time_eeg")
loudest = eeg.std("time_eeg")
for sensor in loudest.sortby(loudest).sensor_eeg.values[:-4:-1]:
    scalp.plot(eeg.time_eeg, eeg.sel(sensor_eeg=sensor), lw=0.8, label=str(sensor))
scalp.set(ylabel="EEG, arbitrary", title="The three loudest of 63 sensors")
scalp.legend(frameon=False, ncols=3)
lfp = result.lfp["rCCP"].isel(electrode=0)
field.plot(lfp.time, 1000 * (lfp - lfp.mean()), lw=0.8, color="C3")
field.set(ylabel="µV", title="Field potential between the cells")
for cell, trace in enumerate(result.traces["rCCP.E.v"].T):
    cells.plot(trace.time, trace, lw=0.8, label=f"cell {cell}")
cells.set(xlabel="time, ms", ylabel="mV", title="Two membranes")
figure.savefig(OUTPUT / "09_what_electrodes_see.png", dpi=110)
spikes = result.spikes["rCCP.E"]
print(f"{spikes.times_ms.size} spikes of {spikes.n_cells} cells")
