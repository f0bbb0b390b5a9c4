"""Recovery of parameters and connectome together, from a connectome that is only roughly known.

The connectome's modes are not known then, so the likelihood is that of whole cross-spectra: within
each of a few bands of frequency the real part of the periodogram matrix is Wishart about the
predicted one. Connections are scaled by free gains with a weak prior, as in a fit to data.

References:
    Whittle (1953) Ark. Mat. 2:423-434; Brillinger (1981), Time Series, sec. 7.3, for the matrix.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fitting.balloon_response import BalloonResponse
from fitting.coupling import Connectome
from fitting.descent import Descent, DescentSettings
from fitting.errors import ConfigurationError
from fitting.linear_noise import Band, covariance, laplacian, linear_node
from fitting.models.reduced_wong_wang import ReducedWongWang
from fitting.operating_point import operating_point
from fitting.synthetic import (
    HIGH,
    LOW,
    TOP_HZ,
    Array,
    Brain,
    Likelihood,
    Recording,
    Recovery,
    RecoverySettings,
    estimate,
    jittered_connectome,
    possible,
    stay_possible,
)

N_BANDS = 4
# The jitter changes a typical connection by a tenth and a weak one several times.
GAIN_SD = 0.5


@dataclass(frozen=True, slots=True)
class _CrossSpectrum:
    """The periodogram matrix of one band, ``(n_regions, n_regions)``, and its frequencies."""

    frequency_hz: Array
    power: Tensor


def cross_spectra(recording: Recording) -> list[_CrossSpectrum]:
    """Real periodogram matrices in bands of equal log width up to `TOP_HZ`."""
    bold = recording.bold - recording.bold.mean(0)
    frequency = np.fft.rfftfreq(len(bold), recording.tr_s)
    transformed = np.fft.rfft(bold, axis=0) * np.sqrt(recording.tr_s / len(bold))
    edges = np.geomspace(frequency[1] * 0.999, TOP_HZ, N_BANDS + 1)
    found = []
    for low, high in itertools.pairwise(edges):
        inside = (frequency >= low) & (frequency < high)
        part = transformed[inside]
        power = (part.T @ part.conj()).real / inside.sum()
        found.append(_CrossSpectrum(frequency[inside], torch.as_tensor(power)))
    return found


class JointLikelihood:
    """Minus the log posterior of coordinates and gains; a `Loss` for `Descent`."""

    def __init__(self, brain: Brain, connectome: Connectome, recording: Recording, x: Array):
        self._brain, self._connectome, self._recording = brain, connectome, recording
        self._spectra = cross_spectra(recording)
        n = connectome.n_regions
        self._duration_s = len(recording.bold) * recording.tr_s
        self._present = torch.tril(connectome.measured > 0, -1)
        self.x = torch.tensor(x, dtype=torch.float64)
        self.gains = torch.zeros((n, n), dtype=torch.float64)

    def __call__(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the cost and its parts."""
        brain, recording = self._brain, self._recording
        rate, kappa, g_EI, g = torch.exp(self.x)
        point = operating_point(brain.model, rate, kappa, g_EI, brain.I_o)
        parameters = point.parameters(g, torch.tensor(brain.sigma, dtype=torch.float64))
        node = linear_node(brain.model, torch.stack([point.E, point.I]), parameters)
        graph = laplacian(self._connectome.weights(self.gains))
        noise = recording.noise_sd**2 * recording.tr_s
        response = BalloonResponse(float(point.E.detach()))
        eye = torch.eye(graph.shape[0], dtype=torch.float64)
        spectral = torch.zeros((), dtype=torch.float64)
        for one in self._spectra:
            n = len(one.frequency_hz)
            band = Band(one.frequency_hz, np.full(n, 1.0 / n), response(one.frequency_hz))
            predicted = covariance(node, graph, band) + noise * eye
            factor = torch.linalg.cholesky(predicted)
            log_det = 2 * torch.log(torch.diagonal(factor)).sum()
            spectral = spectral + n * (log_det + (torch.cholesky_inverse(factor) * one.power).sum())
        n_means = 1e3 * self._duration_s * graph.shape[0]
        ratio = point.b * point.g_IE / point.e
        variance_E = brain.sigma**2 * (1 + ratio**2) / kappa**2 / n_means
        variance_I = (brain.sigma / point.e) ** 2 / n_means + (point.d / point.e) ** 2 * variance_E
        rest = torch.stack([point.E, point.I])
        variance = torch.stack([variance_E, variance_I]).detach() + (1e-3 * rest.detach()) ** 2
        mean = 0.5 * ((rest - torch.as_tensor(recording.mean_state)) ** 2 / variance).sum()
        symmetric = (self.gains + self.gains.T) / 2
        prior = 0.5 * (symmetric[self._present] ** 2).sum() / GAIN_SD**2
        total = spectral + mean + prior
        return total, {"total": float(total.detach()), "prior": float(prior.detach())}

    def commit(self) -> None:
        """Nothing is carried."""

    def carried(self) -> dict[str, object]:
        """Nothing is carried."""
        return {}

    def restore(self, carried: dict[str, object]) -> None:
        """Nothing is carried."""


def _estimate(
    brain: Brain, connectome: Connectome, recording: Recording, x: Array, steps: int
) -> tuple[Array, Array]:
    """Coordinates and weights that fit a recording, from a start."""
    joint = JointLikelihood(brain, connectome, recording, x)
    leaves = {"x": joint.x, "log_gains": joint.gains}
    Descent(leaves, joint, DescentSettings(steps, 0.03, 1e-4)).run()
    with torch.no_grad():
        weights = connectome.weights(joint.gains)
    return joint.x.detach().numpy().copy(), weights.detach().numpy()


def recover_with_connectome(
    weights: Array,
    model: ReducedWongWang,
    seed: int,
    settings: RecoverySettings | None = None,
    steps: int = 300,
) -> Recovery:
    """Make up a subject and estimate its parameters and its connectome together.

    Estimation knows the connectome that all subjects share, not the subject's own. Spectra and mean
    states are observed.
    """
    chosen = settings or RecoverySettings()
    rng = np.random.default_rng(seed)
    own = Brain(jittered_connectome(weights, rng), model)
    truth = possible(own, LOW, HIGH, 1, rng, chosen.smallest_weight)[0]
    half = (HIGH - LOW) / 2
    starts = possible(own, LOW - half, HIGH + half, chosen.n_starts, rng)
    recording = own.record(truth, chosen.minutes, chosen.tr_s, seed)
    shared = (weights + weights.T) / 2
    np.fill_diagonal(shared, 0.0)
    connectome = Connectome(torch.as_tensor(shared), compress=False)
    rough = Brain(connectome.prior.numpy(), model)
    start = estimate(Likelihood(rough, recording, "spectra+mean_state"), starts)
    seen, found = _estimate(rough, connectome, recording, start, steps)
    x = seen
    for round_ in range(len(chosen.correction_scans)):
        fake_brain = Brain(found, model)
        try:
            fake = fake_brain.record(
                x, chosen.minutes, chosen.tr_s, 10_000 * (1 + seed) + 100 * round_
            )
        except ConfigurationError:
            break
        again, _ = _estimate(rough, connectome, fake, x, steps)
        x = stay_possible(rough, x, x + seen - again)
    return Recovery(own.weights_of(truth), rough.weights_of(x))
