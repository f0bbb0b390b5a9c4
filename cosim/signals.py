"""The only values that travel between participants. Immutable, plain NumPy, checked on creation."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from cosim.clock import SyncWindow
from cosim.errors import SimulationError


def _check(
    kind: str,
    variable: str,
    regions: tuple[str, ...],
    window: SyncWindow,
    values: NDArray[np.float64],
    low: float,
    high: float,
    unit: str,
) -> None:
    expected = (window.n_steps, len(regions))
    if values.shape != expected:
        raise ValueError(
            f"{kind} of {variable} has shape {values.shape}, "
            f"expected (n_steps, n_regions) = {expected}."
        )
    # One pass that is false for NaN as well; the position is only searched for when it fails.
    if values.size and not (values.min() >= low and values.max() <= high):
        step, column = np.argwhere(~((values >= low) & (values <= high)))[0]
        raise SimulationError(
            f"{variable} of region {regions[column]!r} at "
            f"t = {window.start_ms + step * window.dt_ms:g} ms is {values[step, column]:g}{unit}; "
            f"{'rates are finite and >= 0' if unit else 'a gating variable lies in [0, 1]'}."
        )


@dataclass(frozen=True, slots=True)
class RateSignal:
    """Population firing rates over one window.

    Attributes:
        window: The window the samples cover; row ``n`` holds over step ``start_step + n``.
        variable: Mean-field name of the rate, such as ``R_e``.
        regions: Region labels, in column order.
        values_hz: Rates, shape ``(n_steps, n_regions)``, spikes per second per cell.
    """

    window: SyncWindow
    variable: str
    regions: tuple[str, ...]
    values_hz: NDArray[np.float64]

    def __post_init__(self) -> None:
        _check(
            "Rate",
            self.variable,
            self.regions,
            self.window,
            self.values_hz,
            0.0,
            np.finfo(np.float64).max,
            " Hz",
        )

    @property
    def values(self) -> NDArray[np.float64]:
        """The rates, Hz, shape ``(n_steps, n_regions)``."""
        return self.values_hz


@dataclass(frozen=True, slots=True)
class GatingSignal:
    """Synaptic gating variables over one window, dimensionless.

    Attributes:
        window: The window; row ``n`` is the value at the *end* of step ``start_step + n``.
        variable: Mean-field name of the variable, such as ``S_e``.
        regions: Region labels, in column order.
        values: Gating, shape ``(n_steps, n_regions)``, in [0, 1].
    """

    window: SyncWindow
    variable: str
    regions: tuple[str, ...]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        _check("Gating", self.variable, self.regions, self.window, self.values, 0.0, 1.0, "")


Signal = RateSignal | GatingSignal


@dataclass(frozen=True, slots=True)
class SpikeCounts:
    """Spikes of whole populations, counted per mean-field step, summed over all ranks.

    Attributes:
        window: The window the counts cover.
        populations: Population labels, ``REGION.POP``, in column order.
        counts: Spikes, shape ``(n_steps, n_populations)``.
    """

    window: SyncWindow
    populations: tuple[str, ...]
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SpikeEvents:
    """Spikes to deliver within one window.

    Attributes:
        cell: Index into the target cells, shape ``(n_events,)``.
        source: Index into the source regions, same shape.
        times_ms: Delivery time, ms since the start of the run, same shape.
    """

    cell: NDArray[np.int64]
    source: NDArray[np.int64]
    times_ms: NDArray[np.float64]


class Wish(IntEnum):
    """What a side wants to be done after a window; of several wishes the greatest holds."""

    NOTHING = 0
    CHECKPOINT = 1
    STOP = 2


@dataclass(frozen=True, slots=True)
class Packet:
    """All that one participant tells the other after one window.

    Attributes:
        exchange: Number of the exchange: 0 before the first window, ``k + 1`` after window k.
        sender: Name of the participant that sends.
        signals: One signal per variable, all over the same window.
        wish: What the sender wants to be done after the window; of a packet received, what both
            sides together want, the same on every rank.
    """

    exchange: int
    sender: str
    signals: tuple[Signal, ...] = field(default=())
    wish: Wish = Wish.NOTHING

    def signal(self, variable: str) -> Signal:
        """The signal of one variable.

        Raises:
            KeyError: If the packet carries no such variable.
        """
        for signal in self.signals:
            if signal.variable == variable:
                return signal
        carried = [signal.variable for signal in self.signals]
        raise KeyError(
            f"Packet {self.exchange} of {self.sender!r} carries {carried}, not {variable!r}."
        )


@dataclass(frozen=True, slots=True)
class SignalLayout:
    """Variable, kind and columns of one signal: what both ends agree on before the run.

    Attributes:
        variable: Mean-field name of the variable.
        regions: Region labels, in column order.
        is_rate: Whether the values are rates in Hz (else gating variables).
    """

    variable: str
    regions: tuple[str, ...]
    is_rate: bool

    def build(self, window: SyncWindow, values: NDArray[np.float64]) -> Signal:
        """A signal of this layout from its values, shape ``(n_steps, n_regions)``."""
        if self.is_rate:
            return RateSignal(window, self.variable, self.regions, values)
        return GatingSignal(window, self.variable, self.regions, values)


@dataclass(frozen=True, slots=True)
class PacketLayout:
    """What every packet of one sender contains, in order.

    Attributes:
        sender: Name of the sending participant.
        signals: Layout of each signal.
    """

    sender: str
    signals: tuple[SignalLayout, ...]

    @property
    def n_columns(self) -> int:
        """Values per mean-field step."""
        return sum(len(signal.regions) for signal in self.signals)

    def pack(self, packet: Packet) -> NDArray[np.float64]:
        """The packet's values side by side, shape ``(n_steps, n_columns)``."""
        if not packet.signals:
            return np.zeros((0, 0))
        return np.concatenate([signal.values for signal in packet.signals], axis=1)

    def unpack(
        self,
        exchange: int,
        window: SyncWindow,
        values: NDArray[np.float64],
        wish: Wish = Wish.NOTHING,
    ) -> Packet:
        """The packet whose values :meth:`pack` laid side by side."""
        signals, column = [], 0
        for layout in self.signals:
            stop = column + len(layout.regions)
            signals.append(layout.build(window, values[:, column:stop]))
            column = stop
        return Packet(exchange, self.sender, tuple(signals), wish)
