"""Whether an event on a receptor excites or inhibits, read from netParams."""

import re
from typing import Any, Literal

from cosim.spiking.receptors import point_neuron, receptors_of, sections_of, target_section

Sign = Literal["excitatory", "inhibitory", "undetermined"]

# Spike thresholds lie between: a reversal above drives a cell to fire, one below holds it back.
_EXCITES_ABOVE_MV = -40.0
_INHIBITS_BELOW_MV = -55.0
# Receptors of glutamate and of GABA.
_EXCITING, _INHIBITING = ("ampa", "nmda"), ("gaba",)
# What NEURON's own synapses have when netParams give no reversal.
_REVERSAL_MV = {"ExpSyn": 0.0, "Exp2Syn": 0.0}


def sign_of(net_params: Any, population: str, receptor: str, weight: Any) -> Sign:
    """Whether an event on a receptor drives its cells to fire.

    The reversal potential decides: above -40 mV excitatory, below -55 mV inhibitory. A receptor
    without one is judged by the transmitter in its name (AMPA, NMDA, GABA), or by the weight where
    that is added to the cell's state, as in NEURON's IntFire cells; else it is undetermined.

    Args:
        net_params: NetPyNE's netParams.
        population: Population that receives.
        receptor: Label in synMechParams.
        weight: The rule's weight.
    """
    synapses = {str(label): str(label) for label in net_params.synMechParams}
    if receptor not in receptors_of(net_params, population, synapses):
        return "undetermined"
    rule = net_params.synMechParams.get(receptor)
    number = plain_number(weight)
    if rule is None:
        if receptor.startswith("IntFire") and number:
            return "excitatory" if number > 0 else "inhibitory"
        point = _point(net_params, population)
        rule = {
            re.sub(rf"_?{re.escape(receptor)}_?", "", str(key), flags=re.IGNORECASE): value
            for key, value in point.items()
            if receptor.lower() in str(key).lower()
        }
    reversal = next(
        (
            plain_number(v)
            for k, v in rule.items()
            if str(k).lower() in ("e", "erev", "e_rev", "esyn")
        ),
        _REVERSAL_MV.get(str(rule.get("mod"))),
    )
    if number is not None and number < 0:
        return "undetermined"
    if reversal is None:
        return _sign_of_transmitter(receptor)
    if reversal > _EXCITES_ABOVE_MV:
        return "excitatory"
    return "inhibitory" if reversal < _INHIBITS_BELOW_MV else "undetermined"


def _sign_of_transmitter(receptor: str) -> Sign:
    """A receptor that is called after its transmitter tells what its mechanism does not."""
    name = receptor.lower()
    if name.startswith(_EXCITING):
        return "excitatory"
    return "inhibitory" if name.startswith(_INHIBITING) else "undetermined"


def _point(net_params: Any, population: str) -> dict[str, Any]:
    sections = sections_of(net_params, population)
    found = point_neuron(target_section(sections)[1]) if sections else None
    return dict(found[1]) if found else {}


def plain_number(value: Any) -> float | None:
    """A number, or None for an expression."""
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
