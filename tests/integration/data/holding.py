"""A silent circuit whose cells keep the value that they are given."""

from netpyne import specs


def cells(n_cells=2):
    net = specs.NetParams()
    soma = {"geom": {"L": 18.8, "diam": 18.8}, "mechs": {"pas": {"g": 5e-5, "e": -70.0}}}
    soma["pointps"] = {"holder": {"mod": "Holder", "loc": 0.5}}
    net.cellParams["holder"] = {"secs": {"soma": soma}}
    net.popParams["E"] = {"cellType": "holder", "numCells": n_cells}
    return net
