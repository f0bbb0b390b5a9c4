"""Mean-field rates of source regions -> Poisson spike trains of target cells."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cosim.keyed_random import PROJECTION_STREAM, poisson_events
from cosim.signals import SpikeEvents


@dataclass(frozen=True, slots=True)
class RateToPoisson:
    """Draw one inhomogeneous Poisson train per (target cell, source region).

    The rate is constant over a mean-field step, so within a step the count is Poisson with mean
    ``trains * rate_hz * dt_ms / 1000`` and the times are uniform. ``trains`` independent trains
    of one weight onto one synapse are one train of ``trains`` times the rate.

    A train is a function of (seed, projection, gid, step) alone: neither the ranks, nor the
    window, nor a restart changes it.

    Args:
        seed: Seed of the run.
        projection: Number of the projection within the run.
        gids: Global ids of the target cells on this rank, shape ``(n_cells,)``.
        trains: Trains of each cell from each source.
        shares: Part of a cell's events that arrives at each of its places, shape ``(n_places,)``.

    References:
        Dayan & Abbott (2001), Theoretical Neuroscience, sec. 1.4.
    """

    seed: int
    projection: int
    gids: NDArray[np.int64]
    trains: int = 1
    shares: NDArray[np.float64] = field(default_factory=lambda: np.ones(1))

    def __call__(self, rates_hz: NDArray[np.float64], start_step: int, dt_ms: float) -> SpikeEvents:
        """Events of the local cells; their source is ``source * n_places + place``.

        Args:
            rates_hz: Rate of each source as it arrives, shape ``(n_steps, n_sources)``, Hz.
            start_step: Mean-field step of the first row.
            dt_ms: Mean-field step, ms.
        """
        cell, source, when = poisson_events(
            self.seed,
            PROJECTION_STREAM + self.projection,
            self.gids,
            start_step,
            spread(rates_hz * (self.trains * dt_ms / 1000.0), self.shares),
        )
        return SpikeEvents(cell, source, when * dt_ms)


def spread(means: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each source's mean counts divided among places: ``(n_steps, n_sources * n_places)``.

    Thinning a Poisson process by independent choices gives independent Poisson processes (Kingman
    1993, Poisson Processes, sec. 5.1).
    """
    if shares.size == 1:
        return means
    return (means[:, :, None] * shares).reshape(means.shape[0], -1)
