"""Samples at exact multiples of the TR, whatever the steps."""

import numpy as np
import pytest

from fitting.errors import ConfigurationError
from fitting.time_grid import TimeGrid


@pytest.mark.parametrize("tr_ms", [720.0, 735.0, 2000.0, 333.3, 20.0, 1000 / 3])
@pytest.mark.parametrize("dt_ms", [5.0, 1.0, 0.1])
def test_samples_of_a_straight_line_are_exact(tr_ms, dt_ms):
    """Interpolation of y = t must give t; a rounded TR would be off by up to 10 ms."""
    plan = TimeGrid(dt_ms, tr_ms).plan(0, 50)
    edges = 20.0 * np.arange(plan.n_blocks + 1)
    block = np.flatnonzero(plan.weight_after)
    found = (plan.weight_before * edges[:-1] + plan.weight_after * edges[1:])[block]
    np.testing.assert_allclose(found, tr_ms * np.arange(1, 51), rtol=1e-12)
    np.testing.assert_allclose(plan.times_ms, tr_ms * np.arange(1, 51), rtol=1e-14)


def test_windows_join_without_gap_or_overlap():
    grid = TimeGrid(5.0, 735.0)
    whole = grid.plan(0, 30)
    block, times, before = 0, [], []
    for n_samples in (1, 7, 2, 20):
        part = grid.plan(block, n_samples)
        block += part.n_blocks
        times.append(part.times_ms)
        before.append(part.weight_before)
    assert block == whole.n_blocks
    assert np.array_equal(np.concatenate(times), whole.times_ms)
    assert np.array_equal(np.concatenate(before), whole.weight_before)


def test_every_block_counts_in_one_mean():
    plan = TimeGrid(5.0, 735.0).plan(0, 30)
    shares = np.bincount(plan.sample_of_block, plan.share_of_block)
    np.testing.assert_allclose(shares, np.ones(30), rtol=1e-14)


def test_tenths_are_tenths():
    """20 / 0.1 in binary floating point is not quite 200."""
    assert TimeGrid(0.1, 720.0).steps_per_block == 200
    assert TimeGrid(0.1, 0.3, 0.3).steps_per_block == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3.0, 720.0), r"20 ms, is not a whole number of neural steps of 3 ms.*21 ms"),
        ((5.0, 10.0), "exceeds the TR, 10 ms"),
        ((0.0, 720.0), "dt_ms = 0.0"),
        ((5.0, float("nan")), "tr_ms = nan"),
    ],
)
def test_steps_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        TimeGrid(*arguments)


def test_samples_in_counts_the_last_one():
    assert TimeGrid(5.0, 720.0).samples_in(7200.0) == 10
    assert TimeGrid(5.0, 720.0).samples_in(7199.0) == 9
