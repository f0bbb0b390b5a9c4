"""The two-state Reduced Wong-Wang model, with currents squashed by tanh or as they are.

    I_E = W_E I_o + g_EE E - g_IE I + g c + I_ext        I_I = W_I I_o + g_EI E - I + lambda g c
    dE/dt = -E/tau_E + (1 - E) gamma_E R_E               dI/dt = -I/tau_I + gamma_I R_I
    R = H(a I - b),  H(x) = x / (1 - exp(-d x))

with ``c`` the coupling. Griffiths et al. (2022), eqs 4-13, put ``tanh(I_E)`` and ``tanh(I_I)`` for
the currents; Deco et al. (2014) and The Virtual Brain do not. One file holds both: they differ in
``squash_currents`` alone. The symbols are the paper's; in those of The Virtual Brain
``g_EI = J_N``, ``g_EE = w_p J_N``, ``g_IE = J_i`` and ``g = G J_N`` (see `from_tvb`).

References:
    Deco et al. (2014) J. Neurosci. 34(23):7886-7898, doi:10.1523/JNEUROSCI.5068-13.2014.
    Griffiths, Wang et al. (2022), doi:10.1101/2022.05.19.492664.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fitting.models.base import Parameters, ParameterSpec


@dataclass(frozen=True, slots=True)
class Population:
    """Constants of one population, those of Deco et al. (2014), table 1.

    Attributes:
        W: Share of the background current that it receives.
        tau_ms: Decay time of its synaptic gating.
        gamma: Gating gained per spike.
        a: Gain of the transfer function, Hz/nA.
        b_hz: Threshold of the transfer function.
        d_s: Curvature of the transfer function.
    """

    W: float
    tau_ms: float
    gamma: float
    a: float
    b_hz: float
    d_s: float

    def rate_hz(self, current_nA: Tensor) -> Tensor:
        """Firing rate for a total input current.

        ``s / (1 - exp(-s))`` is written with ``expm1``, which keeps its digits as ``s = d x`` goes
        to zero. Within 1e-3 of zero the series takes over, whose next term is 1e-15 of the value.
        """
        s = self.d_s * (self.a * current_nA - self.b_hz)
        near = s.abs() < 1e-3
        safe = torch.where(near, torch.ones_like(s), s)
        series = 1 + s / 2 + s * s / 12
        return torch.where(near, series, safe / -torch.expm1(-safe)) / self.d_s

    def rate_slope(self, current_nA: Tensor) -> Tensor:
        """Derivative of `rate_hz`, Hz/nA."""
        s = self.d_s * (self.a * current_nA - self.b_hz)
        near = s.abs() < 1e-2
        safe = torch.where(near, torch.ones_like(s), s)
        decay = torch.expm1(-safe)
        series = 0.5 + s / 6 - s**3 / 180 + s**5 / 5040
        return self.a * torch.where(near, series, -1 / decay - safe * (1 + decay) / decay**2)


EXCITATORY = Population(W=1.0, tau_ms=100.0, gamma=0.641e-3, a=310.0, b_hz=125.0, d_s=0.16)
INHIBITORY = Population(W=0.7, tau_ms=10.0, gamma=1e-3, a=615.0, b_hz=177.0, d_s=0.087)

_PARAMETERS = (
    ParameterSpec("g", 0.3, 0.0, 20.0, "nA", "strength of the coupling between regions"),
    ParameterSpec("g_EE", 0.21, 0.0, 5.0, "nA", "recurrent excitation"),
    ParameterSpec("g_IE", 1.0, 0.0, 5.0, "nA", "inhibition of the excitatory population"),
    ParameterSpec("g_EI", 0.15, 0.0, 5.0, "nA", "excitation of the inhibitory population"),
    ParameterSpec("I_o", 0.382, 0.0, 2.0, "nA", "background current"),
    ParameterSpec(
        "I_ext", 0.0, -1.0, 1.0, "nA", "additional current into the excitatory population"
    ),
    ParameterSpec("lambda", 0.0, 0.0, 1.0, "", "share of the coupling that reaches inhibition"),
    ParameterSpec("sigma", 0.005, 0.0, 1.0, "1/sqrt(ms)", "noise amplitude of both variables"),
)


@dataclass(frozen=True, slots=True)
class ReducedWongWang:
    """Two-state Reduced Wong-Wang.

    Attributes:
        squash_currents: Whether tanh acts on the currents, as in Griffiths et al. (2022).
        excitatory: Constants of the excitatory population.
        inhibitory: Constants of the inhibitory population.
    """

    squash_currents: bool = True
    excitatory: Population = EXCITATORY
    inhibitory: Population = INHIBITORY

    @property
    def name(self) -> str:
        """Name in a fit file."""
        return f"reduced_wong_wang_{'tanh' if self.squash_currents else 'exc_inh'}"

    @property
    def variables(self) -> tuple[str, ...]:
        """Synaptic gating of the excitatory and of the inhibitory population."""
        return ("E", "I")

    @property
    def variable_units(self) -> tuple[str, ...]:
        """Gating is a fraction."""
        return ("", "")

    @property
    def lower(self) -> tuple[float, ...]:
        """Gating is a fraction."""
        return (0.0, 0.0)

    @property
    def upper(self) -> tuple[float, ...]:
        """Gating is a fraction."""
        return (1.0, 1.0)

    @property
    def sent_variable(self) -> int:
        """Excitatory gating."""
        return 0

    @property
    def parameters(self) -> tuple[ParameterSpec, ...]:
        """What may be set or fitted."""
        return _PARAMETERS

    @property
    def noise_parameter(self) -> str:
        """Amplitude of the noise on both variables."""
        return "sigma"

    def currents(self, state: Tensor, coupling: Tensor, p: Parameters) -> tuple[Tensor, Tensor]:
        """Input currents of both populations, nA, squashed where the model says so.

        Args:
            state: Shape ``(..., 2, region)``.
            coupling: Shape ``(..., region)``.
            p: Parameters.

        Returns:
            Excitatory and inhibitory current, each ``(..., region)``.
        """
        E, I = state[..., 0, :], state[..., 1, :]  # noqa: E741
        drive = p["g"] * coupling
        I_E = self.excitatory.W * p["I_o"] + p["g_EE"] * E - p["g_IE"] * I + drive + p["I_ext"]
        I_I = self.inhibitory.W * p["I_o"] + p["g_EI"] * E - I + p["lambda"] * drive
        return (torch.tanh(I_E), torch.tanh(I_I)) if self.squash_currents else (I_E, I_I)

    def drift(self, state: Tensor, coupling: Tensor, p: Parameters) -> Tensor:
        """Return ``dE/dt`` and ``dI/dt`` without noise, ``(..., 2, region)``, per ms."""
        E, I = state[..., 0, :], state[..., 1, :]  # noqa: E741
        I_E, I_I = self.currents(state, coupling, p)
        e, i = self.excitatory, self.inhibitory
        dE = -E / e.tau_ms + (1 - E) * e.gamma * e.rate_hz(I_E)
        dI = -I / i.tau_ms + i.gamma * i.rate_hz(I_I)
        return torch.stack((dE, dI), -2)

    def observables(self, state: Tensor, coupling: Tensor, p: Parameters) -> dict[str, Tensor]:
        """Return the firing rates ``R_E`` and ``R_I``, each ``(..., region)``, Hz."""
        I_E, I_I = self.currents(state, coupling, p)
        return {"R_E": self.excitatory.rate_hz(I_E), "R_I": self.inhibitory.rate_hz(I_I)}

    def jacobian(self, state: Tensor, coupling: Tensor, p: Parameters) -> tuple[Tensor, Tensor]:
        """Return the derivatives of the drift; both diagonal entries carry their leak."""
        E = state[..., 0, :]
        I_E, I_I = self.currents(state, coupling, p)
        e, i = self.excitatory, self.inhibitory
        squash_E = 1 - I_E**2 if self.squash_currents else torch.ones_like(I_E)
        squash_I = 1 - I_I**2 if self.squash_currents else torch.ones_like(I_I)
        to_E = (1 - E) * e.gamma * e.rate_slope(I_E) * squash_E
        to_I = i.gamma * i.rate_slope(I_I) * squash_I
        leak_E = -1 / e.tau_ms - e.gamma * e.rate_hz(I_E)
        local = torch.stack(
            (
                torch.stack((leak_E + to_E * p["g_EE"], -to_E * p["g_IE"]), -1),
                torch.stack((to_I * p["g_EI"], -1 / i.tau_ms - to_I), -1),
            ),
            -2,
        )
        return local, torch.stack((to_E * p["g"], to_I * p["lambda"] * p["g"]), -1)

    def start(self, n_regions: int, batch: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return the rest of an uncoupled region at the default parameters."""
        rest = torch.tensor([0.1648, 0.0392], dtype=dtype)
        return rest[None, :, None].expand(batch, 2, n_regions).clone()


def from_tvb(
    G: float = 2.0,
    J_N: float = 0.15,
    w_p: float = 1.4,
    J_i: float = 1.0,
    I_o: float = 0.382,
    lamda: float = 0.0,
    I_ext: float = 0.0,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Tensor]:
    """Return this model's parameters for those of TVB's ``ReducedWongWangExcInh``.

    The untransformed model with direct coupling then equals TVB's.
    """
    values = {
        "g": G * J_N,
        "g_EE": w_p * J_N,
        "g_IE": J_i,
        "g_EI": J_N,
        "I_o": I_o,
        "I_ext": I_ext,
        "lambda": lamda,
    }
    return {name: torch.tensor(value, dtype=dtype) for name, value in values.items()}
