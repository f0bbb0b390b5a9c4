"""Spikes of a population, counted per step -> its firing rate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.signals import SpikeCounts


@dataclass(frozen=True, slots=True)
class SpikesToRate:
    """Rate = count / (cells x step), with no smoothing.

    Every spike counts in exactly one step, so that the sum of rate x dt x cells is the number of
    spikes, for every window length. Smoothing is left out on purpose: the gating variable that the
    rate drives is itself a filter of 100 ms.

    Args:
        n_cells: Cells of each population, shape ``(n_populations,)``.
    """

    n_cells: NDArray[np.int64]

    def __call__(self, counts: SpikeCounts) -> NDArray[np.float64]:
        """Rates over each step.

        Args:
            counts: Spikes per step and population, summed over ranks.

        Returns:
            Shape ``(n_steps, n_populations)``, Hz.
        """
        return counts.counts * (1000.0 / (self.n_cells * counts.window.dt_ms))
