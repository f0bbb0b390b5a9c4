"""Cells of one population that alternate between two lengths of dendrite."""

from netpyne import specs


def network():
    net = specs.NetParams()
    for name, length_um in (("long", 200.0), ("short", 100.0)):
        soma = {"geom": {"L": 20.0, "diam": 20.0}, "mechs": {"hh": {}}}
        dend = {
            "geom": {"L": length_um, "diam": 2.0},
            "topol": {"parentSec": "soma", "parentX": 1.0, "childX": 0.0},
            "mechs": {"pas": {}},
        }
        net.cellParams[name] = {
            "secs": {"soma": soma, "dend": dend},
            "conds": {"cellType": name},
        }
    net.popParams["E"] = {"cellsList": [{"cellType": "long"}, {"cellType": "short"}] * 2}
    net.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    return net
