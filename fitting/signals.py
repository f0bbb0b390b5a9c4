"""Differentiable measures of BOLD series, shape ``(n_regions, n_trs)``, in PyTorch."""

import itertools
import math

import torch
from torch import Tensor


def lower(matrix: Tensor) -> Tensor:
    """Entries below the diagonal, shape ``(n (n - 1) / 2,)``."""
    rows, columns = torch.tril_indices(matrix.shape[0], matrix.shape[1], -1)
    return matrix[rows, columns]


def pearson(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlation of two vectors."""
    a, b = a - a.mean(), b - b.mean()
    return (a @ b) / torch.sqrt((a @ a) * (b @ b))


def fractional_change(bold: Tensor) -> Tensor:
    """Deviation from each region's mean as a fraction of it, where the mean is a baseline.

    Scanner units have a baseline that is large against its fluctuations. A series that was
    demeaned before has none and is returned less its mean.
    """
    mean, sd = bold.mean(-1, keepdim=True), bold.std(-1, keepdim=True)
    has_baseline = bool((mean > 3 * sd).all())
    return (bold - mean) / mean if has_baseline else bold - mean


def fcd_lower(bold: Tensor, length: int, step: int) -> Tensor:
    """Functional connectivity dynamics: similarity of FC between sliding windows.

    Args:
        bold: Shape ``(n_regions, n_trs)``.
        length: TRs in a window.
        step: TRs between windows.

    Returns:
        Correlations of the FC patterns of window pairs that do not overlap, which overlap alone
        would make alike.
    """
    windows = bold.unfold(-1, length, step).movedim(1, 0)
    windows = windows - windows.mean(-1, keepdim=True)
    windows = windows / windows.norm(dim=-1, keepdim=True)
    fc = windows @ windows.mT
    rows, columns = torch.tril_indices(bold.shape[0], bold.shape[0], -1)
    similarity = torch.corrcoef(fc[:, rows, columns])
    apart = math.ceil(length / step)
    first, second = torch.tril_indices(len(similarity), len(similarity), -apart)
    return similarity[first, second]


def lagged_correlation(bold: Tensor, lag: int) -> Tensor:
    """Covariance of each region with each later by ``lag`` TRs, over their standard deviations."""
    centred = bold - bold.mean(-1, keepdim=True)
    scaled = centred / centred.std(-1, keepdim=True, unbiased=False)
    return scaled[:, :-lag] @ scaled[:, lag:].T / (bold.shape[1] - lag)


def region_mean_log_spectrum(
    bold: Tensor, tr_s: float, low_hz: float, high_hz: float, n_bins: int
) -> Tensor:
    """Log of the mean periodogram over regions, in logarithmic bins; NaN in empty bins."""
    centred = bold - bold.mean(-1, keepdim=True)
    power = torch.fft.rfft(centred, dim=-1).abs().square().mean(0) * (tr_s / bold.shape[-1])
    frequency = torch.fft.rfftfreq(bold.shape[-1], tr_s, dtype=bold.dtype)
    edges = torch.logspace(math.log10(low_hz), math.log10(high_hz), n_bins + 1, dtype=bold.dtype)
    inside = [(frequency >= a) & (frequency < b) for a, b in itertools.pairwise(edges)]
    return torch.log(torch.stack([power[bin_].mean() for bin_ in inside]))
