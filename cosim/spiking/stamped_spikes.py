"""Spikes as NEURON stamps them, and the mean-field step that each belongs to.

How NEURON 9 stamps spikes (fixed step; measured, see tests/cosim/spiking/test_spike_stamps.py):

* A cell's crossing during step n is found when step n + 1 begins, and stamped with the grid time
  between them plus 1e-10 ms. So a crossing at the very end of a window is reported in the next.
* An artificial cell's spike has its own continuous time, and is reported by the window that
  contains it. One exactly at the end of a window may be reported by either.

A spike therefore belongs to the step that starts at, or contains, its stamp. What a window
reports of the step after it is held back until then, so each spike counts once, in one step.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.saved_state import State

# h.t is a running sum, off by 5e-6 ms after 100 s; spikes this fraction of a step before a grid
# time count as on it.
_GRID_TOLERANCE = 1e-3


class StampedSpikes:
    """Spikes of the cells of this rank, each handed out once its step is over.

    Args:
        h: NEURON's interpreter.
        pc: NEURON's ``ParallelContext``; spikes of all its cells are recorded from here on.
        dt_ms: NEURON's step, ms.
        per_step: NEURON's steps in a mean-field step.
    """

    def __init__(self, h: Any, pc: Any, dt_ms: float, per_step: int):
        self._dt_ms, self._per_step = dt_ms, per_step
        self._drift_ms = 0.0
        self._held_ms = np.empty(0, dtype=np.float64)
        self._held_gids = np.empty(0, dtype=np.int64)
        self._times, self._gids = h.Vector(), h.Vector()
        pc.spike_record(-1, self._times, self._gids)

    def follow(self, time_ms: float, step: int) -> None:
        """Note by how much NEURON's clock, a running sum, is off.

        Args:
            time_ms: NEURON's time now, ms.
            step: The mean-field step that starts now.
        """
        self._drift_ms = time_ms - step * self._per_step * self._dt_ms

    def take(
        self, stop_step: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Spikes of the steps before one that were not taken yet, ordered by time, then id.

        Args:
            stop_step: The first mean-field step that is not over.

        Returns:
            Times as NEURON stamped them, ms, ids of the cells and mean-field steps, all
            ``(n_spikes,)``.
        """
        if not len(self._times) and not self._held_ms.size:
            none = np.empty(0, dtype=np.int64)
            return np.empty(0), none, none
        # A few spikes a window: through lists, as NEURON's ways to NumPy cost 30 us.
        times = np.array(self._times.to_python(), dtype=np.float64)
        gids = np.array(self._gids.to_python(), dtype=np.int64)
        self._forget_recorded()
        if self._held_ms.size:
            times = np.concatenate((self._held_ms, times))
            gids = np.concatenate((self._held_gids, gids))
        order = np.lexsort((gids, times))
        times, gids = times[order], gids[order]
        steps = self.step_of(times)
        n_due = int(steps.searchsorted(stop_step))
        self._held_ms, self._held_gids = times[n_due:], gids[n_due:]
        return times[:n_due], gids[:n_due], steps[:n_due]

    def step_of(self, times_ms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Mean-field step of spikes.

        Args:
            times_ms: Stamps, ms, shape ``(n_spikes,)``.
        """
        grid = np.floor((times_ms - self._drift_ms) / self._dt_ms + _GRID_TOLERANCE)
        return grid.astype(np.int64) // self._per_step

    def state(self) -> State:
        """What is held back, and the drift of NEURON's clock."""
        return {
            "drift_ms": np.array(self._drift_ms),
            "held_ms": self._held_ms.copy(),
            "held_gids": self._held_gids.copy(),
        }

    def restore(self, state: State) -> None:
        """Go on from a state, without what was recorded since."""
        self._drift_ms = float(state["drift_ms"])
        self._held_ms, self._held_gids = np.array(state["held_ms"]), np.array(state["held_gids"])
        self._forget_recorded()

    def _forget_recorded(self) -> None:
        self._times.resize(0)
        self._gids.resize(0)
