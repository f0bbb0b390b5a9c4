"""How sure a statistic of a time series is: samples that count, blocks of them, intervals.

Neighbouring samples of a simulation are alike, so n of them count for fewer. The series is cut into
blocks that are long against its memory, and the statistic is computed with each block left out in
turn (the jackknife of Künsch 1989). For a mean this is the method of batch means (Schmeiser 1982);
it serves variances, correlations and spectra as well. The length of a block follows from the data:
ten times the integrated autocorrelation time, at which batch means of a first-order process
underestimate the standard error by 2.5 %.

References:
    Künsch (1989) Ann. Statist. 17:1217-1241, doi:10.1214/aos/1176347265.
    Schmeiser (1982) Oper. Res. 30:556-568, doi:10.1287/opre.30.3.556: 10 to 30 batches are enough.
    Geyer (1992) Statist. Sci. 7:473-483, doi:10.1214/ss/1177011137: initial positive sequence.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, stats

from cosim.errors import ResultsError

Array = NDArray[np.float64]

LEVEL = 0.95
_TIMES_PER_BLOCK = 10.0
_MOST_BLOCKS = 30
# With three blocks Student's factor is 4.3 and the spread itself known to a factor of 4.
_FEWEST_BLOCKS = 4


@dataclass(frozen=True, slots=True)
class Blocks:
    """Consecutive blocks of equal length from a series' start; its last few samples may be left.

    Attributes:
        n_blocks: How many; 0 if the series is too short for any interval.
        n_samples: Samples in a block.
        memory: Integrated autocorrelation time that decided, in samples.
    """

    n_blocks: int
    n_samples: int
    memory: float

    def without(self, block: int | None, n_total: int) -> NDArray[np.bool_]:
        """Which of ``n_total`` samples remain when a block, or none, is left out."""
        kept = np.ones(n_total, dtype=bool)
        if self.n_blocks:
            kept[self.n_blocks * self.n_samples :] = False  # the same samples for all blocks
        if block is not None:
            kept[block * self.n_samples : (block + 1) * self.n_samples] = False
        return kept


def integrated_time(values: Array) -> Array:
    """Integrated autocorrelation time, ``1 + 2 sum_k rho_k``, of each column.

    The sum ends where pairs of neighbouring autocorrelations are no longer positive, beyond which
    they are noise (Geyer 1992). It is taken to be at least 1: samples that alternate are counted as
    independent.

    Args:
        values: Shape ``(n_samples, n_series)``; a constant column counts as independent samples.

    Returns:
        Samples per independent sample, shape ``(n_series,)``.
    """
    n = len(values)
    deviation = values - values.mean(axis=0)
    spectrum = fft.rfft(deviation, fft.next_fast_len(2 * n, real=True), axis=0)
    covariance = fft.irfft(np.abs(spectrum) ** 2, axis=0)[:n]
    scale = covariance[0].copy()
    constant = scale <= 1e-24 * n * np.abs(values).max(axis=0, initial=0.0) ** 2
    scale[constant] = 1.0
    rho = covariance / scale
    pairs = rho[: n - n % 2].reshape(n // 2, 2, -1).sum(axis=1)
    # True up to the first pair that is not positive, and false from there.
    positive = np.logical_and.accumulate(pairs > 0.0, axis=0)
    times = np.maximum(2.0 * np.where(positive, pairs, 0.0).sum(axis=0) - 1.0, 1.0)
    return np.where(constant, 1.0, times)


def choose_blocks(memory: float, n_samples: int) -> Blocks:
    """Blocks long enough to be independent, and no more than are of use.

    Args:
        memory: Integrated autocorrelation time, samples.
        n_samples: Length of the series.
    """
    n_blocks = min(int(n_samples / (_TIMES_PER_BLOCK * memory)), _MOST_BLOCKS)
    if n_blocks < _FEWEST_BLOCKS:
        return Blocks(0, n_samples, memory)
    return Blocks(n_blocks, n_samples // n_blocks, memory)


def shortest_length(memory: float) -> int:
    """Samples below which :func:`choose_blocks` finds too few blocks."""
    return int(np.ceil(_FEWEST_BLOCKS * _TIMES_PER_BLOCK * memory))


def jackknife(statistic: Callable[[int | None], Array], n_blocks: int) -> tuple[Array, Array]:
    """A statistic and the half-width of its interval at 95 %.

    Args:
        statistic: From the block to leave out, None for none, to values of any shape.
        n_blocks: Blocks that can be left out.

    Returns:
        Value and half-width, both of the statistic's shape; NaN half-widths without blocks.
    """
    value = np.asarray(statistic(None), dtype=np.float64)
    if not n_blocks:
        return value, np.full_like(value, np.nan)
    replicates = np.stack([statistic(block) for block in range(n_blocks)])
    spread = ((replicates - replicates.mean(axis=0)) ** 2).sum(axis=0)
    return value, student_factor(n_blocks) * np.sqrt((n_blocks - 1) / n_blocks * spread)


def over_pairs(values: Array) -> tuple[Array, Array]:
    """Mean over independent pairs of runs and the half-width of its interval at 95 %.

    Args:
        values: One row per pair, ``(n_pairs, ...)``.

    Raises:
        ResultsError: If there are fewer than two pairs.
    """
    if len(values) < 2:
        raise ResultsError(
            f"{len(values)} pair of runs has no interval over pairs; give two or more seeds."
        )
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return values.mean(axis=0), student_factor(len(values)) * error


def student_factor(n: int) -> float:
    """Student's factor at 95 % for the mean of n values."""
    return float(stats.t.ppf(0.5 + LEVEL / 2, n - 1))
