"""What the scheduler asks of a participant and of a transport, and of the parts they are given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cosim.clock import SyncWindow
from cosim.saved_state import State
from cosim.signals import Packet, PacketLayout, SpikeCounts, SpikeEvents


class Samples(Protocol):
    """A sink for what a participant records, window by window (see ``cosim.recorder``)."""

    def add_series(
        self, name: str, times_ms: NDArray[np.float64], values: NDArray[np.float64]
    ) -> None:
        """Append samples of one monitor.

        Args:
            name: Monitor name.
            times_ms: Sample times, shape ``(n_samples,)``, ms.
            values: Samples, shape ``(n_samples, n_variables, n_regions)``.
        """

    def add_spikes(
        self, population: str, times_ms: NDArray[np.float64], node_ids: NDArray[np.int64]
    ) -> None:
        """Append spikes of one population.

        Args:
            population: ``REGION.POP``.
            times_ms: Spike times, shape ``(n_spikes,)``, ms.
            node_ids: Index of the cell within its population, shape ``(n_spikes,)``.
        """

    def add_recording(
        self, kind: str, name: str, times_ms: NDArray[np.float64], values: NDArray[np.float64]
    ) -> None:
        """Append samples of what a circuit records beside its spikes.

        Args:
            kind: ``traces``, ``lfp`` or ``concentrations``.
            name: Its name among those.
            times_ms: Sample times, shape ``(n_samples,)``, ms.
            values: Samples, shape ``(n_samples, n_columns)``.
        """


class Participant(Protocol):
    """One simulator in the coupled run. Used in this order: start, advance ..., finish."""

    @property
    def name(self) -> str:
        """Short name for messages: ``TVB`` or ``NEURON``."""

    @property
    def outgoing(self) -> PacketLayout:
        """What its packets contain."""

    def start(self) -> Packet:
        """The state before the first window, as packet 0 with a window of one step.

        Its single row holds for all time before t = 0.
        """

    def advance(self, window: SyncWindow, incoming: Packet) -> Packet:
        """Advance over one window.

        Args:
            window: The window to simulate.
            incoming: The peer's packet of the window before (packet 0 at the first).

        Returns:
            Packet ``window.index + 1``.
        """

    def finish(self, incoming: Packet) -> None:
        """Take the peer's last packet, so that the last window is recorded completely."""

    def summary(self) -> Mapping[str, object]:
        """Facts for the provenance file: counts of clips and spikes, final times, versions."""

    def require_savable(self) -> None:
        """Make sure, once started or restored, that :meth:`state` can save it.

        Raises:
            ConfigurationError: If it cannot; one line per reason.
        """

    def state(self) -> State:
        """All that it needs to go on, between two windows.

        Another one that was built alike and takes this with :meth:`restore` goes on with the same
        numbers, bit for bit. Nothing that the participant does later changes these arrays.
        """

    def restore(self, state: State) -> None:
        """Go on from a state, in the place of :meth:`start`.

        Args:
            state: What :meth:`state` gave, of a participant that was built alike.
        """


class Transport(Protocol):
    """Carries packets to one peer and back, once per window."""

    def send(self, packet: Packet) -> None:
        """Hand a packet over; returns without waiting for the peer."""

    def receive(self, exchange: int, window: SyncWindow) -> Packet:
        """Wait for the peer's packet of one exchange.

        Raises:
            SynchronizationError: If it does not come in time, or is another exchange's.
        """

    def close(self) -> None:
        """Wait until the peer has taken everything that was sent."""


class Group(Protocol):
    """The ranks that run one participant together; a single process is a group of one."""

    @property
    def rank(self) -> int:
        """Rank within the group."""

    @property
    def size(self) -> int:
        """Number of ranks in the group."""

    def sum(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Element-wise sum over ranks, on every rank. Integers, so that order cannot matter."""

    def gather(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Every rank's values, in rank order, on rank 0; an empty list elsewhere."""

    def barrier(self) -> None:
        """Wait until every rank of the group is here."""


class CountsToRate(Protocol):
    """Turns spike counts into rates, window after window."""

    def __call__(self, counts: SpikeCounts) -> NDArray[np.float64]:
        """Rates over each step, shape ``(n_steps, n_populations)``, Hz."""


class RatesToSpikes(Protocol):
    """Turns the rates of source regions into spikes of target cells."""

    def __call__(self, rates_hz: NDArray[np.float64], start_step: int, dt_ms: float) -> SpikeEvents:
        """Events of the local cells for rates ``(n_steps, n_sources)`` that begin at a step."""


class RateToGating(Protocol):
    """Turns rates into gating variables, window after window, continuing from its own state."""

    @property
    def n_clipped(self) -> NDArray[np.int64]:
        """Steps in which each region's variable was clipped to [0, 1], shape ``(n_regions,)``."""

    def __call__(self, values_hz: NDArray[np.float64], dt_ms: float) -> NDArray[np.float64]:
        """Gating at the end of each step, shape ``(n_steps, n_regions)``."""

    def state(self) -> State:
        """What it continues from."""

    def restore(self, state: State) -> None:
        """Continue from a state."""


@dataclass(frozen=True)
class GatedRate:
    """How an incoming rate becomes the gating variable that other regions feel.

    Attributes:
        variable: Gating variable, such as ``S_e``.
        transformer: Continues from its own state, window after window.
    """

    variable: str
    transformer: RateToGating
