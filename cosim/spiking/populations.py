"""Populations of a network that NetPyNE has created, over all ranks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import ConfigurationError, SimulationError


def find_populations(
    sim: Any,
) -> tuple[dict[str, NDArray[np.int64]], dict[str, int], dict[str, int]]:
    """Ids of the cells of each population. Collective.

    Args:
        sim: NetPyNE's module of the running network, its cells created.

    Returns:
        By label: ids on this rank, sorted, ``(n_local,)``; cells over all ranks; smallest id over
        all ranks. Ids of a population have no gaps.

    Raises:
        ConfigurationError: If a population is empty or its cells have no sections.
        SimulationError: If ids have gaps.
    """
    cells = {int(cell.gid): cell for cell in sim.net.cells}
    local = {
        label: np.array(sorted(pop.cellGids), dtype=np.int64) for label, pop in sim.net.pops.items()
    }
    sizes: dict[str, int] = {}
    firsts: dict[str, int] = {}
    problems = []
    for label, gids in local.items():
        n_cells = int(sim.pc.allreduce(float(gids.size), 1))
        first = int(sim.pc.allreduce(float(gids.min()) if gids.size else 1e18, 3))
        last = int(sim.pc.allreduce(float(gids.max()) if gids.size else -1.0, 2))
        if n_cells == 0:
            problems.append(
                f"Population {label!r} has 0 cells; at least one is needed. Raise its density "
                f"or remove it."
            )
        elif last - first + 1 != n_cells:
            raise SimulationError(
                f"NetPyNE gave population {label!r} {n_cells} cells with ids {first} to "
                f"{last}; ids are expected without gaps. Please report this circuit."
            )
        bare = [gid for gid in gids.tolist() if not _is_whole(cells[gid])]
        if bare:
            kind = sim.net.pops[label].tags.get("cellType")
            problems.append(
                f"Cells of population {label!r} have no sections: no rule of cellParams is for "
                f"cellType {kind!r}. Add one, or correct the cellType."
            )
        sizes[label], firsts[label] = n_cells, first
    if problems:
        raise ConfigurationError(*problems)
    return local, sizes, firsts


def _is_whole(cell: Any) -> bool:
    # vars, not getattr: NetPyNE's artificial cells answer any attribute with a function.
    return bool(vars(cell).get("secs")) or vars(cell).get("hPointp") is not None
