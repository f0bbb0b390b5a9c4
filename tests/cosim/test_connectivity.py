"""FC against NumPy, FCD against its definition, distances against SciPy."""

import numpy as np
import pytest
from scipy import stats

from cosim.connectivity import (
    connectivity_dynamics,
    distribution_distance,
    functional_connectivity,
    likeness,
    lower,
    window_length,
)


@pytest.fixture
def values():
    noise = np.random.default_rng(3).standard_normal((400, 6))
    return 2.0 + noise @ np.random.default_rng(4).standard_normal((6, 6))


def test_fc_is_numpys(values):
    expected = lower(np.corrcoef(values.T))
    np.testing.assert_allclose(functional_connectivity(values), expected, atol=1e-12)


def test_region_that_does_not_vary_has_no_fc(values):
    values[:, 2] = 0.2
    fc = functional_connectivity(values)
    assert np.isnan(fc).sum() == 5
    assert likeness(fc, fc) == pytest.approx(1.0)


def test_likeness_is_numpys(values):
    one, other = functional_connectivity(values[:200]), functional_connectivity(values[200:])
    assert likeness(one, other) == pytest.approx(np.corrcoef(one, other)[0, 1])


def test_nothing_in_common_is_not_a_number():
    assert np.isnan(likeness(np.ones(5), np.arange(5.0)))


def test_fcd_is_its_definition(values):
    """Windows of 40 every 20; pairs at least 40 apart, straight from NumPy's correlations."""
    starts = list(range(0, 361, 20))
    patterns = [lower(np.corrcoef(values[i : i + 40].T)) for i in starts]
    expected = [
        np.corrcoef(patterns[later], patterns[earlier])[0, 1]
        for later in range(len(starts))
        for earlier in range(later)
        if starts[later] - starts[earlier] >= 40
    ]
    np.testing.assert_allclose(connectivity_dynamics(values, 40), expected, atol=1e-12)


def test_a_network_that_repeats_itself_has_fcd_one():
    window = np.random.default_rng(5).standard_normal((20, 5))
    repeated = np.tile(window, (8, 1))
    np.testing.assert_allclose(connectivity_dynamics(repeated, 20), 1.0, atol=1e-12)


@pytest.mark.parametrize("length", [20, 21])
def test_windows_that_share_a_sample_are_left_out(length):
    """Independent samples: FC patterns of windows without a common sample are uncorrelated, mean 0;
    15 entries and 171 pairs or more, not independent, give a standard error under .05."""
    values = np.random.default_rng(6).standard_normal((400, 6))
    assert abs(connectivity_dynamics(values, length).mean()) < 0.2


def test_distance_of_distributions_is_scipys():
    one, other = np.random.default_rng(7).standard_normal((2, 300))
    expected = stats.ks_2samp(one, other + 0.3).statistic
    assert distribution_distance(one, other + 0.3) == pytest.approx(expected)
    assert distribution_distance(one, one) == 0.0


def test_windows_are_60_s_or_a_tenth():
    assert window_length(12_000, 100.0) == 600
    assert window_length(6000, 10.0) == 600
    assert window_length(600, 10.0) == 60
