# %% [markdown]
"""
# 05 Does my own NetPyNE model run in the brain as it stands?

A function that returns netParams is a circuit. This one is two layers of Hodgkin-Huxley cells; the
brain drives the lower one, and the upper one is what the other regions feel.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt

import cosim

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))


# %%
def two_layers(cells: int = 40, weight_uS: float = 0.008) -> object:
    """A lower layer that drives an upper one.

    Args:
        cells: Cells of each layer.
        weight_uS: Weight from the lower to the upper layer, uS.
    """
    from netpyne import specs  # here: imported at the top, it turns a notebook's pictures off

    net = specs.NetParams()
    soma = {"geom": {"L": 18.8, "diam": 18.8, "Ra": 123.0}, "mechs": {"hh": {}}}
    net.cellParams["HH"] = {"secs": {"soma": soma}}
    net.popParams["lower"] = {"cellType": "HH", "numCells": cells}
    net.popParams["upper"] = {"cellType": "HH", "numCells": cells}
    net.synMechParams["AMPA"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0}
    net.connParams["lower->upper"] = {
        "preConds": {"pop": "lower"},
        "postConds": {"pop": "upper"},
        "convergence": 6,
        "weight": weight_uS,
        "delay": 5,
        "synMech": "AMPA",
    }
    return net


# %%
experiment = cosim.Experiment(
    duration_ms=150.0 if SHORT else 1000.0,
    brain=cosim.Brain(parameters={"G": 0.2}, noise={"S_e": 0.001}),
    circuits=[
        cosim.Circuit(
            circuit=two_layers,
            regions=["rPCUN"],
            inputs=[cosim.Input(to="lower", receptor="AMPA", trains_per_source=1, weight_uS=0.14)],
            outputs=[cosim.Output(source="upper", to="R_e")],
        )
    ],
)
result = cosim.run(experiment)

# %%
figure, (raster, rate) = plt.subplots(2, 1, figsize=(8, 4.4), sharex=True, layout="constrained")
for shift, (label, colour) in enumerate({"rPCUN.lower": "C0", "rPCUN.upper": "C3"}.items()):
    spikes = result.spikes[label]
    raster.plot(spikes.times_ms, spikes.node_ids + 40 * shift, ".", ms=2, color=colour)
    found = result.rates(bin_ms=20.0).sel(population=label)
    rate.plot(found.time, found, color=colour, label=label.removeprefix("rPCUN."))
    print(label, f"{float(found.mean()):.1f} Hz")
raster.set(ylabel="cell", title="Two layers in the right precuneus")
rate.set(xlabel="time, ms", ylabel="rate, Hz")
rate.legend(frameon=False)
figure.savefig(OUTPUT / "05_my_own_model.png", dpi=110)
