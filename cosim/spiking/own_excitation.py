"""The excitatory connections within a network, made weaker or stronger together."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.spiking.receptor_sign import sign_of


class OwnExcitation:
    """Weights of the excitatory connections between the cells of this rank; inputs are none.

    Args:
        net_params: The composed netParams.
        local: Ids of each population's cells on this rank.
        cells: NetPyNE's cells on this rank, by gid.
    """

    def __init__(
        self, net_params: Any, local: Mapping[str, NDArray[np.int64]], cells: Mapping[int, Any]
    ):
        self._built = list(_excitatory(net_params, local, cells))

    @property
    def n_weights(self) -> int:
        """Number of these connections on this rank."""
        return len(self._built)

    def scale(self, factors: Mapping[str, float]) -> None:
        """Set the weights.

        Args:
            factors: Factor on the weights as built of the connections onto a population
                (``REGION.POP``); those not named keep theirs.
        """
        for population, connection, index, weight in self._built:
            if population in factors:
                connection.weight[index] = factors[population] * weight


def _excitatory(
    net_params: Any, local: Mapping[str, NDArray[np.int64]], cells: Mapping[int, Any]
) -> Iterator[tuple[str, Any, int, float]]:
    """Population, connection, index and value of each weight that excites."""
    population_of = {gid: label for label, gids in local.items() for gid in gids.tolist()}
    for gid, cell in cells.items():
        label = population_of[gid]
        for conn in cell.conns:
            receptor, connection = conn.get("synMech"), conn.get("hObj")
            if connection is None or conn.get("preGid") == "NetStim" or receptor is None:
                continue
            if sign_of(net_params, label, receptor, 1.0) != "excitatory":
                continue
            # A point neuron has one weight per receptor; of these a rule sets one.
            weights = [float(connection.weight[k]) for k in range(int(connection.wcnt()))]
            index = next((k for k, weight in enumerate(weights) if weight != 0.0), None)
            if index is not None:
                yield label, connection, index, weights[index]
