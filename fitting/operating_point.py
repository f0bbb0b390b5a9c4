"""Parameters of the two-state Reduced Wong-Wang node from the point at which it rests.

A fit over ``g_EE`` and ``g_IE`` wanders into regimes without activity, where functional
connectivity has no gradient. Here the resting rate ``r`` and the slow rate ``kappa`` are chosen
and the two weights follow in closed form, so that every representable parameter set rests at ``r``
and returns to it with ``kappa``: feedback inhibition control (Deco et al. 2014) without iteration.
With diffusive coupling the uniform state is a fixed point of the whole network, whatever the
connectome and ``g``.

Linearised about that point, with excitation E and inhibition I in 1/ms,

    dE/dt = -(1/tau_E + gamma_E r - b g_EE) E - b g_IE I + b g sum_j W_ij (E_j - E_i)
    dI/dt = d E - e I,

and ``kappa = 1/tau_E + gamma_E r - b g_EE + b g_IE d / e`` is the node's return rate once the fast
inhibition has settled. Solving that and the fixed-point condition for ``g_EE`` and ``g_IE`` gives
the formulas below.

References:
    Deco et al. (2014) J. Neurosci. 34(23):7886-7898, doi:10.1523/JNEUROSCI.5068-13.2014.
    Griffiths, Wang et al. (2022), doi:10.1101/2022.05.19.492664, for the squashed currents.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fitting.errors import ConfigurationError
from fitting.models.reduced_wong_wang import ReducedWongWang

# Newton's method doubles its digits a step once near; from afar the rate is nearly linear, and
# rounding may make the last step oscillate.
NEWTON_STEPS = 60
SMALL_STEP = 1e-13


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A resting state, the weights that hold it, and the dynamics about it.

    Every attribute has one shape: a scalar, or one value a region.

    Attributes:
        rate_e_hz: Resting excitatory rate.
        rate_i_hz: Resting inhibitory rate.
        E: Excitatory gating at rest.
        I: Inhibitory gating at rest.
        g_EE: Recurrent excitation (w_p J_N), nA.
        g_IE: Feedback inhibition (J_i), nA.
        g_EI: Excitation of the inhibitory population (J_N), nA.
        I_o: Background current, nA.
        kappa_per_ms: Slow return rate of the uncoupled node.
        b: Gain from excitatory current to dE/dt, 1/(ms nA).
        d: Excitation of I by E, 1/ms.
        e: Leak of I, 1/ms.
    """

    rate_e_hz: Tensor
    rate_i_hz: Tensor
    E: Tensor
    I: Tensor  # noqa: E741
    g_EE: Tensor
    g_IE: Tensor
    g_EI: Tensor
    I_o: Tensor
    kappa_per_ms: Tensor
    b: Tensor
    d: Tensor
    e: Tensor

    def parameters(self, g: Tensor, sigma: Tensor) -> dict[str, Tensor]:
        """The model's parameters at this point, for a global coupling and a noise amplitude."""
        return {
            "g": g,
            "g_EE": self.g_EE,
            "g_IE": self.g_IE,
            "g_EI": self.g_EI,
            "I_o": self.I_o,
            "sigma": sigma,
        }

    def state(self, n_regions: int, batch: int = 1) -> Tensor:
        """The resting state, shape ``(batch, 2, n_regions)``."""
        uniform = torch.stack(
            [torch.broadcast_to(v.detach(), (n_regions,)) for v in (self.E, self.I)]
        )
        return uniform.expand(batch, 2, n_regions).clone()


def _current_at_rate(model: ReducedWongWang, rate_hz: Tensor) -> Tensor:
    """Invert the excitatory transfer function: the current at which it gives ``rate_hz``.

    The function is convex, increasing and above its asymptote ``a I - b``, so Newton's method from
    where the asymptote reaches the rate converges from the right. The last step carries the
    gradient (implicit function theorem).
    """
    population = model.excitatory
    target = rate_hz.detach()
    current = (target + population.b_hz) / population.a
    for _ in range(NEWTON_STEPS):
        step = (population.rate_hz(current) - target) / population.rate_slope(current)
        current = current - step
        if float(step.abs().max()) < SMALL_STEP:
            break
    slope = population.rate_slope(current)
    return current - (population.rate_hz(current) - rate_hz) / slope


def _squash(model: ReducedWongWang, current: Tensor) -> tuple[Tensor, Tensor]:
    """What the transfer function sees of a current, and the slope of that."""
    if not model.squash_currents:
        return current, torch.ones_like(current)
    squashed = torch.tanh(current)
    return squashed, 1 - squashed**2


def _inhibition_at(model: ReducedWongWang, E: Tensor, g_EI: Tensor, I_o: Tensor) -> Tensor:
    """Steady inhibitory gating for a steady ``E``; the last Newton step carries the gradient."""
    population = model.inhibitory
    scale = population.tau_ms * population.gamma

    def residual(I: Tensor, E: Tensor, g_EI: Tensor, I_o: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741
        current, slope = _squash(model, population.W * I_o + g_EI * E - I)
        gain = scale * population.rate_slope(current) * slope
        return scale * population.rate_hz(current) - I, (-gain - 1).detach()

    frozen = (E.detach(), g_EI.detach(), I_o.detach())
    inhibition = torch.full_like(frozen[0], 0.04)
    for _ in range(NEWTON_STEPS):
        value, slope = residual(inhibition, *frozen)
        inhibition = inhibition - value / slope
        if float((value / slope).abs().max()) < SMALL_STEP:
            break
    value, slope = residual(inhibition, E, g_EI, I_o)
    return inhibition - value / slope


def operating_point(
    model: ReducedWongWang,
    rate_hz: Tensor | float = 3.5,
    kappa_per_ms: Tensor | float = 0.004,
    g_EI: Tensor | float = 0.15,
    I_o: Tensor | float = 0.382,
) -> OperatingPoint:
    """The weights that make a node rest at ``rate_hz`` and return with ``kappa_per_ms``.

    Differentiable in all four values, which broadcast against each other, so ``kappa_per_ms`` may
    hold one value a region.

    Raises:
        ConfigurationError: If the point cannot be held with positive ``g_EE`` and ``g_IE``.
    """
    given = [torch.as_tensor(v, dtype=torch.float64) for v in (rate_hz, kappa_per_ms, g_EI, I_o)]
    zero = sum((torch.zeros_like(v) for v in given), torch.zeros((), dtype=torch.float64))
    rate, kappa, g_EI_, I_o_ = (v.expand(zero.shape) for v in given)
    e_pop, i_pop = model.excitatory, model.inhibitory
    low = float(rate.detach().min())
    if not low > 0:
        raise ConfigurationError(
            f"The resting rate is {low:g} Hz, and a rate is positive; choose one near 3.5 Hz."
        )
    current_E = _current_at_rate(model, rate)
    if model.squash_currents and float(current_E.detach().max()) >= 1:
        raise ConfigurationError(
            f"A resting rate of {float(rate.detach().max()):g} Hz needs a squashed current of "
            f"{float(current_E.detach().max()):.3g}, and tanh stays below 1; choose a rate below "
            f"{e_pop.a - e_pop.b_hz:g} Hz."
        )
    drive = torch.atanh(current_E) if model.squash_currents else current_E
    squash_E = 1 - current_E**2 if model.squash_currents else torch.ones_like(current_E)
    E = e_pop.tau_ms * e_pop.gamma * rate / (1 + e_pop.tau_ms * e_pop.gamma * rate)
    inhibition = _inhibition_at(model, E, g_EI_, I_o_)
    current_I, squash_I = _squash(model, i_pop.W * I_o_ + g_EI_ * E - inhibition)
    gain_I = i_pop.gamma * i_pop.rate_slope(current_I) * squash_I
    d = gain_I * g_EI_
    e = 1 / i_pop.tau_ms + gain_I
    b = (1 - E) * e_pop.gamma * e_pop.rate_slope(current_E) * squash_E
    # What self-excitation leaves once inhibition has followed it, g_EE - g_IE d/e.
    net = (1 / e_pop.tau_ms + e_pop.gamma * rate - kappa) / b
    g_IE = (e_pop.W * I_o_ + net * E - drive) / (inhibition - E * d / e)
    g_EE = net + g_IE * d / e
    weakest = min(float(g_IE.detach().min()), float(g_EE.detach().min()))
    if not weakest > 0:
        raise ConfigurationError(
            f"kappa_per_ms = {float(kappa.detach().max()):g} at {low:g} Hz needs a weight of "
            f"{weakest:.3g} nA, and g_EE and g_IE are positive; choose kappa_per_ms nearer 0.004 "
            f"or a rate nearer 3.5 Hz."
        )
    return OperatingPoint(
        rate_e_hz=rate,
        rate_i_hz=inhibition / (i_pop.tau_ms * i_pop.gamma),
        E=E,
        I=inhibition,
        g_EE=g_EE,
        g_IE=g_IE,
        g_EI=g_EI_,
        I_o=I_o_,
        kappa_per_ms=kappa,
        b=b,
        d=d,
        e=e,
    )
