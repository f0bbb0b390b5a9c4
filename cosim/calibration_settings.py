"""How a calibration is done, and what it says when a circuit cannot be calibrated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.calibration_file import Curves
from cosim.errors import ConfigurationError, CosimError
from cosim.operating_range import TargetCurve

Array = NDArray[np.float64]

# Time left out of every measurement, s. What the slowest circuits (S, 100 ms, times its recurrence)
# still keep of their start after it moves an average over 2 s by some tenths of a percent of that.
SETTLING_S = 0.5


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
        too_active: Regions that fire more than their mean field with the best inputs found.
    """

    def __init__(
        self,
        message: str,
        sweeps: Sequence[Sweep] = (),
        curves: Mapping[str, Curves] | None = None,
        too_active: Sequence[str] = (),
    ):
        super().__init__(message)
        self.sweeps = tuple(sweeps)
        self.curves = dict(curves or {})
        self.too_active = tuple(too_active)
