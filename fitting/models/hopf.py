"""Normal form of a supercritical Hopf bifurcation: the simplest region that may oscillate.

    dx/dt = rate (a - x^2 - y^2) x - omega y + g c        dy/dt = rate (a - x^2 - y^2) y + omega x

with ``omega = 2 pi f``. It shares nothing with the Wong-Wang model but
the protocol: no firing rates, unbounded states, other parameters.

References:
    Deco et al. (2017) Sci. Rep. 7:3095, doi:10.1038/s41598-017-03073-5.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fitting.models.base import Parameters, ParameterSpec

_PARAMETERS = (
    ParameterSpec("g", 0.002, 0.0, 1.0, "1/ms", "strength of the coupling between regions"),
    ParameterSpec("a", -0.02, -2.0, 2.0, "", "distance from the bifurcation, oscillating above 0"),
    ParameterSpec("f_hz", 0.05, 0.001, 200.0, "Hz", "frequency of the oscillation"),
    ParameterSpec("rate", 0.05, 1e-5, 1.0, "1/ms", "speed of the amplitude"),
    ParameterSpec("sigma", 0.005, 0.0, 1.0, "1/sqrt(ms)", "noise amplitude of both variables"),
)


@dataclass(frozen=True, slots=True)
class Hopf:
    """Hopf normal form, coupled through ``x``."""

    @property
    def name(self) -> str:
        """Name in a fit file."""
        return "hopf"

    @property
    def variables(self) -> tuple[str, ...]:
        """Real and imaginary part of the oscillation."""
        return ("x", "y")

    @property
    def variable_units(self) -> tuple[str, ...]:
        """Both are numbers."""
        return ("", "")

    @property
    def lower(self) -> tuple[float, ...]:
        """Unbounded."""
        return (-math.inf, -math.inf)

    @property
    def upper(self) -> tuple[float, ...]:
        """Unbounded."""
        return (math.inf, math.inf)

    @property
    def sent_variable(self) -> int:
        """The real part."""
        return 0

    @property
    def parameters(self) -> tuple[ParameterSpec, ...]:
        """What may be set or fitted."""
        return _PARAMETERS

    @property
    def noise_parameter(self) -> str:
        """Amplitude of the noise on both variables."""
        return "sigma"

    def drift(self, state: Tensor, coupling: Tensor, p: Parameters) -> Tensor:
        """Return ``dx/dt`` and ``dy/dt`` without noise, ``(..., 2, region)``, per ms."""
        x, y = state[..., 0, :], state[..., 1, :]
        growth = p["rate"] * (p["a"] - x * x - y * y)
        omega = 2 * math.pi * p["f_hz"] / 1000
        dx = growth * x - omega * y + p["g"] * coupling
        return torch.stack((dx, growth * y + omega * x), -2)

    def observables(self, state: Tensor, coupling: Tensor, p: Parameters) -> dict[str, Tensor]:
        """Return the amplitude of the oscillation, ``(..., region)``."""
        return {"amplitude": torch.hypot(state[..., 0, :], state[..., 1, :])}

    def jacobian(self, state: Tensor, coupling: Tensor, p: Parameters) -> tuple[Tensor, Tensor]:
        """Return the derivatives of the drift to the own state and to the coupling."""
        x, y = state[..., 0, :], state[..., 1, :]
        omega = 2 * math.pi * p["f_hz"] / 1000
        rows = (
            torch.stack(
                (
                    p["rate"] * (p["a"] - 3 * x * x - y * y),
                    -2 * p["rate"] * x * y - omega,
                ),
                -1,
            ),
            torch.stack(
                (
                    -2 * p["rate"] * x * y + omega,
                    p["rate"] * (p["a"] - x * x - 3 * y * y),
                ),
                -1,
            ),
        )
        gain = p["g"] + torch.zeros_like(x)
        return torch.stack(rows, -2), torch.stack((gain, torch.zeros_like(gain)), -1)

    def start(self, n_regions: int, batch: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return the silent state."""
        return torch.zeros(batch, 2, n_regions, dtype=dtype)
