"""A gating variable that a circuit's own synapses carry, averaged over a population."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import ConfigurationError
from cosim.registry import unknown_name

# Values are added over ranks as integers, so that the order of ranks cannot matter: 40 bits of
# fraction leave room for 8 million cells.
_FIXED_POINT = 2.0**40


@dataclass(frozen=True)
class ProbeSite:
    """What is read in each cell, in the words of NetPyNE's ``recordTraces``.

    Attributes:
        var: NEURON variable, such as ``s``.
        sec: Section.
        loc: Position along the section, 0 to 1.
        mech: Density mechanism that has the variable.
        synMech: Or the synaptic mechanism, by the circuit's label.
        pointp: Or the point process, by the circuit's label.
    """

    var: str
    sec: str = "soma"
    loc: float = 0.5
    mech: str | None = None
    synMech: str | None = None
    pointp: str | None = None


@dataclass(frozen=True)
class Reading:
    """A gating variable that a circuit keeps itself.

    Attributes:
        population: Population that is averaged, ``REGION.POP``.
        site: What is read in each cell.
        where: Its place in the experiment, for messages.
    """

    population: str
    site: ProbeSite
    where: str


class ProbePort:
    """Reads one variable of every cell of a population on this rank.

    Args:
        h: NEURON's interpreter.
        pointers: Pointers to the variable, one per local cell.
        n_cells: Cells of the population, over all ranks.
    """

    def __init__(self, h: Any, pointers: list[Any], n_cells: int):
        self.n_cells = n_cells
        self._n = len(pointers)
        self._rows: list[int] = []
        if pointers:
            self._values = h.Vector(self._n)
            self._gather = h.PtrVector(self._n)
            for index, pointer in enumerate(pointers):
                self._gather.pset(index, pointer)

    def sample(self) -> None:
        """Read the variable now, at the end of a mean-field step."""
        total = 0
        if self._n:
            self._gather.gather(self._values)
            total = int(np.rint(np.array(self._values) * _FIXED_POINT).astype(np.int64).sum())
        self._rows.append(total)

    def take(self) -> NDArray[np.int64]:
        """Sums over the local cells since the last call, fixed point, shape ``(n_steps,)``."""
        rows = np.array(self._rows, dtype=np.int64)
        self._rows.clear()
        return rows


def mean_of(total: NDArray[np.int64], n_cells: int) -> NDArray[np.float64]:
    """Population average from sums over all ranks, same shape."""
    return total / (_FIXED_POINT * n_cells)


def reading_problem(
    reading: Reading,
    sections: Mapping[str, Any],
    known: Mapping[str, str],
    key: str = "gating",
) -> str:
    """What netParams alone can tell is wrong with a reading; empty if nothing.

    Args:
        reading: What is to be read.
        sections: Sections of the population's cells, from netParams.
        known: Composed label per synaptic mechanism of the circuit.
        key: What the experiment file calls it.
    """
    site, where = reading.site, f"{reading.where}.{key}"
    if site.sec not in sections:
        return f"{where}.sec: {unknown_name('section', site.sec, sections)}"
    if site.synMech is not None and site.synMech not in known:
        return f"{where}.synMech: {unknown_name('synMech', site.synMech, known)}"
    points = sections[site.sec].get("pointps") or {}
    if site.pointp is not None and site.pointp not in points:
        return f"{where}.pointp: {unknown_name('pointp', site.pointp, points)}"
    mechanisms = sections[site.sec].get("mechs") or {}
    if site.mech is not None and site.mech not in mechanisms:
        return f"{where}.mech: {unknown_name('mech', site.mech, mechanisms)}"
    return ""


def pointer_to(cell: Any, reading: Reading, receptors: Mapping[str, str]) -> Any:
    """The variable of one NetPyNE cell.

    Args:
        cell: NetPyNE's cell.
        reading: What to read.
        receptors: Composed label per receptor of the circuit.

    Raises:
        ConfigurationError: If the cell has no such section, mechanism or variable.
    """
    site, where = reading.site, reading.where
    sections = cell.secs
    if site.sec not in sections:
        raise ConfigurationError(f"{where}: {unknown_name('section', site.sec, sections)}")
    section = sections[site.sec]
    owner: Any = section["hObj"](site.loc)
    if site.mech is not None:
        owner = getattr(owner, site.mech, None)
    elif site.pointp is not None:
        points = section.get("pointps", {})
        if site.pointp not in points:
            raise ConfigurationError(f"{where}: {unknown_name('pointp', site.pointp, points)}")
        owner = points[site.pointp]["hObj"]
    elif site.synMech is not None:
        label = receptors.get(site.synMech, site.synMech)
        found = [s["hObj"] for s in section.get("synMechs", []) if s["label"] == label]
        if not found:
            there = {s["label"] for s in section.get("synMechs", [])}
            present = [name for name, label in receptors.items() if label in there]
            raise ConfigurationError(f"{where}: {unknown_name('synMech', site.synMech, present)}")
        owner = found[0]
    pointer = None if owner is None else getattr(owner, f"_ref_{site.var}", None)
    if pointer is None:
        raise ConfigurationError(
            f"{where}: section {site.sec!r} has no variable {site.var!r} there; check mech, "
            f"synMech or pointp and var."
        )
    return pointer
