"""Spectra of a report are SciPy's, and their sum is the variance."""

import numpy as np
import pytest
from scipy import signal

from cosim.report_spectra import FEWEST_SAMPLES, power_density, segment_length


@pytest.mark.parametrize("n_samples", [FEWEST_SAMPLES, 2000, 2001, 60_000])
def test_power_density_equals_scipys(n_samples):
    values = np.random.default_rng(1).normal(size=(n_samples, 3)).cumsum(axis=0)
    frequencies_hz, density = power_density(values, 2.0)
    expected_hz, expected = signal.welch(
        values, 500.0, window="hann", nperseg=segment_length(n_samples), axis=0
    )
    np.testing.assert_allclose(frequencies_hz, expected_hz[1:], rtol=1e-12)
    np.testing.assert_allclose(density, expected[1:], rtol=1e-9)


def test_a_sine_has_its_power_at_its_frequency():
    """3 sin(2 pi 40 t): variance 4.5, all of it within the width of the window, +-2 bins."""
    times_s = np.arange(8192) * 1e-3
    frequencies_hz, density = power_density(3.0 * np.sin(2 * np.pi * 40.0 * times_s)[:, None], 1.0)
    near = np.abs(frequencies_hz - 40.0) < 2.5 * frequencies_hz[0]
    assert density[near, 0].sum() * frequencies_hz[0] == pytest.approx(4.5, rel=0.01)
    assert density[near, 0].sum() > 0.999 * density.sum()
