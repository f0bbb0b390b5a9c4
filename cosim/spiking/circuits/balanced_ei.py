"""The balanced excitatory-inhibitory node of single-compartment Hodgkin-Huxley cells."""

import math
from typing import Any

from cosim.errors import ConfigurationError
from cosim.spiking.interpreter import netpyne_specs
from cosim.spiking.library import register_circuit


@register_circuit(
    "balanced_ei",
    paper="Bragin et al., Interfacing biophysical circuits with whole-brain networks using The "
    "Virtual Brain and NetPyNE (poster)",
)
def balanced_ei(order: int = 100, recurrent_excitation: float = 0.35) -> Any:
    """Sparsely connected E and I cells whose only drive is what they are given.

    With ``recurrent_excitation = 1`` it is the published node, whose E to E weight sustains
    activity for ever without input; at 0.35 it falls silent when the input ends and its rate
    follows the mean field's. Populations ``E`` and ``I``, receptors ``exc`` and ``inh``.

    Args:
        order: Size: round(1.2 * order) excitatory and round(0.4 * order) inhibitory cells.
        recurrent_excitation: Factor on the weights of E to E and E to I.

    Returns:
        NetPyNE netParams; celsius 6.3 and v_init -65 mV are NetPyNE's defaults.

    Raises:
        ConfigurationError: If a population would be empty or a weight negative.

    References:
        Bragin et al., "Interfacing biophysical circuits with whole-brain networks using The
        Virtual Brain and NetPyNE" (poster): cells, synapses, probabilities and weights.
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 2:
        raise ConfigurationError(
            f"balanced_ei: order = {order!r} is not a whole number >= 2: round(0.4 * order) "
            f"inhibitory cells would be none. Use 2 or more."
        )
    if not (math.isfinite(recurrent_excitation) and recurrent_excitation >= 0):
        raise ConfigurationError(
            f"balanced_ei: recurrent_excitation = {recurrent_excitation!r} is not a finite number "
            f">= 0; 1 is the published node, 0.35 the default."
        )
    net_params = netpyne_specs().NetParams()
    net_params.cellParams["HH"] = {
        "secs": {
            "soma": {
                "geom": {"L": 18.8, "diam": 18.8, "Ra": 123.0},
                "mechs": {"hh": {"gnabar": 0.12, "gkbar": 0.036, "gl": 0.003, "el": -70.0}},
                "threshold": 10.0,
            }
        }
    }
    net_params.popParams["E"] = {"cellType": "HH", "numCells": round(1.2 * order)}
    net_params.popParams["I"] = {"cellType": "HH", "numCells": round(0.4 * order)}
    net_params.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    net_params.synMechParams["inh"] = {"mod": "Exp2Syn", "tau1": 0.6, "tau2": 8.5, "e": -75.0}
    for pre, post, probability, weight_uS in (
        ("E", "E", 0.01, 0.02 * recurrent_excitation),
        ("E", "I", 0.01, 0.01 * recurrent_excitation),
        ("I", "E", 0.03, 0.01),
        ("I", "I", 0.03, 0.01),
    ):
        net_params.connParams[f"{pre}->{post}"] = {
            "preConds": {"pop": pre},
            "postConds": {"pop": post},
            "probability": probability,
            "weight": weight_uS,
            "delay": 5.0,
            "synMech": "exc" if pre == "E" else "inh",
        }
    return net_params
