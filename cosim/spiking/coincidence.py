"""Arrival times that order events by their source, whatever ranks the cells are on.

Events that meet on one synapse at one time are added in the order of NEURON's queue, which depends
on how cells are spread, and sums of unequal weights then differ in the last bit. A delay longer by
(gid + 1) x 1e-9 ms orders them by source cell and restores identity (DESIGN fact 4). The offsets
are resolved up to 4e6 ms of simulated time, and for 1e5 cells reach 1e-4 ms. They start above zero:
on several ranks NEURON refuses a shortest delay that does not exceed its step.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

_PER_GID_MS = 1e-9
_PER_REPEAT_MS = 1e-10


def order_coincident_events(cells: Iterable[Any], n_cells: int) -> None:
    """Give each source onto a synapse its own arrival time; no connection gets shorter.

    Args:
        cells: NetPyNE's cells on this rank, connected.
        n_cells: Cells of the network, over all ranks.
    """
    for cell in cells:
        n_generators = 0
        repeats: dict[tuple[Any, ...], int] = defaultdict(int)
        for conn in cell.conns:
            if conn.get("pointer") or "hObj" not in conn:
                continue  # gap junctions have no delay
            source = conn["preGid"]
            if source == "NetStim":
                # A cell's own generators come after all cells, in the order of the rules.
                offset_ms = (n_cells + 1 + n_generators) * _PER_GID_MS
                n_generators += 1
            else:
                # Several connections between two cells may end on one synapse.
                key = (source, conn.get("synMech"), conn.get("sec"), conn.get("loc"))
                offset_ms = (source + 1) * _PER_GID_MS + repeats[key] * _PER_REPEAT_MS
                repeats[key] += 1
            conn["hObj"].delay += offset_ms
