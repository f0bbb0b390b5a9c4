"""Cells with a dendrite, for inputs of every kind on any place."""

from netpyne import specs


def network(n_cells=8):
    net = specs.NetParams()
    hh = {"gnabar": 0.12, "gkbar": 0.036, "gl": 0.0003, "el": -54.3}
    soma = {"geom": {"L": 20.0, "diam": 20.0}, "mechs": {"hh": hh}}
    dend = {
        "geom": {"L": 200.0, "diam": 2.0, "Ra": 100.0, "nseg": 3},
        "topol": {"parentSec": "soma", "parentX": 1.0, "childX": 0.0},
        "mechs": {"pas": {"g": 1e-4, "e": -65.0}},
    }
    net.cellParams["branched"] = {"secs": {"soma": soma, "dend": dend}}
    for name in ("E", "I"):
        net.popParams[name] = {"cellType": "branched", "numCells": n_cells}
    net.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    net.connParams["E->I"] = {
        "preConds": {"pop": "E"},
        "postConds": {"pop": "I"},
        "probability": 0.5,
        "weight": 0.003,
        "delay": 2.0,
        "sec": "dend",
        "synMech": "exc",
    }
    return net
