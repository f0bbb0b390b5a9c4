"""What was fired tau ago arrives now: to the step, for every window, from before the start on."""

import numpy as np
import pytest

from cosim.spiking.delay_line import DelayLine

N_SOURCES, N_STEPS = 4, 300
DELAYS = np.array([23, 24, 57, 130])
INITIAL_HZ = np.array([3.0, 1.0, 4.0, 1.5])


@pytest.fixture
def rates_hz():
    return np.random.default_rng(1).random((N_STEPS, N_SOURCES)) * 10


def arrived(rates_hz, window_steps, columns=None, delays=DELAYS):
    """Drive a line as the participant does: ask for a window, then push what was sent in it."""
    columns = np.arange(len(delays)) if columns is None else columns
    line = DelayLine(INITIAL_HZ, int(delays.max()), window_steps)
    parts = []
    for start in range(0, N_STEPS, window_steps):
        n_steps = min(window_steps, N_STEPS - start)
        parts.append(line.arriving(start, n_steps, columns, delays))
        line.push(start, rates_hz[start : start + n_steps])
    return np.concatenate(parts)


def shifted(rates_hz, columns, delays):
    """The oracle: the whole history in one array, each column moved by its delay."""
    out = np.empty((N_STEPS, len(delays)))
    for n, (column, delay) in enumerate(zip(columns, delays, strict=True)):
        out[:delay, n] = INITIAL_HZ[column]
        out[delay:, n] = rates_hz[: N_STEPS - delay, column]
    return out


@pytest.mark.parametrize("window_steps", [1, 5, 7, 23])
def test_a_rate_arrives_its_delay_after_it_was_sent_to_the_step(rates_hz, window_steps):
    """300 steps turn the ring of 131 to 153 rows twice; 23 is the shortest delay."""
    expected = shifted(rates_hz, range(N_SOURCES), DELAYS)
    assert np.array_equal(arrived(rates_hz, window_steps), expected)


def test_one_source_may_be_asked_for_at_several_delays(rates_hz):
    columns, delays = np.array([2, 2, 0]), np.array([23, 130, 23])
    expected = shifted(rates_hz, columns, delays)
    assert np.array_equal(arrived(rates_hz, 23, columns, delays), expected)


def test_before_the_first_rate_arrives_the_initial_rate_does(rates_hz):
    assert np.array_equal(arrived(rates_hz, 7)[:23], np.tile(INITIAL_HZ, (23, 1)))


def test_a_window_longer_than_a_delay_is_refused():
    line = DelayLine(INITIAL_HZ, 130, 24)
    with pytest.raises(ValueError, match=r"step 0 is needed at step 23.*exceeds a delay"):
        line.arriving(0, 24, np.arange(4), DELAYS)


@pytest.mark.parametrize("start_step", [0, 6, 4])
def test_a_step_can_be_neither_skipped_nor_repeated(start_step):
    line = DelayLine(INITIAL_HZ, 130, 5)
    line.push(0, np.ones((5, N_SOURCES)))
    with pytest.raises(ValueError, match=f"step {start_step} pushed, expected 5"):
        line.push(start_step, np.ones((5, N_SOURCES)))


def test_a_line_that_nothing_is_asked_of_gives_nothing():
    line = DelayLine(INITIAL_HZ, 0, 5)
    nothing = np.empty(0, dtype=np.int64)
    assert line.arriving(0, 5, nothing, nothing).shape == (5, 0)


def test_what_arrived_does_not_change_when_the_ring_turns(rates_hz):
    line = DelayLine(INITIAL_HZ, 130, 5)
    before = line.arriving(0, 5, np.arange(4), DELAYS)
    kept = before.copy()
    for start in range(0, N_STEPS, 5):
        line.push(start, rates_hz[start : start + 5])
    assert np.array_equal(before, kept)
