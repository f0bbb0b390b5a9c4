"""The transport of a run in one process keeps the contract, and its stand-ins keep theirs."""

import numpy as np
import pytest
from transport_contract import BEFORE, MIXED, RATES, WINDOW, End, TransportContract, packet

from cosim.transport.in_process import InProcessTransport, NoPeer, SingleProcessGroup


class TestInProcess(TransportContract):
    @pytest.fixture
    def join(self):
        def joined(a, b):
            one, other = InProcessTransport.pair()
            return [End(one, a, b), End(other, b, a)]

        return joined

    def test_sending_does_not_wait_for_the_peer(self, join):
        """All packets of one side first: a mailbox, no threads."""
        one, other = join(RATES, MIXED)
        for number in range(3):
            one.transport.send(packet(RATES, number, WINDOW))
        got = [other.transport.receive(number, WINDOW).exchange for number in range(3)]
        assert got == [0, 1, 2]

    def test_two_pairs_do_not_hear_each_other(self, join):
        (one, _), (_, other) = join(RATES, MIXED), join(RATES, MIXED)
        one.transport.send(packet(RATES, 2, WINDOW))
        with pytest.raises(Exception, match="has sent nothing"):
            other.transport.receive(2, WINDOW)


def test_a_participant_alone_receives_empty_packets():
    alone = NoPeer()
    alone.send(packet(RATES, 0, BEFORE))
    assert alone.receive(5, WINDOW).signals == ()
    assert alone.receive(5, WINDOW).exchange == 5


def test_a_group_of_one_sums_and_gathers_its_own_values():
    group, values = SingleProcessGroup(), np.array([[1, 2], [3, 4]])
    assert np.array_equal(group.sum(values), values)
    (gathered,) = group.gather(values.astype(float))
    assert np.array_equal(gathered, values)
    assert (group.rank, group.size, group.barrier()) == (0, 1, None)
