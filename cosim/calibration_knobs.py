"""The numbers of a region's inputs that a calibration varies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.config import Circuit as CircuitSection
from cosim.config import Input
from cosim.drives import Drive, Trains
from cosim.errors import ConfigurationError
from cosim.operating_range import OperatingPoint
from cosim.plan import Plan
from cosim.plan_circuits import CircuitPlan

# Of what an input brings at rest, the least that is to come from the brain; the rest would be
# background, and the circuit deaf.
_LEAST_SHARE = 0.05
# Weights are searched over this factor to both sides of the written one.
_WIDEST = np.log(1e5)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Knob:
    """One input, as one or two unknowns.

    For spikes, n a second at rest of which the brain sends the share s, the unknowns are
    log(weight sqrt(n)) and log s <= 0. So weight and background stay positive, and more background
    leaves the variance of the input at rest as it is, which is what sparse firing answers to. A
    current or variable is ``A + B (x / x_rest - 1)``; the unknowns are A and B in its own unit.

    Attributes:
        position: Of the input in the circuit's list.
        item: The input as written.
        at_rest: Spikes: events per cell and second at rest, Hz; else the value at rest for scale 1.
        with_share: Whether the second unknown is there.
    """

    position: int
    item: Input
    at_rest: float
    with_share: bool

    @property
    def spikes(self) -> bool:
        """Whether the input is of spikes."""
        return self.item.as_ == "spikes"

    @property
    def start(self) -> Array:
        """The unknowns of the input as written."""
        if self.spikes:
            events_hz = self.at_rest + self.item.background_hz
            first = np.log(self.item.weight_uS * np.sqrt(events_hz))
            found = [first, np.log(self.at_rest / events_hz)]
        else:
            B = self.item.scale * self.at_rest
            found = [self.item.offset + B, B]
        return np.array(found[: 1 + self.with_share])

    @property
    def unit(self) -> Array:
        """A change of each unknown that is small, yet seen in the rates."""
        if self.spikes:
            return np.array([0.06, 0.35][: 1 + self.with_share])
        B = abs(self.item.scale * self.at_rest) or abs(self.at_rest)
        return np.array([0.15 * B, 0.3 * B][: 1 + self.with_share])

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Smallest and largest value of each unknown."""
        if self.spikes:
            first = self.start[0]
            lower, upper = [first - _WIDEST, np.log(_LEAST_SHARE)], [first + _WIDEST, 0.0]
        else:
            lower, upper = [-np.inf, 0.0], [np.inf, np.inf]
        n = 1 + self.with_share
        return np.array(lower[:n]), np.array(upper[:n])

    def at_gain(self, gain: float, unknowns: Array | None = None) -> Array:
        """The unknowns for a gain times the drive of the input as written.

        Args:
            gain: Factor.
            unknowns: For spikes, the share to keep; None: that of the input as written.
        """
        found = self.start
        if not self.spikes:
            return found * gain
        if unknowns is not None:
            found[1:] = unknowns[1:]
        found[0] += np.log(gain)
        return found

    def gain_of(self, unknowns: Array) -> float:
        """The gain that spikes have with some unknowns, as :meth:`at_gain` takes it."""
        return float(np.exp(unknowns[0] - self.start[0]))

    def from_line(self, gain: float, slope: float) -> Array:
        """The unknowns for a drive of ``gain`` times the written one, rising by ``slope`` of it.

        For spikes only the gain is taken: weights that grow are not spikes that become more.

        Args:
            gain: At rest.
            slope: Rise of the gain per unit of x / x_rest.
        """
        if self.spikes or not self.with_share:
            return self.at_gain(gain)
        return np.array([self.start[0] * gain, max(self.start[0] * slope, 0.0)])

    def settings(self, unknowns: Array) -> dict[str, float]:
        """Keys and values of the input.

        Args:
            unknowns: As :attr:`start`.
        """
        if self.spikes:
            if not self.with_share:
                background = self.item.background_hz
                weight = float(np.exp(unknowns[0]) / np.sqrt(self.at_rest + background))
                return {"weight_uS": weight}
            share = float(np.exp(unknowns[1]))
            background = self.at_rest * (1.0 / share - 1.0)
            weight = float(np.exp(unknowns[0]) * np.sqrt(share / self.at_rest))
            return {"weight_uS": weight, "background_hz": background}
        if not self.with_share:
            return {"offset": float(unknowns[0]) - self.item.scale * self.at_rest}
        A, B = (float(x) for x in unknowns)
        return {"scale": B / self.at_rest, "offset": A - B}


def knobs_of(
    plan: Plan,
    circuits: CircuitPlan,
    section: CircuitSection,
    drives: Sequence[Drive],
    rest: OperatingPoint,
    region: str,
) -> dict[str, Knob]:
    """What is varied in one region: per rate the first input of a population that makes it.

    Args:
        plan: The experiment.
        circuits: Its circuits.
        section: The circuit of the region, its inputs written out.
        drives: The inputs of the region as numbers, in their order.
        rest: The brain at rest.
        region: The region.

    Returns:
        Knobs by rate; the rate from which others feel the region is always there.

    Raises:
        ConfigurationError: If nothing drives that rate.
    """
    family = plan.family
    felt = next(rate for rate, gate in family.gates.items() if gate.variable == family.coupling)
    if (felt, region) not in circuits.origin:
        raise ConfigurationError(
            f"{region}: {family.coupling} comes from the circuit itself, and a calibration matches "
            f"{felt}; add an output to {felt}."
        )
    found: dict[str, Knob] = {}
    by_position = dict(zip(range(len(drives)), drives, strict=True))
    for rate in (felt, *(r for r in family.rates if r != felt)):
        if (rate, region) not in circuits.origin:
            continue
        populations = circuits.origin[rate, region].populations
        for position, drive in by_position.items():
            item = (section.inputs or [])[position]
            if drive.population not in populations:
                continue
            at_rest = _at_rest(plan, drive, item, rest)
            if at_rest <= 0 or (item.as_ == "spikes" and item.weight_uS == 0):
                continue
            free = rate == felt and item.correlation is None
            found[rate] = Knob(position, item, at_rest, free)
            break
    if felt not in found:
        names = ", ".join(p.split(".")[-1] for p in circuits.origin[felt, region].populations)
        raise ConfigurationError(
            f"{region}: no input from the brain drives {names}, which make {felt}, so that there "
            f"is nothing to calibrate; add an input with a weight above 0."
        )
    return found


def _at_rest(plan: Plan, drive: Drive, item: Input, rest: OperatingPoint) -> float:
    sources = [plan.connectome.index(source) for source in drive.sources]
    sent = rest.sent[drive.variable][sources]
    if drive.gains is None:
        assert isinstance(drive.target, Trains)
        return float(sent.sum() * drive.target.per_source)
    total = float((drive.gains * sent).sum())
    if item.as_ == "spikes":
        return total
    # The gains hold the written scale; one that is 0 says nothing of what would arrive.
    return total / item.scale if item.scale else 0.0
