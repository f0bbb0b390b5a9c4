"""Cells that fire together onto each other's synapses, each with its own weight."""

from netpyne import specs


def network(n_cells=12):
    """Two populations that one clock drives, all connected to all with unequal weights."""
    net = specs.NetParams()
    net.cellParams["HH"] = {
        "secs": {"soma": {"geom": {"L": 18.8, "diam": 18.8, "Ra": 123.0}, "mechs": {"hh": {}}}}
    }
    net.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    net.synMechParams["inh"] = {"mod": "Exp2Syn", "tau1": 0.6, "tau2": 8.5, "e": -75.0}
    net.stimSourceParams["clock"] = {"type": "NetStim", "rate": 50.0, "start": 3, "noise": 0}
    for pop, receptor in (("E", "exc"), ("I", "inh")):
        net.popParams[pop] = {"cellType": "HH", "numCells": n_cells}
        net.stimTargetParams[f"clock->{pop}"] = {
            "source": "clock",
            "conds": {"pop": pop},
            "weight": 0.005,
            "delay": 1,
            "synMech": "exc",
        }
        net.connParams[f"{pop}->all"] = {
            "preConds": {"pop": pop},
            "postConds": {"pop": ["E", "I"]},
            "weight": "uniform(0.00003, 0.0003)",
            "delay": 4.0,
            "synMech": receptor,
        }
    return net
