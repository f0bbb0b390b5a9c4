"""What MPI adds to the contract of a transport: time limits, large messages, groups of ranks.

Both ranks run every test. Started by test_transport_mpi.py.
"""

import time

import numpy as np
import pytest
from mpi4py import MPI

from cosim.clock import SyncWindow
from cosim.errors import SynchronizationError
from cosim.signals import PacketLayout, SignalLayout
from cosim.transport.mpi import MpiGroup, MpiWorld

ME = MPI.COMM_WORLD.rank
PEER = 1 - ME
TIMEOUT_S = 0.4

LAYOUT = PacketLayout(
    "anyone", (SignalLayout("R_e", ("V1", "V2"), True), SignalLayout("S_i", ("V2",), False))
)
WINDOW = SyncWindow(index=4, start_step=28, n_steps=7, dt_ms=0.1)

pytestmark = pytest.mark.timeout(20)


@pytest.fixture(autouse=True)
def _together():
    """Both ranks begin and end every test together."""
    assert MPI.COMM_WORLD.size == 2
    MPI.COMM_WORLD.Barrier()
    yield
    MPI.COMM_WORLD.Barrier()


def transport(layout=LAYOUT, timeout_s=TIMEOUT_S):
    return MpiWorld(timeout_s).transport(layout, layout)


def values_of(sender, layout=LAYOUT, window=WINDOW):
    rng = np.random.default_rng((sender, window.index))
    return rng.random((window.n_steps, layout.n_columns))


def packet_of(sender, layout=LAYOUT, window=WINDOW):
    return layout.unpack(window.index + 1, window, values_of(sender, layout, window))


def assert_is_of_the_peer(received, layout=LAYOUT, window=WINDOW):
    expected = packet_of(PEER, layout, window)
    assert (received.exchange, received.sender) == (expected.exchange, expected.sender)
    for got, sent in zip(received.signals, expected.signals, strict=True):
        assert (got.window, got.variable, got.regions) == (window, sent.variable, sent.regions)
        assert type(got) is type(sent)
        assert got.values.tobytes() == sent.values.tobytes()


def test_packets_arrive_in_order_when_one_side_is_ahead():
    mine = transport()
    windows = [SyncWindow(k, 7 * k, 7, 0.1) for k in range(3)]
    if ME == 0:
        for window in windows:
            mine.send(packet_of(ME, window=window))
        for window in windows:
            assert_is_of_the_peer(mine.receive(window.index + 1, window), window=window)
    else:
        for window in windows:
            assert_is_of_the_peer(mine.receive(window.index + 1, window), window=window)
            mine.send(packet_of(ME, window=window))


def test_packet_sent_late_but_in_time_arrives():
    mine = transport(timeout_s=10.0)
    if ME == 1:
        time.sleep(2 * TIMEOUT_S)
    mine.send(packet_of(ME))
    assert_is_of_the_peer(mine.receive(5, WINDOW))


def test_silent_peer_is_named_with_the_window_in_time():
    mine = transport()
    begin = time.monotonic()
    with pytest.raises(
        SynchronizationError, match=r"Window 4 \(t = 3\.5 ms\): nothing from the peer within 0\.4 s"
    ):
        mine.receive(5, WINDOW)
    assert TIMEOUT_S <= time.monotonic() - begin < TIMEOUT_S + 2.0


@pytest.mark.parametrize("n_steps", [6, 8])
def test_packet_of_a_window_of_another_length_is_refused(n_steps):
    mine = transport()
    mine.send(packet_of(ME))
    with pytest.raises(SynchronizationError, match=r"Window 4 .*out of step"):
        mine.receive(5, SyncWindow(4, 28, n_steps, 0.1))


def test_packet_from_another_time_is_refused():
    mine = transport()
    mine.send(packet_of(ME))
    with pytest.raises(SynchronizationError, match=r"from step 35, .* over 7 from 28"):
        mine.receive(5, SyncWindow(4, 35, 7, 0.1))


def test_packets_above_the_eager_limit_cross_without_deadlock():
    """1000 regions x 1000 steps: 8 MB each way, both sent before either is received."""
    regions = tuple(f"region {n}" for n in range(1000))
    layout = PacketLayout("anyone", (SignalLayout("R_e", regions, True),))
    window = SyncWindow(0, 0, 1000, 0.1)
    mine = transport(layout, timeout_s=15.0)
    mine.send(packet_of(ME, layout, window))
    assert_is_of_the_peer(mine.receive(1, window), layout, window)
    # The buffers of the first are free again when the second is sent.
    window = SyncWindow(1, 1000, 1000, 0.1)
    mine.send(packet_of(ME, layout, window))
    assert_is_of_the_peer(mine.receive(2, window), layout, window)


def test_large_packet_that_the_peer_does_not_take_is_noticed():
    """The next one cannot be sent while the first waits for its receiver."""
    regions = tuple(f"region {n}" for n in range(1000))
    layout = PacketLayout("anyone", (SignalLayout("R_e", regions, True),))
    windows = [SyncWindow(k, 1000 * k, 1000, 0.1) for k in range(2)]
    mine = transport(layout)
    if ME == 0:
        mine.send(packet_of(0, layout, windows[0]))
        with pytest.raises(SynchronizationError, match="Packet 1 not taken"):
            mine.send(packet_of(0, layout, windows[1]))


# -- the ranks of one side ----------------------------------------------------------------------


@pytest.fixture
def group():
    return MpiGroup(MPI.COMM_WORLD, timeout_s=10.0)


def test_sum_over_the_group_is_the_same_on_every_rank(group):
    """Integers beyond 2^53, where floats would no longer count."""
    mine = np.array([[2**60 + ME, ME], [3, -(2**60)]], dtype=np.int64)
    np.testing.assert_array_equal(group.sum(mine), [[2**61 + 1, 1], [6, -(2**61)]])


def test_gather_gives_the_root_every_ranks_columns_in_rank_order(group):
    """Two rows each, one column on rank 0 and two on rank 1."""
    mine = np.array([[1.0], [2.0]]) if ME == 0 else np.array([[3.0, 4.0], [5.0, 6.0]])
    parts = group.gather(mine)
    if ME == 1:
        assert parts == []
        return
    np.testing.assert_array_equal(parts[0], [[1.0], [2.0]])
    np.testing.assert_array_equal(parts[1], [[3.0, 4.0], [5.0, 6.0]])


def test_gather_of_nothing_keeps_the_rows(group):
    parts = group.gather(np.empty((2, 0)))
    assert [part.shape for part in parts] == ([(2, 0)] * 2 if ME == 0 else [])


def test_broadcast_copies_the_roots_values(group):
    values = np.full(5, float(ME) + 7.0)
    group.broadcast(values)
    np.testing.assert_array_equal(values, np.full(5, 7.0))


def test_records_of_all_ranks_reach_the_first():
    records = MpiWorld(10.0).gather_records({"rank": ME, "note": "\u00e9" * (1 + ME)})
    expected = [{"rank": 0, "note": "\u00e9"}, {"rank": 1, "note": "\u00e9\u00e9"}]
    assert records == (expected if ME == 0 else None)


def test_rank_may_wait_as_long_as_the_others_work():
    world = MpiWorld(timeout_s=TIMEOUT_S if ME == 0 else 10.0)
    if ME == 1:
        time.sleep(3 * TIMEOUT_S)
    begin = time.monotonic()
    world.barrier(patient=ME == 0)
    assert ME == 1 or time.monotonic() - begin > 2 * TIMEOUT_S


@pytest.mark.parametrize("operation", ["sum", "gather", "broadcast", "barrier"])
def test_silent_rank_of_the_group_is_noticed(operation):
    """Rank 1 joins too late, which also lets MPI end in order."""
    group = MpiGroup(MPI.COMM_WORLD.Dup(), timeout_s=TIMEOUT_S if ME == 0 else 10.0)
    arguments = {
        "sum": [np.ones(3, dtype=np.int64)],
        "gather": [np.ones((2, 3))],
        "broadcast": [np.ones(3)],
        "barrier": [],
    }[operation]
    if ME == 1:
        time.sleep(3 * TIMEOUT_S)
        return
    if operation == "broadcast":  # the root only sends
        return
    with pytest.raises(SynchronizationError, match=r"nothing from .* within 0\.4 s"):
        getattr(group, operation)(*arguments)
