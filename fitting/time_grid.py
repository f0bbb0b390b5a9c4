"""Where BOLD samples fall among the steps, in exact arithmetic, for any repetition time."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fitting.errors import ConfigurationError


def _exact(value_ms: float) -> Fraction:
    # A step written as 0.1 means one tenth, not the binary number beside it.
    return Fraction(repr(float(value_ms)))


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """How the haemodynamic blocks of one window become its BOLD samples.

    BOLD is known at the edges of blocks. The sample that block ``b`` completes is
    ``weight_before[b] * y(start of b) + weight_after[b] * y(end of b)``; both weights are zero in
    blocks that complete none.

    Attributes:
        first_block: Blocks between the start of the run and this window.
        sample_of_block: Sample of this window whose interval the block is in, ``(n_blocks,)``.
        share_of_block: One over the number of blocks in that interval, ``(n_blocks,)``.
        weight_before: Weight of BOLD at the start of the block, ``(n_blocks,)``.
        weight_after: Weight of BOLD at the end of the block, ``(n_blocks,)``.
        times_ms: Time of each sample since the start of the run, ``(n_samples,)``.
    """

    first_block: int
    sample_of_block: NDArray[np.int64]
    share_of_block: NDArray[np.float64]
    weight_before: NDArray[np.float64]
    weight_after: NDArray[np.float64]
    times_ms: NDArray[np.float64]

    @property
    def n_blocks(self) -> int:
        """Haemodynamic steps in the window."""
        return self.sample_of_block.size

    @property
    def n_samples(self) -> int:
        """BOLD samples in the window."""
        return self.times_ms.size


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Neural steps, haemodynamic blocks of whole steps, and samples at multiples of the TR.

    The TR need not be a multiple of either step: sample ``k`` is BOLD at exactly ``k TR``,
    interpolated linearly between the edges of the block it falls in. Over 20 ms BOLD is straight
    to 1e-5 of its range, so nothing is gained by a finer rule, and no TR is ever rounded.

    Args:
        dt_ms: Neural step.
        tr_ms: Repetition time of the scan.
        block_ms: Haemodynamic step, a whole number of neural steps and at most the TR.

    Raises:
        ConfigurationError: If the steps do not fit.
    """

    dt_ms: float
    tr_ms: float
    block_ms: float = 20.0

    def __post_init__(self) -> None:
        for name in ("dt_ms", "tr_ms", "block_ms"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigurationError(f"{name} = {value}; give a number of ms above zero.")
        ratio = _exact(self.block_ms) / _exact(self.dt_ms)
        if ratio.denominator != 1:
            nearest = max(1, round(ratio)) * _exact(self.dt_ms)
            raise ConfigurationError(
                f"The haemodynamic step, {self.block_ms:g} ms, is not a whole number of neural "
                f"steps of {self.dt_ms:g} ms; the nearest is {float(nearest):g} ms."
            )
        if self.block_ms > self.tr_ms:
            raise ConfigurationError(
                f"The haemodynamic step, {self.block_ms:g} ms, exceeds the TR, {self.tr_ms:g} ms; "
                "shorten the step."
            )

    @property
    def steps_per_block(self) -> int:
        """Neural steps in one haemodynamic step."""
        return int(_exact(self.block_ms) / _exact(self.dt_ms))

    def samples_in(self, duration_ms: float) -> int:
        """Samples up to and including a time since the start of the run."""
        return math.floor(_exact(duration_ms) / _exact(self.tr_ms))

    def plan(self, first_block: int, n_samples: int) -> SamplePlan:
        """Return the blocks and weights of the next samples.

        Args:
            first_block: Where the window starts, in blocks since the start of the run.
            n_samples: How many samples the window holds.
        """
        if n_samples < 1:
            raise ConfigurationError(f"A window of {n_samples} samples; give at least one.")
        per_sample = _exact(self.tr_ms) / _exact(self.block_ms)
        first = math.floor(first_block / per_sample) + 1
        positions = [(first + k) * per_sample for k in range(n_samples)]
        stops = np.array([math.ceil(position) for position in positions]) - first_block
        counts = np.diff(stops, prepend=0)
        before = np.zeros(stops[-1])
        after = np.zeros(stops[-1])
        for stop, position in zip(stops, positions, strict=True):
            after[stop - 1] = float(position - (math.ceil(position) - 1))
            before[stop - 1] = float(math.ceil(position) - position)
        return SamplePlan(
            first_block=first_block,
            sample_of_block=np.repeat(np.arange(n_samples), counts),
            share_of_block=np.repeat(1.0 / counts, counts),
            weight_before=before,
            weight_after=after,
            times_ms=np.array([float((first + k) * _exact(self.tr_ms)) for k in range(n_samples)]),
        )
