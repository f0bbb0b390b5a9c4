"""Bounded Gauss-Newton steps that bring a circuit's rates to the mean field's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.calibrated_region import CalibratedRegion, seconds_for
from cosim.calibration_settings import SETTLING_S, Settings
from cosim.monotone import bounded_step, broyden
from cosim.operating_range import OperatingRange
from cosim.transfer_curve import BLOCK_MS, Rates, TransferBench

LONGEST_S, SHORTEST_S = 10.0, 2.0
_WANTED_ERROR = 0.015
_WANTED_SPIKES = 6000.0
_MOST_STEPS = 6
# Of residuals at the low end, at rest, at the high end, and of the inhibitory rate at rest.
_WEIGHTS = np.array([1.0, 2.0, 1.0, 1.0])
# Largest step in units of each unknown: at first, and where the next ones were foretold well.
_FIRST_RADIUS, _LARGEST_RADIUS = 3.0, 6.0

Array = NDArray[np.float64]


@dataclass
class _Course:
    """How far one region has come: the best unknowns, and the steps from there.

    Attributes:
        at: Best unknowns.
        residual: Log of circuit over mean field there.
        jacobian: Of the residuals.
        radius: Largest step, in units of each unknown.
    """

    at: Array
    residual: Array
    jacobian: Array
    radius: float = _FIRST_RADIUS


class RateMatching:
    """Matches rates with common random numbers.

    They are the excitatory rate at the low end, at rest and at the high end of the operating range,
    and the inhibitory rate at rest.

    Args:
        bench: The network.
        operating_range: What the sources send.
        settings: The ends of the range.
        regions: The regions, at their start.
        rates: Rates of the mean field.
        felt: The one that other regions feel.
        other_seed: Seed of the random numbers with which rest is matched once more.
    """

    def __init__(
        self,
        bench: TransferBench,
        operating_range: OperatingRange,
        settings: Settings,
        regions: Sequence[CalibratedRegion],
        rates: Sequence[str],
        felt: str,
        other_seed: int,
    ):
        self._other_seed = other_seed
        self._bench, self._range, self._settings = bench, operating_range, settings
        self._regions, self._rates, self._felt = list(regions), tuple(rates), felt

    def run(self, seconds: float | None) -> float:
        """Match the rates; the regions' unknowns are the best found.

        Args:
            seconds: Time of each measurement at rest, s; None chooses it.

        Returns:
            That time, s.
        """
        duration_s = seconds or seconds_for(
            self._bench, self._regions, self._felt, _WANTED_SPIKES, SHORTEST_S, LONGEST_S
        )
        start = [region.unknowns for region in self._regions]
        rates = self._measured(start, duration_s)
        errors = [self._errors(region, rates) for region in self._regions]
        error = min(1.0, max(float(one[0]) for one in errors))
        if seconds is None and error > 1.3 * _WANTED_ERROR and duration_s < LONGEST_S:
            duration_s = min(duration_s * (error / _WANTED_ERROR) ** 2, LONGEST_S)
            duration_s = np.ceil(2.0 * duration_s) / 2.0
            rates = self._measured(start, duration_s)
            errors = [self._errors(region, rates) for region in self._regions]
        courses = [
            _Course(u, self._residual(region, rates), J)
            for region, u, J in zip(
                self._regions, start, self._jacobians(start, rates, duration_s), strict=True
            )
        ]
        for _ in range(_MOST_STEPS):
            steps = [
                self._step(region, course, noise)
                for region, course, noise in zip(self._regions, courses, errors, strict=True)
            ]
            if not any(step.any() for step in steps):
                break
            tried = [course.at + step for course, step in zip(courses, steps, strict=True)]
            rates = self._measured(tried, duration_s)
            for region, course, step in zip(self._regions, courses, steps, strict=True):
                if step.any():
                    self._judge(region, course, step, self._residual(region, rates))
        self._match_rest(courses, duration_s)
        for region, course in zip(self._regions, courses, strict=True):
            region.unknowns = course.at
        return float(duration_s)

    def _match_rest(self, courses: Sequence[_Course], seconds: float) -> None:
        """One more step of the rates at rest, for the mean over more random numbers.

        What was matched so far is one draw of the input. Twice the time, with other random numbers,
        leaves a third of its variance; the slope, which is known well enough, stays.
        """
        at = [course.at for course in courses]
        seed = self._other_seed
        rates = 3 * self._measured(at, 2.0 * seconds, (1.0,), seed)
        for region, course in zip(self._regions, courses, strict=True):
            rest = np.array([1, *range(3, course.residual.size)])
            residual = (course.residual + 2.0 * self._residual(region, rates))[rest] / 3.0
            level = np.array([region.part(rate).start for rate in region.knobs])
            lower, upper = (bound[level] - course.at[level] for bound in region.bounds)
            largest = region.joined("unit")[level]
            step = bounded_step(
                course.jacobian[np.ix_(rest, level)],
                residual,
                np.ones(rest.size),
                np.clip(lower, -largest, 0.0),
                np.clip(upper, 0.0, largest),
            )
            course.at = course.at.copy()
            course.at[level] += step

    def _step(self, region: CalibratedRegion, course: _Course, errors: Array) -> Array:
        """The next step of a region; zero if what is left other random numbers would change too."""
        if np.all(np.abs(course.residual) < 1.5 * np.maximum(errors, 0.01)):
            return np.zeros(course.at.size)
        lower, upper = region.bounds
        largest = course.radius * region.joined("unit")
        step = bounded_step(
            course.jacobian,
            course.residual,
            _WEIGHTS[: course.residual.size],
            np.clip(lower - course.at, -largest, 0.0),
            np.clip(upper - course.at, 0.0, largest),
        )
        gain = np.abs(course.jacobian @ step)
        return np.zeros(step.size) if np.all(gain < errors / 2) else step

    @staticmethod
    def _judge(region: CalibratedRegion, course: _Course, step: Array, after: Array) -> None:
        """Take a step that brought the rates nearer; after another one, shorten the next."""
        before = _norm(course.residual)
        foretold = before - _norm(course.residual + course.jacobian @ step)
        gained = before - _norm(after)
        change = after - course.residual
        course.jacobian = broyden(course.jacobian, step, change, region.joined("unit"))
        if gained > 0.75 * foretold:
            course.radius = min(2.0 * course.radius, _LARGEST_RADIUS)
        elif gained < 0.25 * foretold:
            units = float(np.abs(step / region.joined("unit")).max())
            course.radius = min(course.radius, units) / 3.0
        if gained > 0.0:
            course.at, course.residual = course.at + step, after

    def _measured(
        self,
        at: Sequence[Array],
        rest_s: float,
        factors: Sequence[float] | None = None,
        seed: int | None = None,
    ) -> list[Rates]:
        """Rates at some factors; None: at the low end, at rest and at the high end."""
        sections = [region.at(u) for region, u in zip(self._regions, at, strict=True)]
        return [
            self._bench.rates(
                sections,
                self._range.point(factor),
                rest_s if factor == 1.0 else _half(rest_s),
                SETTLING_S,
                seed,
            )
            for factor in (factors or (self._settings.low, 1.0, self._settings.high))
        ]

    def _residual(
        self, region: CalibratedRegion, rates: Sequence[Rates], rest_s: float | None = None
    ) -> Array:
        """Log of circuit over mean field: excitatory low, at rest, high; inhibitory at rest.

        Args:
            region: The region.
            rates: At these three points.
            rest_s: Judge the first part of them only, as if so long had been measured, s.
        """
        found = []
        rest = region.target.rest
        for rate in region.knobs:
            column = region.target.rates_hz[:, self._rates.index(rate)]
            # One spike fewer than any: a silent circuit has a finite residual.
            least = 0.5 / (self._bench.n_cells(rate, region.name) * 10.0)
            for index, point in ((0, 0), (rest, 1), (-1, 2)):
                if rate != self._felt and point != 1:
                    continue
                seconds = rest_s if rest_s is None or point == 1 else _half(rest_s)
                n_blocks = None if seconds is None else round(1000.0 * seconds / BLOCK_MS)
                value = max(rates[point].mean_hz(rate, region.name, n_blocks), least)
                found.append(np.log(value / column[index]))
        return np.array(found)

    def _errors(self, region: CalibratedRegion, rates: Sequence[Rates]) -> Array:
        """Standard errors of the residuals, from the one at rest: the ends have half its time."""
        found = []
        for rate in region.knobs:
            mean_hz = max(rates[1].mean_hz(rate, region.name), 1e-9)
            error = rates[1].error_hz(rate, region.name) / mean_hz
            ends = np.sqrt(2.0) * error
            found += [ends, error, ends] if rate == self._felt else [error]
        return np.array(found)

    def _jacobians(
        self, at: Sequence[Array], rates: Sequence[Rates], seconds: float
    ) -> list[Array]:
        """By differences, over half the time; common random numbers leave little noise.

        What does not drive the excitatory cells is moved at rest alone: what little it does to
        their rate is taken to be the same everywhere.
        """
        half_s = _half(seconds)
        columns: list[list[Array]] = [[] for _ in self._regions]
        for index in range(max(u.size for u in at)):
            moved, sizes = [], []
            for region, u in zip(self._regions, at, strict=True):
                step = np.zeros(u.size)
                if index < u.size:
                    step[index] = _move(region, u, index)
                moved.append(u + step)
                sizes.append(step)
            driving = any(index < region.part(self._felt).stop for region in self._regions)
            # Rest stands in for the ends where these are not measured.
            shifted = self._measured(moved, half_s, None if driving else (1.0,))
            shifted = shifted if driving else 3 * shifted
            for number, region in enumerate(self._regions):
                if index < at[number].size:
                    after = self._residual(region, shifted, half_s)
                    change = after - self._residual(region, rates, half_s)
                    if not driving:
                        change[:3] = change[1]
                    columns[number].append(change / sizes[number][index])
        return [np.stack(column, axis=1) for column in columns]


def _half(seconds: float) -> float:
    """Half of a time in whole blocks, rounded up, s."""
    return max(0.5 * float(np.ceil(seconds)), 0.5)


def _move(region: CalibratedRegion, unknowns: Array, index: int) -> float:
    """A change of one unknown that is seen in the rates, away from its bounds."""
    unit = float(region.joined("unit")[index])
    lower, upper = (bound[index] - unknowns[index] for bound in region.bounds)
    return unit if upper >= unit or -lower < unit else -unit


def _norm(residual: Array) -> float:
    return float(np.linalg.norm(residual * _WEIGHTS[: residual.size]))
