"""A measured change with its interval: what is changed, from what to what, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cosim.time_blocks import over_pairs

Array = NDArray[np.float64]

# ratio: b / a - 1, from the logarithm; difference: b - a; likeness: a correlation, by Fisher's z;
# distance: a number that is 0 where nothing differs.
Kind = Literal["ratio", "difference", "likeness", "distance"]
# Fisher's z of 1 is infinite; identical runs shall have a likeness of 1 and an interval.
_CLOSEST_TO_ONE = 1.0 - 1e-15


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of a comparison.

    Attributes:
        quantity: What is compared, such as ``mean R_e [Hz]``.
        where: Region, or set of regions.
        role: ``replaced``, ``neighbour``, ``others`` or ``network``.
        kind: How ``change`` is defined.
        a: Value in the reference; None where only both together have one.
        b: Value in the other run.
        change: ``b / a - 1`` (ratio), ``b - a`` (difference), a correlation (likeness) or a
            distance; None where it is not defined.
        low: Lower end of the 95 % interval of ``change``; None without one.
        high: Upper end.
        n_blocks: Blocks of time, or pairs of runs, that the interval rests on; 0 without one.
    """

    quantity: str
    where: str
    role: str
    kind: Kind
    a: float | None
    b: float | None
    change: float | None
    low: float | None
    high: float | None
    n_blocks: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A measure of one pair of runs, on the scale on which intervals are symmetric.

    Attributes:
        quantity: As in :class:`Measure`.
        where: As in :class:`Measure`.
        role: As in :class:`Measure`.
        kind: As in :class:`Measure`.
        a: Value in the reference; NaN if none.
        b: Value in the other run; NaN if none.
        value: Change on that scale: log ratio, difference, Fisher's z, distance.
        half_width: Of its interval over time; NaN without one.
        n_blocks: Blocks of time that it rests on.
    """

    quantity: str
    where: str
    role: str
    kind: Kind
    a: float
    b: float
    value: float
    half_width: float
    n_blocks: int


def log_ratio(a: Array, b: Array) -> Array:
    """``log(b / a)``; 0 where both are 0, NaN where they have no ratio above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((a == b) & np.isfinite(a), 1.0, b / a)
        return np.asarray(np.where(ratio > 0, np.log(ratio), np.nan))


def fisher(r: float) -> float:
    """Fisher's z of a correlation, finite for 1."""
    return math.atanh(max(min(r, _CLOSEST_TO_ONE), -_CLOSEST_TO_ONE)) if r == r else math.nan


def combine(samples: Sequence[Sample]) -> Measure:
    """One measure from the same measure of each pair.

    Args:
        samples: One per pair; one alone keeps its interval over time, several give one over pairs.
    """
    first = samples[0]
    values = np.array([one.value for one in samples])
    if len(samples) == 1:
        value, half_width, n_blocks = first.value, first.half_width, first.n_blocks
    else:
        mean, half = over_pairs(values)
        value, half_width, n_blocks = float(mean), float(half), len(samples)
    a, b = (float(np.mean([getattr(one, side) for one in samples])) for side in ("a", "b"))
    ends = [_known(_natural(first.kind, value + d)) for d in (0.0, -half_width, half_width)]
    what = first.quantity, first.where, first.role, first.kind
    return Measure(*what, _known(a), _known(b), ends[0], ends[1], ends[2], n_blocks)


def _natural(kind: Kind, value: float) -> float:
    if kind == "ratio":
        return math.expm1(value)
    return math.tanh(value) if kind == "likeness" else value


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
