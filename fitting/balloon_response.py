"""Squared gain of the Balloon-Windkessel haemodynamics, linearised about a steady state."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fitting.hemodynamics import BalloonWindkessel


@dataclass(frozen=True, slots=True)
class BalloonResponse:
    """How the haemodynamics pass small fluctuations about a steady neural drive.

    Signal and flow make a damped oscillator, volume follows flow, and deoxyhaemoglobin follows
    both, so every transfer function is a quotient of the one before.

    Attributes:
        drive: Steady neural drive, the excitatory gating at rest.
        blood: The haemodynamics and their constants.

    References:
        Friston, Harrison & Penny (2003) NeuroImage 19:1273-1302,
        doi:10.1016/S1053-8119(03)00202-7.
    """

    drive: float
    blood: BalloonWindkessel = field(default_factory=BalloonWindkessel)

    def steady_state(self) -> tuple[float, float, float]:
        """Flow, volume and deoxyhaemoglobin at rest."""
        flow = 1 + self.drive / self.blood.autoregulation_per_s
        volume = flow**self.blood.alpha
        return flow, volume, volume * (1 - (1 - self.blood.rho) ** (1 / flow)) / self.blood.rho

    def steady_bold(self) -> float:
        """BOLD at rest, a fraction."""
        _, v, q = self.steady_state()
        c = self.blood
        return float(c.V_0 * (c.k1 * (1 - q) + c.k2 * (1 - q / v) + c.k3 * (1 - v)))

    def steady_slope(self) -> float:
        """Derivative of BOLD at rest to the drive: the gain at zero frequency, with its sign."""
        step = 1e-4
        above = BalloonResponse(self.drive + step, self.blood).steady_bold()
        below = BalloonResponse(self.drive - step, self.blood).steady_bold()
        return (above - below) / (2 * step)

    def __call__(self, frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squared gain from neural drive to BOLD, shape as ``frequency_hz``."""
        c = self.blood
        f, v, q = self.steady_state()
        s = 2j * np.pi * frequency_hz
        outflow = v ** (1 / c.alpha - 1) / c.transit_s
        kept = (1 - c.rho) ** (1 / f)
        flow = 1 / (s * s + c.decay_per_s * s + c.autoregulation_per_s)
        volume = flow / c.transit_s / (s + outflow / c.alpha)
        extraction_slope = ((1 - kept) + kept * np.log(1 - c.rho) / f) / c.rho
        deoxy = (
            extraction_slope / c.transit_s * flow - q * (1 / c.alpha - 1) * outflow / v * volume
        ) / (s + outflow)
        bold = c.V_0 * ((-c.k1 - c.k2 / v) * deoxy + (c.k2 * q / v**2 - c.k3) * volume)
        gain: NDArray[np.float64] = np.abs(bold) ** 2
        return gain
