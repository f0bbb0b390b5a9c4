"""Where on a cell something arrives: sections by name, by list, or by distance from the soma."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cosim.config_circuit import Where
from cosim.errors import ConfigurationError
from cosim.registry import unknown_name
from cosim.spiking.receptors import target_section


@dataclass(frozen=True)
class Location:
    """One place on a cell.

    Attributes:
        section: Name of the section.
        loc: Position along it, 0 to 1.
        share: Part of what the cell receives that arrives here; a cell's shares add up to 1.
    """

    section: str
    loc: float
    share: float


def where_problem(
    here: str, where: Where | None, sections: Mapping[str, Any], lists: Iterable[str]
) -> str:
    """What netParams alone can tell is wrong with a place; empty if nothing.

    Args:
        here: The input's place in the experiment, for messages.
        where: The place.
        sections: Sections of the population's cells.
        lists: Names of their lists of sections.
    """
    if where is None:
        return ""
    if not sections:
        return f"{here}.where: the population's cells have no sections; remove where."
    known = [*sections, *lists]
    for name in where.sections or ():
        if name not in known:
            return f"{here}.where.sec: {unknown_name('section', name, known)}"
    return ""


def locations(h: Any, cell: Any, where: Where | None) -> tuple[Location, ...]:
    """The places of one cell, in the order of its sections.

    Args:
        h: NEURON's interpreter.
        cell: NetPyNE's cell, with sections.
        where: The place asked for; None is the middle of the soma (or of the first section).

    Raises:
        ConfigurationError: If no part of the cell lies within the distances, or the cell lacks
            a section that others of its population have.
    """
    sections = cell.secs
    if where is None:
        return (Location(target_section(sections)[0], 0.5, 1.0),)
    if where.sections is not None:
        lists = vars(cell).get("secLists") or {}
        names = [n for name in where.sections for n in lists.get(name, (name,))]
        for name in names:
            if name not in sections:
                raise ConfigurationError(
                    f"where.sec: {unknown_name('section of a cell', name, sections)} The cells of "
                    f"the population differ, and an input arrives at the same sections of all."
                )
        places = [(name, where.loc, float(sections[name]["hObj"].L)) for name in _once(names)]
    else:
        assert where.distance_um is not None
        places = list(_within(h, sections, *where.distance_um))
    if not places:
        far = max(d for _, _, d in _distances(h, sections))
        raise ConfigurationError(
            f"where.distance_um = {where.distance_um}: no part of the cell lies there; its "
            f"farthest is {far:.4g} um from the soma. Give distances within that."
        )
    whole = sum(length for _, _, length in places)
    return tuple(Location(name, loc, length / whole) for name, loc, length in places)


def _once(names: Iterable[str]) -> Iterator[str]:
    yield from dict.fromkeys(names)


def _within(
    h: Any, sections: Mapping[str, Any], nearest: float, farthest: float
) -> Iterator[tuple[str, float, float]]:
    for name, loc, distance in _distances(h, sections):
        if nearest <= distance <= farthest:
            section = sections[name]["hObj"]
            yield name, loc, float(section.L) / section.nseg


def _distances(h: Any, sections: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    """Section, position and path distance from the soma's middle of every segment, um."""
    root = target_section(sections)[1]["hObj"](0.5)
    for name, section in sections.items():
        for segment in section["hObj"]:
            yield str(name), float(segment.x), float(h.distance(root, segment))
