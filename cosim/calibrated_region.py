"""One region under calibration: its circuit, what may be varied, and what is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cosim.calibration_file import with_values
from cosim.calibration_knobs import Knob
from cosim.calibration_settings import Sweep
from cosim.config import Circuit as CircuitSection
from cosim.operating_range import TargetCurve
from cosim.transfer_curve import TransferBench

Array = NDArray[np.float64]


@dataclass
class CalibratedRegion:
    """One region under calibration.

    Attributes:
        name: Label of the region.
        section: Its circuit.
        knobs: What may be varied, by the rate that it is to set.
        target: The mean field's curve.
        unknowns: Those of its knobs, one after the other, shape ``(n_unknowns,)``.
        sweeps: What was measured of it, by name.
    """

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
        """An attribute of all knobs, in the order of the unknowns."""
        return np.concatenate([getattr(knob, name) for knob in self.knobs.values()])

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bound of every unknown."""
        both = [knob.bounds for knob in self.knobs.values()]
        return np.concatenate([b[0] for b in both]), np.concatenate([b[1] for b in both])

    def at(self, unknowns: Array) -> CircuitSection:
        """The section with the numbers of some unknowns."""
        values = {
            knob.position: knob.settings(unknowns[self.part(rate)])
            for rate, knob in self.knobs.items()
        }
        return with_values(self.section, values)

    def wanted_at_rest(self, column: int) -> float:
        """A rate of the mean field at rest, Hz."""
        return float(self.target.rates_hz[self.target.rest, column])


def seconds_for(
    bench: TransferBench,
    regions: Sequence[CalibratedRegion],
    rate: str,
    n_spikes: float,
    shortest_s: float,
    longest_s: float,
) -> float:
    """Time in which the mean field's first rate at rest makes so many spikes in every region, s.

    Args:
        bench: The network, which knows the number of cells.
        regions: The regions.
        rate: The rate whose cells are counted.
        n_spikes: Spikes wanted.
        shortest_s: Least time, s.
        longest_s: Most, s.
    """
    fewest_hz = min(bench.n_cells(rate, r.name) * r.wanted_at_rest(0) for r in regions)
    return float(np.clip(np.ceil(2.0 * n_spikes / fewest_hz) / 2.0, shortest_s, longest_s))
