"""The linear prediction against a Lyapunov equation, finite differences and a long simulation."""

import numpy as np
import pytest
import scipy.linalg
import torch

from fitting.balloon_response import BalloonResponse
from fitting.coupling import Coupling
from fitting.hemodynamics import BalloonWindkessel
from fitting.integrate import simulate, start_state
from fitting.keyed_noise import KeyedNoise
from fitting.linear_noise import (
    Band,
    correlation,
    covariance,
    effective_samples,
    laplacian,
    linear_node,
    mode_spectrum,
    network_covariance,
)
from fitting.models import named_model
from fitting.operating_point import operating_point
from fitting.time_grid import TimeGrid

MODEL = named_model("reduced_wong_wang_tanh")
POINT = operating_point(MODEL)
SIGMA = 0.005
RESPONSE = BalloonResponse(float(POINT.E))


def node(g=1.0, sigma=SIGMA):
    given = POINT.parameters(torch.as_tensor(g, dtype=torch.float64), torch.tensor(sigma))
    return linear_node(MODEL, torch.stack([POINT.E, POINT.I]), given)


def connectome(n=6, seed=0):
    weights = np.random.default_rng(seed).random((n, n))
    weights = weights + weights.T
    np.fill_diagonal(weights, 0)
    return torch.as_tensor(weights / np.linalg.norm(weights))


def full_jacobian(weights, one):
    """Every region's own Jacobian, and the Laplacian between them."""
    n = weights.shape[0]
    between = torch.outer(one.coupling_in, one.coupling_out)
    return torch.kron(torch.eye(n, dtype=torch.float64), one.jacobian) - torch.kron(
        laplacian(weights), between
    )


def lyapunov(jacobian, variance):
    return scipy.linalg.solve_continuous_lyapunov(jacobian, -np.diag(variance))


def test_covariance_of_the_states_equals_the_lyapunov_equation():
    """The band reaches four decades past the slowest rate (.004 per ms = .6 Hz) and 3000 points
    sum a smooth function to 1e-4; what is cut off above is under 1e-4 of it."""
    weights, one = connectome(), node()
    frequency = np.geomspace(1e-4, 1e4, 3000)
    band = Band(frequency, 2 * np.gradient(frequency), np.ones(3000))
    ours = covariance(one, laplacian(weights), band).numpy()
    jacobian = full_jacobian(weights, one).numpy()
    exact = lyapunov(jacobian, np.tile(one.noise_variance.numpy(), 6))[::2, ::2]
    assert np.abs(ours / exact - 1).max() < 5e-4


def test_fc_of_bold_equals_the_lyapunov_equation_with_the_haemodynamics():
    """24 log-spaced points of one scan's band leave 1 % of FC; the whole band 1e-4."""
    weights, one = connectome(), node()
    blood = BalloonWindkessel()
    steady = torch.tensor([0.0, *RESPONSE.steady_state()], dtype=torch.float64)
    drive = POINT.E.reshape(1)
    slope = torch.autograd.functional.jacobian
    flow = slope(lambda s: blood.drift(s[:, None], drive)[:, 0], steady).numpy()
    seen = slope(lambda s: blood.bold(s[:, None])[0], steady).numpy()
    n, size = 6, 6
    jacobian = np.zeros((n * size, n * size))
    neural = full_jacobian(weights, one).numpy() * 1e3
    noise = np.zeros(n * size)
    observe = np.zeros((n, n * size))
    for i in range(n):
        for j in range(n):
            jacobian[size * i : size * i + 2, size * j : size * j + 2] = neural[
                2 * i : 2 * i + 2, 2 * j : 2 * j + 2
            ]
        jacobian[size * i + 2 : size * i + 6, size * i + 2 : size * i + 6] = flow
        jacobian[size * i + 2, size * i] = 1.0
        noise[size * i : size * i + 2] = SIGMA**2 * 1e3
        observe[i, size * i + 2 : size * i + 6] = seen
    exact = observe @ lyapunov(jacobian, noise) @ observe.T
    exact_fc = exact / np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    wide = covariance(one, laplacian(weights), Band.of_scan(1e5, RESPONSE, 3000, 50.0)).numpy()
    assert np.abs(wide / exact - 1).max() < 2e-3
    scan = covariance(one, laplacian(weights), Band.of_scan(432.0, RESPONSE))
    assert np.abs(correlation(scan).numpy() - exact_fc).max() < 0.01


def test_modes_equal_the_dense_solve():
    weights, one = connectome(), node()
    band = Band.of_scan(432.0, RESPONSE)
    observed = torch.kron(torch.eye(6, dtype=torch.float64), one.observed[None])
    dense = network_covariance(
        full_jacobian(weights, one), one.noise_variance.repeat(6), observed, band
    )
    modes = covariance(one, laplacian(weights), band)
    assert torch.allclose(dense, modes, rtol=1e-10, atol=0)


def test_a_model_with_other_variables_goes_through_the_same_prediction():
    """Hopf about its silent fixed point: the seam is the Jacobian."""
    hopf = named_model("hopf")
    state = hopf.start(1)[0, :, 0] * 0
    given = {spec.name: torch.tensor(spec.default) for spec in hopf.parameters}
    one = linear_node(hopf, state, given)
    weights = connectome()
    band = Band.of_scan(432.0)
    observed = torch.kron(torch.eye(6, dtype=torch.float64), one.observed[None])
    dense = network_covariance(
        full_jacobian(weights, one), one.noise_variance.repeat(6), observed, band
    )
    assert torch.allclose(dense, covariance(one, laplacian(weights), band), rtol=1e-9, atol=0)


def symmetric_gradient_is_right(weights):
    """Gradient of a generic function of FC against central differences along random edges."""
    mask = torch.as_tensor(np.random.default_rng(1).standard_normal((6, 6)))
    band = Band.of_scan(432.0, RESPONSE)

    def cost(w, g):
        return (mask * correlation(covariance(node(g), laplacian((w + w.T) / 2), band))).sum()

    leaf = weights.clone().requires_grad_(True)
    g = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    slope, slope_g = torch.autograd.grad(cost(leaf, g), (leaf, g))
    rng = np.random.default_rng(2)
    for _ in range(5):
        direction = torch.as_tensor(rng.standard_normal((6, 6)))
        direction = direction + direction.T
        h = 1e-5
        ahead, behind = cost(weights + h * direction, g), cost(weights - h * direction, g)
        differences = float((ahead - behind).detach()) / (2 * h)
        assert float((slope * direction).sum()) == pytest.approx(differences, rel=1e-5, abs=1e-7)
    differences = float((cost(weights, g + 1e-5) - cost(weights, g - 1e-5)).detach()) / 2e-5
    assert float(slope_g) == pytest.approx(differences, rel=1e-6)


def test_gradient_equals_finite_differences():
    symmetric_gradient_is_right(connectome())


def test_gradient_is_right_where_eigenvalues_coincide():
    """All weights equal: five of six eigenvalues are one and the same, and an eigenvector's own
    derivative would be infinite."""
    weights = torch.ones((6, 6), dtype=torch.float64) - torch.eye(6, dtype=torch.float64)
    symmetric_gradient_is_right(weights / weights.norm())


def test_slope_of_the_spectrum_equals_finite_differences():
    modes = torch.tensor([0.0, 0.1, 0.5], dtype=torch.float64)
    frequency = np.array([0.01, 0.1, 0.5])
    _, slope = mode_spectrum(node(3.0), modes, frequency)
    ahead, _ = mode_spectrum(node(3.0), modes + 1e-6, frequency)
    behind, _ = mode_spectrum(node(3.0), modes - 1e-6, frequency)
    assert torch.allclose(slope, (ahead - behind) / 2e-6, rtol=1e-6, atol=0)


def test_white_noise_has_one_effective_sample_per_nyquist_interval():
    """A flat band of width B to -B holds 2 B T independent samples."""
    frequency = np.linspace(0.001, 0.5, 500)
    band = Band(frequency, np.full(500, 2 * 0.001), np.ones(500))
    flat = torch.ones(500, dtype=torch.float64)
    assert effective_samples(flat, band, 1000.0) == pytest.approx(1000.0, rel=1e-9)


@pytest.mark.slow
def test_fc_of_a_long_simulation_equals_the_prediction():
    """Weak noise, 24 streams of 20 minutes: about 8000 independent samples, so an entry of FC has a
    sampling SD of at most .011; 15 pairs, four SD."""
    sigma, n_streams = 0.0005, 24
    weights, g = connectome(), torch.tensor(0.3)
    given = POINT.parameters(g, torch.tensor(sigma))
    with torch.no_grad():
        run = simulate(
            MODEL,
            Coupling(weights),
            given,
            TimeGrid(dt_ms=2.0, tr_ms=720.0),
            1750,
            noise=KeyedNoise(3, tuple(range(n_streams))),
            start=start_state(MODEL, POINT.state(6, n_streams)),
        )
    bold = run.bold[:, 84:].numpy()
    fc = np.mean([np.corrcoef(one.T) for one in bold], axis=0)
    one = node(0.3, sigma)
    ours = correlation(covariance(one, laplacian(weights), Band.of_scan(1200.0, RESPONSE, 200)))
    assert np.abs(fc - ours.numpy()).max() < 4 * 0.011


def test_short_weak_noise_simulation_agrees_with_the_prediction():
    """12 streams of 6 minutes are about 1200 independent samples: SD (1 - f^2)/sqrt(1200), at most
    .029; four SD of the mean absolute deviation over 15 pairs is well under .05."""
    weights, sigma = connectome(), 0.0005
    given = POINT.parameters(torch.tensor(0.3), torch.tensor(sigma))
    with torch.no_grad():
        run = simulate(
            MODEL,
            Coupling(weights),
            given,
            TimeGrid(dt_ms=5.0, tr_ms=720.0),
            584,
            noise=KeyedNoise(3, tuple(range(12))),
            start=start_state(MODEL, POINT.state(6, 12)),
        )
    bold = run.bold[:, 84:].numpy()
    fc = np.mean([np.corrcoef(one.T) for one in bold], axis=0)
    band = Band.of_scan(360.0, RESPONSE, 200)
    ours = correlation(covariance(node(0.3, sigma), laplacian(weights), band)).numpy()
    assert np.abs(fc - ours)[np.tril_indices(6, -1)].mean() < 0.05
