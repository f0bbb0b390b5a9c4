"""The drive of a rate, raised or lowered in every region until what is wanted of it is passed."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.calibrated_region import CalibratedRegion
from cosim.calibration_settings import Sweep
from cosim.operating_range import OperatingPoint
from cosim.transfer_curve import TransferBench

_SWEEP_S, SWEEP_SETTLING_S = 0.5, 0.3
_STEP = 1.5
_LARGEST_GAIN, _SMALLEST_GAIN = 1e4, 1e-3
# Drives of the other sign, for inputs that may have one.
_BELOW_ZERO = (0.0, -0.25, -0.5, -1.0, -2.0, -4.0)

Array = NDArray[np.float64]


def sweep_gains(
    bench: TransferBench,
    point: OperatingPoint,
    regions: Sequence[CalibratedRegion],
    rate: str,
    wanted_hz: Mapping[str, Array],
    name: str,
    upwards: bool,
) -> None:
    """Measure a rate against the gain of its input, going one way from what is known already.

    What is not known yet begins at the gain that a region's spikes have, and at 1 for other inputs.

    Args:
        bench: The network.
        point: What the sources send.
        regions: All regions; those not swept keep their drive. Each one's sweep is filed with it.
        rate: The rate whose input is varied.
        wanted_hz: By region that is swept: values to be passed, Hz, ascending.
        name: What the sweep is called.
        upwards: Direction.
    """
    taking_part = [region for region in regions if region.name in wanted_hz]
    seen = {region.name: _measured(region.sweeps.get(name)) for region in taking_part}
    gains = {r.name: next(iter(seen[r.name]), _present_gain(r, rate)) for r in taking_part}
    moved = bool(taking_part)
    while moved:
        if any(gains[key] not in seen[key] for key in gains):
            sections = []
            for region in regions:
                unknowns = region.unknowns.copy()
                if region.name in gains:
                    mine = region.part(rate)
                    knob, gain = region.knobs[rate], gains[region.name]
                    unknowns[mine] = knob.at_gain(gain, region.unknowns[mine])
                sections.append(region.at(unknowns))
            found = bench.rates(sections, point, _SWEEP_S, SWEEP_SETTLING_S)
            for key, gain in gains.items():
                seen[key].setdefault(gain, found.mean_hz(rate, key))
        after = {
            region.name: next_gain(
                seen[region.name],
                gains[region.name],
                wanted_hz[region.name],
                upwards,
                region.knobs[rate].spikes,
            )
            for region in taking_part
        }
        moved, gains = after != gains, after
    for region in taking_part:
        order = np.array(sorted(seen[region.name]))
        values = np.array([seen[region.name][gain] for gain in order.tolist()])
        wanted = wanted_hz[region.name]
        region.sweeps[name] = Sweep(region.name, name, order, values, region.target, wanted)


def _present_gain(region: CalibratedRegion, rate: str) -> float:
    knob = region.knobs[rate]
    return knob.gain_of(region.unknowns[region.part(rate)]) if knob.spikes else 1.0


def _measured(sweep: Sweep | None) -> dict[float, float]:
    if sweep is None:
        return {}
    return dict(zip(sweep.gains.tolist(), sweep.rates_hz.tolist(), strict=True))


def next_gain(
    seen: Mapping[float, float], gain: float, wanted: Array, upwards: bool, spikes: bool
) -> float:
    """The gain to measure next, or the same if the sweep of this region is over."""
    highest, lowest = max(seen), min(seen)
    if upwards:
        peak = max(seen.values())
        over = peak > 1.1 * wanted[-1]
        # Past a peak that is clearly one: more drive blocks.
        past = peak > 0.5 and seen[highest] < 0.7 * peak
        return gain if over or past or highest > _LARGEST_GAIN else highest * _STEP
    if min(seen.values()) < 0.9 * wanted[0]:
        return gain
    if lowest > (_SMALLEST_GAIN if spikes else 0.3):
        return lowest / _STEP
    if spikes:
        return gain
    return next((g for g in _BELOW_ZERO if g < lowest), gain)
