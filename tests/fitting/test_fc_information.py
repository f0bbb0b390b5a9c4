"""The interval of the coupling, the connectome known and free, against simulated scans."""

import numpy as np
import pytest
import torch

from fitting.balloon_response import BalloonResponse
from fitting.coupling import Connectome
from fitting.errors import ConfigurationError
from fitting.fc_information import loss_gain_sd
from fitting.identifiability import KNOWN_CONNECTOME, _start, identified, information
from fitting.linear_noise import (
    Band,
    correlation,
    covariance,
    laplacian,
    linear_node,
    mode_spectrum,
)
from fitting.models import named_model
from fitting.network import RestingNetwork

N, DURATION_S, TOP_HZ, GAIN_SD = 5, 3600.0, 0.2, 0.3
ROWS, COLUMNS = np.tril_indices(N, -1)


def network(log_g=0.0, gains=None, seed=3):
    rng = np.random.default_rng(seed)
    weights = np.exp(rng.standard_normal((N, N)))
    weights = weights + weights.T
    np.fill_diagonal(weights, 0)
    free = {
        "log_g": torch.tensor(log_g, dtype=torch.float64),
        "log_kappa": torch.tensor(np.log(0.004), dtype=torch.float64),
        "log_gains": torch.zeros((N, N), dtype=torch.float64),
    }
    if gains is not None:
        free["log_gains"][ROWS, COLUMNS] = torch.as_tensor(gains)
        free["log_gains"][COLUMNS, ROWS] = torch.as_tensor(gains)
    model = named_model("reduced_wong_wang_tanh")
    return RestingNetwork(model, Connectome(torch.as_tensor(weights)), free)


def node_and_band(one):
    point = one.point()
    n = int(TOP_HZ * DURATION_S)
    frequency_hz = np.arange(1, n + 1) / DURATION_S
    gain = BalloonResponse(float(point.E))(frequency_hz)
    sigma = torch.tensor(one.sigma, dtype=torch.float64)
    parameters = point.parameters(torch.exp(one.free["log_g"]), sigma)
    node = linear_node(one.model, torch.stack([point.E, point.I]), parameters)
    return node, Band(frequency_hz, np.full(n, 2 / DURATION_S), gain)


def expected_z(one):
    """Fisher's z of the expected FC of every pair."""
    node, band = node_and_band(one)
    return torch.atanh(correlation(covariance(node, laplacian(one.weights()), band))[ROWS, COLUMNS])


def scan_z(one, rng):
    """Fisher's z of the FC of one scan, drawn mode by mode and frequency by frequency."""
    with torch.no_grad():
        node, band = node_and_band(one)
        modes, vectors = torch.linalg.eigh(laplacian(one.weights()))
        density, _ = mode_spectrum(node, modes, band.frequency_hz)
    power = density.numpy() * band.gain[:, None]
    parts = [rng.standard_normal(power.shape) * np.sqrt(power / 2) for _ in range(2)]
    cov = sum(vectors.numpy() @ (p.T @ p) @ vectors.numpy().T for p in parts)
    scale = 1 / np.sqrt(np.diag(cov))
    return np.arctanh((cov * scale * scale[:, None])[ROWS, COLUMNS])


def jacobian(theta):
    def z(x):
        one = network()
        one.free["log_g"] = x[0]
        symmetric = torch.zeros((N, N), dtype=torch.float64)
        one.free["log_gains"] = symmetric.index_put(
            (torch.as_tensor(np.r_[ROWS, COLUMNS]), torch.as_tensor(np.r_[COLUMNS, ROWS])),
            torch.cat([x[1:], x[1:]]),
        )
        return expected_z(one)

    return torch.autograd.functional.jacobian(z, torch.as_tensor(theta)).numpy()


@pytest.fixture(scope="module")
def sampling_covariance():
    """Of z over 3000 scans of the network: entries good to 4 / sqrt(3000), 7 %."""
    rng = np.random.default_rng(0)
    return np.cov(np.array([scan_z(network(), rng) for _ in range(3000)]).T)


def estimate(z, noise, precision):
    """Weighted least squares with the prior, by Gauss and Newton from the prior's mean."""
    theta, weight = np.zeros(1 + len(ROWS)), np.linalg.inv(noise)
    for _ in range(4):
        one = network(theta[0], theta[1:])
        with torch.no_grad():
            residual = z - expected_z(one).numpy()
        J = jacobian(theta)
        step = J.T @ weight @ residual - precision * theta
        theta = theta + np.linalg.solve(J.T @ weight @ J + np.diag(precision), step)
    return theta[0]


def spread(gain_sd, noise, n_scans=150):
    """SD of the error of log g over scans whose gains are drawn from the prior."""
    rng = np.random.default_rng(1)
    precision = np.r_[1e-6, np.full(len(ROWS), 1 / gain_sd**2)]
    errors = []
    for _ in range(n_scans):
        truth = network(0.0, gain_sd * rng.standard_normal(len(ROWS)))
        errors.append(estimate(scan_z(truth, rng), noise, precision))
    return np.std(errors)


def log_sd(gain_sd):
    """Of log g at the operating point: the information about the last coordinate."""
    return information(network(), DURATION_S, "fc", TOP_HZ, gain_sd=gain_sd).matrix[-1, -1] ** -0.5


@pytest.mark.parametrize("gain_sd", [1e-3, GAIN_SD])
def test_the_interval_is_that_of_a_parametric_bootstrap(gain_sd, sampling_covariance):
    """The SD of 150 estimates is uncertain by 1 / sqrt(300) = 5.8 %; four of that and 7 % for the
    second order of the gains (exp(.3 x) has 4.5 % more spread than its line): 30 %."""
    assert spread(gain_sd, sampling_covariance) == pytest.approx(log_sd(gain_sd), rel=0.30)


@pytest.mark.parametrize("gain_sd", [1e-3, GAIN_SD, 3.0])
def test_the_schur_complement_is_that_of_the_sampled_noise(gain_sd, sampling_covariance):
    """The same formula with the Jacobian by autograd and the noise from 3000 scans: a variance is
    good to sqrt(2 / 3000) = 2.6 %, four SD of its root 5 %, its bias of order 1/n_eff 2 %."""
    J = jacobian(np.zeros(1 + len(ROWS)))
    hessian = J.T @ np.linalg.inv(sampling_covariance) @ J
    hessian[1:, 1:] += np.eye(len(ROWS)) / gain_sd**2
    assert np.sqrt(np.linalg.inv(hessian)[0, 0]) == pytest.approx(log_sd(gain_sd), rel=0.07)


def test_a_freer_connectome_widens_the_interval():
    widths = [log_sd(sd) for sd in (None, 1e-3, 0.1, 1.0, 10.0)]
    assert widths[0] == pytest.approx(widths[1], rel=1e-3)
    assert widths[1:] == sorted(widths[1:])


def test_both_intervals_are_reported_where_the_connectome_is_fitted():
    found = identified(network(), DURATION_S, gain_sd=1.0)
    free, held = found[:2]
    assert (free.name, held.name) == ("g b / kappa", KNOWN_CONNECTOME)
    assert free.value == held.value
    assert free.low < held.low < held.value < held.high < free.high
    assert KNOWN_CONNECTOME not in {one.name for one in identified(network(), DURATION_S)}


def test_the_loss_stands_for_a_prior_of_this_width():
    """The second differences of both forms of the posterior agree: loss times 2 n var / s^2."""
    rng = np.random.default_rng(0)
    f = rng.uniform(-0.2, 0.8, 200)
    n_eff, weight = 130.0, 0.001
    sd = loss_gain_sd(f, weight, n_eff)
    noise = np.mean((1 - f**2) ** 2) / n_eff
    factor = 2 * f.size * f.var() / noise
    w = rng.standard_normal(200)
    assert factor * weight * np.mean(w**2) == pytest.approx(np.sum(w**2) / (2 * sd**2), rel=1e-12)


def test_other_observations_refuse_a_free_connectome():
    assert _start(network()).log_g == 0
    with pytest.raises(ConfigurationError, match="leave gain_sd out"):
        information(network(), DURATION_S, "spectra", gain_sd=1.0)
