"""Three layers with distance-dependent rules and a NetStim population, as in NetPyNE's tutorial 5.

Sizes, cells, weights and rules are those of
https://www.netpyne.org/documentation/tutorial (tut5), in its current syntax, with fewer cells.
"""

from netpyne import specs


def _cell(diam, L, Ra, gnabar):
    return {
        "soma": {
            "geom": {"diam": diam, "L": L, "Ra": Ra},
            "mechs": {"hh": {"gnabar": gnabar, "gkbar": 0.036, "gl": 0.003, "el": -70}},
        }
    }


def network(n_cells=8):
    netParams = specs.NetParams()
    netParams.sizeX, netParams.sizeY, netParams.sizeZ = 100, 1000, 100
    netParams.propVelocity = 100.0
    netParams.probLengthConst = 150.0
    for name, cell_type, where in (
        ("E2", "E", {"yRange": [100, 300]}),
        ("I2", "I", {"yRange": [100, 300]}),
        ("E4", "E", {"yRange": [300, 600]}),
        ("I4", "I", {"yRange": [300, 600]}),
        ("E5", "E", {"ynormRange": [0.6, 1.0]}),
        ("I5", "I", {"ynormRange": [0.6, 1.0]}),
    ):
        netParams.popParams[name] = {"cellType": cell_type, "numCells": n_cells, **where}
    netParams.popParams["background"] = {
        "cellModel": "NetStim",
        "numCells": 6 * n_cells,
        "rate": 20,
        "noise": 0.3,
    }
    netParams.cellParams["E"] = {"secs": _cell(15, 14, 120.0, 0.13)}
    netParams.cellParams["I"] = {"secs": _cell(10.0, 9.0, 110.0, 0.11)}
    netParams.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0}
    netParams.synMechParams["inh"] = {"mod": "Exp2Syn", "tau1": 0.6, "tau2": 8.5, "e": -75}
    netParams.connParams["bkg->all"] = {
        "preConds": {"pop": "background"},
        "postConds": {"cellType": ["E", "I"]},
        "weight": 0.001,
        "delay": "max(1, normal(5,2))",
        "synMech": "exc",
    }
    netParams.connParams["E->all"] = {
        "preConds": {"cellType": "E"},
        "postConds": {"y": [100, 1000]},
        "probability": 0.1,
        "weight": "0.005*post_ynorm",
        "delay": "dist_3D/propVelocity",
        "synMech": "exc",
    }
    netParams.connParams["I->E"] = {
        "preConds": {"cellType": "I"},
        "postConds": {"pop": ["E2", "E4", "E5"]},
        "probability": "0.4*exp(-dist_3D/probLengthConst)",
        "weight": 0.001,
        "delay": "dist_3D/propVelocity",
        "synMech": "inh",
    }
    simConfig = specs.SimConfig()
    simConfig.dt = 0.05
    return netParams, simConfig
