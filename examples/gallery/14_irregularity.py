# %% [markdown]
"""
# 14 Are the cells irregular? Elephant and NWB

The spikes of a run as Neo's spike trains, analysed with elephant, and the same from an NWB file, as
somebody would who has only that. Needs elephant, and `pip install 'tvb-netpyne-cosim[nwb]'`.
"""

# %%
import os
import tempfile
from pathlib import Path

import elephant.statistics
import matplotlib.pyplot as plt
import neo
import numpy as np
import pynwb
import quantities as pq

import cosim
from cosim.nwb_export import write_nwb

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))

# %%
circuit = cosim.Circuit(
    circuit="balanced_ei",
    regions=["rPCUN"],
    parameters={"recurrent_excitation": 0.1},
    inputs=[cosim.Input(trains_per_source=1, weight_uS=0.14)],
)
experiment = cosim.Experiment(
    duration_ms=500.0 if SHORT else 4000.0,
    brain=cosim.Brain(parameters={"G": 0.2}, noise={"S_e": 0.001}),
    circuits=[circuit],
)
result = cosim.run(experiment)
path = write_nwb(result, Path(tempfile.mkdtemp()) / "run.nwb")

# %% [markdown]
"""From here on only the NWB file is used; its times are in seconds."""

# %%
with pynwb.NWBHDF5IO(str(path), "r") as io:
    cells = io.read().units.to_dataframe()
stop = result.duration_ms / 1000.0
trains = [
    neo.SpikeTrain(times * pq.s, t_stop=stop * pq.s)
    for times in cells[cells.population == "rPCUN.E"].spike_times
]
assert sum(len(train) for train in trains) == result.spikes["rPCUN.E"].times_ms.size

# %%
rates_hz = [elephant.statistics.mean_firing_rate(train).rescale("Hz").item() for train in trains]
intervals = [elephant.statistics.isi(train) for train in trains if len(train) > 4]
cv = [elephant.statistics.cv(one) for one in intervals]
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
# Edges between whole numbers of spikes, two a bin: a rate is a count over the duration.
counts = np.array([len(train) for train in trains])
left.hist(rates_hz, bins=(np.arange(counts.min(), counts.max() + 3, 2) - 0.5) / stop)
left.set(xlabel="rate of a cell, Hz", ylabel="cells")
right.hist(cv, bins=20)
right.axvline(1.0, color="C3", ls="--")
right.text(1.01, 0.95, "Poisson", color="C3", transform=right.get_xaxis_transform(), va="top")
right.set(xlabel="coefficient of variation of its intervals", ylabel="cells")
figure.savefig(OUTPUT / "14_irregularity.png", dpi=110)
print(f"{np.mean(rates_hz):.1f} Hz, CV {np.mean(cv):.2f} of {len(cv)} cells")
