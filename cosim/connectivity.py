"""Functional connectivity (FC) of a run, how it changes over time (FCD), and their likeness."""

import math

import numpy as np
from numpy.typing import NDArray

from cosim.report_figures import correlation

Array = NDArray[np.float64]

# Hansen et al. (2015) take windows of 60 s; a shorter run is cut into tenths.
_LONGEST_WINDOW_MS = 60_000.0
_WINDOWS_IN_A_RUN = 10


def lower(matrix: Array) -> Array:
    """Entries below the diagonal, shape ``(n (n - 1) / 2,)``."""
    return np.asarray(matrix[np.tril_indices(len(matrix), -1)])


def functional_connectivity(values: Array) -> Array:
    """Pearson correlation of every pair of columns, as a vector of pairs.

    Args:
        values: Shape ``(n_samples, n_regions)``.

    Returns:
        Shape ``(n (n - 1) / 2,)``; NaN where a region does not vary.
    """
    return lower(correlation(values))


def likeness(one: Array, other: Array) -> float:
    """Pearson correlation of two vectors, leaving out pairs of which either is NaN."""
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 3 or np.ptp(one[known]) == 0 or np.ptp(other[known]) == 0:
        return math.nan
    return float(np.corrcoef(one[known], other[known])[0, 1])


def distribution_distance(one: Array, other: Array) -> float:
    """Kolmogorov-Smirnov distance: the largest gap between two cumulative distributions."""
    points = np.sort(np.concatenate([one, other]))
    below = (np.searchsorted(np.sort(v), points, side="right") / len(v) for v in (one, other))
    first, second = below
    return float(np.abs(first - second).max())


def window_length(n_samples: int, period_ms: float) -> int:
    """Samples in a window of :func:`connectivity_dynamics`: 60 s or a tenth of the run."""
    return int(min(_LONGEST_WINDOW_MS / period_ms, n_samples / _WINDOWS_IN_A_RUN))


def connectivity_dynamics(values: Array, length: int) -> Array:
    """FCD: likeness of FC between windows, for windows that do not overlap.

    Windows start every half length. Those that overlap share samples, which alone makes them
    alike, so they are left out.

    Args:
        values: Shape ``(n_samples, n_regions)``.
        length: Samples in a window.

    Returns:
        One correlation per pair of windows, the later window varying slowest.

    References:
        Hansen et al. (2015) NeuroImage 105:525-535, doi:10.1016/j.neuroimage.2014.11.001.
    """
    starts = range(0, len(values) - length + 1, max(length // 2, 1))
    patterns = np.stack([functional_connectivity(values[i : i + length]) for i in starts])
    known = np.isfinite(patterns).all(axis=0)
    similarity = np.atleast_2d(np.corrcoef(patterns[:, known]))
    apart = math.ceil(length / max(length // 2, 1))
    return np.asarray(similarity[np.tril_indices(len(similarity), -apart)])
