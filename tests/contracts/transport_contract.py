"""What every transport does: subclass it and give a ``join`` fixture.

``join(a, b)`` connects the side that sends packets of layout ``a`` with the side that sends packets
of layout ``b`` and returns the ends that this process holds: both in one process, one under MPI.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from cosim.clock import SyncClock, SyncWindow
from cosim.errors import SynchronizationError
from cosim.signals import GatingSignal, PacketLayout, RateSignal, SignalLayout, Wish

RATES = PacketLayout(
    "TVB", (SignalLayout("R_e", ("V2", "M1"), True), SignalLayout("R_i", ("M1",), True))
)
MIXED = PacketLayout(
    "NEURON", (SignalLayout("R_e", ("V1",), True), SignalLayout("S_i", ("V1",), False))
)
NOTHING = PacketLayout("TVB", ())
BEFORE = SyncWindow(-1, -1, 1, 0.1)
WINDOW = SyncWindow(1, 10, 10, 0.1)


@dataclass(frozen=True)
class End:
    """One end of a connection.

    Attributes:
        transport: The transport under test.
        mine: What this end sends.
        peers: What the other end sends.
    """

    transport: Any
    mine: PacketLayout
    peers: PacketLayout


def packet(layout, exchange, window):
    """A packet whose values both ends know: a function of its sender and its number."""
    rng = np.random.default_rng((exchange, len(layout.sender)))
    n_steps = window.n_steps if layout.signals else 0
    return layout.unpack(exchange, window, rng.random((n_steps, layout.n_columns)))


def same(got, expected):
    """Whether two packets say the same, bit for bit."""
    return (got.exchange, got.sender, len(got.signals)) == (
        expected.exchange,
        expected.sender,
        len(expected.signals),
    ) and all(
        (a.window, a.variable, a.regions, type(a)) == (b.window, b.variable, b.regions, type(b))
        and np.array_equal(a.values, b.values)
        for a, b in zip(got.signals, expected.signals, strict=True)
    )


class TransportContract:
    """The promises of ``cosim.protocols.Transport``."""

    def exchange(self, ends, number, window):
        """Every end sends its packet, then receives the other's."""
        for end in ends:
            end.transport.send(packet(end.mine, number, window))
        return [end.transport.receive(number, window) for end in ends]

    def test_a_packet_arrives_unchanged(self, join):
        ends = join(RATES, MIXED)
        received = self.exchange(ends, 2, WINDOW)
        for end, got in zip(ends, received, strict=True):
            assert same(got, packet(end.peers, 2, WINDOW))

    def test_rates_arrive_as_rates_and_gating_as_gating(self, join):
        ends = join(MIXED, MIXED)
        for got in self.exchange(ends, 2, WINDOW):
            assert [type(signal) for signal in got.signals] == [RateSignal, GatingSignal]

    @pytest.mark.parametrize("tvb_wants", list(Wish))
    @pytest.mark.parametrize("neuron_wants", list(Wish))
    def test_both_ends_are_told_the_greater_of_their_wishes(self, join, tvb_wants, neuron_wants):
        ends = join(RATES, MIXED)
        wants = {"TVB": tvb_wants, "NEURON": neuron_wants}
        for end in ends:
            wish = wants[end.mine.sender]
            end.transport.send(replace(packet(end.mine, 2, WINDOW), wish=wish))
        told = [end.transport.receive(2, WINDOW).wish for end in ends]
        assert told == [max(wants.values())] * len(ends)

    def test_a_wish_is_gone_with_the_next_packet(self, join):
        ends = join(RATES, MIXED)
        for number, wish in ((2, Wish.CHECKPOINT), (3, Wish.NOTHING)):
            for end in ends:
                end.transport.send(replace(packet(end.mine, number, WINDOW), wish=wish))
            assert {end.transport.receive(number, WINDOW).wish for end in ends} == {wish}

    def test_the_state_before_the_first_window_is_exchange_0(self, join):
        ends = join(RATES, MIXED)
        received = self.exchange(ends, 0, BEFORE)
        for end, got in zip(ends, received, strict=True):
            assert same(got, packet(end.peers, 0, BEFORE))

    def test_a_whole_run_arrives_in_order_a_shorter_last_window_included(self, join):
        ends = join(RATES, MIXED)
        for window in SyncClock(0.1, 7, 80).windows():
            received = self.exchange(ends, window.index + 1, window)
            for end, got in zip(ends, received, strict=True):
                assert same(got, packet(end.peers, window.index + 1, window))

    def test_a_window_of_one_step_arrives(self, join):
        ends = join(RATES, MIXED)
        window = SyncWindow(4, 4, 1, 0.1)
        for end, got in zip(ends, self.exchange(ends, 5, window), strict=True):
            assert same(got, packet(end.peers, 5, window))

    def test_extreme_values_arrive_to_the_last_bit(self, join):
        """The smallest and largest rates that are one: a text format would round them."""
        values = np.array([[5e-324, np.finfo(float).max, np.nextafter(1.0, 2.0)]])
        window = SyncWindow(0, 0, 1, 0.1)
        ends = join(RATES, RATES)
        for end in ends:
            end.transport.send(end.mine.unpack(1, window, values))
        for end in ends:
            got = end.transport.receive(1, window)
            assert np.array_equal(RATES.pack(got), values)

    def test_a_side_may_have_nothing_to_tell(self, join):
        ends = join(NOTHING, MIXED)
        for end, got in zip(ends, self.exchange(ends, 2, WINDOW), strict=True):
            assert same(got, packet(end.peers, 2, WINDOW))

    def test_a_silent_peer_is_named_with_its_window(self, join):
        for end in join(RATES, MIXED):
            with pytest.raises(SynchronizationError, match=r"(?i)window 1\b.*peer"):
                end.transport.receive(2, WINDOW)

    def test_a_packet_of_another_exchange_is_named_with_both_numbers(self, join):
        ends = join(RATES, MIXED)
        for end in ends:
            end.transport.send(packet(end.mine, 3, WINDOW))
        for end in ends:
            with pytest.raises(SynchronizationError, match=r"(?i)exchange 2 .* 3.*out of step"):
                end.transport.receive(2, WINDOW)
