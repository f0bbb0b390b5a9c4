"""From neural activity to BOLD: the Balloon-Windkessel model, with a step of its own.

    ds/dt = z - kappa s - gamma (f - 1)          dv/dt = (f - v^(1/alpha)) / tau_0
    df/dt = s                                    dq/dt = (f (1 - (1-rho)^(1/f)) / rho
                                                          - v^(1/alpha) q / v) / tau_0
    y = V_0 (k1 (1 - q) + k2 (1 - q / v) + k3 (1 - v))

Time here is in seconds: ``kappa = .65`` and ``gamma = .41`` are rates per second, not time
constants. The fastest of these processes takes a third of a second, so a step of 20 ms is fine
where the neurons need 1 to 5 ms. Each step is Heun's, with the drive held at its mean.

References:
    Friston, Harrison & Penny (2003) NeuroImage 19:1273-1302, doi:10.1016/S1053-8119(03)00202-7.
    Griffiths, Wang et al. (2022), eqs 14-18, for the constants.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fitting.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class BalloonWindkessel:
    """Haemodynamics of every region, the same constants for all.

    The state is ``(batch, 4, region)``: signal ``s``, flow ``f``, volume ``v`` and
    deoxyhaemoglobin ``q``.

    Attributes:
        decay_per_s: Decay of the vasodilatory signal, kappa.
        autoregulation_per_s: Feedback from flow to the signal, gamma.
        transit_s: Mean transit time, tau_0.
        alpha: Stiffness of the vessels.
        rho: Resting oxygen extraction.
        V_0: Resting blood volume fraction.
        k1: Weight of intravascular signal.
        k2: Weight of concentration change.
        k3: Weight of volume change.
        dt_ms: Its own step, a whole number of neural steps.
    """

    decay_per_s: float = 0.65
    autoregulation_per_s: float = 0.41
    transit_s: float = 0.98
    alpha: float = 0.32
    rho: float = 0.34
    V_0: float = 0.02
    k1: float = 7 * 0.34
    k2: float = 2.0
    k3: float = 2 * 0.34 - 0.2
    dt_ms: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.dt_ms <= 100:
            raise ConfigurationError(
                f"The haemodynamic step is {self.dt_ms:g} ms; give one above 0 and at most 100 ms, "
                "beyond which blood volume is no longer resolved."
            )

    def drift(self, state: Tensor, drive: Tensor) -> Tensor:
        """Return the time derivative, per second.

        Args:
            state: Shape ``(..., 4, region)``.
            drive: Neural activity, shape ``(..., region)``.
        """
        s, f, v, q = state.unbind(-2)
        outflow = v ** (1 / self.alpha)
        extraction = (1 - (1 - self.rho) ** (1 / f)) / self.rho
        return torch.stack(
            (
                drive - self.decay_per_s * s - self.autoregulation_per_s * (f - 1),
                s,
                (f - outflow) / self.transit_s,
                (f * extraction - outflow * q / v) / self.transit_s,
            ),
            -2,
        )

    def step(self, state: Tensor, drive: Tensor) -> Tensor:
        """Advance by ``dt_ms`` under a drive whose mean over the step is given."""
        h = self.dt_ms / 1000
        first = self.drift(state, drive)
        second = self.drift(state + h * first, drive)
        return state + (first + second) * (h / 2)

    def bold(self, state: Tensor) -> Tensor:
        """BOLD signal as a fraction of its resting value, ``(..., region)``."""
        _, _, v, q = state.unbind(-2)
        return self.V_0 * (self.k1 * (1 - q) + self.k2 * (1 - q / v) + self.k3 * (1 - v))

    def steady(self, drive: Tensor) -> Tensor:
        """Return the state that a constant drive leads to, ``(..., 4, region)``.

        Starting there leaves out the first half minute, in which BOLD would drift to it.
        """
        f = 1 + drive / self.autoregulation_per_s
        v = f**self.alpha
        q = v * (1 - torch.exp(math.log(1 - self.rho) / f)) / self.rho
        return torch.stack((torch.zeros_like(f), f, v, q), -2)

    def run(self, state: Tensor, drives: Tensor) -> tuple[Tensor, Tensor]:
        """Advance through a series of drives.

        Args:
            state: Shape ``(batch, 4, region)``.
            drives: Mean drive of each step, shape ``(n_steps, batch, region)``.

        Returns:
            BOLD after each step, ``(n_steps, batch, region)``, and the last state.
        """
        signal = []
        for drive in drives:
            state = self.step(state, drive)
            signal.append(self.bold(state))
        return torch.stack(signal), state
