"""Arrival times that order events by their source, whatever ranks the cells are on.

Events that meet on one synapse at one time are added in the order of NEURON's queue, which depends
on how cells are spread, and sums of unequal weights then differ in the last bit. A delay longer by
(gid + 1) x 1e-9 ms orders them by source cell and restores identity (DESIGN fact 4). The offsets
are resolved up to 4e6 ms of simulated time, and for 1e5 cells reach 1e-4 ms. They start above zero:
on several ranks NEURON refuses a shortest delay that does not exceed its step.
"""

from collections import Counter
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
        # Gap junctions have no delay.
        conns = [conn for conn in cell.conns if not conn.get("pointer") and "hObj" in conn]
        total = Counter(map(_source_and_synapse, conns))
        earlier: Counter[tuple[Any, ...]] = Counter()
        n_generators = 0
        for conn in conns:
            source = conn["preGid"]
            if source == "NetStim":
                # A cell's own generators come after all cells, in the order of the rules.
                offset_ms = (n_cells + 1 + n_generators) * _PER_GID_MS
                n_generators += 1
            else:
                # However many connections two cells share, they end before the next source.
                key = _source_and_synapse(conn)
                apart_ms = min(_PER_REPEAT_MS, _PER_GID_MS / total[key])
                offset_ms = (source + 1) * _PER_GID_MS + earlier[key] * apart_ms
                earlier[key] += 1
            conn["hObj"].delay += offset_ms


def _source_and_synapse(conn: Any) -> tuple[Any, ...]:
    """Several connections between two cells may end on one synapse."""
    return conn["preGid"], conn.get("synMech"), conn.get("sec"), conn.get("loc")
