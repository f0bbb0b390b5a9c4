"""A sensory and a motor population with NetStim background, as in NetPyNE's tutorial 2.

Populations, cells, weights and probabilities are those of
https://www.netpyne.org/documentation/tutorial (tut2), in its current syntax.
"""

from netpyne import specs


def network(n_cells=20):
    netParams = specs.NetParams()
    netParams.popParams["S"] = {"cellType": "PYR", "numCells": n_cells, "cellModel": "HH"}
    netParams.popParams["M"] = {"cellType": "PYR", "numCells": n_cells, "cellModel": "HH"}
    soma = {
        "geom": {"diam": 18.8, "L": 18.8, "Ra": 123.0},
        "mechs": {"hh": {"gnabar": 0.12, "gkbar": 0.036, "gl": 0.003, "el": -70}},
    }
    netParams.cellParams["PYRrule"] = {"conds": {"cellType": "PYR"}, "secs": {"soma": soma}}
    netParams.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.1, "tau2": 5.0, "e": 0}
    netParams.stimSourceParams["bkg"] = {"type": "NetStim", "rate": 10, "noise": 0.5}
    netParams.stimTargetParams["bkg->PYR"] = {
        "source": "bkg",
        "conds": {"cellType": "PYR"},
        "weight": 0.01,
        "delay": 5,
        "synMech": "exc",
    }
    netParams.connParams["S->M"] = {
        "preConds": {"pop": "S"},
        "postConds": {"pop": "M"},
        "probability": 0.5,
        "weight": 0.01,
        "delay": 5,
        "synMech": "exc",
    }
    return netParams


def network_with_config():
    simConfig = specs.SimConfig()
    simConfig.duration = 1000.0
    simConfig.dt = 0.025
    simConfig.verbose = False
    simConfig.analysis["plotRaster"] = True
    return network(), simConfig


def network_that_needs_a_size(size):
    return network(size)


def network_that_fails():
    raise ValueError("no morphology\nfor this cell")


def number():
    return 42


not_a_function = 3
