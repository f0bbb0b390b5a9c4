# %% [markdown]
"""
# 02 Does it matter how often the two simulators talk?

It may not, as long as the window is no longer than the shortest delay between the two sides. Here
the same experiment runs with windows of 0.1 ms, 1 ms and the longest that is allowed, 2.3 ms, and
once with another seed, so that one sees what a difference would look like.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cosim

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))


# %%
def states(window_ms: float | str, seed: int = 7) -> np.ndarray:
    """S_e of all regions at every millisecond, (time, region)."""
    experiment = cosim.Experiment(
        seed=seed,
        duration_ms=100.0 if SHORT else 1000.0,
        brain=cosim.Brain(parameters={"G": 0.2}, noise={"S_e": 0.001}),
        circuits=[
            cosim.Circuit(
                circuit="balanced_ei",
                regions=["rPCUN"],
                inputs=[cosim.Input(trains_per_source=1, weight_uS=0.14)],
            )
        ],
        synchronization=cosim.Synchronization(window_ms=window_ms),
    )
    return cosim.run(experiment).mean_field.temporal_average.sel(variable="S_e").values


# %%
reference = states("auto")
others = {
    "window 0.1 ms": states(0.1),
    "window 1 ms": states(1.0),
    "another seed": states("auto", seed=8),
}
figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
# The first two lie on each other, at 0.
for (label, found), style in zip(others.items(), ("-", "--", "-"), strict=True):
    difference = np.abs(found - reference).max(axis=1)
    axes.plot(difference, style, lw=2, label=f"{label}: at most {difference.max():.2g}")
axes.set(xlabel="time, ms", ylabel="largest difference of $S_E$")
axes.set_yscale("symlog", linthresh=1e-4)
axes.set_title("Against the longest window, 2.3 ms")
axes.legend(frameon=False)
figure.savefig(OUTPUT / "02_how_often_they_talk.png", dpi=110)
for label, found in others.items():
    print(label, np.abs(found - reference).max())
