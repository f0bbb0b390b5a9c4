# %% [markdown]
"""
# 12 Does it matter where on a cell the brain's input arrives?

The pyramidal cells of Bahl et al. 2012 (doi:10.1016/j.jneumeth.2012.04.006) get the same trains, of
the same weight, on the soma, the basal dendrite, the apical dendrite or the tuft.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt

import cosim

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))

PLACES = ("soma", "basal", "apical", "tuft")


# %%
def rate_hz(place: str) -> float:
    """Mean rate of the pyramidal cells, Hz."""
    drive = cosim.Input(to="E", trains_per_source=1, weight_uS=0.2, where={"sec": place})
    circuit = cosim.Circuit(
        circuit="pyramidal_morphology", regions=["rPCUN"], parameters={"cells": 20}, inputs=[drive]
    )
    experiment = cosim.Experiment(
        duration_ms=100.0 if SHORT else 2000.0,
        brain=cosim.Brain(parameters={"G": 0.2}, noise={"S_e": 0.001}),
        circuits=[circuit],
    )
    spikes = cosim.run(experiment).spikes["rPCUN.E"]
    return spikes.times_ms.size / spikes.n_cells / experiment.duration_ms * 1000.0


# %%
found = {place: rate_hz(place) for place in PLACES}
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
axes.bar(list(found), list(found.values()), width=0.6)
axes.set(xlabel="where the input arrives", ylabel="rate, Hz")
axes.set_title("20 layer 5 pyramidal cells, the same trains")
figure.savefig(OUTPUT / "12_where_on_the_cell.png", dpi=110)
print(found)
