"""What all NEURON ranks recorded, brought to their root and handed over."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.protocols import Group, Samples
from cosim.saved_state import State
from cosim.spiking.network import Network
from cosim.spiking.recording import RecordingPort


class Gathering:
    """Spikes and recordings of this rank until they are gathered. Collective where it says so.

    Args:
        network: The cells.
        group: The ranks that share them.
        recordings: What is recorded beside the spikes.
        samples: Where all of it goes, on the root.
    """

    def __init__(
        self,
        network: Network,
        group: Group,
        recordings: Sequence[RecordingPort],
        samples: Samples,
    ):
        self._labels = network.populations
        self._first_gids = np.array([network.first_gid(label) for label in self._labels])
        self._order = np.argsort(self._first_gids)
        self._ordered = self._first_gids[self._order]
        self._group, self._recordings, self._samples = group, recordings, samples
        self._kept: list[tuple[NDArray[np.float64], NDArray[np.int64]]] = []
        self._until_ms = 0.0

    @property
    def until_ms(self) -> float:
        """Time up to which everything was handed over, ms."""
        return self._until_ms

    def population_of(self, gids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the population of each cell, shape ``(n,)``."""
        found: NDArray[np.int64] = self._order[self._ordered.searchsorted(gids, side="right") - 1]
        return found

    def keep(self, times_ms: NDArray[np.float64], gids: NDArray[np.int64]) -> None:
        """Keep spikes of this rank until the next gathering, shapes ``(n_spikes,)``."""
        self._kept.append((times_ms, gids))

    def gather(self, now_ms: float) -> None:
        """Bring what all ranks recorded to the root; spikes ordered by time and gid. Collective."""
        self._until_ms = now_ms
        times_ms, gids = self._joined()
        self._kept.clear()
        parts = self._group.gather(np.stack([times_ms, gids.astype(np.float64)]))
        for port in self._recordings:
            self._gather_recording(port, now_ms)
        if self._group.rank != 0:
            return
        everything = np.concatenate(parts, axis=1)
        everything = everything[:, np.lexsort((everything[1], everything[0]))]
        gids = everything[1].astype(np.int64)
        population = self.population_of(gids)
        for index, label in enumerate(self._labels):
            mine = population == index
            if mine.any():
                self._samples.add_spikes(
                    label, everything[0, mine], gids[mine] - self._first_gids[index]
                )

    def _joined(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        times_ms = np.concatenate([times for times, _ in self._kept] or [np.empty(0)])
        gids = np.concatenate([gids for _, gids in self._kept] or [np.empty(0, dtype=np.int64)])
        return times_ms, gids

    def _gather_recording(self, port: RecordingPort, now_ms: float) -> None:
        if port.adds_up:
            times_ms, total = port.take_sum(now_ms)
            values = port.in_mV(self._group.sum(total))
        else:
            times_ms, local = port.take(now_ms)
            # The first row tells which columns a rank has.
            parts = self._group.gather(np.concatenate([port.mine[None].astype(float), local]))
            if self._group.rank != 0:
                return
            everything = np.concatenate(parts, axis=1)
            values = everything[1:, np.argsort(everything[0])]
        if self._group.rank == 0 and times_ms.size:
            recording = port.recording
            self._samples.add_recording(recording.kind, recording.name, times_ms, values)

    def state(self) -> State:
        """What was not handed over yet; recordings keep theirs with the network."""
        times_ms, gids = self._joined()
        return {"kept_ms": times_ms, "kept_gids": gids, "gathered_ms": np.array(self._until_ms)}

    def restore(self, state: State) -> None:
        """Go on from a state."""
        self._kept = [(np.array(state["kept_ms"]), np.array(state["kept_gids"]))]
        self._until_ms = float(state["gathered_ms"])
