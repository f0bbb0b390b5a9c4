"""Which rank each cell lives on: ranks get the same work, not the same number of cells.

NetPyNE deals cells out in turn, whatever they cost. The rank with the one pyramidal cell of twenty
compartments then has as many of the others as every rank, and all wait for it at each exchange of
spikes. Here the next cell goes to the rank that has least so far; for cells that cost alike that is
NetPyNE's order. Results do not depend on it: ids, connections and random numbers are a cell's own.
"""

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cosim.spiking.receptors import sections_of

# Measured, in units of one channel in one compartment (26 ns a step): a cell of one hh compartment
# takes 61 ns, one of pas 21, each further one of pas 11 and of hh 51; the pyramidal cell of Bahl
# et al. with 20 compartments and 7 channels as long as 27 hh cells.
_COMPARTMENT = 0.3
_MECHANISMS = {"pas": 0.3, "hh": 2.0}
_OTHER_MECHANISM = 1.0
# It computes only when an event comes.
_ARTIFICIAL = 0.1


def cost_of(net_params: Any, population: str) -> float:
    """Work per step of one cell, by its compartments and their mechanisms.

    Args:
        net_params: The composed netParams.
        population: Composed label.

    Returns:
        One channel in one compartment is 1.
    """
    total = 0.0
    for section in sections_of(net_params, population).values():
        mechanisms = section.get("mechs") or {}
        channels = sum(_MECHANISMS.get(name, _OTHER_MECHANISM) for name in mechanisms)
        n_compartments = int((section.get("geom") or {}).get("nseg", 1))
        total += n_compartments * (_COMPARTMENT + channels)
        total += _OTHER_MECHANISM * len(section.get("pointps") or {})
    return total or _ARTIFICIAL


@contextmanager
def placed_by_cost(sim: Any, net_params: Any) -> Iterator[None]:
    """Let NetPyNE create cells on ranks as here, for the block.

    Args:
        sim: NetPyNE's module of the running network, its populations created.
        net_params: The composed netParams.
    """
    kinds = {type(pop) for pop in sim.net.pops.values()}
    loads = [(0.0, rank) for rank in range(int(sim.nhosts))]

    def distribute(pop: Any, n_cells: int) -> dict[int, list[int]]:
        cost = cost_of(net_params, pop.tags["pop"])
        cells: dict[int, list[int]] = {rank: [] for rank in range(int(sim.nhosts))}
        for index in range(n_cells):
            load, rank = heapq.heappop(loads)
            cells[rank].append(index)
            heapq.heappush(loads, (load + cost, rank))
        return cells

    originals = {kind: kind._distributeCells for kind in kinds}
    for kind in kinds:
        kind._distributeCells = distribute
    try:
        yield
    finally:
        for kind, original in originals.items():
            kind._distributeCells = original
