"""Integrate-and-fire artificial cells beside compartmental ones, as in NetPyNE's tut_artif."""

from netpyne import specs


def network():
    netParams = specs.NetParams()
    netParams.cellParams["PYR"] = {
        "secs": {
            "soma": {
                "geom": {"diam": 18.8, "L": 18.8, "Ra": 123.0},
                "mechs": {"hh": {"gnabar": 0.12, "gkbar": 0.036, "gl": 0.003, "el": -70}},
            }
        }
    }
    netParams.cellParams["fire"] = {"cellModel": "IntFire1", "params": {"tau": 20.0}}
    # A point process with its own receptor and a variable that "fires": how NetPyNE describes
    # point neurons. Exp2Syn's conductance stands in for one, so that no compiler is needed.
    netParams.cellParams["point"] = {
        "secs": {
            "soma": {
                "geom": {"diam": 10.0, "L": 10.0},
                "mechs": {"pas": {}},
                "pointps": {
                    "unit": {
                        "mod": "Exp2Syn",
                        "tau1": 0.5,
                        "tau2": 2.0,
                        "vref": "g",
                        "synList": ["drive"],
                    }
                },
                "threshold": 0.5,
            }
        }
    }
    netParams.popParams["cells"] = {"cellType": "PYR", "numCells": 4}
    netParams.popParams["clock"] = {"cellModel": "NetStim", "numCells": 3, "rate": 50, "noise": 0}
    netParams.popParams["fire"] = {"cellType": "fire", "numCells": 3}
    netParams.popParams["point"] = {"cellType": "point", "numCells": 2}
    netParams.synMechParams["AMPA"] = {"mod": "Exp2Syn", "tau1": 0.1, "tau2": 1.0, "e": 0}
    netParams.connParams["clock->cells"] = {
        "preConds": {"pop": "clock"},
        "postConds": {"pop": "cells"},
        "convergence": 2,
        "weight": 0.05,
        "synMech": "AMPA",
        "delay": "uniform(1,5)",
    }
    netParams.connParams["cells->fire"] = {
        "preConds": {"pop": "cells"},
        "postConds": {"pop": "fire"},
        "weight": 0.6,
        "delay": 2,
    }
    return netParams
