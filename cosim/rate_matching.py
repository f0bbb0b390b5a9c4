"""Bounded Gauss-Newton steps that bring a circuit's rates to the mean field's."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.calibrated_region import CalibratedRegion
from cosim.calibration_settings import SETTLING_S, Settings
from cosim.monotone import bounded_step, broyden
from cosim.operating_range import OperatingRange
from cosim.transfer_curve import Rates, TransferBench

LONGEST_S, SHORTEST_S = 10.0, 2.0
_WANTED_ERROR = 0.015
_WANTED_SPIKES = 6000.0
_MOST_STEPS = 5
# Of residuals at the low end, at rest, at the high end, and of the inhibitory rate at rest.
_WEIGHTS = np.array([1.0, 2.0, 1.0, 1.0])

Array = NDArray[np.float64]


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
    """

    def __init__(
        self,
        bench: TransferBench,
        operating_range: OperatingRange,
        settings: Settings,
        regions: Sequence[CalibratedRegion],
        rates: Sequence[str],
        felt: str,
    ):
        self._bench, self._range, self._settings = bench, operating_range, settings
        self._regions, self._rates, self._felt = list(regions), tuple(rates), felt

    def run(self, seconds: float | None) -> float:
        """Match the rates; the regions' unknowns are the best found.

        Args:
            seconds: Time of each measurement, s; None chooses it.

        Returns:
            Time of each measurement, s.
        """
        regions, felt = self._regions, self._felt
        duration_s = seconds or self._first_seconds()
        at = [region.unknowns for region in regions]
        rates, residuals = self._residuals(at, duration_s)
        error = min(
            1.0,
            max(
                max(r.error_hz(felt, g.name) / max(r.mean_hz(felt, g.name), 1e-9) for r in rates)
                for g in regions
            ),
        )
        if seconds is None and error > 1.3 * _WANTED_ERROR and duration_s < LONGEST_S:
            duration_s = min(duration_s * (error / _WANTED_ERROR) ** 2, LONGEST_S)
            duration_s = np.ceil(2.0 * duration_s) / 2.0
            rates, residuals = self._residuals(at, duration_s)
        jacobians = self._jacobians(at, rates, duration_s)
        best = [(self._norm(r), u) for r, u in zip(residuals, at, strict=True)]
        for _ in range(_MOST_STEPS):
            # What is left is what other random numbers would change as much.
            if max(float(np.abs(r).max()) for r in residuals) < 1.5 * max(error, 0.01):
                break
            steps = []
            for region, u, J, residual in zip(regions, at, jacobians, residuals, strict=True):
                lower, upper = region.bounds
                largest = 5.0 * region.joined("unit")
                steps.append(
                    bounded_step(
                        J,
                        residual,
                        _WEIGHTS[: residual.size],
                        np.clip(lower - u, -largest, 0.0),
                        np.clip(upper - u, 0.0, largest),
                    )
                )
            small = [
                np.abs(J @ step).max() < error / 2 for J, step in zip(jacobians, steps, strict=True)
            ]
            if all(small):
                break
            at = [u + step for u, step in zip(at, steps, strict=True)]
            rates, after = self._residuals(at, duration_s)
            for index, region in enumerate(regions):
                change = after[index] - residuals[index]
                jacobians[index] = broyden(
                    jacobians[index], steps[index], change, region.joined("unit")
                )
                best[index] = min(best[index], (self._norm(after[index]), at[index]), key=_first)
            residuals = after
        for region, (_, unknowns) in zip(regions, best, strict=True):
            region.unknowns = unknowns
        return float(duration_s)

    def _first_seconds(self) -> float:
        spikes_per_s = min(
            self._bench.n_cells(self._felt, region.name) * region.wanted_at_rest(0)
            for region in self._regions
        )
        return float(np.clip(np.ceil(2 * _WANTED_SPIKES / spikes_per_s) / 2, SHORTEST_S, LONGEST_S))

    @staticmethod
    def _norm(residual: Array) -> float:
        return float(np.linalg.norm(residual * _WEIGHTS[: residual.size]))

    def _residuals(self, at: Sequence[Array], seconds: float) -> tuple[list[Rates], list[Array]]:
        """Log of circuit over mean field: excitatory low, at rest, high; inhibitory at rest."""
        sections = [region.at(u) for region, u in zip(self._regions, at, strict=True)]
        points = [self._range.point(f) for f in (self._settings.low, 1.0, self._settings.high)]
        rates = [self._bench.rates(sections, p, seconds, SETTLING_S) for p in points]
        return rates, [self._residual(region, rates, None) for region in self._regions]

    def _residual(
        self, region: CalibratedRegion, rates: Sequence[Rates], n_blocks: int | None
    ) -> Array:
        found = []
        rest = region.target.rest
        for rate in region.knobs:
            column = region.target.rates_hz[:, self._rates.index(rate)]
            # One spike fewer than any: a silent circuit has a finite residual.
            least = 0.5 / (self._bench.n_cells(rate, region.name) * 10.0)
            chosen = (0, rest, -1) if rate == self._felt else (rest,)
            measured = rates if rate == self._felt else rates[1:2]
            for index, one in zip(chosen, measured, strict=True):
                value = max(one.mean_hz(rate, region.name, n_blocks), least)
                found.append(np.log(value / column[index]))
        return np.array(found)

    def _jacobians(
        self, at: Sequence[Array], rates: Sequence[Rates], seconds: float
    ) -> list[Array]:
        """By differences, over half the time; common random numbers leave little noise."""
        half_s = max(0.5 * np.ceil(seconds), 0.5)
        n_blocks = max(int(half_s / 0.5), 1)
        columns: list[list[Array]] = [[] for _ in self._regions]
        for index in range(max(u.size for u in at)):
            moved, sizes = [], []
            for region, u in zip(self._regions, at, strict=True):
                step = np.zeros(u.size)
                if index < u.size:
                    unit = region.joined("unit")[index]
                    # Away from a bound.
                    step[index] = unit if u[index] + unit <= region.bounds[1][index] else -unit
                moved.append(u + step)
                sizes.append(step)
            shifted, _ = self._residuals(moved, half_s)
            for number, region in enumerate(self._regions):
                if index < at[number].size:
                    after = self._residual(region, shifted, n_blocks)
                    base = self._residual(region, rates, n_blocks)
                    columns[number].append((after - base) / sizes[number][index])
        return [np.stack(column, axis=1) for column in columns]


def _first(pair: tuple[float, Array]) -> float:
    return pair[0]
