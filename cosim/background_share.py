"""How much of a spike input is to come from the brain: as much as gives the mean field's slope.

The rate of a circuit rises with its input more steeply than its mean field's, or less. Of two
inputs that give the same rate at rest, the one with more background follows the brain less. The
slope is measured for one share after another, each time with the weight that gives the rate at
rest, until the wanted slope lies between two of them. How it depends on the share is not known
beforehand: smaller weights need more coincidences, so that it may stand still at first.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.calibrated_region import CalibratedRegion
from cosim.calibration_settings import Settings
from cosim.gain_sweep import SWEEP_SETTLING_S, sweep_gains
from cosim.monotone import drive_for, rising_branch
from cosim.operating_range import OperatingRange
from cosim.transfer_curve import TransferBench

_MOST_SHARES = 5
# Part of the wanted slope by which a share may miss it; the steps that follow do the rest.
_NEAR = 0.15
# Shares are at least this factor apart, and at most that.
_CLOSEST, _FARTHEST = np.log(1.25), np.log(3.0)

Array = NDArray[np.float64]


class ShareSearch:
    """Finds the share of each region's excitatory spike input that comes from the brain.

    Args:
        bench: The network.
        operating_range: What the sources send.
        settings: The ends of the range.
        regions: All regions, with the drive that gives the rate at rest.
        felt: The rate that other regions feel.
        column: Its column in the mean field's curves.
        seconds: Time of each measurement, s.
    """

    def __init__(
        self,
        bench: TransferBench,
        operating_range: OperatingRange,
        settings: Settings,
        regions: Sequence[CalibratedRegion],
        felt: str,
        column: int,
        seconds: float,
    ):
        self._bench, self._range, self._settings = bench, operating_range, settings
        self._regions, self._felt, self._column = regions, felt, column
        self._seconds = seconds

    def run(self) -> None:
        """Search; the regions' unknowns are the nearest found."""
        felt = self._felt
        searched = [r for r in self._regions if r.knobs[felt].spikes and r.knobs[felt].with_share]
        seen: dict[str, list[tuple[float, float]]] = {r.name: [] for r in searched}
        nearest: dict[str, tuple[float, Array]] = {}
        while searched:
            found = self._slopes(searched)
            for region in searched:
                share = float(region.unknowns[region.part(felt)][1])
                seen[region.name].append((share, found[region.name]))
                missed = abs(found[region.name])
                if region.name not in nearest or missed < nearest[region.name][0]:
                    nearest[region.name] = (missed, region.unknowns.copy())
            going_on = []
            for region in searched:
                lowest = float(region.knobs[felt].bounds[0][1])
                following = next_share(seen[region.name], lowest)
                if following is not None:
                    region.unknowns[region.part(felt)][1:] = following
                    going_on.append(region)
            searched = going_on
            self._match_rest(searched)
        for region in self._regions:
            if region.name in nearest:
                region.unknowns = nearest[region.name][1]

    def _slopes(self, regions: Sequence[CalibratedRegion]) -> dict[str, float]:
        """Log of the slope between the ends over the mean field's, by region."""
        sections = [region.at(region.unknowns) for region in self._regions]
        low, high = (
            self._bench.rates(sections, self._range.point(f), self._seconds, SWEEP_SETTLING_S)
            for f in (self._settings.low, self._settings.high)
        )
        slopes = {}
        for region in regions:
            wanted = region.target.rates_hz[:, self._column]
            least = 0.05 * wanted[0]
            ends = [max(one.mean_hz(self._felt, region.name), least) for one in (low, high)]
            slope = max(float(np.log(ends[1] / ends[0])), 1e-2)
            slopes[region.name] = float(np.log(slope / np.log(wanted[-1] / wanted[0])))
        return slopes

    def _match_rest(self, regions: Sequence[CalibratedRegion]) -> None:
        """Give regions the weight at which they have the mean field's rate at rest."""
        felt, name = self._felt, f"{self._felt} with background"
        wanted = {r.name: np.array([0.9, 1.1]) * r.wanted_at_rest(self._column) for r in regions}
        for region in regions:
            region.sweeps.pop(name, None)  # of another share
        for upwards in (True, False):
            rest = self._range.point(1.0)
            sweep_gains(self._bench, rest, self._regions, felt, wanted, name, upwards)
        for region in regions:
            knob, mine = region.knobs[felt], region.part(felt)
            gains, rates_hz = rising_branch(region.sweeps[name].gains, region.sweeps[name].rates_hz)
            if gains.size > 1:
                middle = np.array([wanted[region.name].mean()])
                gain = float(drive_for(gains, rates_hz, middle)[0])
                region.unknowns[mine] = knob.at_gain(gain, region.unknowns[mine])


def next_share(seen: Sequence[tuple[float, float]], lowest: float) -> float | None:
    """The logarithm of the share to try next; None if the search is over.

    Args:
        seen: Log of each share tried, from 0 (all from the brain) downwards, and the log of its
            slope over the wanted one.
        lowest: Smallest log of a share.
    """
    share, slope = seen[-1]
    if min(abs(one) for _, one in seen) < _NEAR or len(seen) == _MOST_SHARES:
        return None
    above = [pair for pair in seen if pair[1] > 0]
    below = [pair for pair in seen if pair[1] < 0]
    if above and below:
        # The pair between which it passes the wanted slope, more from the brain being steeper.
        (more, steep), (less, flat) = min(above), max(below)
        found = less + (more - less) * (-flat) / (steep - flat)
        return found if abs(more - less) > 2.0 * _CLOSEST else None
    if below:
        share, slope = max(below)
        # Not steep enough: less background, down to none.
        return None if share >= 0.0 else min(share - min(slope, -_CLOSEST), 0.0)
    share, slope = min(above)
    step = float(np.clip(1.5 * slope, _CLOSEST, _FARTHEST))
    if len(seen) > 1:  # it did less than was thought
        step = min(max(step, 1.5 * abs(seen[-1][0] - seen[-2][0])), _FARTHEST)
    found = max(share - step, lowest)
    return found if found < share else None
