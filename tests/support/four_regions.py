"""A connectome of four regions, and small circuits in it.

Weights ``[target, source]`` and tract lengths at 3 mm/ms, so that lengths of 9, 12, 15 ... mm are
delays of 3, 4, 5 ... ms.
"""

import numpy as np

from cosim.config import CellVariable, Circuit, Input, Output
from cosim.spiking.interpreter import netpyne_specs

REGIONS = ("V1", "V2", "M1", "S1")
WEIGHTS = np.array(
    [[9.0, 0.5, 0.2, 0.0], [0.4, 9.0, 0.0, 0.1], [0.3, 0.0, 0.0, 0.6], [0.0, 0.7, 0.8, 0.0]]
)
LENGTHS_MM = np.array(
    [[0.0, 9.0, 12.0, 3.0], [15.0, 0.0, 3.0, 18.0], [21.0, 3.0, 0.0, 6.0], [3.0, 24.0, 6.0, 0.0]]
)
START = {"S_e": 0.16, "S_i": 0.04}
DRIVE = Input(source="R_e", to="E", receptor="exc")
GATE = CellVariable(synMech="exc", var="g")


def text_of(matrix):
    return "\n".join(" ".join(str(value) for value in row) for row in matrix)


def circuit(*regions, **changes):
    """The shipped circuit, small, in some regions."""
    keys = {
        "circuit": "balanced_ei",
        "regions": list(regions) or ["V1"],
        "parameters": {"order": 5},
        "inputs": [DRIVE],
    }
    return Circuit(**{**keys, **changes})


def pools(populations=("E", "I"), joined=(), celsius=None, dt_ms=None):
    """A circuit brought as objects: populations of 3 cells, some of them joined."""
    specs = netpyne_specs()
    params = specs.NetParams()
    params.cellParams["HH"] = {
        "secs": {"soma": {"geom": {"L": 20.0, "diam": 20.0}, "mechs": {"hh": {}}}}
    }
    params.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    for name in populations:
        params.popParams[name] = {"cellType": "HH", "numCells": 3}
    for pre, post in joined:
        params.connParams[f"{pre}->{post}"] = {
            "preConds": {"pop": pre},
            "postConds": {"pop": post},
            "weight": 0.01,
            "delay": 5.0,
            "synMech": "exc",
        }
    if celsius is None and dt_ms is None:
        return params
    config = specs.SimConfig()
    config.dt = dt_ms or 0.05
    config.hParams["celsius"] = celsius or 6.3
    return params, config


def spanning(joined=(), **changes):
    """One circuit over V1 and V2, an excitatory population in each."""
    keys = {
        "circuit": pools(("A", "B"), joined),
        "populations": {"A": "V1", "B": "V2"},
        "inputs": [Input(to="A"), Input(to="B")],
        "outputs": [Output(source="A", to="R_e"), Output(source="B", to="R_e")],
    }
    return Circuit(**{**keys, **changes})
