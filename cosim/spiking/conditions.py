"""NetPyNE's conditions matched to populations, without building a cell."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Conditions on where a cell lies or which it is: whether one holds is only known once it is built.
PER_CELL = ("x", "y", "z", "xnorm", "ynorm", "znorm", "gid", "cellList", "label", "fraction")


def cell_tags(net_params: Any, population: str) -> Iterator[dict[str, Any]]:
    """The tags that cells of a population can have; several when its cells are listed one by one.

    Args:
        net_params: The composed netParams.
        population: Composed label.
    """
    rule = net_params.popParams[population]
    tags = {key: rule[key] for key in net_params.popTagsCopiedToCells if key in rule}
    tags["pop"] = population
    model = net_params.cellParams.get(tags.get("cellType"), {}).get("cellModel")
    if model is not None:
        tags.setdefault("cellModel", model)
    cells: Sequence[dict[str, Any]] = rule.get("cellsList") or ({},)
    for cell in cells:
        yield {**tags, **cell}


def matches(conditions: Mapping[str, Any], tags: Mapping[str, Any]) -> bool:
    """Whether a cell with these tags can fulfil NetPyNE's conditions."""
    return all(
        tags.get(key) in value if isinstance(value, list) else tags.get(key) == value
        for key, value in conditions.items()
        if key not in PER_CELL
    )


def connected(
    net_params: Any, region_of: Mapping[str, str]
) -> tuple[set[tuple[str, str]], list[str]]:
    """Which regions the connection rules join, and the rules that join nothing.

    Args:
        net_params: The composed netParams.
        region_of: Region of each population label.

    Returns:
        Pairs (from, to) of different regions, and one line per rule without a match.
    """
    tags = {population: list(cell_tags(net_params, population)) for population in region_of}

    def regions(conditions: Mapping[str, Any]) -> set[str]:
        return {
            region
            for population, region in region_of.items()
            if any(matches(conditions, one) for one in tags[population])
        }

    pairs: set[tuple[str, str]] = set()
    idle = []
    for label, rule in net_params.connParams.items():
        ends = [(a, b) for a in regions(rule["preConds"]) for b in regions(rule["postConds"])]
        pairs.update((a, b) for a, b in ends if a != b)
        if not ends:
            idle.append(f"connParams rule {label!r} matches no cells; check its conditions.")
    return pairs, idle
