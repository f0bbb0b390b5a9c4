"""NetPyNE's reaction-diffusion rules with the labels of one circuit copy, confined to its cells.

NetPyNE finds the labels of regions, species, states, parameters and constants inside expressions
such as ``ca[cyt] * ip3`` by plain text, longest label first. The same search renames them here, so
an expression means after it what it meant before. The name that NEURON knows a species by stays
the circuit's own: it is what joins ``ca`` to the ion of that name. NEURON takes several species of
one name on regions of different sections, each with its own parameters, and solves every section
tree and every segment for itself, so a copy's numbers are those that it would have alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cosim.errors import ConfigurationError

Rule = dict[str, Any]

# What has labels that expressions may name.
_NAMED = ("constants", "regions", "species", "states", "parameters")
# NetPyNE looks for these in the initial value of a species; for all of them elsewhere.
_IN_INITIAL = ("constants", "regions", "parameters")
_REACTING = ("reactions", "multicompartmentReactions", "rates")
_EXPRESSIONS = ("reactant", "product", "rate_f", "rate_b", "species", "rate", "value")
_ALL_CELLS = ("all", "allCells")


def rename_rxd(
    rxd: Mapping[str, Any],
    copy: str,
    populations: Mapping[str, str],
    bodies: Iterable[str],
    *,
    confine: bool,
) -> Rule:
    """The rxdParams of one circuit copy.

    Args:
        rxd: The circuit's rxdParams as plain data; not changed.
        copy: Label of this copy, put before every label.
        populations: Composed label of each population of the circuit.
        bodies: Composed labels of those populations whose cells have sections.
        confine: Whether other circuits share the network.

    Raises:
        ConfigurationError: If a region names cells by gid while other circuits share the network.
    """
    labels = {
        kind: {str(label): f"{copy}.{label}" for label in rxd.get(kind) or {}} for kind in _NAMED
    }
    if "extracellular" in rxd:
        # NetPyNE files the network's one extracellular space under the label of a region.
        labels["regions"]["extracellular"] = f"{copy}.extracellular"
    everywhere = {old: new for names in labels.values() for old, new in names.items()}
    at_start = {old: new for kind in _IN_INITIAL for old, new in labels[kind].items()}
    renamed: Rule = {}
    for kind, rules in rxd.items():
        if kind == "extracellular":
            continue
        renamed[kind] = {}
        for label, rule in rules.items():
            new = rule if kind == "constants" else dict(rule)
            if kind == "regions" and not new.get("extracellular"):
                new["cells"] = _cells(str(label), new, populations, bodies, confine=confine)
            elif kind in ("species", "states", "parameters"):
                new.setdefault("name", str(label))
                if "initial" in new:
                    new["initial"] = _renamed(new["initial"], at_start)
            if kind not in ("constants", "regions"):
                _rename_fields(new, labels["regions"], everywhere)
            renamed[kind][f"{copy}.{label}"] = new
    if "extracellular" in rxd:
        region = {**rxd["extracellular"], "extracellular": True}
        renamed.setdefault("regions", {})[f"{copy}.extracellular"] = region
    return renamed


def has_extracellular(rxd: Mapping[str, Any]) -> bool:
    """Whether rxdParams describe a space outside the cells."""
    regions = (rxd.get("regions") or {}).values()
    return "extracellular" in rxd or any(region.get("extracellular") for region in regions)


def without_regions(rxd: Mapping[str, Any], absent: Iterable[str]) -> Rule:
    """The rxdParams of a rank that has no section of some regions.

    NetPyNE leaves such regions out of species and fails on parameters, rates and reactions that
    name them, so a population with fewer cells than there are ranks could not be built.

    Args:
        rxd: The composed rxdParams; not changed.
        absent: Labels of the regions without a section here.
    """
    gone = set(absent)
    kept: Rule = {kind: dict(rules) for kind, rules in rxd.items()}
    if not gone:
        return kept
    known = [str(label) for kind in _NAMED for label in rxd.get(kind) or {}]
    kept["regions"] = {key: rule for key, rule in kept["regions"].items() if key not in gone}
    for kind in ("species", "states", "parameters"):
        for label, rule in (rxd.get(kind) or {}).items():
            here = [name for name in _listed(rule.get("regions")) if name not in gone]
            kept[kind][label] = {**rule, "regions": here}
            if not here:
                gone.add(str(label))
                del kept[kind][label]
    for kind in _REACTING:
        for label, rule in (rxd.get(kind) or {}).items():
            named = {
                name
                for key in _EXPRESSIONS
                if isinstance(rule.get(key), str)
                for name in _names_in(rule[key], known)
            }
            regions = [name for name in _listed(rule.get("regions")) if name not in gone]
            nowhere = bool(rule.get("regions")) and not regions
            if named & gone or rule.get("membrane") in gone or nowhere:
                del kept[kind][label]
            elif rule.get("regions"):
                kept[kind][label] = {**rule, "regions": regions}
    return kept


def _rename_fields(rule: Rule, regions: Mapping[str, str], everywhere: Mapping[str, str]) -> None:
    for key in _EXPRESSIONS:
        if key in rule:
            rule[key] = _renamed(rule[key], everywhere)
    if rule.get("regions") is not None:
        rule["regions"] = [regions.get(name, name) for name in _listed(rule["regions"])]
    if rule.get("membrane") in regions:
        rule["membrane"] = regions[rule["membrane"]]


def _cells(
    label: str,
    rule: Rule,
    populations: Mapping[str, str],
    bodies: Iterable[str],
    *,
    confine: bool,
) -> list[Any]:
    found: list[Any] = []
    for cells in _listed(rule.get("cells", "all")):
        if cells in _ALL_CELLS:
            return list(bodies)
        if isinstance(cells, int) and confine:
            raise ConfigurationError(
                f"rxdParams region {label!r} names the cell with gid {cells}, which changes when "
                f"circuits share a network. Name a population, or (population, [0, 1, ...])."
            )
        if isinstance(cells, list | tuple):
            found.append((populations.get(cells[0], cells[0]), *cells[1:]))
        else:
            found.append(populations.get(cells, cells))
    return found


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _pattern(labels: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(labels, key=len, reverse=True))))


def _renamed(expression: Any, labels: Mapping[str, str]) -> Any:
    if not isinstance(expression, str) or not labels:
        return expression
    return _pattern(labels).sub(lambda match: labels[match.group(0)], expression)


def _names_in(expression: str, labels: list[str]) -> Iterator[str]:
    for match in _pattern(labels).finditer(expression):
        yield match.group(0)
