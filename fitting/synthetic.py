"""Recovery of known parameters: which observables determine the four weights, and how well.

A made-up subject is a jittered connectome with true values drawn over a range; its BOLD is
simulated, with measurement noise. Estimation sees the observables alone, starts far from the truth
and has no prior. Sets are compared: functional connectivity alone; with the variance and the mean
of BOLD; with the variance and mean states, from which mean rates follow; and the spectra of BOLD
with mean states. The connectome is known here; `fitting.synthetic_connectome` fits it as well.

Estimates from the linear noise approximation are biased, because noise moves the mean of a
nonlinear system. Simulating at the estimate and estimating again shows the bias, and taking it off
removes it to first order (indirect inference, the parametric bootstrap).

References:
    Hagmann et al. (2008) PLoS Biol. 6(7):e159, for the 66 regions.
    Gourieroux, Monfort & Renault (1993) J. Appl. Econometrics 8:S85-S118.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.optimize
import torch
from numpy.typing import NDArray

from fitting.balloon_response import BalloonResponse
from fitting.errors import ConfigurationError
from fitting.linear_noise import laplacian, linear_node, mode_spectrum
from fitting.models.reduced_wong_wang import ReducedWongWang
from fitting.operating_point import OperatingPoint
from fitting.synthetic_brain import (
    HIGH,
    LOW,
    Array,
    Brain,
    Recording,
    jittered_connectome,
    possible,
    stay_possible,
)

Integers = NDArray[np.int64]
Observables = Literal["fc", "fc+variance+mean", "fc+variance+mean_state", "spectra+mean_state"]

# The search ends a factor of 20 outside the range of the truths; where the data set no limit an
# estimate would run away for ever.
REACH = np.log(20.0)
TOP_HZ = 0.2
N_BINS = 32


def frequency_bins(n_trs: int, tr_s: float) -> tuple[Array, Integers, Integers]:
    """Bins of equal log width up to `TOP_HZ`; those without a frequency are left out.

    A spectrum is smooth: averaging the periodogram within bins keeps the likelihood.

    Returns:
        The frequencies of the scan, Hz, ``(n_frequencies,)``; the bin of each, -1 outside; and the
        number of frequencies of each bin, ``(n_bins,)``.
    """
    frequency = np.asarray(np.fft.rfftfreq(n_trs, tr_s), np.float64)
    inside = (frequency > 0) & (frequency < TOP_HZ)
    edges = np.geomspace(frequency[inside][0], TOP_HZ, N_BINS + 1)
    wide = np.clip(np.searchsorted(edges, frequency[inside], side="right") - 1, 0, N_BINS - 1)
    _, narrow, count = np.unique(wide, return_inverse=True, return_counts=True)
    bins = np.full(len(frequency), -1)
    bins[inside] = narrow
    return frequency, bins, count


def bold_spectrum(
    brain: Brain, point: OperatingPoint, x: Array, modes: torch.Tensor, frequency_hz: Array
) -> tuple[Array, Array]:
    """Density of BOLD in the connectome's modes and its slope along their eigenvalues.

    Returns:
        Shapes ``(n_frequencies, n_modes)``, per Hz, without measurement noise.
    """
    sigma = torch.tensor(brain.sigma, dtype=torch.float64)
    parameters = point.parameters(torch.tensor(np.exp(x[3])), sigma)
    node = linear_node(brain.model, torch.stack([point.E, point.I]), parameters)
    density, slope = mode_spectrum(node, modes, frequency_hz)
    response = BalloonResponse(float(point.E))(frequency_hz)[:, None]
    return density.numpy() * response, slope.numpy() * response


def mean_state_moments(
    brain: Brain, point: OperatingPoint, duration_s: float
) -> tuple[Array, Array]:
    """Expected time averages of E and I, and the variance of their slow fluctuations.

    A relative error of one part in a thousand is added: no rate is measured better.
    """
    e, c, d = float(point.e), float(point.b * point.g_IE), float(point.d)
    n_means = 1e3 * duration_s * len(brain.weights)
    variance_E = brain.sigma**2 * (1 + (c / e) ** 2) / float(point.kappa_per_ms) ** 2 / n_means
    variance_I = (brain.sigma / e) ** 2 / n_means + (d / e) ** 2 * variance_E
    rest = np.array([float(point.E), float(point.I)])
    return rest, np.array([variance_E, variance_I]) + (1e-3 * rest) ** 2


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
        frequency, bins, self._count = frequency_bins(n_trs, recording.tr_s)
        power = np.abs(np.fft.rfft(bold @ vectors.numpy(), axis=0)) ** 2 * recording.tr_s / n_trs
        used = range(len(self._count))
        self._frequency = np.array([frequency[bins == b].mean() for b in used])
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
        spectrum, _ = bold_spectrum(self._brain, point, x, self._modes, self._frequency)
        spectrum = spectrum + self._noise_density(spectrum)
        total = self._spectral_cost(spectrum)
        if self._observables == "fc+variance+mean":
            # The slow fluctuation of the mean over regions limits how well it is known.
            variance = spectrum[0, 0] / self._duration_s / len(self._modes)
            steady = BalloonResponse(float(point.E)).steady_bold()
            total += 0.5 * (steady - self._mean_bold) ** 2 / variance
        elif self._observables.endswith("mean_state"):
            rest, spread = mean_state_moments(self._brain, point, self._duration_s)
            total += float(0.5 * ((rest - self._mean_state) ** 2 / spread).sum())
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


@dataclass(frozen=True, slots=True)
class MadeUpSubject:
    """A subject whose truth is known.

    Attributes:
        brain: The network.
        truth: Its coordinates, see `fitting.synthetic_brain`.
        starts: Where estimation starts, ``(n_starts, n_coordinates)``.
        recording: What is measured of it.
    """

    brain: Brain
    truth: Array
    starts: Array
    recording: Recording


def make_up(
    weights: Array, model: ReducedWongWang, seed: int, settings: RecoverySettings
) -> MadeUpSubject:
    """Make up a subject.

    Args:
        weights: The connectome that is jittered.
        model: The two-state model.
        seed: Of everything that is drawn.
        settings: Length of the scan and number of starts.
    """
    rng = np.random.default_rng(seed)
    brain = Brain(jittered_connectome(weights, rng), model)
    truth = possible(brain, LOW, HIGH, 1, rng, settings.smallest_weight)[0]
    half = (HIGH - LOW) / 2
    starts = possible(brain, LOW - half, HIGH + half, settings.n_starts, rng)
    recording = brain.record(truth, settings.minutes, settings.tr_s, seed)
    return MadeUpSubject(brain, truth, starts, recording)


def without_bias(
    seen: Array,
    brain: Brain,
    observables: Observables,
    seed: int,
    settings: RecoverySettings,
    estimate_again: Callable[[Array, int], Array],
) -> Array:
    """Take off an estimate what estimating from scans simulated there adds to it.

    Args:
        seen: The estimate.
        brain: The network that estimation supposes.
        observables: What the estimation sees; without mean rates nothing is corrected, as there
            is no estimate to speak of.
        seed: Of the subject.
        settings: Rounds and scans.
        estimate_again: Simulates at coordinates, with a seed, and estimates them.

    Returns:
        The corrected coordinates.
    """
    x = seen
    rounds = settings.correction_scans if observables.endswith("mean_state") else ()
    for round_, n_scans in enumerate(rounds):
        seeds = [10_000 * (1 + seed) + 100 * round_ + k for k in range(n_scans)]
        again = [estimate_again(x, fake_seed) for fake_seed in seeds]
        x = stay_possible(brain, x, x + seen - np.mean(again, axis=0))
    return x


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
    subject = make_up(weights, model, seed, chosen)
    brain = subject.brain

    def estimate_again(x: Array, fake_seed: int) -> Array:
        fake = brain.record(x, chosen.minutes, chosen.tr_s, fake_seed)
        return estimate(Likelihood(brain, fake, observables), x[None])

    seen = estimate(Likelihood(brain, subject.recording, observables), subject.starts)
    x = without_bias(seen, brain, observables, seed, chosen, estimate_again)
    return Recovery(brain.weights_of(subject.truth), brain.weights_of(x))
