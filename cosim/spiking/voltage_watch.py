"""Notices a membrane potential that is no longer a number: such a cell falls silent for ever."""

from collections.abc import Mapping
from typing import Any

import numpy as np


class VoltageWatch:
    """Reads the potential of every section at once.

    Args:
        h: NEURON's interpreter.
        cells: NetPyNE's cells on this rank by gid.
    """

    def __init__(self, h: Any, cells: Mapping[int, Any]):
        owners = [
            (gid, section["hObj"])
            for gid, cell in cells.items()
            # vars, not getattr: NetPyNE's artificial cells answer any attribute with a function.
            for section in vars(cell).get("secs", {}).values()
        ]
        self._gids = [gid for gid, _ in owners]
        if not owners:
            return
        self._pointers, self._gathered = h.PtrVector(len(owners)), h.Vector(len(owners))
        for index, (_, section) in enumerate(owners):
            self._pointers.pset(index, section(0.5)._ref_v)

    def first_not_finite(self) -> int | None:
        """The gid of a cell whose potential is NaN or infinite, None if all are finite."""
        if not self._gids:
            return None
        self._pointers.gather(self._gathered)
        if np.isfinite(self._gathered.sum()):
            return None
        return self._gids[int(np.argmin(np.isfinite(self._gathered.as_numpy())))]
