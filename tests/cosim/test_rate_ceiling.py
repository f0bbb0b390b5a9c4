"""A population above the ceiling stops the run, whatever the window; a single spike does not."""

import numpy as np
import pytest

from cosim.errors import SimulationError
from cosim.rate_ceiling import RateCeiling

DT_MS = 0.1
BLOCK = 1000  # steps of 0.1 ms in 100 ms


def watch_in_windows(values_hz, window_steps, ceiling_hz=500.0):
    ceiling = RateCeiling(("V1.E", "V1.I"), ceiling_hz, DT_MS)
    for start in range(0, len(values_hz), window_steps):
        ceiling.watch(start, values_hz[start : start + window_steps])


def constant(n_steps, *rates_hz):
    return np.tile(rates_hz, (n_steps, 1))


@pytest.mark.parametrize("window_steps", [1, 7, 23, BLOCK, 2500])
def test_a_runaway_rate_is_named_with_its_population_time_and_limit(window_steps):
    with pytest.raises(
        SimulationError, match=r"V1\.I fires at 501 Hz .* 100 ms up to t = 100 ms, .* 500 Hz"
    ):
        watch_in_windows(constant(2500, 3.0, 501.0), window_steps)


@pytest.mark.parametrize("window_steps", [1, 7, BLOCK])
def test_a_rate_at_the_ceiling_is_allowed(window_steps):
    assert watch_in_windows(constant(2000, 500.0, 0.0), window_steps) is None


def test_a_single_spike_in_a_one_step_window_is_no_runaway():
    """One spike of one cell in a step of 0.1 ms is 10 kHz there and 10 Hz over 100 ms."""
    values = constant(2000, 0.0, 0.0)
    values[500, 0] = 10_000.0
    assert watch_in_windows(values, 1) is None


def test_the_block_that_exceeds_is_the_one_reported():
    values = constant(3000, 3.0, 3.0)
    values[BLOCK : 2 * BLOCK, 0] = 900.0
    with pytest.raises(SimulationError, match=r"V1\.E fires at 900 Hz .* up to t = 200 ms"):
        watch_in_windows(values, 300)


def test_one_block_does_not_weigh_on_the_next():
    values = constant(2000, 499.0, 0.0)
    values[BLOCK:] = 0.0
    values[BLOCK : BLOCK + 400, 0] = 1200.0  # 480 Hz over its own block
    assert watch_in_windows(values, 130) is None


def test_the_worst_of_several_is_named():
    with pytest.raises(SimulationError, match=r"V1\.I fires at 800 Hz"):
        watch_in_windows(constant(BLOCK, 600.0, 800.0), BLOCK)


def test_a_lower_ceiling_is_respected():
    with pytest.raises(SimulationError, match="above the ceiling of 20 Hz"):
        watch_in_windows(constant(BLOCK, 21.0, 0.0), 10, ceiling_hz=20.0)


def test_an_unknown_rate_is_passed_over():
    values = constant(BLOCK, 0.0, 3.0)
    values[:, 0] = np.nan
    assert watch_in_windows(values, 7) is None


def test_no_population_is_nothing_to_watch():
    assert RateCeiling((), 500.0, DT_MS).watch(0, np.empty((BLOCK, 0))) is None
