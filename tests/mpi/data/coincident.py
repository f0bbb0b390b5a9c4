"""Events that meet on every synapse at one time, and whose sum shows in which order they came."""

from netpyne import specs

# In float64 1e11 + 0.001 - 1e11 is 0.00099, 1e11 - 1e11 + 0.001 is 0.001: one clock's spikes add
# up to a weight that depends on their order by a percent, not by the last bit.
_LARGE_uS = 1e11


def network(n_cells=12):
    """Excitatory and inhibitory cells, driven by generators that all fire at one time."""
    net = specs.NetParams()
    net.cellParams["HH"] = {
        "secs": {"soma": {"geom": {"L": 18.8, "diam": 18.8, "Ra": 123.0}, "mechs": {"hh": {}}}}
    }
    net.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    net.synMechParams["inh"] = {"mod": "Exp2Syn", "tau1": 0.6, "tau2": 8.5, "e": -75.0}
    for name, n_clocks, weight in (
        ("small", 5, "uniform(0.0003, 0.0013)"),
        ("plus", 4, _LARGE_uS),
        ("minus", 4, -_LARGE_uS),
    ):
        net.popParams[name] = {
            "cellModel": "NetStim",
            "numCells": n_clocks,
            "rate": 50.0,
            "start": 3.0,
            "noise": 0,
        }
        net.connParams[f"{name}->cells"] = {
            "preConds": {"pop": name},
            "postConds": {"pop": ["E", "I"]},
            "weight": weight,
            "delay": 4.0,
            "synMech": "exc",
        }
    for name, receptor in (("E", "exc"), ("I", "inh")):
        net.popParams[name] = {"cellType": "HH", "numCells": n_cells}
        net.connParams[f"{name}->cells"] = {
            "preConds": {"pop": name},
            "postConds": {"pop": ["E", "I"]},
            "weight": "uniform(0.00003, 0.0003)",
            "delay": 4.0,
            "synMech": receptor,
        }
    return net
