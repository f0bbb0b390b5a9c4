"""Stops a run in which a population fires at rates that no brain has."""

import numpy as np
from numpy.typing import NDArray

from cosim.errors import SimulationError
from cosim.saved_state import State

AVERAGE_MS = 100.0


class RateCeiling:
    """Watch population rates, averaged over consecutive blocks of 100 ms.

    Blocks, not windows: a window may be one step long, in which a single spike is a high rate.

    Args:
        labels: What each column is, for the message.
        ceiling_hz: Largest allowed average, Hz.
        dt_ms: Mean-field step, ms.
    """

    def __init__(self, labels: tuple[str, ...], ceiling_hz: float, dt_ms: float):
        self._labels, self._ceiling_hz, self._dt_ms = labels, ceiling_hz, dt_ms
        self._block_steps = max(round(AVERAGE_MS / dt_ms), 1)
        self._sum = np.zeros(len(labels))
        self._n = 0

    def watch(self, start_step: int, values_hz: NDArray[np.float64]) -> None:
        """Take the rates of consecutive steps.

        Args:
            start_step: Step of the first row.
            values_hz: Rates, shape ``(n_steps, n_labels)``, Hz; NaN is passed over.

        Raises:
            SimulationError: If a complete block's average exceeds the ceiling.
        """
        row = 0
        while row < values_hz.shape[0]:
            taken = values_hz[row : row + self._block_steps - self._n]
            self._sum += taken.sum(axis=0)
            self._n += taken.shape[0]
            row += taken.shape[0]
            if self._n == self._block_steps:
                self._judge((start_step + row) * self._dt_ms)
                self._sum[:] = 0.0
                self._n = 0

    def state(self) -> State:
        """The block that is not complete yet."""
        return {"sum": self._sum.copy(), "n": np.array(self._n)}

    def restore(self, state: State) -> None:
        """Go on with the block of a checkpoint."""
        self._sum, self._n = np.array(state["sum"]), int(state["n"])

    def _judge(self, stop_ms: float) -> None:
        mean_hz = self._sum / self._n
        over = np.flatnonzero(mean_hz > self._ceiling_hz)
        if over.size:
            worst = over[np.argmax(mean_hz[over])]
            raise SimulationError(
                f"{self._labels[worst]} fires at {mean_hz[worst]:.4g} Hz on average over the "
                f"{AVERAGE_MS:g} ms up to t = {stop_ms:g} ms, above the ceiling of "
                f"{self._ceiling_hz:g} Hz; weaken its input or raise limits.rate_hz."
            )
