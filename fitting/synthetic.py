"""Recovery of known parameters: which observables determine the four weights, and how well.

A made-up subject is a jittered connectome with true values drawn over a range; its BOLD is
simulated, with measurement noise. Estimation sees the observables alone, starts far from the truth
and has no prior. Three sets are compared: functional connectivity alone; with the variance and the
mean of BOLD; with mean states (rates), where the spectra of BOLD count as well.

Estimates from the linear noise approximation are biased, because noise moves the mean of a
nonlinear system. Simulating at the estimate and estimating again shows the bias, and taking it off
removes it to first order (indirect inference, the parametric bootstrap).

References:
    Hagmann et al. (2008) PLoS Biol. 6(7):e159, for the 66 regions.
    Gourieroux, Monfort & Renault (1993) J. Appl. Econometrics 8:S85-S118.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.optimize
import torch
from numpy.typing import NDArray

from fitting.balloon_response import BalloonResponse
from fitting.coupling import Coupling
from fitting.errors import ConfigurationError
from fitting.integrate import simulate, start_state
from fitting.keyed_noise import KeyedNoise
from fitting.linear_noise import laplacian, linear_node, mode_spectrum
from fitting.models.reduced_wong_wang import ReducedWongWang
from fitting.operating_point import OperatingPoint, operating_point
from fitting.time_grid import TimeGrid

Array = NDArray[np.float64]
Observables = Literal["fc", "fc+variance+mean", "fc+variance+mean_state", "spectra+mean_state"]

# Coordinates: log resting rate, log kappa, log g_EI, log g. Truths are drawn uniformly from these
# ranges; starts are drawn from ranges twice as wide.
NAMES = ("g", "g_EE", "g_IE", "g_EI")
LOW = np.log([2.5, 0.0025, 0.10, 0.3])
HIGH = np.log([5.0, 0.006, 0.20, 1.5])
# The search ends a factor of 20 outside the range of the truths; where the data set no limit an
# estimate would run away for ever.
REACH = np.log(20.0)
TOP_HZ = 0.2
N_BINS = 32
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


class Likelihood:
    """Minus the log likelihood of a recording's observables at coordinates ``x``.

    The modes of the connectome's Laplacian are independent, so with their periodograms ``P`` and
    predicted spectra ``S`` it is Whittle's ``sum log S + P / S``. Where only covariance counts, the
    sums over frequency take the place of both; where only FC counts, one common factor is free.
    """

    def __init__(self, brain: Brain, recording: Recording, observables: Observables):
        self._brain, self._observables = brain, observables
        with torch.no_grad():
            modes, vectors = torch.linalg.eigh(laplacian(torch.as_tensor(brain.weights)))
        self._modes = modes.clamp(min=0)
        bold = recording.bold - recording.bold.mean(0)
        n_trs = len(bold)
        frequency = np.fft.rfftfreq(n_trs, recording.tr_s)
        inside = (frequency > 0) & (frequency < TOP_HZ)
        transformed = np.fft.rfft(bold @ vectors.numpy(), axis=0)[inside]
        power = np.abs(transformed) ** 2 * recording.tr_s / n_trs
        # A spectrum is smooth: averaging the periodogram within bins keeps the likelihood.
        edges = np.geomspace(frequency[inside][0], TOP_HZ, N_BINS + 1)
        bins = np.clip(np.searchsorted(edges, frequency[inside], side="right") - 1, 0, N_BINS - 1)
        used, self._count = np.unique(bins, return_counts=True)
        self._frequency = np.array([frequency[inside][bins == b].mean() for b in used])
        self._power = np.array([power[bins == b].mean(0) for b in used])
        self._noise = recording.noise_sd**2 * recording.tr_s
        signal = float(bold.var(axis=0).mean()) - recording.noise_sd**2
        self._noise_to_signal = recording.noise_sd**2 / signal
        self._tr_s = recording.tr_s
        self._mean_bold = float(recording.bold.mean())
        self._mean_state = recording.mean_state
        self._duration_s = n_trs * recording.tr_s

    def __call__(self, x: Array) -> float:
        """Minus the log likelihood, up to a constant; large where no such point exists."""
        barrier = 1e8 * (1 + float(np.abs(x - (LOW + HIGH) / 2).sum()))
        if ((x < LOW - REACH) | (x > HIGH + REACH)).any():
            return barrier
        try:
            point = self._brain.point(x)
        except ConfigurationError:
            return barrier
        sigma = torch.tensor(self._brain.sigma, dtype=torch.float64)
        parameters = point.parameters(torch.tensor(np.exp(x[3])), sigma)
        node = linear_node(self._brain.model, torch.stack([point.E, point.I]), parameters)
        density, _ = mode_spectrum(node, self._modes, self._frequency)
        response = BalloonResponse(float(point.E))
        spectrum = density.numpy() * response(self._frequency)[:, None]
        spectrum = spectrum + self._noise_density(spectrum)
        total = self._spectral_cost(spectrum)
        if self._observables == "fc+variance+mean":
            # The slow fluctuation of the mean over regions limits how well it is known.
            variance = spectrum[0, 0] / self._duration_s / len(self._modes)
            total += 0.5 * (response.steady_bold() - self._mean_bold) ** 2 / variance
        elif self._observables.endswith("mean_state"):
            total += self._mean_state_cost(point, float(np.exp(x[1])))
        return float(total)

    def _noise_density(self, spectrum: Array) -> float:
        """Density of the measurement noise; for FC a share of the signal's, having no scale."""
        if self._observables != "fc":
            return self._noise
        variance = float((self._count @ spectrum).mean()) * 2 / self._duration_s
        return self._noise_to_signal * variance * self._tr_s

    def _spectral_cost(self, spectrum: Array) -> float:
        count = self._count
        if self._observables == "spectra+mean_state":
            return float(count @ (np.log(spectrum) + self._power / spectrum).sum(1))
        n_effective = (count @ spectrum) ** 2 / (count @ spectrum**2)
        ratio = (count @ self._power) / (count @ spectrum)
        if self._observables == "fc":
            ratio = ratio / ((n_effective * ratio).sum() / n_effective.sum())
        return float((n_effective * (ratio - np.log(ratio))).sum())

    def _mean_state_cost(self, point: OperatingPoint, kappa: float) -> float:
        """Gaussian in the time averages of E and I, with the variance of their slow fluctuations.

        A relative error of one part in a thousand is added: no rate is measured better.
        """
        e, c, d = float(point.e), float(point.b * point.g_IE), float(point.d)
        n_means = 1e3 * self._duration_s * len(self._modes)
        variance_E = self._brain.sigma**2 * (1 + (c / e) ** 2) / kappa**2 / n_means
        variance_I = (self._brain.sigma / e) ** 2 / n_means + (d / e) ** 2 * variance_E
        rest = np.array([float(point.E), float(point.I)])
        variance = np.array([variance_E, variance_I]) + (1e-3 * rest) ** 2
        return float(0.5 * ((rest - self._mean_state) ** 2 / variance).sum())


def estimate(likelihood: Likelihood, starts: Array) -> Array:
    """The best of several descents: a simplex that shrinks, restarted once where it stopped.

    Args:
        likelihood: What to minimise.
        starts: Shape ``(n_starts, 4)``.
    """
    best_x, best = starts[0], np.inf
    steps = np.array([0.3, 0.3, 0.3, 0.3])
    for start in starts:
        x = np.asarray(start)
        for scale in (1.0, 0.2):
            simplex = np.vstack([x, x + scale * np.diag(steps)])
            found = scipy.optimize.minimize(
                likelihood,
                x,
                method="Nelder-Mead",
                options={
                    "initial_simplex": simplex,
                    "maxfev": 400,
                    "xatol": 1e-4,
                    "fatol": 1e-3,
                },
            )
            x = found.x
        if found.fun < best:
            best_x, best = x, float(found.fun)
    return np.asarray(best_x)


@dataclass(frozen=True, slots=True)
class Recovery:
    """One recovered subject.

    Attributes:
        truth: True values, in the order of `NAMES`.
        estimate: Estimated ones.
    """

    truth: Array
    estimate: Array

    @property
    def relative_error(self) -> Array:
        """``|estimate / truth - 1|``."""
        return np.asarray(np.abs(self.estimate / self.truth - 1))


@dataclass(frozen=True, slots=True)
class RecoverySettings:
    """How a recovery is run.

    Attributes:
        minutes: Length of the scan.
        tr_s: Repetition time.
        n_starts: Starts of each estimation.
        correction_scans: The bias is measured and taken off once for each entry, which says from
            how many simulated scans. The error of the last measurement stays in the estimate.
        smallest_weight: Truths with a weight below this are drawn again; a relative error of
            nearly nothing means nothing.
    """

    minutes: float = 15.0
    tr_s: float = 0.75
    n_starts: int = 2
    correction_scans: tuple[int, ...] = (1, 4)
    smallest_weight: float = 0.1


def recover(
    weights: Array,
    model: ReducedWongWang,
    observables: Observables,
    seed: int,
    settings: RecoverySettings | None = None,
) -> Recovery:
    """Make up a subject and estimate its parameters.

    Args:
        weights: The connectome that is jittered.
        model: The two-state model.
        observables: What the estimation sees.
        seed: Of the subject; the same for all observables.
        settings: How.
    """
    chosen = settings or RecoverySettings()
    rng = np.random.default_rng(seed)
    brain = Brain(jittered_connectome(weights, rng), model)
    truth = possible(brain, LOW, HIGH, 1, rng, chosen.smallest_weight)[0]
    half = (HIGH - LOW) / 2
    starts = possible(brain, LOW - half, HIGH + half, chosen.n_starts, rng)
    recording = brain.record(truth, chosen.minutes, chosen.tr_s, seed)
    seen = estimate(Likelihood(brain, recording, observables), starts)
    x = seen
    rounds = chosen.correction_scans if observables.endswith("mean_state") else ()
    for round_, n_scans in enumerate(rounds):
        again = []
        for k in range(n_scans):
            fake_seed = 10_000 * (1 + seed) + 100 * round_ + k
            fake = brain.record(x, chosen.minutes, chosen.tr_s, fake_seed)
            again.append(estimate(Likelihood(brain, fake, observables), x[None]))
        x = stay_possible(brain, x, x + seen - np.mean(again, axis=0))
    return Recovery(brain.weights_of(truth), brain.weights_of(x))


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
