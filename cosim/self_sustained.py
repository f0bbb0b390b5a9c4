"""Whether circuits go on firing when their input ends: then no input can set their rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cosim.config import Circuit as CircuitSection
from cosim.operating_range import OperatingPoint
from cosim.transfer_curve import TransferBench

_QUIET_S = 0.2
_KICK_S = 0.2
# Longer than any synapse's memory (NMDA: 100 ms); the last 500 ms are judged.
_SILENCE_S = 1.5
# Part of the mean field's rate at rest that may be left.
_LEFT = 0.1
_BISECTIONS = 5


@dataclass(frozen=True)
class Sustained:
    """A region that goes on firing.

    Attributes:
        rate_hz: Its rate a second after the input ended, Hz.
        factor: Largest tested factor on the circuit's own excitatory weights with which it falls
            silent; None if it does not even without any.
    """

    rate_hz: float
    factor: float | None


def sustained_regions(
    bench: TransferBench,
    kicking: Sequence[CircuitSection],
    silence: OperatingPoint,
    kick: OperatingPoint,
    rate: str,
    rest_hz: Mapping[str, float],
) -> dict[str, Sustained]:
    """Kick every region, cut its input, and see which do not come back to where they were.

    A circuit that fires without input and without a kick as well (one with a background of its
    own) is not meant: its rate has one value for each input.

    Args:
        bench: The network.
        kicking: The circuits with inputs strong enough for a high rate.
        silence: All sources at zero.
        kick: Sources at the top of the operating range.
        rate: The rate that is judged.
        rest_hz: The mean field's rate at rest per region, Hz.

    Returns:
        The regions that go on, bisected for the factor that ends it, to 1/32.
    """

    def left(kicked: bool) -> dict[str, float]:
        before = [(_QUIET_S, silence), *([(_KICK_S, kick)] if kicked else [])]
        course = bench.course(kicking, before, [(_SILENCE_S, silence)], silent_background=True)
        return {region: float(course.blocks_hz[rate, region][-1]) for region in rest_hz}

    quiet = left(kicked=False)

    def going_on(after: Mapping[str, float]) -> set[str]:
        return {r for r in rest_hz if after[r] - quiet[r] > _LEFT * rest_hz[r]}

    kicked = left(kicked=True)
    found = going_on(kicked)
    if not found:
        return {}
    silent, sustaining = dict.fromkeys(found, 0.0), dict.fromkeys(found, 1.0)
    bench.scale_excitation(silent)
    hopeless = found & going_on(left(kicked=True))
    for _ in range(_BISECTIONS):
        middle = {r: (silent[r] + sustaining[r]) / 2 for r in found}
        bench.scale_excitation(middle)
        on = going_on(left(kicked=True))
        for region in found:
            (sustaining if region in on else silent)[region] = middle[region]
    bench.scale_excitation(dict.fromkeys(found, 1.0))
    return {r: Sustained(kicked[r], None if r in hopeless else silent[r]) for r in sorted(found)}
