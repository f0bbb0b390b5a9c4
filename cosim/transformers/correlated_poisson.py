"""Mean-field rates of source regions -> Poisson trains that share spikes."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cosim.keyed_random import PROJECTION_STREAM, copied_events, poisson_events
from cosim.signals import SpikeEvents
from cosim.transformers.rate_to_poisson import spread


@dataclass(frozen=True, slots=True)
class CorrelatedPoisson:
    """Poisson trains whose counts have a given pairwise correlation, for each source region.

    All trains of one source region, over all target cells, are correlated; trains of different
    source regions are independent. Every single train is a Poisson process of the source's rate R.

    * ``single`` (single interaction process): each train is an independent train of rate (1 - c) R
      together with one common train of rate c R. Common spikes arrive in all trains at once.
    * ``multiple`` (multiple interaction process): each train copies every spike of a common mother
      train of rate R / c with probability c. Spikes arrive in a random part of the trains at once.

    Correlations of any two trains are c in both; those of higher order differ. A train is a
    function of (seed, projection, gid, step) alone, as in ``RateToPoisson``.

    Args:
        seed: Seed of the run.
        projection: Number of the projection within the run.
        gids: Global ids of the target cells on this rank, shape ``(n_cells,)``.
        process: ``single`` or ``multiple``.
        c: Correlation coefficient, above 0 and up to 1.
        trains: Trains of each cell from each source.
        shares: Part of a cell's events that arrives at each of its places, shape ``(n_places,)``.

    References:
        Kuhn, Aertsen & Rotter (2003) Neural Comput. 15(1):67-101,
        doi:10.1162/089976603321043702.
    """

    seed: int
    projection: int
    gids: NDArray[np.int64]
    process: Literal["single", "multiple"]
    c: float
    trains: int = 1
    shares: NDArray[np.float64] = field(default_factory=lambda: np.ones(1))

    def __call__(self, rates_hz: NDArray[np.float64], start_step: int, dt_ms: float) -> SpikeEvents:
        """Events of the local cells; their source is ``source * n_places + place``.

        Args:
            rates_hz: Rate of each source as it arrives, shape ``(n_steps, n_sources)``, Hz.
            start_step: Mean-field step of the first row.
            dt_ms: Mean-field step, ms.
        """
        means = rates_hz * (dt_ms / 1000.0)
        if self.process == "multiple":
            parts = [self._copied(means / self.c, start_step, self.c)]
        else:
            own = spread(means * ((1.0 - self.c) * self.trains), self.shares)
            stream = PROJECTION_STREAM + self.projection
            parts = [
                poisson_events(self.seed, stream, self.gids, start_step, own),
                self._copied(means * self.c, start_step, 1.0),
            ]
        cell, source, when = (np.concatenate(column) for column in zip(*parts, strict=True))
        return SpikeEvents(cell, source, when * dt_ms)

    def _copied(
        self, common: NDArray[np.float64], start_step: int, probability: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        return copied_events(
            self.seed,
            self.projection,
            self.gids,
            start_step,
            common,
            probability,
            self.trains,
            self.shares,
        )
