"""Cortex and thalamus as one network of adaptive exponential cells, over two regions."""

import math
from pathlib import Path
from typing import Any

from cosim.errors import ConfigurationError
from cosim.spiking.interpreter import netpyne_specs
from cosim.spiking.library import register_circuit

# Destexhe 2009: cells of the whole network, and what makes each kind of cell (uS, nA).
_CELLS = {"CxE": 1600, "CxI": 400, "TC": 100, "RE": 100}
_ADAPTATION = {"CxI": (0.001, 0.0), "TC": (0.04, 0.0), "RE": (0.08, 0.03)}
_CXE_COUPLING_US = 0.001
_AREA_UM2 = 20000.0
# From, to, and the synapses of each target cell: 2 % of 1600, 400 or 100 cells, 8 % of RE.
_CONVERGENCE = (
    ("CxE", "CxE", 32),
    ("CxE", "CxI", 32),
    ("CxI", "CxE", 8),
    ("CxI", "CxI", 8),
    ("TC", "RE", 2),
    ("RE", "TC", 8),
    ("RE", "RE", 8),
    ("CxE", "TC", 32),
    ("CxE", "RE", 32),
    ("TC", "CxE", 2),
    ("TC", "CxI", 2),
)
_CORTEX = ("CxE", "CxI")
_SMALLEST_SIZE = 0.1
_WEIGHT_US = {"exc": 0.006, "inh": 0.067}


@register_circuit(
    "cortico_thalamic",
    paper="Destexhe 2009, J Comput Neurosci, doi:10.1007/s10827-009-0164-4",
    mechanisms=Path(__file__).parent / "mechanisms" / "cortico_thalamic",
    inputs=tuple(
        {
            "from": "R_e",
            "to": population,
            "receptor": "exc",
            "coupling": "aggregated",
            "rate_scale": 50.0,
            "weight_uS": 0.006,
        }
        for population in ("CxE", "TC")
    ),
    outputs=(
        {"from": "CxE", "to": "R_e"},
        {"from": "CxI", "to": "R_i"},
        {"from": "TC", "to": "R_e"},
        {"from": "RE", "to": "R_i"},
    ),
    cpu_s_per_s=0.72,
)
def cortico_thalamic(
    size: float = 0.25,
    adaptation_nA: float = 0.005,
    local_delay_ms: float = 0.11,
    thalamocortical_delay_ms: float = 0.11,
) -> Any:
    """Regular- and fast-spiking cortex, bursting thalamic relay and reticular cells.

    One circuit over two regions: ``populations: {CxE: CORTEX, CxI: CORTEX, TC: THALAMUS, RE:
    THALAMUS}``. It makes its own connections between the two, so the connectome's between those
    regions are not made again. Receptors ``exc`` and ``inh``. Every cell has the same membrane
    (200 pF, 10 nS, -60 mV); what it does is set by its adaptation: regular-spiking cells adapt
    after spikes, relay cells burst on rebound from inhibition, reticular cells burst either way.

    Weak adaptation (0.005 nA) gives asynchronous irregular states, 30 Hz in CxE, that sustain
    themselves once started; strong (0.04) gives Up and Down states, or silence. Nothing starts the
    activity but the inputs. ``size`` scales the populations and keeps the synapses of each cell, as
    the author's small networks do; below 1 the irregular state has pauses.

    Args:
        size: Fraction of the paper's 1600, 400, 100 and 100 cells.
        adaptation_nA: What a spike adds to the adaptation current of CxE.
        local_delay_ms: Delay within cortex and within thalamus.
        thalamocortical_delay_ms: Delay between the two, both ways. The paper has none but the
            step; 0.11 ms arrives in the same step as 0.1, and NEURON on several ranks asks for
            more than a step.

    Returns:
        NetPyNE netParams, and a simConfig with the paper's step, 0.1 ms, and v_init -60 mV.

    Raises:
        ConfigurationError: If a parameter is outside its range.

    References:
        Destexhe (2009), Self-sustained asynchronous irregular states and Up-Down states in
        thalamic, cortical and thalamocortical networks of nonlinear integrate-and-fire neurons, J
        Comput Neurosci 27:493-506, doi:10.1007/s10827-009-0164-4; membrane, synapses, cortical
        wiring and spike mechanism as in its author's programs (ModelDB 126466), which have no
        thalamus: connection probabilities with and within it are those of published replications.
    """
    _check(size, adaptation_nA, local_delay_ms, thalamocortical_delay_ms)
    specs = netpyne_specs()
    net_params = specs.NetParams()
    adaptation = {"CxE": (_CXE_COUPLING_US, adaptation_nA), **_ADAPTATION}
    for name, n_cells in _CELLS.items():
        net_params.cellParams[name] = {"secs": {"soma": _soma(*adaptation[name])}}
        net_params.popParams[name] = {"cellType": name, "numCells": round(n_cells * size)}
    net_params.synMechParams["exc"] = {"mod": "ExpSyn", "tau": 5.0, "e": 0.0}
    net_params.synMechParams["inh"] = {"mod": "ExpSyn", "tau": 10.0, "e": -80.0}
    for pre, post, convergence in _CONVERGENCE:
        receptor = "exc" if pre in ("CxE", "TC") else "inh"
        within = (pre in _CORTEX) == (post in _CORTEX)
        net_params.connParams[f"{pre}->{post}"] = {
            "preConds": {"pop": pre},
            "postConds": {"pop": post},
            "convergence": convergence,
            "weight": _WEIGHT_US[receptor],
            "delay": local_delay_ms if within else thalamocortical_delay_ms,
            "synMech": receptor,
        }
    config = specs.SimConfig()
    config.hParams = {"celsius": 36.0, "v_init": -60.0}
    config.dt = 0.1
    config.oneSynPerNetcon = False  # the synapses are linear, so that cells may share them
    return net_params, config


def _soma(a_uS: float, b_nA: float) -> dict[str, Any]:
    side = math.sqrt(_AREA_UM2 / math.pi)
    return {
        "geom": {"L": side, "diam": side, "cm": 1.0},
        "mechs": {"pas": {"g": 5e-5, "e": -60.0}},
        "pointps": {"adex": {"mod": "DestexheAdEx", "a": a_uS, "b": b_nA}},
        "threshold": -50.0,
    }


def _check(
    size: float, adaptation_nA: float, local_delay_ms: float, thalamocortical_delay_ms: float
) -> None:
    problems = []
    if not (math.isfinite(size) and size >= _SMALLEST_SIZE):
        problems.append(
            f"cortico_thalamic: size = {size!r} is not a number >= {_SMALLEST_SIZE}: each cell has "
            f"8 synapses from 100 * size reticular cells. Use {_SMALLEST_SIZE} or more."
        )
    if not (math.isfinite(adaptation_nA) and adaptation_nA >= 0):
        problems.append(
            f"cortico_thalamic: adaptation_nA = {adaptation_nA!r} is not a finite number >= 0; the "
            f"paper has 0.005 to 0.04."
        )
    for name, delay in (
        ("local_delay_ms", local_delay_ms),
        ("thalamocortical_delay_ms", thalamocortical_delay_ms),
    ):
        if not (math.isfinite(delay) and delay > 0.1):
            problems.append(
                f"cortico_thalamic: {name} = {delay!r} is not a number > 0.1 ms, the step; use "
                f"0.11 or more."
            )
    if problems:
        raise ConfigurationError(*problems)
