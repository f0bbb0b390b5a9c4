"""What integer time promises: no drift, no lost step, no window that a delay forbids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.clock import SyncClock, choose_window_steps, require_whole_steps, whole_steps
from cosim.errors import ConfigurationError

DECIMAL_STEPS = st.sampled_from([0.001, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0])


@given(DECIMAL_STEPS, st.integers(1, 10**8))
def test_a_decimal_multiple_of_the_step_is_a_whole_number_of_steps(dt_ms, n_steps):
    assert whole_steps(n_steps * dt_ms, dt_ms) == n_steps


@given(DECIMAL_STEPS, st.integers(0, 10**6), st.floats(1e-4, 1 - 1e-4))
def test_a_fraction_of_a_step_is_never_rounded_away(dt_ms, n_steps, fraction):
    """1e6 steps times the relative tolerance 1e-9 is 1e-3 step: below 1e5 steps 1e-4 shows."""
    n_steps %= 10**5
    assert whole_steps((n_steps + fraction) * dt_ms, dt_ms) is None


def test_an_interval_that_is_no_multiple_is_refused_with_the_nearest_that_is():
    with pytest.raises(ConfigurationError, match=r"duration_ms = 500\.04 .* nearest is 500\."):
        require_whole_steps("duration_ms", 500.04, 0.1, "brain.dt_ms")


def test_an_interval_below_one_step_is_told_that_one_step_is_the_nearest():
    with pytest.raises(ConfigurationError, match=r"nearest is 0\.1\."):
        require_whole_steps("duration_ms", 0.04, 0.1, "brain.dt_ms")


@given(st.integers(1, 60), st.integers(1, 700))
def test_windows_cover_every_step_once_and_in_order(window_steps, n_steps):
    clock = SyncClock(0.1, window_steps, n_steps)
    windows = list(clock.windows())
    covered = [s for w in windows for s in range(w.start_step, w.stop_step)]
    assert covered == list(range(n_steps))
    assert [w.index for w in windows] == list(range(clock.n_windows))


def test_only_the_last_window_may_be_shorter():
    assert [w.n_steps for w in SyncClock(0.1, 7, 24).windows()] == [7, 7, 7, 3]


def test_500_ms_asked_are_500_ms_simulated_for_every_window():
    assert {list(SyncClock(0.1, n, 5000).windows())[-1].stop_ms for n in range(1, 60)} == {500.0}


def test_the_window_is_shown_without_the_last_bits_of_a_product():
    assert SyncClock(0.1, 23, 5000).window_ms == 2.3  # 23 * 0.1 is 2.3000000000000003


def test_window_edges_do_not_drift():
    """An edge is one product, off by at most one rounding of it (1 ulp of 6e4 is 7e-12 ms)."""
    *_, last = SyncClock(0.1, 10, 600_000).windows()
    assert abs(last.stop_ms - 60_000.0) <= np.spacing(60_000.0)


@pytest.mark.parametrize(("window_steps", "n_steps"), [(0, 10), (10, 0), (-1, 10)])
def test_a_clock_without_a_step_is_refused(window_steps, n_steps):
    with pytest.raises(ConfigurationError, match="at least one step"):
        SyncClock(0.1, window_steps, n_steps)


def choose(window_ms, min_delay_ms=2.35, n_steps=5000, dt_ms=0.1):
    return choose_window_steps(window_ms, dt_ms, min_delay_ms, n_steps, "V1 to V2")


def test_auto_takes_the_longest_whole_number_of_steps_within_the_delay():
    assert choose(None) == 23


@pytest.mark.parametrize("n_steps", [3, 7, 23, 29, 57])
def test_a_window_as_long_as_the_delay_is_allowed(n_steps):
    """Decimal delays of whole steps: 0.7 / 0.1 is 6.999999999999999 in binary."""
    assert choose(round(n_steps * 0.1, 9), min_delay_ms=round(n_steps * 0.1, 9)) == n_steps


def test_a_window_longer_than_the_delay_is_refused_with_both_numbers_and_the_connection():
    with pytest.raises(
        ConfigurationError, match=r"window_ms = 2\.4 exceeds .*, 2\.35 ms \(V1 to V2\).*most 2\.3 "
    ):
        choose(2.4)


def test_a_window_that_is_not_a_whole_number_of_steps_is_refused():
    with pytest.raises(ConfigurationError, match=r"window_ms = 0\.25 .* brain\.dt_ms = 0\.1"):
        choose(0.25)


def test_a_delay_shorter_than_one_step_leaves_no_window():
    with pytest.raises(ConfigurationError, match=r"0\.06 ms \(V1 to V2\), is shorter than one"):
        choose(None, min_delay_ms=0.06)


def test_without_a_crossing_connection_the_whole_run_is_one_window():
    assert choose(None, min_delay_ms=None, n_steps=1234) == 1234
