"""What circuits ask of NetPyNE's simConfig, merged; what is the experiment's own is ignored."""

from collections.abc import Mapping, Sequence
from typing import Any

from cosim.spiking.circuit import Circuit

# NetPyNE's defaults of the globals that every run sets.
_H_PARAMS = {"celsius": 6.3, "v_init": -65.0, "clamp_resist": 0.001}
# Attributes that shape the network, and the value for circuits that bring no simConfig. Duration,
# dt, seeds, recording and saving are the experiment's.
_SHAPING = {
    "oneSynPerNetcon": False,
    "connRandomSecFromList": True,
    "distributeSynsUniformly": True,
    "pt3dRelativeToCellLocation": True,
    "invertedYCoord": True,
    "allowSelfConns": False,
    "allowConnsWithWeight0": True,
    "random123": False,
    "rand123GlobalIndex": None,
    "use_fast_imem": False,
}
_REFUSED = {
    "cvode_active": "the exchange needs fixed steps",
    "coreneuron": "CoreNEURON cannot be fed spikes between windows",
    "use_local_dt": "the exchange needs fixed steps",
}


def merge_sim_configs(circuits: Sequence[Circuit]) -> tuple[dict[str, Any], list[str]]:
    """The simConfig values of a network of circuits.

    A circuit without a simConfig runs with NetPyNE's own celsius and v_init, and goes along with
    the others in the rest; alone, it shares one synapse per (cell, section, location, mechanism),
    which for linear synapses gives the same spikes and is several times faster.

    Args:
        circuits: The circuits, in order; the same one may occur several times.

    Returns:
        Attribute values (``hParams`` is a dictionary of NEURON's globals), and the conflicts,
        one line each.
    """
    problems: list[str] = []
    asked: dict[str, tuple[str, Any]] = {}
    for circuit in _distinct(circuits):
        problems += [
            f"Circuit {circuit.name!r}: simConfig.{name} is True, but {why}; set it to False."
            for name, why in _REFUSED.items()
            if circuit.sim_config is not None and getattr(circuit.sim_config, name, False)
        ]
        for name, value in _wishes(circuit).items():
            other, given = asked.setdefault(name, (circuit.name, value))
            if given != value:
                problems.append(
                    f"{name.removeprefix('hParams.')} is {given!r} in circuit {other!r} and "
                    f"{value!r} in circuit {circuit.name!r}; NEURON has one for the whole run. "
                    f"Set the same in both."
                )
    values: dict[str, Any] = {name: asked.get(name, ("", _SHAPING[name]))[1] for name in _SHAPING}
    values["hParams"] = {
        name.removeprefix("hParams."): value
        for name, (_, value) in asked.items()
        if name.startswith("hParams.")
    }
    return values, problems


def _wishes(circuit: Circuit) -> dict[str, Any]:
    config = circuit.sim_config
    wishes: dict[str, Any] = {}
    h_params: Mapping[str, Any] = {}
    if config is not None:
        wishes = {name: getattr(config, name) for name in _SHAPING if hasattr(config, name)}
        h_params = dict(config.hParams)
    merged = {**_H_PARAMS, **h_params}
    for rule in circuit.net_params.cellParams.values():
        for name, value in dict(rule.get("globals") or {}).items():
            merged.setdefault(name, value)  # as NetPyNE: simConfig first, then the first rule
    return {**wishes, **{f"hParams.{name}": value for name, value in merged.items()}}


def _distinct(circuits: Sequence[Circuit]) -> list[Circuit]:
    found: list[Circuit] = []
    for circuit in circuits:
        if all(circuit is not other for other in found):
            found.append(circuit)
    return found
