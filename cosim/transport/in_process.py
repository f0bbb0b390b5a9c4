"""Packets between two participants of one process: a mailbox, no threads."""

from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cosim.clock import SyncWindow
from cosim.errors import SynchronizationError
from cosim.signals import Packet, Wish


class InProcessTransport:
    """One end of a pair; what one end sends the other receives, in order.

    Use :meth:`pair` to make both ends.
    """

    def __init__(self, outbox: deque[Packet], inbox: deque[Packet]):
        self._outbox, self._inbox = outbox, inbox
        self._wish = Wish.NOTHING

    @classmethod
    def pair(cls) -> tuple["InProcessTransport", "InProcessTransport"]:
        """Two ends that are joined to each other."""
        a: deque[Packet] = deque()
        b: deque[Packet] = deque()
        return cls(a, b), cls(b, a)

    def send(self, packet: Packet) -> None:
        """Hand a packet over."""
        self._wish = packet.wish
        self._outbox.append(packet)

    def receive(self, exchange: int, window: SyncWindow) -> Packet:
        """The peer's packet of one exchange.

        Raises:
            SynchronizationError: If the peer has not sent it, or sent another one.
        """
        if not self._inbox:
            raise SynchronizationError(
                f"Exchange {exchange} (window {window.index}, t = {window.start_ms:g} ms): the "
                f"peer has sent nothing; it must be advanced first."
            )
        packet = self._inbox.popleft()
        if packet.exchange != exchange:
            raise SynchronizationError(
                f"Exchange {exchange} (window {window.index}): {packet.sender} sent its packet "
                f"{packet.exchange}; the two sides are out of step."
            )
        return replace(packet, wish=max(packet.wish, self._wish))

    def close(self) -> None:
        """Nothing is under way: a packet is delivered when it is sent."""


class NoPeer:
    """The connection of a participant that runs alone: nothing is sent, nothing comes."""

    def __init__(self) -> None:
        self._wish = Wish.NOTHING

    def send(self, packet: Packet) -> None:
        """Drop the packet but for its wish: nobody waits for it."""
        self._wish = packet.wish

    def receive(self, exchange: int, window: SyncWindow) -> Packet:
        """An empty packet."""
        return Packet(exchange, "nobody", wish=self._wish)

    def close(self) -> None:
        """Nothing is under way."""


class SingleProcessGroup:
    """A group of one rank: sums are the values themselves."""

    rank = 0
    size = 1

    def sum(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """The values: there is no other rank to add."""
        return values

    def gather(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """A list of the one rank's values."""
        return [values]

    def barrier(self) -> None:
        """Nobody to wait for."""
