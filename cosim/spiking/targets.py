"""What arrives at a cell: its synapses, current clamps and variables, found or made once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.config_circuit import Where
from cosim.errors import ConfigurationError
from cosim.spiking.injection import Injection
from cosim.spiking.input_port import InputPort
from cosim.spiking.locations import Location, locations
from cosim.spiking.probe import Reading, pointer_to
from cosim.spiking.receptors import point_neuron
from cosim.spiking.value_port import ValuePort

# A current clamp lasts longer than any run, ms.
_FOR_EVER_MS = 1e12


class Targets:
    """The places of the cells on this rank where signals from outside arrive.

    Args:
        h: NEURON's interpreter.
        cells: NetPyNE's cells on this rank, by gid.
    """

    def __init__(self, h: Any, cells: Mapping[int, Any]):
        self._h, self._cells = h, cells
        self._synapses: dict[tuple[int, str, str, float], tuple[Any, int]] = {}

    def trains(
        self,
        gids: NDArray[np.int64],
        label: str,
        weights_uS: NDArray[np.float64],
        where: Where | None,
        injection: Injection,
    ) -> InputPort:
        """Connect spike trains to cells.

        All trains of a cell share one synapse per receptor and place; where the circuit shares
        synapses, the one that is there.

        Args:
            gids: Target cells on this rank.
            label: Composed label of the receptor.
            weights_uS: Weight of each source's trains, shape ``(n_sources,)``.
            where: Place on the cells.
            injection: How events enter NEURON's queue.

        Raises:
            ConfigurationError: If cells have no such place, or do not share events alike.
        """
        weights = weights_uS.tolist()
        places = [self._places(gid, label, where) for gid in gids.tolist()]
        shares = _common_shares([shares for _, shares in places])
        connections = []
        index = 0
        for targets, _ in places:
            for weight in weights:
                for target, index in targets:
                    connection = self._h.NetCon(None, target)
                    connection.delay = 0.0
                    connection.weight[index] = weight
                    connections.append(connection)
        return InputPort(gids, len(weights), shares, connections, injection, index)

    def current(self, gids: NDArray[np.int64], where: Where | None) -> ValuePort:
        """Put current clamps into cells; a cell's places share the current by their length.

        Args:
            gids: Target cells on this rank.
            where: Place on the cells.

        Raises:
            ConfigurationError: If the cells have no membrane.
        """
        clamps, factors = [], []
        for gid in gids.tolist():
            cell = self._cells[gid]
            sections = vars(cell).get("secs")
            if not sections:
                raise ConfigurationError(
                    "as: current needs a membrane, and the population's cells are artificial; use "
                    "as: spikes."
                )
            for place in locations(self._h, cell, where):
                clamp = self._h.IClamp(sections[place.section]["hObj"](place.loc))
                clamp.delay, clamp.dur, clamp.amp = 0.0, _FOR_EVER_MS, 0.0
                clamps.append(clamp)
                factors.append(place.share)
        return ValuePort(self._h, [clamp._ref_amp for clamp in clamps], factors, clamps)

    def variable(
        self, gids: NDArray[np.int64], reading: Reading, receptors: Mapping[str, str]
    ) -> ValuePort:
        """A variable of cells that is set from outside.

        Args:
            gids: Target cells on this rank.
            reading: Which variable.
            receptors: Composed label per receptor of the circuit.

        Raises:
            ConfigurationError: If the cells have no such variable.
        """
        pointers = [pointer_to(self._cells[gid], reading, receptors) for gid in gids.tolist()]
        return ValuePort(self._h, pointers, [1.0] * len(pointers))

    def clear(self) -> None:
        """Forget all synapses."""
        self._synapses.clear()

    def _places(
        self, gid: int, label: str, where: Where | None
    ) -> tuple[list[tuple[Any, int]], NDArray[np.float64]]:
        """Synapses of one cell, with the index of the weight, and their shares."""
        cell = self._cells[gid]
        if not vars(cell).get("secs"):
            return [(cell.hPointp, 0)], np.ones(1)
        places = locations(self._h, cell, where)
        targets = [self._synapse(gid, label, place) for place in places]
        return targets, np.array([place.share for place in places])

    def _synapse(self, gid: int, label: str, place: Location) -> tuple[Any, int]:
        key = gid, label, place.section, place.loc
        if key not in self._synapses:
            cell = self._cells[gid]
            own = point_neuron(cell.secs[place.section])
            if own is None:
                made = cell.addSynMech(synLabel=label, secLabel=place.section, loc=place.loc)
                self._synapses[key] = (made["hObj"], 0)
            else:
                receptors = list(own[1].get("synList", (label,)))
                self._synapses[key] = (own[1]["hObj"], receptors.index(label))
        return self._synapses[key]


def _common_shares(shares: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    if not shares:
        return np.ones(1)  # no cell here: nothing will be drawn
    if any(not np.array_equal(other, shares[0]) for other in shares[1:]):
        raise unlike_cells()
    return shares[0]


def unlike_cells() -> ConfigurationError:
    """What is said of a population whose cells do not receive alike."""
    return ConfigurationError(
        "where: cells of the population differ in the lengths or the number of its places, and "
        "each source's events are spread alike over all cells; name one section with where.sec."
    )
