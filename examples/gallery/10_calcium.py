# %% [markdown]
"""
# 10 Does calcium in a cell follow its spikes?

The cells of `calcium_sk` hold a store, a buffer and a pump as reaction-diffusion (RxD). The
concentration in the cytosol and the membrane potential of one cell, while the brain drives it, with
little and with much inositol trisphosphate (IP3), which opens the store.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt

import cosim

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))


# %%
def run(ip3_mM: float) -> cosim.RunResult:
    circuit = cosim.Circuit(
        circuit="calcium_sk",
        regions=["rPCUN"],
        parameters={"ip3_mM": ip3_mM},
        dt_ms=0.1,
        record={
            "traces": [{"population": "E", "cells": [3], "period_ms": 0.2}],
            "concentrations": [
                {
                    "species": "ca",
                    "region": "cyt",
                    "population": "E",
                    "cells": [3],
                    "period_ms": 1.0,
                }
            ],
        },
    )
    brain = cosim.Brain(parameters={"G": 0.2}, noise={"S_e": 0.001, "S_i": 0.001})
    duration_ms = 150.0 if SHORT else 1500.0
    return cosim.run(cosim.Experiment(duration_ms=duration_ms, brain=brain, circuits=[circuit]))


# %%
figure, (potential, calcium) = plt.subplots(
    2, 1, figsize=(8, 4.8), sharex=True, layout="constrained"
)
for ip3_uM, colour in ((0.1, "C0"), (2.0, "C3")):
    result = run(ip3_uM * 1e-3)
    trace = result.traces["rPCUN.E.v"].isel(cell=0)
    inside = result.concentrations["rPCUN.E.ca[cyt]"].isel(cell=0)
    potential.plot(trace.time, trace, color=colour, lw=0.7, alpha=0.8)
    calcium.plot(inside.time, 1e3 * inside, color=colour, label=f"IP3 {ip3_uM:g} µM")
    rate = float(result.rates(bin_ms=50.0).sel(population="rPCUN.E").mean())
    print(f"IP3 {ip3_uM:g} uM: {rate:.1f} Hz, calcium up to {1e3 * float(inside.max()):.2f} uM")
potential.set(ylabel="membrane, mV", title="One excitatory cell of the right precuneus")
calcium.set(xlabel="time, ms", ylabel="cytosolic calcium, µM")
calcium.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.98))
figure.savefig(OUTPUT / "10_calcium.png", dpi=110)
