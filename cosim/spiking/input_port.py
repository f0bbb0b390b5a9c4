"""Spike trains from outside onto the cells of one population."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.spiking.injection import Injection


class InputPort:
    """Spike trains onto the cells of one population: one per (cell, source, place).

    Nothing is held here between windows: events go straight into NEURON's queue.

    Attributes:
        gids: Local target cells, int64, shape ``(n_cells,)``.
        n_sources: Sources of each cell.
        shares: Part of a source's events that arrives at each place of a cell, shape
            ``(n_places,)``; their sum is 1.
    """

    def __init__(
        self,
        gids: NDArray[np.int64],
        n_sources: int,
        shares: NDArray[np.float64],
        connections: list[Any],
        injection: Injection,
        weight_index: int = 0,
    ):
        self.gids = gids
        self.n_sources = n_sources
        self.shares = shares
        self._n_columns = n_sources * shares.size
        self._connections, self._weight_index = connections, weight_index
        self._fire = injection.onto(connections)

    def schedule(
        self, cell: NDArray[np.int64], source: NDArray[np.int64], times_ms: NDArray[np.float64]
    ) -> None:
        """Queue spikes for delivery.

        Args:
            cell: Index into ``gids``, shape ``(n_events,)``.
            source: Train of the cell, ``source * n_places + place``, shape ``(n_events,)``.
            times_ms: Time, not before the present, ms, shape ``(n_events,)``.
        """
        if times_ms.size:
            self._fire(cell * self._n_columns + source, times_ms)

    def set_weights(self, weights_uS: NDArray[np.float64]) -> None:
        """Give each source's trains another weight.

        Args:
            weights_uS: Weight of each source's trains, shape ``(n_sources,)``.
        """
        each = np.repeat(weights_uS, self.shares.size).tolist()
        for number, connection in enumerate(self._connections):
            connection.weight[self._weight_index] = each[number % self._n_columns]

    def close(self) -> None:
        """Drop the connections."""
        self._fire.close()
        self._connections.clear()
