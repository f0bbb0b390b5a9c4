"""A made-up subject: a jittered connectome, true parameters, and what is measured of its brain."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fitting.coupling import Coupling
from fitting.errors import ConfigurationError
from fitting.integrate import simulate, start_state
from fitting.keyed_noise import KeyedNoise
from fitting.models.reduced_wong_wang import ReducedWongWang
from fitting.operating_point import OperatingPoint, operating_point
from fitting.time_grid import TimeGrid

Array = NDArray[np.float64]

# Coordinates: log resting rate, log kappa, log g_EI, log g. Truths are drawn uniformly from these
# ranges; starts are drawn from ranges twice as wide.
NAMES = ("g", "g_EE", "g_IE", "g_EI")
LOW = np.log([2.5, 0.0025, 0.10, 0.3])
HIGH = np.log([5.0, 0.006, 0.20, 1.5])
SETTLE_S = 60.0


@dataclass(frozen=True, slots=True)
class Recording:
    """What is measured of a made-up subject.

    Attributes:
        bold: With measurement noise, ``(n_trs, n_regions)``.
        mean_state: Mean of E and I over time and regions, from which mean rates follow.
        tr_s: Repetition time.
        noise_sd: Standard deviation of the measurement noise, which a scanner's noise scan gives.
    """

    bold: Array
    mean_state: Array
    tr_s: float
    noise_sd: float


def jittered_connectome(weights: Array, rng: np.random.Generator, spread: float = 0.2) -> Array:
    """A subject's connectome: every connection raised by up to ``spread`` of the mean one.

    Returns:
        Symmetric, zero diagonal, Frobenius norm 1.
    """
    base = (weights + weights.T) / 2
    np.fill_diagonal(base, 0.0)
    jitter = rng.uniform(0, spread, base.shape)
    raised = np.where(base > 0, base + (jitter + jitter.T) / 2 * base[base > 0].mean(), 0.0)
    return np.asarray(raised / np.linalg.norm(raised))


@dataclass(frozen=True, slots=True)
class Brain:
    """A network whose connectome is known and whose four parameters are sought.

    Attributes:
        weights: Connectome, ``(n_regions, n_regions)``.
        model: The two-state model.
        I_o: Background current, nA.
        sigma: Noise amplitude, per sqrt(ms).
    """

    weights: Array
    model: ReducedWongWang
    I_o: float = 0.382
    sigma: float = 0.005

    def point(self, x: Array) -> OperatingPoint:
        """The operating point at coordinates ``x``."""
        rate, kappa, g_EI = (float(v) for v in np.exp(x[:3]))
        with torch.no_grad():
            return operating_point(self.model, rate, kappa, g_EI, self.I_o)

    def parameters(self, x: Array) -> dict[str, torch.Tensor]:
        """The model's parameters at coordinates ``x``."""
        sigma = torch.tensor(self.sigma, dtype=torch.float64)
        return self.point(x).parameters(torch.tensor(np.exp(x[3])), sigma)

    def weights_of(self, x: Array) -> Array:
        """The four sought values, in the order of `NAMES`."""
        p = self.parameters(x)
        return np.array([float(p[name]) for name in NAMES])

    def record(
        self, x: Array, minutes: float, tr_s: float, seed: int, noise_share: float = 0.1
    ) -> Recording:
        """Simulate and measure; ``noise_share`` is the noise's SD over that of BOLD."""
        n = len(self.weights)
        point = self.point(x)
        n_settle, n_trs = round(SETTLE_S / tr_s), round(60 * minutes / tr_s)
        with torch.no_grad():
            run = simulate(
                self.model,
                Coupling(torch.as_tensor(self.weights).float()),
                self.parameters(x),
                TimeGrid(dt_ms=5.0, tr_ms=1000 * tr_s),
                n_settle + n_trs,
                noise=KeyedNoise(seed, (0,)),
                start=start_state(self.model, point.state(n).float()),
            )
        bold = run.bold[0, n_settle:].double().numpy()
        states = run.mean_state[0, n_settle:].double().mean((0, 2)).numpy()
        noise_sd = noise_share * float(bold.std(axis=0).mean())
        rng = np.random.default_rng([seed, 1])
        return Recording(bold + noise_sd * rng.standard_normal(bold.shape), states, tr_s, noise_sd)


def possible(
    brain: Brain,
    low: Array,
    high: Array,
    n: int,
    rng: np.random.Generator,
    smallest_weight: float = 0.0,
) -> Array:
    """Coordinates drawn uniformly where an operating point exists, ``(n, 4)``.

    Every weight of the point is at least ``smallest_weight``.
    """
    found: list[Array] = []
    while len(found) < n:
        x = rng.uniform(low, high)
        try:
            weights = brain.weights_of(x)
        except ConfigurationError:
            continue
        if weights.min() >= smallest_weight:
            found.append(x)
    return np.array(found)


def stay_possible(brain: Brain, old: Array, new: Array) -> Array:
    """The new coordinates, or as far toward them as an operating point exists."""
    for share in (1.0, 0.5, 0.25):
        x = old + share * (new - old)
        try:
            brain.point(x)
        except ConfigurationError:
            continue
        return np.asarray(x)
    return old
