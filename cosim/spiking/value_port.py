"""A number from outside that holds over each mean-field step, in every cell of a population."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ValuePort:
    """Sets one variable of the cells of a population on this rank, step by step.

    Args:
        h: NEURON's interpreter.
        pointers: Pointers to the variables.
        factors: Factor on the value for each, shape ``(n_pointers,)``.
        kept: What must live as long as the pointers, such as current clamps.
    """

    def __init__(
        self, h: Any, pointers: Sequence[Any], factors: Sequence[float], kept: Sequence[Any] = ()
    ):
        self._kept = list(kept)
        self._n = len(pointers)
        self._factors = np.array(factors, dtype=np.float64)
        self._values: NDArray[np.float64] = np.empty(0)
        if pointers:
            self._vector = h.Vector(self._n)
            self._view = self._vector.as_numpy()
            self._targets = h.PtrVector(self._n)
            for index, pointer in enumerate(pointers):
                self._targets.pset(index, pointer)

    def load(self, values: NDArray[np.float64]) -> None:
        """Take the values of the next window, shape ``(n_steps,)``."""
        self._values = values

    def apply(self, step: int) -> None:
        """Set the value of one step of the window, counted from its start."""
        if self._n:
            self._view[:] = self._factors * self._values[step]
            self._targets.scatter(self._vector)

    def close(self) -> None:
        """Drop pointers and clamps."""
        self._kept.clear()
        if self._n:
            del self._targets
        self._n = 0
