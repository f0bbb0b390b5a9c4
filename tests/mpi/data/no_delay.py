"""Cells joined without a delay."""

from netpyne import specs


def network():
    net = specs.NetParams()
    net.cellParams["cell"] = {"cellModel": "IntFire1", "params": {"tau": 20.0, "refrac": 3.0}}
    net.popParams["E"] = {"cellType": "cell", "numCells": 4}
    net.connParams["E->E"] = {
        "preConds": {"pop": "E"},
        "postConds": {"pop": "E"},
        "connList": [[0, 1], [1, 2]],
        "weight": [0.5, 0.5],
        "delay": [0.0, 0.0],
    }
    return net
