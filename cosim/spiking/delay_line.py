"""Rates of source regions on their way to a target: what was fired tau ago arrives now."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cosim.saved_state import State


@njit(cache=True)
def _take(ring, first, columns, delays, out):  # type: ignore[no-untyped-def]
    """``out[s, j]``: what column j held ``delays[j]`` steps before step ``first + s``."""
    n_rows = ring.shape[0]
    for j in range(columns.size):
        row = (first - delays[j]) % n_rows
        for s in range(out.shape[0]):
            out[s, j] = ring[row, columns[j]]
            row += 1
            if row == n_rows:
                row = 0


class DelayLine:
    """A ring buffer of rates, one column per source region.

    Args:
        initial_hz: Rates at all times before the run, shape ``(n_sources,)``, Hz.
        longest_delay: Longest delay that will be asked for, steps.
        longest_window: Longest window that will be pushed, steps.
    """

    def __init__(self, initial_hz: NDArray[np.float64], longest_delay: int, longest_window: int):
        self._ring = np.tile(initial_hz, (longest_delay + longest_window, 1))
        self._next_step = 0
        # Compiled here, not in the first window of a run.
        nothing = np.empty(0, dtype=np.int64)
        self.arriving(0, 1, nothing, nothing)

    @classmethod
    def restored(cls, state: State) -> "DelayLine":
        """The line of a checkpoint."""
        line = cls(np.empty(0), 0, 0)
        line._ring, line._next_step = np.array(state["ring"]), int(state["next_step"])
        return line

    def state(self) -> State:
        """All rates under way."""
        return {"ring": self._ring.copy(), "next_step": np.array(self._next_step)}

    def push(self, start_step: int, rates_hz: NDArray[np.float64]) -> None:
        """Append the rates of the next steps.

        Args:
            start_step: Step of the first row; the one after the last pushed.
            rates_hz: Shape ``(n_steps, n_sources)``, Hz.

        Raises:
            ValueError: If a step would be skipped or repeated.
        """
        if start_step != self._next_step:
            raise ValueError(f"Rates of step {start_step} pushed, expected {self._next_step}.")
        steps = np.arange(start_step, start_step + rates_hz.shape[0])
        self._ring[steps % self._ring.shape[0]] = rates_hz
        self._next_step = int(start_step + rates_hz.shape[0])

    def arriving(
        self, start_step: int, n_steps: int, columns: NDArray[np.int64], delays: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Rates that arrive over some steps: ``R_j(step - delay_j)``.

        Args:
            start_step: First step.
            n_steps: Number of steps.
            columns: Source columns, shape ``(n,)``.
            delays: Delay of each, steps, shape ``(n,)``; at least ``n_steps`` for what was pushed.

        Returns:
            Shape ``(n_steps, n)``, Hz.

        Raises:
            ValueError: If a rate is asked for that has not been pushed yet.
        """
        latest = start_step + n_steps - 1 - int(delays.min(initial=n_steps))
        if latest >= self._next_step:
            raise ValueError(
                f"The rate of step {latest} is needed at step {start_step + n_steps - 1}, "
                f"but only {self._next_step} steps are known: the window exceeds a delay."
            )
        arriving = np.empty((n_steps, columns.size))
        _take(self._ring, start_step, columns, delays, arriving)
        return arriving
