"""Find the inputs with which each circuit does, over the operating range, what its mean field does.

Open loop, before the run. For each replaced region: (1) the circuit must fall silent when a kick
ends; (2) the drive is swept, and the rising branch of the measured curve inverted for the rates
that the mean field wants; (3) bounded Gauss-Newton steps with common random numbers, from that
start, match the excitatory rate at the low end, at rest and at the high end, and the inhibitory
rate at rest; (4) the whole curve is measured once more with other random numbers. Copies in several
regions are calibrated together, in the network in which they will run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cosim.calibration_file import (
    Curves,
    InputValues,
    RegionCalibration,
    split_by_region,
    with_values,
)
from cosim.calibration_knobs import Knob, knobs_of
from cosim.config import Circuit as CircuitSection
from cosim.errors import ConfigurationError, CosimError
from cosim.monotone import bounded_step, broyden, drive_for, rising_branch
from cosim.operating_range import OperatingRange, TargetCurve
from cosim.placement import regions_of
from cosim.plan import Plan
from cosim.plan_circuits import CircuitPlan
from cosim.protocols import Group
from cosim.self_sustained import Sustained, sustained_regions
from cosim.transfer_curve import Rates, TransferBench, drives_for

SETTLING_S = 0.8
_SWEEP_S, _SWEEP_SETTLING_S = 0.5, 0.3
_SWEEP_STEP = 1.5
_LARGEST_GAIN, _SMALLEST_GAIN = 1e4, 1e-3
# Drives of the other sign, for inputs that may have one.
_BELOW_ZERO = (0.0, -0.25, -0.5, -1.0, -2.0, -4.0)
_LONGEST_S, _SHORTEST_S = 10.0, 2.0
_WANTED_ERROR = 0.015
_WANTED_SPIKES = 6000.0
_MOST_STEPS = 5
# Of residuals at the low end, at rest, at the high end, and of the inhibitory rate at rest.
_WEIGHTS = np.array([1.0, 2.0, 1.0, 1.0])
_CHECK_SEED = 1  # added to the experiment's seed

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """How a calibration is done.

    Attributes:
        low: Lower end of the operating range: rates of all sources over their rates at rest.
        high: Its upper end, above 1.
        points: Points of the curve that is measured at the end.
        tolerance: Largest part by which a rate may miss the mean field's.
        seconds: Time of each measurement, s; None: until its standard error is 1.5 %, 2 to 10 s.
    """

    low: float = 0.5
    high: float = 2.0
    points: int = 5
    tolerance: float = 0.15
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.low < 1 < self.high:
            raise ConfigurationError(
                f"--range {self.low:g} {self.high:g}: rest, 1, must lie inside; use 0.5 2."
            )
        if self.points < 3:
            raise ConfigurationError(f"--points {self.points}: use 3 or more.")
        if not self.tolerance > 0:
            raise ConfigurationError(f"--tolerance {self.tolerance:g}: must be above 0.")
        if self.seconds is not None and not self.seconds >= 1.0:
            raise ConfigurationError(f"--seconds {self.seconds:g}: use 1 or more.")

    @property
    def factors(self) -> Array:
        """Points of the curve: the ends, rest, and what lies between."""
        below = -(-self.points // 2)
        low = np.linspace(self.low, 1.0, below)
        return np.concatenate((low, np.linspace(1.0, self.high, self.points - below + 1)[1:]))


@dataclass(frozen=True)
class Sweep:
    """Measured rate against the gain of an input, and what is wanted.

    Attributes:
        region: The region.
        rate: The rate.
        gains: Drive at rest over that of the inputs as written, ascending.
        rates_hz: The circuit's rate at each, Hz.
        target: The mean field's curve.
        wanted_hz: Its values, Hz.
    """

    region: str
    rate: str
    gains: Array
    rates_hz: Array
    target: TargetCurve
    wanted_hz: Array


class NotCalibratableError(CosimError):
    """A circuit that cannot follow its mean field.

    Attributes:
        sweeps: What was measured until then.
        curves: The curves of both, where it came so far, by region.
    """

    def __init__(
        self,
        message: str,
        sweeps: Sequence[Sweep] = (),
        curves: Mapping[str, Curves] | None = None,
    ):
        super().__init__(message)
        self.sweeps = tuple(sweeps)
        self.curves = dict(curves or {})


@dataclass
class _Region:
    """One region under calibration; ``unknowns`` are those of its knobs, one after the other."""

    name: str
    section: CircuitSection
    knobs: dict[str, Knob]
    target: TargetCurve
    unknowns: Array
    sweeps: dict[str, Sweep] = field(default_factory=dict)

    def part(self, rate: str) -> slice:
        """Where the unknowns of a rate's knob stand."""
        start = 0
        for name, knob in self.knobs.items():
            if name == rate:
                return slice(start, start + knob.start.size)
            start += knob.start.size
        raise KeyError(rate)

    def joined(self, name: str) -> Array:
        return np.concatenate([getattr(knob, name) for knob in self.knobs.values()])

    @property
    def bounds(self) -> tuple[Array, Array]:
        both = [knob.bounds for knob in self.knobs.values()]
        return np.concatenate([b[0] for b in both]), np.concatenate([b[1] for b in both])

    def at(self, unknowns: Array) -> CircuitSection:
        """The section with the numbers of some unknowns."""
        values = {
            knob.position: knob.settings(unknowns[self.part(rate)])
            for rate, knob in self.knobs.items()
        }
        return with_values(self.section, values)


class Calibrator:
    """Calibrates all replaced regions of an experiment.

    Args:
        plan: The experiment.
        circuits: Its circuits.
        group: The ranks that share NEURON's network.
        settings: How.
    """

    def __init__(self, plan: Plan, circuits: CircuitPlan, group: Group, settings: Settings):
        self._plan, self._circuits, self._group = plan, circuits, group
        self._settings = settings
        self._range = OperatingRange(plan)
        family = plan.family
        self._felt = next(r for r, g in family.gates.items() if g.variable == family.coupling)
        self._rates = family.rates
        self.sections = [part for s in circuits.sections for part in split_by_region(s)]
        self._regions = [self._prepared(section) for section in self.sections]
        self.simulated_s = 0.0

    def _prepared(self, section: CircuitSection) -> _Region:
        name, *others = regions_of(section)
        if others:
            raise ConfigurationError(
                f"A circuit over several regions ({name}, {', '.join(others)}) has no transfer "
                f"curve of one region; calibrate copies with regions, or set its inputs by hand."
            )
        drives = [d for d in drives_for(self._plan, self._circuits, [section]) if d.region == name]
        rest = self._range.point(1.0)
        knobs = knobs_of(self._plan, self._circuits, section, drives, rest, name)
        target = self._range.target(name, self._settings.factors.tolist())
        unknowns = np.concatenate([knob.start for knob in knobs.values()])
        return _Region(name, section, knobs, target, unknowns)

    def run(self) -> dict[str, RegionCalibration]:
        """Calibrate.

        Returns:
            What was found, by region, without a check in closed loop.

        Raises:
            NotCalibratableError: If a circuit sustains itself or cannot reach the rates.
        """
        with TransferBench(self._plan, self._circuits, self.sections, self._group) as bench:
            self._bench = bench
            try:
                return self._run()
            finally:
                self.simulated_s = bench.simulated_s

    def _run(self) -> dict[str, RegionCalibration]:
        felt, settings = self._felt, self._settings
        before = self._curve([r.section for r in self._regions], _SHORTEST_S)
        self._sweep(felt, upwards=True)
        self._refuse_sustained()
        self._sweep(felt, upwards=False)
        self._start_from_sweeps()
        self._start_background()
        for rate in self._rates:
            if rate != felt and any(rate in r.knobs for r in self._regions):
                self._sweep(rate, upwards=True)
                self._sweep(rate, upwards=False)
                self._start_inhibition(rate)
        seconds = self._refine(settings.seconds)
        sections = [region.at(region.unknowns) for region in self._regions]
        after = self._curve(sections, seconds, self._plan.experiment.seed + _CHECK_SEED)
        return self._judged(before, after)

    # -- measuring --------------------------------------------------------------------------

    def _curve(
        self, sections: Sequence[CircuitSection], seconds: float, seed: int | None = None
    ) -> list[Rates]:
        return [
            self._bench.rates(sections, self._range.point(f), seconds, SETTLING_S, seed)
            for f in self._settings.factors
        ]

    def _sweep(self, rate: str, upwards: bool, again: bool = False) -> None:
        """Raise or lower the drive of a rate in every region until what is wanted is passed.

        Args:
            rate: The rate whose input is varied.
            upwards: Direction.
            again: Whether it is the second one of the excitatory rate, for the rate at rest alone.
        """
        name = f"{rate} with background" if again else rate
        rest = self._range.point(1.0)
        column = self._rates.index(rate)
        taking_part = [r for r in self._regions if rate in r.knobs]
        if again:  # a current or variable has its whole line from the first one
            taking_part = [r for r in taking_part if r.knobs[rate].spikes]
            taking_part = [r for r in taking_part if r.knobs[rate].with_share]
        if not taking_part:
            return
        seen = {
            r.name: dict(zip(s.gains.tolist(), s.rates_hz.tolist(), strict=True))
            if (s := r.sweeps.get(name))
            else {}
            for r in taking_part
        }
        gains = dict.fromkeys(seen, 1.0)
        wanted = {}
        for region in taking_part:
            curve = region.target.rates_hz[:, column]
            if again or rate != self._felt:
                at_rest = curve[int(np.argmin(np.abs(region.target.factors - 1.0)))]
                curve = np.array([0.9, 1.1]) * at_rest
            wanted[region.name] = curve
        while True:
            sections, waiting = [], False
            for region in self._regions:
                unknowns = region.unknowns.copy()
                if region.name in gains:
                    unknowns[region.part(rate)] = region.knobs[rate].at_gain(
                        gains[region.name], region.unknowns[region.part(rate)]
                    )
                    waiting |= gains[region.name] not in seen[region.name]
                sections.append(region.at(unknowns))
            if waiting:
                found = self._bench.rates(sections, rest, _SWEEP_S, _SWEEP_SETTLING_S)
                for region in taking_part:
                    value = found.mean_hz(rate, region.name)
                    seen[region.name].setdefault(gains[region.name], value)
            moved = False
            for region in taking_part:
                now = _next_gain(
                    seen[region.name],
                    gains[region.name],
                    wanted[region.name],
                    upwards,
                    region.knobs[rate].spikes,
                )
                moved |= now != gains[region.name]
                gains[region.name] = now
            if not moved:
                break
        for region in taking_part:
            order = sorted(seen[region.name])
            values = np.array([seen[region.name][gain] for gain in order])
            region.sweeps[name] = Sweep(
                region.name, name, np.array(order), values, region.target, wanted[region.name]
            )

    # -- the steps --------------------------------------------------------------------------

    def _refuse_sustained(self) -> None:
        felt = self._felt
        kicking, rest_hz = [], {}
        for region in self._regions:
            sweep = region.sweeps[felt]
            unknowns = region.unknowns.copy()
            strongest = float(sweep.gains[int(np.argmax(sweep.rates_hz))])
            unknowns[region.part(felt)] = region.knobs[felt].at_gain(strongest)
            kicking.append(region.at(unknowns))
            rest_hz[region.name] = float(
                np.interp(1.0, region.target.factors, region.target.rates_hz[:, 0])
            )
        found = sustained_regions(
            self._bench,
            kicking,
            self._range.point(0.0),
            self._range.point(self._settings.high),
            felt,
            rest_hz,
        )
        if found:
            raise NotCalibratableError(
                " ".join(
                    self._told(region, found[region.name])
                    for region in self._regions
                    if region.name in found
                ),
                [r.sweeps[felt] for r in self._regions],
            )

    def _told(self, region: _Region, sustained: Sustained) -> str:
        start = (
            f"{region.name}: not calibratable: a kick over, the circuit goes on firing at "
            f"{sustained.rate_hz:.3g} Hz without input, so that no input can set its rate."
        )
        if sustained.factor is None:
            return f"{start} It does so even without its own excitatory connections."
        written = region.section.parameters.get("recurrent_excitation")
        named = (
            f" (recurrent_excitation: {written * sustained.factor:.2g})"
            if isinstance(written, int | float)
            else ""
        )
        return (
            f"{start} With its own excitatory weights times {sustained.factor:.2g} or less{named} "
            f"it falls silent, and can be calibrated."
        )

    def _start_from_sweeps(self) -> None:
        felt, unreachable = self._felt, []
        for region in self._regions:
            sweep, knob = region.sweeps[felt], region.knobs[felt]
            gains, rates_hz = rising_branch(sweep.gains, sweep.rates_hz)
            wanted = sweep.wanted_hz
            if rates_hz[-1] < wanted[-1] or gains.size < 2:
                unreachable.append(
                    f"{region.name}: {felt} of the circuit reaches {rates_hz[-1]:.3g} Hz at most "
                    f"(at {gains[-1]:.3g} times the written drive), the mean field's goes up to "
                    f"{wanted[-1]:.3g} Hz."
                )
                continue
            if rates_hz[0] > wanted[0]:
                unreachable.append(
                    f"{region.name}: {felt} of the circuit does not fall below {rates_hz[0]:.3g} "
                    f"Hz (at {gains[0]:.3g} times the written drive), the mean field's goes down "
                    f"to {wanted[0]:.3g} Hz."
                )
                continue
            drives = drive_for(gains, rates_hz, wanted)
            slope, rest = np.polyfit(region.target.factors - 1.0, drives, 1)
            lower, upper = knob.bounds
            start = knob.from_line(float(rest), float(slope))
            region.unknowns[region.part(felt)] = np.clip(start, lower, upper)
        if unreachable:
            raise NotCalibratableError(
                " ".join(unreachable), [r.sweeps[felt] for r in self._regions]
            )

    def _start_background(self) -> None:
        """Replace spikes of the brain by background where the circuit's curve is too steep.

        If the rate goes as the events to the power p, and a share s of these follows the brain, it
        goes as the brain to the power p s near rest; so the share is that of the two slopes.
        """
        felt, settings = self._felt, self._settings
        sections = [region.at(region.unknowns) for region in self._regions]
        low, high = (
            self._bench.rates(sections, self._range.point(f), _SHORTEST_S, SETTLING_S)
            for f in (settings.low, settings.high)
        )
        for region in self._regions:
            knob, mine = region.knobs[felt], region.part(felt)
            if not (knob.spikes and knob.with_share):
                continue
            wanted = region.target.rates_hz[:, self._rates.index(felt)]
            ends = [max(one.mean_hz(felt, region.name), 0.05 * wanted[0]) for one in (low, high)]
            part = np.log(wanted[-1] / wanted[0]) / max(np.log(ends[1] / ends[0]), 1e-3)
            part = float(np.clip(part, 0.0, 1.0)) or 1e-3
            region.unknowns[mine] = knob.with_less_from_brain(region.unknowns[mine], part)
        self._sweep(felt, upwards=True, again=True)
        self._sweep(felt, upwards=False, again=True)
        for region in self._regions:
            knob, mine = region.knobs[felt], region.part(felt)
            if knob.spikes and knob.with_share:
                sweep = region.sweeps[f"{felt} with background"]
                gains, rates_hz = rising_branch(sweep.gains, sweep.rates_hz)
                if gains.size > 1:
                    middle = np.array([sweep.wanted_hz.mean()])
                    gain = float(drive_for(gains, rates_hz, middle)[0])
                    region.unknowns[mine] = knob.at_gain(gain, region.unknowns[mine])

    def _start_inhibition(self, rate: str) -> None:
        """The gain nearest to what is wanted; it is no failure if that is not reached."""
        for region in self._regions:
            if rate not in region.knobs:
                continue
            sweep = region.sweeps[rate]
            gains, rates_hz = rising_branch(sweep.gains, sweep.rates_hz)
            middle = np.array([sweep.wanted_hz.mean()])
            gain = float(drive_for(gains, rates_hz, middle)[0]) if gains.size > 1 else 1.0
            region.unknowns[region.part(rate)] = region.knobs[rate].at_gain(gain)

    def _refine(self, seconds: float | None) -> float:
        """Match the rates by Gauss-Newton steps; returns the time of each measurement, s."""
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
        if seconds is None and error > 1.3 * _WANTED_ERROR and duration_s < _LONGEST_S:
            duration_s = min(duration_s * (error / _WANTED_ERROR) ** 2, _LONGEST_S)
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
            self._bench.n_cells(self._felt, region.name)
            * float(np.interp(1.0, region.target.factors, region.target.rates_hz[:, 0]))
            for region in self._regions
        )
        return float(
            np.clip(np.ceil(2 * _WANTED_SPIKES / spikes_per_s) / 2, _SHORTEST_S, _LONGEST_S)
        )

    @staticmethod
    def _norm(residual: Array) -> float:
        return float(np.linalg.norm(residual * _WEIGHTS[: residual.size]))

    def _residuals(self, at: Sequence[Array], seconds: float) -> tuple[list[Rates], list[Array]]:
        """Log of circuit over mean field: excitatory low, at rest, high; inhibitory at rest."""
        sections = [region.at(u) for region, u in zip(self._regions, at, strict=True)]
        points = [self._range.point(f) for f in (self._settings.low, 1.0, self._settings.high)]
        rates = [self._bench.rates(sections, p, seconds, SETTLING_S) for p in points]
        return rates, [self._residual(region, rates, None) for region in self._regions]

    def _residual(self, region: _Region, rates: Sequence[Rates], n_blocks: int | None) -> Array:
        found = []
        factors = region.target.factors
        rest = int(np.argmin(np.abs(factors - 1.0)))
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

    # -- judging ----------------------------------------------------------------------------

    def _judged(
        self, before: Sequence[Rates], after: Sequence[Rates]
    ) -> dict[str, RegionCalibration]:
        found, missed = {}, []
        for region in self._regions:
            result = self._result(region, before, after)
            found[region.name] = result
            curves, felt = result.curves, self._felt
            wanted = np.array(curves.mean_field_hz[felt])
            error = np.array(curves.standard_error_hz[felt])
            # What lies within the noise of a measurement is no miss.
            allowed = np.maximum(self._settings.tolerance * wanted, 3.0 * error)
            off = np.abs(np.array(curves.circuit_hz[felt]) - wanted) - allowed
            if off.max() > 0:
                at = int(np.argmax(off))
                got, meant = curves.circuit_hz[felt][at], wanted[at]
                missed.append(
                    f"{region.name}: at {curves.source_factor[at]:g} times the sources' rates "
                    f"{felt} is {got:.3g} Hz instead of {meant:.3g} Hz, "
                    f"{100 * (got / meant - 1):+.0f} % where {100 * self._settings.tolerance:.0f} "
                    f"% is allowed (--tolerance); the best inputs found: {_words(result)}."
                )
        if missed:
            raise NotCalibratableError(
                " ".join(missed),
                [sweep for r in self._regions for sweep in r.sweeps.values()],
                {name: result.curves for name, result in found.items()},
            )
        return found

    def _result(
        self, region: _Region, before: Sequence[Rates], after: Sequence[Rates]
    ) -> RegionCalibration:
        given = [r for r in self._rates if (r, region.name) in after[0].blocks_hz]

        def of(rates: Sequence[Rates]) -> dict[str, list[float]]:
            return {r: [one.mean_hz(r, region.name) for one in rates] for r in given}

        target = region.target
        curves = Curves(
            source_factor=target.factors.tolist(),
            coupling_nA=target.coupling_nA.tolist(),
            mean_field_hz={r: target.rates_hz[:, self._rates.index(r)].tolist() for r in given},
            circuit_hz=of(after),
            standard_error_hz={r: [one.error_hz(r, region.name) for one in after] for r in given},
            before_hz=of(before),
        )
        rest = int(np.argmin(np.abs(target.factors - 1.0)))
        ratio = {
            r: np.array(curves.circuit_hz[r]) / np.array(curves.mean_field_hz[r]) - 1.0
            for r in given
        }
        felt = ratio[self._felt]
        residual = {
            "rest": float(felt[rest]),
            "largest": float(felt[int(np.argmax(np.abs(felt)))]),
            "rms": float(np.sqrt((felt**2).mean())),
        }
        for rate in given:
            if rate != self._felt:
                residual["inhibitory_rest"] = float(ratio[rate][rest])
        written = region.section.model_dump(include={"circuit", "parameters"})
        return RegionCalibration(
            circuit=written["circuit"],
            parameters=written["parameters"],
            inputs=[
                InputValues(
                    input=knob.position,
                    to=knob.item.to,
                    **knob.settings(region.unknowns[region.part(rate)]),
                )
                for rate, knob in region.knobs.items()
            ],
            curves=curves,
            residual=residual,
        )


def _first(pair: tuple[float, Array]) -> float:
    return pair[0]


def _words(result: RegionCalibration) -> str:
    return "; ".join(
        f"to {item.to} " + ", ".join(f"{key} {value:.4g}" for key, value in item.values.items())
        for item in result.inputs
    )


def _next_gain(
    seen: Mapping[float, float], gain: float, wanted: Array, upwards: bool, spikes: bool
) -> float:
    """The gain to measure next, or the same if the sweep of this region is over."""
    highest, lowest = max(seen), min(seen)
    if upwards:
        peak = max(seen.values())
        over = peak > 1.1 * wanted[-1]
        # Past a peak that is clearly one: more drive blocks.
        past = peak > 0.5 and seen[highest] < 0.7 * peak
        return gain if over or past or highest > _LARGEST_GAIN else highest * _SWEEP_STEP
    if min(seen.values()) < 0.9 * wanted[0]:
        return gain
    if lowest > (_SMALLEST_GAIN if spikes else 0.3):
        return lowest / _SWEEP_STEP
    if spikes:
        return gain
    return next((g for g in _BELOW_ZERO if g < lowest), gain)
