"""The window loop: the same on both sides, in one process and over MPI."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from cosim.clock import SyncClock, SyncWindow
from cosim.protocols import Participant, Transport
from cosim.signals import Packet, Wish
from cosim.stopwatch import Stopwatch

# Called after each window with the packets that were exchanged: window, sent, received.
WindowHook = Callable[[SyncWindow, Packet, Packet], None]


@dataclass
class Side:
    """One participant, its connection to the other, and what is told of each window.

    Attributes:
        participant: The simulator.
        transport: Its end of the connection.
        after_window: Called with what was sent and received after each window.
    """

    participant: Participant
    transport: Transport
    after_window: Sequence[WindowHook] = field(default=())


@dataclass
class Position:
    """Where a run stands, for the message if it fails.

    Attributes:
        side: Participant at work.
        window: Window at work; None before the first.
    """

    side: str = ""
    window: SyncWindow | None = None

    def __str__(self) -> str:
        if self.window is None:
            return f"{self.side or 'during the build'}, before the first window"
        return f"{self.side}, window {self.window.index} (from t = {self.window.start_ms:g} ms)"


@dataclass(frozen=True)
class Standing:
    """Where a run stands between two windows, for one that goes on from there.

    Attributes:
        window: The last window that was simulated.
        incoming: What each side received after it.
    """

    window: SyncWindow
    incoming: tuple[Packet, ...]


class Keeper(Protocol):
    """What watches over a run between its windows; see ``cosim.checkpointing``."""

    def wish(self, window: SyncWindow) -> Wish:
        """What this process wants to be done after a window."""

    def begin(self, sides: Sequence[Side]) -> Standing | None:
        """Bring the sides to where the run goes on; None starts them as new."""

    def ready(self, sides: Sequence[Side]) -> None:
        """The sides have been started, or brought to where the run goes on."""

    def after(self, sides: Sequence[Side], standing: Standing, wish: Wish) -> None:
        """A window has ended, and ``wish`` is what all ranks together want now."""


def run_windows(
    clock: SyncClock,
    sides: Sequence[Side],
    stopwatch: Stopwatch,
    position: Position,
    keeper: Keeper | None = None,
) -> None:
    """Advance one side (over MPI) or both (in one process) to the end of the run.

    Each window is simulated by all sides before any packet of it is received: what is exchanged
    after window k is used in window k + 1, wherever the other side runs.

    Args:
        clock: Steps and windows.
        sides: The sides that this process runs.
        stopwatch: Attributes the time spent.
        position: Kept up to date for whoever reports a failure.
        keeper: Saves the run between windows, and brings a resumed one to where it goes on.
    """
    standing = None if keeper is None else keeper.begin(sides)
    if standing is None:
        standing = _start(clock, sides, stopwatch, position)
    if keeper is not None:
        keeper.ready(sides)
    incoming = list(standing.incoming)
    for window in clock.windows(standing.window.index + 1):
        position.window = window
        outgoing = []
        for side, received in zip(sides, incoming, strict=True):
            position.side = side.participant.name
            packet = side.participant.advance(window, received)
            if keeper is not None:
                packet = replace(packet, wish=keeper.wish(window))
            with stopwatch.phase("exchange"):
                side.transport.send(packet)
            outgoing.append(packet)
        incoming = [_receive(side, window.index + 1, window, stopwatch, position) for side in sides]
        with stopwatch.phase("record"):
            for side, sent, received in zip(sides, outgoing, incoming, strict=True):
                for hook in side.after_window:
                    hook(window, sent, received)
        if keeper is not None:
            keeper.after(sides, Standing(window, tuple(incoming)), incoming[0].wish)
    for side, received in zip(sides, incoming, strict=True):
        position.side = side.participant.name
        side.participant.finish(received)
        with stopwatch.phase("wait"):
            side.transport.close()


def _start(
    clock: SyncClock, sides: Sequence[Side], stopwatch: Stopwatch, position: Position
) -> Standing:
    """Start every side and exchange what holds before the first window."""
    before = SyncWindow(-1, -1, 1, clock.dt_ms)
    for side in sides:
        position.side = side.participant.name
        packet = side.participant.start()
        side.transport.send(packet)
    incoming = [_receive(side, 0, before, stopwatch, position) for side in sides]
    return Standing(before, tuple(incoming))


def _receive(
    side: Side, exchange: int, window: SyncWindow, stopwatch: Stopwatch, position: Position
) -> Packet:
    position.side = side.participant.name
    with stopwatch.phase("wait"):
        return side.transport.receive(exchange, window)
