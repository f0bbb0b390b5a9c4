"""What travels between the sides is checked when it is made, and survives packing unchanged."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.clock import SyncWindow
from cosim.errors import SimulationError
from cosim.signals import GatingSignal, Packet, PacketLayout, RateSignal, SignalLayout

WINDOW = SyncWindow(index=3, start_step=30, n_steps=10, dt_ms=0.1)
LAYOUT = PacketLayout(
    "NEURON",
    (SignalLayout("R_e", ("V1", "V2"), is_rate=True), SignalLayout("S_i", ("M1",), is_rate=False)),
)


def rate(values):
    return RateSignal(WINDOW, "R_e", ("V1", "V2"), values)


@pytest.mark.parametrize(
    ("value", "shown"), [(-1.0, "-1"), (-1e-300, "-1e-300"), (np.nan, "nan"), (np.inf, "inf")]
)
def test_an_impossible_rate_is_reported_with_variable_region_and_time(value, shown):
    """Row 4 of a window from step 30 is step 34, which begins at 3.4 ms."""
    values = np.full((10, 2), 3.0)
    values[4, 1] = value
    with pytest.raises(SimulationError, match=rf"R_e of region 'V2' at t = 3\.4 ms is {shown} Hz"):
        rate(values)


@pytest.mark.parametrize(("value", "shown"), [(-1e-9, "-1e-09"), (1.5, "1.5"), (np.nan, "nan")])
def test_a_gating_variable_outside_0_to_1_is_reported(value, shown):
    with pytest.raises(SimulationError, match=rf"S_e of region 'V1' at t = 3 ms is {shown};"):
        GatingSignal(WINDOW, "S_e", ("V1",), np.full((10, 1), value))


@pytest.mark.parametrize("shape", [(9, 2), (10, 1), (10,), (10, 2, 1)])
def test_values_that_do_not_fit_window_and_regions_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(n_steps, n_regions\) = \(10, 2\)"):
        rate(np.zeros(shape))


def test_rates_at_the_edges_of_the_range_are_accepted():
    assert rate(np.full((10, 2), 0.0)).values.min() == 0.0


def test_gating_at_the_edges_of_the_range_is_accepted():
    values = np.repeat([[0.0, 1.0]], 10, axis=0)
    assert GatingSignal(WINDOW, "S_e", ("V1", "V2"), values).values.max() == 1.0


def test_a_signal_of_no_region_is_empty_and_valid():
    assert RateSignal(WINDOW, "R_e", (), np.empty((10, 0))).values.shape == (10, 0)


def test_a_signal_cannot_be_changed_after_its_check():
    with pytest.raises(dataclasses.FrozenInstanceError):
        rate(np.zeros((10, 2))).values_hz = np.full((10, 2), -1.0)


def test_a_packet_gives_the_signal_of_a_variable():
    signal = rate(np.ones((10, 2)))
    assert Packet(4, "TVB", (signal,)).signal("R_e") is signal


def test_a_variable_that_a_packet_lacks_is_named_with_what_it_carries():
    with pytest.raises(KeyError, match=r"Packet 4 of 'TVB' carries \['R_e'\], not 'R_i'"):
        Packet(4, "TVB", (rate(np.ones((10, 2))),)).signal("R_i")


@given(st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_packing_and_unpacking_gives_the_same_packet(n_steps, seed):
    window = SyncWindow(2, 2 * n_steps, n_steps, 0.1)
    values = np.random.default_rng(seed).random((n_steps, LAYOUT.n_columns))
    packet = LAYOUT.unpack(3, window, values)
    assert np.array_equal(LAYOUT.pack(packet), values)
    assert [s.regions for s in packet.signals] == [s.regions for s in LAYOUT.signals]
    assert [type(s) for s in packet.signals] == [RateSignal, GatingSignal]
    assert (packet.exchange, packet.sender) == (3, "NEURON")


def test_unpacking_checks_what_arrived():
    with pytest.raises(SimulationError, match="S_i of region 'M1'"):
        LAYOUT.unpack(3, WINDOW, np.full((10, 3), 2.0))


def test_an_empty_packet_packs_to_nothing():
    assert PacketLayout("TVB", ()).pack(Packet(1, "TVB")).size == 0
