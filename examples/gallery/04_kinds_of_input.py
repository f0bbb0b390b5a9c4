# %% [markdown]
"""
# 04 What do the kinds of input do to the same cells?

The brain can reach cells as one Poisson train per source region, as one train of all sources, as
correlated trains, or as a current. Rates are not matched; look at how much the cells fire together:
the variance of the population's count over its mean is 1 where they are independent and irregular.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cosim

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))

INPUTS = {
    "a train per source": {"coupling": "per_source", "trains_per_source": 1, "weight_uS": 0.45},
    "one train of all": {"coupling": "aggregated", "rate_scale": 25.0, "weight_uS": 0.016},
    "correlated, c = 0.3": {
        "coupling": "per_source",
        "trains_per_source": 1,
        "weight_uS": 0.45,
        "correlation": {"process": "single", "c": 0.3},
    },
    "current": {"as": "current", "scale": 0.02, "offset": 0.8},
}


# %%
def run(settings: dict) -> cosim.RunResult:
    drive = cosim.Input.model_validate({"from": "R_e", "to": "E", **settings})
    circuit = cosim.Circuit(
        circuit="balanced_ei",
        regions=["rPCUN"],
        parameters={"recurrent_excitation": 0.1, "cell": "regular_spiking"},
        inputs=[drive],
    )
    brain = cosim.Brain(parameters={"G": 0.2}, noise={"S_e": 0.001})
    duration_ms = 200.0 if SHORT else 2000.0
    return cosim.run(cosim.Experiment(duration_ms=duration_ms, brain=brain, circuits=[circuit]))


runs = {label: run(settings) for label, settings in INPUTS.items()}

# %%
figure, axes = plt.subplots(len(runs), 1, figsize=(8, 6), sharex=True, layout="constrained")
for (label, result), panel in zip(runs.items(), axes, strict=True):
    spikes = result.spikes["rPCUN.E"]
    rate = result.rates(bin_ms=5.0).sel(population="rPCUN.E")
    counts = rate * spikes.n_cells * 0.005
    fano = float(counts.var() / counts.mean()) if counts.any() else np.nan
    panel.plot(rate.time, rate, lw=0.8)
    panel.set(ylabel="Hz")
    text = f"{label}: {float(rate.mean()):.1f} Hz, variance of the count over its mean {fano:.1f}"
    panel.set_title(text, loc="left", fontsize=10)
    print(text)
axes[-1].set(xlabel="time, ms")
figure.suptitle("Rate of 120 excitatory cells in bins of 5 ms", fontsize=11)
figure.savefig(OUTPUT / "04_kinds_of_input.png", dpi=110)
