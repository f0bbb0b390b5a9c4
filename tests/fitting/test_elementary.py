"""Exponential and logarithm against those of NumPy, in units in the last place."""

import numpy as np
import pytest
from numba import njit

from fitting.elementary import expm1, log


@njit
def _expm1_of(x, out):
    for i in range(x.size):
        out[i] = expm1(x[i])


@njit
def _log_of(x, out):
    for i in range(x.size):
        out[i] = log(x[i])


def ulps(function, exact, x):
    out = np.empty_like(x)
    function(x, out)
    truth = exact(x.astype(np.longdouble))
    return np.abs(out - truth) / np.spacing(np.abs(truth).astype(x.dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_expm1_keeps_its_digits_everywhere(dtype):
    """Sums of two rounded terms that may cancel once, at n = -1: a handful of ulp."""
    x = np.concatenate([np.linspace(-80, 80, 20001), np.geomspace(1e-12, 1, 2000)])
    x = np.concatenate([x, -x]).astype(dtype)
    assert ulps(_expm1_of, np.expm1, x[x != 0]).max() < 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_keeps_its_digits_everywhere(dtype):
    x = np.concatenate([np.geomspace(1e-30, 1e30, 20001), 1 + np.linspace(-0.3, 0.4, 5001)])
    x = x.astype(dtype)
    assert ulps(_log_of, np.log, x[x != 1]).max() < 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_expm1_saturates_instead_of_overflowing(dtype):
    out = np.empty(2, dtype)
    _expm1_of(np.array([-1e6, 1e6], dtype), out)
    assert out[0] == -1
    assert np.isfinite(out[1])
