"""Intervals of a time series cover what they should, as often as they say."""

import numpy as np
import pytest
from scipy.signal import lfilter

from cosim.errors import ResultsError
from cosim.time_blocks import (
    Blocks,
    choose_blocks,
    integrated_time,
    jackknife,
    over_pairs,
    shortest_length,
    student_factor,
)


def autoregressive(phi, n_samples, n_series, seed=1):
    """First-order processes of variance 1, stationary from the first sample."""
    noise = np.random.default_rng(seed).standard_normal((n_samples, n_series))
    noise[1:] *= np.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], noise, axis=0)


def test_white_noise_has_no_memory():
    """The sum ends at the first pair that is not positive: for white noise often the very first,
    so the mean over series is 1 and a few hundredths."""
    times = integrated_time(autoregressive(0.0, 4000, 200))
    assert (times >= 1.0).all()
    assert 1.0 <= times.mean() < 1.1


@pytest.mark.parametrize("phi", [0.5, 0.9, 0.97])
def test_memory_of_a_first_order_process(phi):
    """It is (1 + phi) / (1 - phi). Cutting the sum where noise begins leaves a bias of some
    percent; the mean over 200 series has a standard error of about 1.5 %."""
    times = integrated_time(autoregressive(phi, 20_000, 200))
    assert times.mean() == pytest.approx((1 + phi) / (1 - phi), rel=0.10)


def test_constant_series_has_no_memory():
    assert integrated_time(np.full((100, 2), 0.3)).tolist() == [1.0, 1.0]


def test_mean_by_jackknife_is_that_of_batch_means():
    """For a mean, leaving blocks out gives the spread of block means exactly."""
    values = autoregressive(0.5, 1000, 1)[:, 0]
    blocks = Blocks(10, 100, 3.0)
    value, half = jackknife(lambda block: values[blocks.without(block, 1000)].mean(), 10)
    means = values.reshape(10, 100).mean(axis=1)
    assert value == pytest.approx(values.mean(), abs=1e-14)
    assert half == pytest.approx(student_factor(10) * means.std(ddof=1) / np.sqrt(10), rel=1e-10)


def coverage(statistic, series, truth):
    """Share of series whose interval holds the truth; blocks from the median memory."""
    n = len(series)
    blocks = choose_blocks(float(np.median(integrated_time(series.reshape(n, -1)))), n)
    assert blocks.n_blocks >= 4
    value, half = jackknife(
        lambda block: statistic(series[blocks.without(block, n)]), blocks.n_blocks
    )
    return float((np.abs(value - truth) < half).mean())


# 600 series: the share has a standard error of sqrt(.95 x .05 / 600) = .0089.
TOLERANCE = 4 * np.sqrt(0.95 * 0.05 / 600)


@pytest.mark.parametrize("phi", [0.0, 0.9, 0.96])
def test_interval_of_a_mean_covers_at_its_rate(phi):
    """Blocks of ten memories underestimate the error by 2.5 %, which takes .007 off .95."""
    share = coverage(lambda v: v.mean(axis=0), autoregressive(phi, 6000, 600), 0.0)
    assert abs(share - 0.95) < TOLERANCE + 0.007


def test_interval_of_a_log_variance_covers_at_its_rate():
    """Of a squared first-order process the memory is shorter, so blocks are long enough; with
    30 blocks log(var) is close to normal."""
    share = coverage(lambda v: np.log(v.var(axis=0)), autoregressive(0.9, 6000, 600), 0.0)
    assert abs(share - 0.95) < TOLERANCE + 0.01


def test_interval_of_a_correlation_covers_at_its_rate():
    """Two columns with correlation .6, on Fisher's scale."""
    independent = autoregressive(0.8, 6000, 1200).reshape(6000, 600, 2)
    series = independent.copy()
    series[..., 1] = 0.6 * independent[..., 0] + 0.8 * independent[..., 1]

    def fisher_z(v):
        v = v - v.mean(axis=0)
        covariance = (v[..., 0] * v[..., 1]).mean(axis=0)
        return np.arctanh(covariance / v[..., 0].std(axis=0) / v[..., 1].std(axis=0))

    share = coverage(fisher_z, series, np.arctanh(0.6))
    assert abs(share - 0.95) < TOLERANCE + 0.01


def test_series_too_short_for_an_interval_has_none():
    blocks = choose_blocks(10.0, shortest_length(10.0) - 1)
    assert blocks.n_blocks == 0
    value, half = jackknife(lambda block: np.array([2.0]), blocks.n_blocks)
    assert value.tolist() == [2.0]
    assert np.isnan(half).all()
    assert choose_blocks(10.0, shortest_length(10.0)).n_blocks == 4


def test_blocks_are_of_equal_length_and_do_not_overlap():
    blocks = choose_blocks(3.0, 1009)
    counted = sum(~blocks.without(block, 1009) for block in range(blocks.n_blocks))
    n_used = blocks.n_blocks * blocks.n_samples
    assert (counted[:n_used] == 1).all()
    assert (counted[n_used:] == blocks.n_blocks).all()


def test_interval_over_pairs_is_students():
    """Values 1, 2, 3: mean 2, standard error 1 / sqrt(3), t(2) = 4.3027."""
    mean, half = over_pairs(np.array([1.0, 2.0, 3.0]))
    assert mean == 2.0
    assert half == pytest.approx(4.302653 / np.sqrt(3.0), rel=1e-6)


def test_one_pair_has_no_interval_over_pairs():
    with pytest.raises(ResultsError, match="two or more seeds"):
        over_pairs(np.array([[1.0]]))
