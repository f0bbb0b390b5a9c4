"""Find the inputs with which each circuit does, over the operating range, what its mean field does.

Open loop, before the run. For each replaced region: (1) the circuit must fall silent when a kick
ends; (2) the drive is swept, and the rising branch of the measured curve inverted for the rates
that the mean field wants; (3) bounded Gauss-Newton steps with common random numbers, from that
start, match the excitatory rate at the low end, at rest and at the high end, and the inhibitory
rate at rest; (4) the whole curve is measured once more with other random numbers. Copies in several
regions are calibrated together, in the network in which they will run.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.background_share import ShareSearch
from cosim.calibrated_region import CalibratedRegion, seconds_for
from cosim.calibration_file import RegionCalibration, split_by_region
from cosim.calibration_knobs import knobs_of
from cosim.calibration_settings import SETTLING_S, NotCalibratableError, Settings
from cosim.calibration_verdict import judged
from cosim.config import Circuit as CircuitSection
from cosim.errors import ConfigurationError
from cosim.gain_sweep import sweep_gains
from cosim.monotone import drive_for, rising_branch
from cosim.operating_range import OperatingRange
from cosim.placement import regions_of
from cosim.plan import Plan
from cosim.plan_circuits import CircuitPlan
from cosim.protocols import Group
from cosim.rate_matching import SHORTEST_S, RateMatching
from cosim.self_sustained import Sustained, sustained_regions
from cosim.transfer_curve import Rates, TransferBench, drives_for

_CHECK_SEED, _OTHER_SEED = 1, 2  # added to the experiment's seed
# Of what is measured on the way; what is fitted takes more.
_FEW_SPIKES, _SHORTEST_S = 1200.0, 0.5
# Factors on a circuit's own excitatory weights that are tried where it fires too much.
_WEAKER = (0.5, 0.25, 0.125)

Array = NDArray[np.float64]


class Calibrator:
    """Calibrates all replaced regions of an experiment.

    Args:
        plan: The experiment.
        circuits: Its circuits.
        group: The ranks that share NEURON's network.
        settings: How.
        tell: Is told what begins, in a few words; it takes minutes in all.
    """

    def __init__(
        self,
        plan: Plan,
        circuits: CircuitPlan,
        group: Group,
        settings: Settings,
        tell: Callable[[str], None] = lambda stage: None,
    ):
        self._plan, self._circuits, self._group = plan, circuits, group
        self._settings, self._tell = settings, tell
        self._range = OperatingRange(plan)
        family = plan.family
        self._felt = next(r for r, g in family.gates.items() if g.variable == family.coupling)
        self._rates = family.rates
        self.sections = [part for s in circuits.sections for part in split_by_region(s)]
        self._regions = [self._prepared(section) for section in self.sections]
        self.simulated_s = 0.0

    def _prepared(self, section: CircuitSection) -> CalibratedRegion:
        name, *others = regions_of(section)
        if others:
            raise ConfigurationError(
                f"A circuit over several regions ({name}, {', '.join(others)}) is not calibrated: "
                f"its regions drive each other, so that none has a transfer curve of its own; "
                f"calibrate copies (regions), or set its inputs by hand."
            )
        drives = [d for d in drives_for(self._plan, self._circuits, [section]) if d.region == name]
        rest = self._range.point(1.0)
        knobs = knobs_of(self._plan, self._circuits, section, drives, rest, name)
        target = self._range.target(name, self._settings.factors.tolist())
        unknowns = np.concatenate([knob.start for knob in knobs.values()])
        return CalibratedRegion(name, section, knobs, target, unknowns)

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
        self._tell("measuring the circuits as written")
        short_s = seconds_for(
            self._bench, self._regions, self._felt, _FEW_SPIKES, _SHORTEST_S, SHORTEST_S
        )
        before = self._curve([r.section for r in self._regions], short_s)
        try:
            return self._calibrated(before, short_s)
        except NotCalibratableError as error:
            if not error.too_active or not self._bench.has_own_excitation():
                raise
            told = self._tried_weaker(error.too_active, before, short_s)
            raise NotCalibratableError(f"{error} {told}", error.sweeps, error.curves) from None

    def _tried_weaker(self, regions: Sequence[str], before: Sequence[Rates], short_s: float) -> str:
        """Whether the same circuits with weaker own excitation can be calibrated, in words."""
        for factor in _WEAKER:
            self._tell(f"too active; trying their own excitatory weights times {factor:g}")
            self._bench.scale_excitation(dict.fromkeys(regions, factor))
            self._regions = [self._prepared(section) for section in self.sections]
            try:
                found = self._calibrated(before, short_s)
            except NotCalibratableError:
                continue
            named = "; ".join(
                f"{r.name}: {self._weaker(r, factor)}" for r in self._regions if r.name in regions
            )
            off = max(abs(found[name].residual["largest"]) for name in regions)
            return f"{named} it can be calibrated (tried: off by {100 * off:.1f} % at most)."
        return "Nor can it be with its own excitatory weights times 0.5, 0.25 or 0.125."

    def _calibrated(self, before: Sequence[Rates], short_s: float) -> dict[str, RegionCalibration]:
        felt, settings = self._felt, self._settings
        column = self._rates.index(felt)
        wanted = {r.name: r.target.rates_hz[:, column] for r in self._regions if felt in r.knobs}
        self._tell(f"sweeping the drive of {felt}")
        self._sweep(felt, wanted, felt, upwards=True)
        self._refuse_sustained()
        self._sweep(felt, wanted, felt, upwards=False)
        self._start_from_sweeps()
        self._tell("looking for the share of background")
        shares = ShareSearch(
            self._bench, self._range, settings, self._regions, felt, column, short_s
        )
        shares.run()
        for rate in self._rates:
            with_knob = [r for r in self._regions if rate in r.knobs]
            if rate != felt and with_knob:
                for upwards in (True, False):
                    self._sweep(rate, self._near_rest(rate, with_knob), rate, upwards)
                self._start_inhibition(rate, with_knob)
        seed = self._plan.experiment.seed
        matching = RateMatching(
            self._bench,
            self._range,
            settings,
            self._regions,
            self._rates,
            felt,
            seed + _OTHER_SEED,
        )
        self._tell("matching the rates")
        seconds = matching.run(settings.seconds)
        self._tell("measuring the curve with other random numbers")
        sections = [region.at(region.unknowns) for region in self._regions]
        after = self._curve(sections, seconds, seed + _CHECK_SEED)
        return judged(self._regions, before, after, self._rates, felt, settings.tolerance)

    def _curve(
        self, sections: Sequence[CircuitSection], seconds: float, seed: int | None = None
    ) -> list[Rates]:
        return [
            self._bench.rates(sections, self._range.point(f), seconds, SETTLING_S, seed)
            for f in self._settings.factors
        ]

    def _sweep(self, rate: str, wanted_hz: Mapping[str, Array], name: str, upwards: bool) -> None:
        rest = self._range.point(1.0)
        sweep_gains(self._bench, rest, self._regions, rate, wanted_hz, name, upwards)

    def _near_rest(self, rate: str, regions: Sequence[CalibratedRegion]) -> dict[str, Array]:
        """Values just below and above a rate of the mean field at rest, Hz."""
        column = self._rates.index(rate)
        return {r.name: np.array([0.9, 1.1]) * r.wanted_at_rest(column) for r in regions}

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
            rest_hz[region.name] = region.wanted_at_rest(0)
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

    def _told(self, region: CalibratedRegion, sustained: Sustained) -> str:
        start = (
            f"{region.name}: not calibratable: a kick over, the circuit goes on firing at "
            f"{sustained.rate_hz:.3g} Hz without input, so that no input can set its rate."
        )
        if sustained.factor is None:
            return f"{start} It does so even without its own excitatory connections."
        weaker = self._weaker(region, sustained.factor)
        return f"{start} {weaker} or less it falls silent; calibrate it so."

    def _weaker(self, region: CalibratedRegion, factor: float) -> str:
        """Weaker own excitation in words, with the parameter of library circuits that sets it."""
        built = self._circuits.parameters.get(region.name, {}).get("recurrent_excitation")
        named = f" (recurrent_excitation: {built * factor:.3g})" if built else ""
        return f"With its own excitatory weights times {factor:.3g}{named}"

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

    def _start_inhibition(self, rate: str, regions: Sequence[CalibratedRegion]) -> None:
        """The gain nearest to what is wanted; it is no failure if that is not reached."""
        for region in regions:
            sweep = region.sweeps[rate]
            gains, rates_hz = rising_branch(sweep.gains, sweep.rates_hz)
            middle = np.array([sweep.wanted_hz.mean()])
            gain = float(drive_for(gains, rates_hz, middle)[0]) if gains.size > 1 else 1.0
            region.unknowns[region.part(rate)] = region.knobs[rate].at_gain(gain)
