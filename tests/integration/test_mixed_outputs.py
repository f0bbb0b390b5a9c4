"""A rate may come from several populations: their cells pooled, or their rates weighted."""

import pytest

import cosim
from cosim.spiking.interpreter import netpyne_specs


def circuit():
    """Three populations of different sizes, each with its own drive through a NetStim."""
    net = netpyne_specs().NetParams()
    soma = {"geom": {"L": 18.8, "diam": 18.8, "Ra": 123.0}}
    soma["mechs"] = {"hh": {"gnabar": 0.12, "gkbar": 0.036, "gl": 0.003, "el": -70.0}}
    net.cellParams["HH"] = {"secs": {"soma": soma}}
    net.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    for name, size, rate_hz in (("A", 2, 20), ("B", 6, 60), ("I", 3, 40)):
        net.popParams[name] = {"cellType": "HH", "numCells": size}
        net.stimSourceParams[name] = {"type": "NetStim", "rate": rate_hz, "noise": 0.5}
        net.stimTargetParams[name] = {
            "source": name,
            "conds": {"pop": name},
            "weight": 0.2,
            "delay": 1,
            "synMech": "exc",
        }
    return net


def run(source, **changes):
    experiment = cosim.Experiment(
        duration_ms=100.0,
        circuits=[
            cosim.Circuit(
                circuit=circuit(),
                regions=["rPCUN"],
                outputs=[{"from": source, "to": "R_e", **changes}],
            )
        ],
    )
    result = cosim.run(experiment)
    sent = result.exchange["to_brain_R_e"].values[:, 0]
    spikes = {name: result.spikes[f"rPCUN.{name}"] for name in "ABI"}
    return sent, {name: s.times_ms.size for name, s in spikes.items()}


def test_pooled_cells_count_alike():
    """8 cells: the integral of the rate over 100 ms is the number of their spikes / 8."""
    sent, spikes = run(["A", "B"])
    assert spikes["A"] > 0
    assert spikes["B"] > spikes["A"]
    total = (spikes["A"] + spikes["B"]) / 8
    assert sent.sum() * 0.1 / 1000 == pytest.approx(total, rel=1e-12)


def test_weighted_rates_are_added():
    sent, spikes = run({"A": 0.25, "I": 2.0})
    total = 0.25 * spikes["A"] / 2 + 2.0 * spikes["I"] / 3
    assert sent.sum() * 0.1 / 1000 == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize(
    ("source", "changes", "said"),
    [
        (["A", "C"], {}, "Unknown population 'C'"),
        (["A", "A"], {}, "names population 'A' twice"),
        ([], {}, "names no population"),
        ({"A": -1.0}, {}, "greater than or equal to 0"),
        ({"A": 0.0}, {}, "no weight above 0"),
        (["A", "B"], {"gating": {"mech": "hh", "var": "m"}, "to": "S_e"}, "read from one pop"),
    ],
)
def test_a_mistake_is_said(source, changes, said):
    with pytest.raises((cosim.CosimError, ValueError), match=said):
        run(source, **changes)
