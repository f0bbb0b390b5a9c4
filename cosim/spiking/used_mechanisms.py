"""Mechanisms that a network names and NEURON does not have, found before anything is built."""

from collections.abc import Iterator
from typing import Any

from cosim.registry import did_you_mean

# NetPyNE makes these by itself.
_OWN = frozenset({"VecStim", "DynamicNetStim", "PatternStim", "ElectSynapse"})


def unknown_mechanisms(net_params: Any, known: frozenset[str]) -> Iterator[str]:
    """One line per mechanism that is named and not known.

    Args:
        net_params: The composed netParams.
        known: What NEURON has.
    """
    told = set()
    for name, where in _named(net_params):
        if name not in known and name not in _OWN and name not in told:
            told.add(name)
            yield (
                f"{where} names the mechanism {name!r}, which NEURON does not have."
                f"{did_you_mean(name, known)} Name the folder of its .mod file with "
                f"circuits[].mechanisms."
            )


def _named(net_params: Any) -> Iterator[tuple[str, str]]:
    for label, rule in net_params.cellParams.items():
        for section, content in (rule.get("secs") or {}).items():
            where = f"cellParams rule {label!r}, section {section!r},"
            yield from ((str(name), where) for name in content.get("mechs") or ())
            for point in (content.get("pointps") or {}).values():
                if "mod" in point:
                    yield str(point["mod"]), where
    for label, rule in net_params.synMechParams.items():
        if "mod" in rule:
            yield str(rule["mod"]), f"synMechParams {label!r}"
