"""NetPyNE's connections by probability, without a step of Python for every pair of cells.

For each pair of cells NetPyNE draws a number, keeps it in a dictionary and compares it in a loop.
Of 10,000 cells that is 1e8 pairs, gigabytes and minutes, for a network that may have 1.5e5
synapses. The draw and the comparison are the same here, for blocks of pairs at a time; only
pairs that are joined cost Python time. The connections, and their order, are NetPyNE's own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

# 32 MB of random numbers at a time.
_BLOCK = 4_000_000


@contextmanager
def fast_probability(sim: Any) -> Iterator[None]:
    """Let NetPyNE's network connect by probability as here, for the block.

    Rules whose probability, weight, delay, location or number of synapses is an expression, or
    that have a disynaptic bias, are left to NetPyNE.

    Args:
        sim: NetPyNE's module of the running network.
    """
    network = type(sim.net)
    original = network.probConn

    def connect(self: Any, pre: Mapping[int, Any], post: Mapping[int, Any], rule: Any) -> None:
        plain = dict(rule)  # NetPyNE's own kind of dictionary answers ten times slower
        expressions = [f"{name}Func" for name in (*self.connStringFuncParams, "probability")]
        if plain.get("disynapticBias") is not None or any(name in plain for name in expressions):
            original(self, pre, post, rule)
            return
        joined = _joined(self, sim, sorted(pre), sorted(post), float(plain["probability"]))
        position = {gid: at for at, gid in enumerate(pre)}
        for gid in post:
            if gid in self.gid2lid:
                for source in sorted(joined.get(gid, ()), key=position.__getitem__):
                    self._addCellConn(plain, source, gid, pre)

    network.probConn = connect
    try:
        yield
    finally:
        network.probConn = original


def _joined(
    network: Any, sim: Any, pre: list[int], post: list[int], probability: float
) -> dict[int, list[int]]:
    """Sources of each target: NetPyNE's stream of uniform numbers, row by row of sources."""
    network.rand.Random123(sim.hashList(pre), sim.hashList(post), sim.cfg.seeds["conn"])
    network.rand.uniform(0, 1)
    sources: NDArray[np.int64] = np.array(pre, dtype=np.int64)
    found: dict[int, list[int]] = {}
    rows = max(_BLOCK // max(len(post), 1), 1)
    for start in range(0, len(pre), rows):
        block = sources[start : start + rows]
        vector = sim.h.Vector(block.size * len(post))
        vector.setrand(network.rand)
        drawn = vector.as_numpy().reshape(block.size, len(post))  # lives as long as the vector
        row, column = np.nonzero(probability >= drawn)
        for source, target in zip(block[row].tolist(), column.tolist(), strict=True):
            found.setdefault(post[target], []).append(source)
    return found
