# %% [markdown]
"""
# 13 What did a circuit change, beyond chance?

`cosim compare` sets runs side by side, paired by seed, and gives each difference an interval. Here
three seeds of the all-mean-field brain against three with `balanced_ei` in the right precuneus.
"""

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import cosim
from cosim.compare import compare

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))

FOLDER = Path(tempfile.mkdtemp())
SEEDS = (1, 2) if SHORT else (1, 2, 3)


# %%
def run(name: str, seed: int, circuits: list[cosim.Circuit]) -> None:
    brain = cosim.Brain(
        parameters={"G": 0.2},
        noise={"S_e": 0.001},
        monitors={"temporal_average": cosim.Monitor(period_ms=5.0)},
    )
    experiment = cosim.Experiment(
        seed=seed, duration_ms=300.0 if SHORT else 3000.0, brain=brain, circuits=circuits
    )
    cosim.run(experiment, FOLDER / name / f"seed_{seed}", quiet=True)


cells = cosim.Circuit(
    circuit="balanced_ei",
    regions=["rPCUN"],
    parameters={"recurrent_excitation": 0.1},
    inputs=[
        cosim.Input(to="E", trains_per_source=1, weight_uS=0.14),
        cosim.Input(to="I", trains_per_source=2, weight_uS=0.1),
    ],
)
for seed in SEEDS:
    run("mean_field", seed, [])
    run("cells", seed, [cells])

# %%
[found] = compare(FOLDER / "mean_field", [FOLDER / "cells"], skip_ms=100.0)
chosen = [m for m in found.measures if m.quantity == "mean S_e" and m.low is not None][::-1]
figure, axes = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for row, measure in enumerate(chosen):
    axes.plot([100 * measure.low, 100 * measure.high], [row, row], color="C0", lw=2)
    axes.plot(100 * measure.change, row, "o", color="C0")
    print(
        measure.where,
        f"{100 * measure.change:+.2f} % ({100 * measure.low:+.2f}, {100 * measure.high:+.2f})",
    )
axes.set_yticks(range(len(chosen)), [measure.where for measure in chosen])
axes.axvline(0, color="0.7", zorder=0)
axes.set_xscale("symlog", linthresh=1.0)
axes.set_xticks(ticks := [0, 0.25, 0.5, 1, 2, 5, 10], ticks)
axes.set(xlabel="change of mean $S_E$, %, with 95 % interval over seeds")
axes.set_title("The precuneus, its strongest neighbours, the others", fontsize=11)
figure.savefig(OUTPUT / "13_beyond_chance.png", dpi=110)
