"""What every participant does: subclass it and give a ``make`` fixture.

``make(clock)`` returns a fresh participant, and the layout of the packets that its peer sends it.
"""

import numpy as np
import pytest

from cosim.clock import SyncClock, SyncWindow
from cosim.signals import GatingSignal, PacketLayout, RateSignal

CLOCK = SyncClock(dt_ms=0.1, window_steps=7, n_steps=31)  # the last window is shorter
BEFORE = SyncWindow(-1, -1, 1, 0.1)


def told(layout: PacketLayout, exchange, window):
    """A peer's packet: at each step a value that depends on the step and the column alone."""
    steps = np.arange(window.start_step, window.stop_step)[:, None]
    column = np.arange(layout.n_columns)[None, :]
    return layout.unpack(exchange, window, 0.5 + 0.4 * np.sin(0.3 * steps + column))


def run(participant, peers, clock, keep=lambda packet: packet):
    """Take a participant through a whole run, as the scheduler does; all packets that it sent."""
    sent = [keep(participant.start())]
    incoming = told(peers, 0, BEFORE)
    for window in clock.windows():
        sent.append(keep(participant.advance(window, incoming)))
        incoming = told(peers, window.index + 1, window)
    participant.finish(incoming)
    return sent


def values_of(participant, packets):
    """Everything that was sent after the start, shape ``(n_steps, n_columns)``."""
    return np.concatenate([participant.outgoing.pack(packet) for packet in packets[1:]])


class ParticipantContract:
    """The promises of ``cosim.protocols.Participant``."""

    def test_it_starts_with_packet_0_over_one_step_before_the_run(self, make):
        participant, _ = make(CLOCK)
        packet = participant.start()
        assert packet.exchange == 0
        assert {signal.window for signal in packet.signals} <= {BEFORE}

    def test_window_k_gives_packet_k_plus_1_over_that_window(self, make):
        participant, peers = make(CLOCK)
        packets = run(participant, peers, CLOCK)[1:]
        for window, packet in zip(CLOCK.windows(), packets, strict=True):
            assert packet.exchange == window.index + 1
            assert {signal.window for signal in packet.signals} <= {window}

    def test_every_packet_holds_what_its_layout_says(self, make):
        participant, peers = make(CLOCK)
        for packet in run(participant, peers, CLOCK):
            assert [
                (signal.variable, signal.regions, isinstance(signal, RateSignal))
                for signal in packet.signals
            ] == [
                (layout.variable, layout.regions, layout.is_rate)
                for layout in participant.outgoing.signals
            ]
            assert all(isinstance(s, RateSignal | GatingSignal) for s in packet.signals)

    def test_packets_carry_the_name_of_their_sender(self, make):
        participant, peers = make(CLOCK)
        assert {packet.sender for packet in run(participant, peers, CLOCK)} == {participant.name}
        assert participant.outgoing.sender == participant.name

    def test_at_the_end_its_time_is_the_clocks(self, make):
        """One product of the step and an integer on either side: equal to 1 ulp of the time."""
        participant, peers = make(CLOCK)
        run(participant, peers, CLOCK)
        assert participant.summary()["time_ms"] == pytest.approx(CLOCK.duration_ms, rel=2.3e-16)

    def test_a_packet_does_not_change_after_it_was_sent(self, make):
        """The transport of one process hands over the arrays themselves."""
        participant, peers = make(CLOCK)
        kept = []

        def copied(packet):
            kept.append(participant.outgoing.pack(packet).copy())
            return packet

        packets = run(participant, peers, CLOCK, keep=copied)
        for before, packet in zip(kept, packets, strict=True):
            assert np.array_equal(participant.outgoing.pack(packet), before)

    def test_what_it_is_told_is_left_alone(self, make):
        participant, peers = make(CLOCK)
        participant.start()
        window = next(CLOCK.windows())
        incoming = told(peers, 0, BEFORE)
        before = peers.pack(incoming).copy()
        participant.advance(window, incoming)
        last = told(peers, 1, window)
        participant.finish(last)
        assert np.array_equal(peers.pack(incoming), before)
        assert np.array_equal(peers.pack(last), peers.pack(told(peers, 1, window)))

    def test_two_fresh_ones_send_the_same(self, make):
        runs = []
        for _ in range(2):
            participant, peers = make(CLOCK)
            runs.append(values_of(participant, run(participant, peers, CLOCK)))
        assert np.array_equal(*runs)

    @pytest.mark.parametrize("window_steps", [1, 5])
    def test_the_window_does_not_change_what_it_sends(self, make, window_steps):
        runs = []
        for clock in (CLOCK, SyncClock(CLOCK.dt_ms, window_steps, CLOCK.n_steps)):
            participant, peers = make(clock)
            runs.append(values_of(participant, run(participant, peers, clock)))
        assert np.array_equal(*runs)

    @pytest.mark.parametrize("saved_after", range(5))
    def test_another_one_goes_on_from_its_state(self, make, saved_after):
        """Bit for bit, also where a window is not complete yet and after the last one."""
        whole, peers = make(CLOCK)
        expected = values_of(whole, run(whole, peers, CLOCK))
        first, _ = make(CLOCK)
        sent = [first.start()]
        first.require_savable()
        incoming = told(peers, 0, BEFORE)
        for window in list(CLOCK.windows())[:saved_after]:
            sent.append(first.advance(window, incoming))
            incoming = told(peers, window.index + 1, window)
        saved = {name: values.copy() for name, values in first.state().items()}
        second, _ = make(CLOCK)
        second.restore(saved)
        second.require_savable()
        for window in CLOCK.windows(saved_after):
            sent.append(second.advance(window, incoming))
            incoming = told(peers, window.index + 1, window)
        second.finish(incoming)
        assert np.array_equal(values_of(second, sent), expected)
        assert second.summary() == whole.summary()

    def test_a_state_is_plain_and_stays_what_it_was(self, make):
        participant, peers = make(CLOCK)
        participant.start()
        participant.require_savable()
        first, second, *_ = CLOCK.windows()
        participant.advance(first, told(peers, 0, BEFORE))
        state = participant.state()
        kept = {name: values.copy() for name, values in state.items()}
        participant.advance(second, told(peers, 1, first))
        assert not any(values.dtype.hasobject for values in state.values())
        assert all(state[name].tobytes() == kept[name].tobytes() for name in kept)
