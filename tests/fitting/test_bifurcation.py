"""Fixed points, regimes and their boundary, against the drift, its Jacobian and simulation."""

import math

import numpy as np
import pytest
import torch

from fitting.bifurcation import bistable_boundary, fixed_points, regime_map
from fitting.bifurcation_plot import plot_regimes
from fitting.coupling import Coupling
from fitting.critical_coupling import critical_coupling, network_jacobian, network_rest
from fitting.errors import ConfigurationError
from fitting.integrate import simulate, start_state
from fitting.models import named_model
from fitting.models.base import complete
from fitting.time_grid import TimeGrid

TANH = named_model("reduced_wong_wang_tanh")
RAW = named_model("reduced_wong_wang_exc_inh")
# A region with a quiet and an active rest: strong recurrent excitation and strong inhibition.
BISTABLE = {k: torch.tensor(v) for k, v in [("g_EE", 0.5), ("g_IE", 1.8), ("g_EI", 0.175)]}


def random_parameters(n_points, seed=0):
    generator = torch.Generator().manual_seed(seed)
    names = ("I_o", "g_EE", "g_IE", "g_EI")
    return {k: 2 * torch.rand(n_points, generator=generator, dtype=torch.float64) for k in names}


@pytest.mark.parametrize("model", [TANH, RAW])
def test_drift_vanishes_at_every_fixed_point(model):
    """E is found to one ulp; the drift changes by at most 1/ms per unit of E."""
    parameters = random_parameters(200)
    points = fixed_points(model, parameters)
    p = complete(model, parameters, torch.float64)
    for rank in range(points.states.shape[1]):
        state = torch.from_numpy(points.states[:, rank].T.copy())
        drift = model.drift(state, torch.zeros(200).double(), p)
        held = state[1] >= 1
        assert float(drift[0][torch.isfinite(drift[0])].abs().max()) < 1e-13
        rest = drift[1][torch.isfinite(drift[1]) & ~held]
        assert rest.numel() == 0 or float(rest.abs().max()) < 1e-13
        # What the clip holds at its edge pushes against it.
        assert bool((drift[1][held] > 0).all())


def test_eigenvalues_are_those_of_the_jacobian():
    points = fixed_points(TANH, BISTABLE)
    p = complete(TANH, BISTABLE, torch.float64)
    for state, found in zip(points.states[0], points.eigenvalues[0], strict=True):
        x = torch.from_numpy(state)[:, None]
        local, _ = TANH.jacobian(x, torch.zeros(1).double(), p)
        expected = np.linalg.eigvals(local[0].numpy())
        np.testing.assert_allclose(
            np.sort(found.real), np.sort(expected.real), rtol=1e-12, atol=1e-15
        )


def test_fixed_points_alternate_between_rest_and_saddle():
    points = fixed_points(TANH, BISTABLE)
    assert points.count.tolist() == [3]
    assert points.stable.tolist() == [[True, False, True]]


def test_newton_from_many_starts_finds_no_other():
    points = fixed_points(TANH, BISTABLE).states[0]
    grid = torch.linspace(0.01, 0.99, 12).double()
    network = Coupling(torch.zeros(1, 1).double())
    for E in grid:
        for I in grid:  # noqa: E741
            found = network_rest(TANH, network, BISTABLE, torch.stack((E, I))[:, None])
            if found is not None:
                assert np.abs(points - found.state[:, 0].numpy()).max(1).min() < 1e-10


@pytest.mark.parametrize("rank", [0, 2])
def test_simulation_stays_at_a_stable_rest(rank):
    state = torch.from_numpy(fixed_points(TANH, BISTABLE).states[0, rank])[None, :, None]
    moved = simulate(
        TANH, Coupling(torch.zeros(1, 1).double()), BISTABLE, TimeGrid(1.0, 2000.0), 1,
        start=start_state(TANH, state * 1.01), engine="eager",
    ).state.neural  # fmt: skip
    torch.testing.assert_close(moved, state, rtol=1e-3, atol=0)


@pytest.mark.parametrize("model", [TANH, RAW])
def test_published_ranges_hold_one_rest_or_two(model):
    values = np.linspace(0, 2, 5)
    mapped = regime_map(model, dict.fromkeys(("I_o", "g_EE", "g_IE", "g_EI"), values))
    assert mapped.n_stable.shape == (5, 5, 5, 5)
    assert set(np.unique(mapped.n_stable)) >= {1, 2}
    both = mapped.n_stable >= 2
    assert (mapped.highest_E[both] > mapped.lowest_E[both]).all()
    one = mapped.n_stable == 1
    assert (mapped.highest_E[one] == mapped.lowest_E[one]).all()


def test_rests_appear_and_vanish_across_the_boundary():
    boundary = bistable_boundary(TANH, BISTABLE, g_IE=np.linspace(1.6, 2.0, 5))
    for g_IE, quiet, active in zip(
        boundary.g_IE, boundary.quiet_lost, boundary.active_lost, strict=True
    ):
        g_EI = torch.tensor([quiet - 1e-4, quiet + 1e-4, active - 1e-4, active + 1e-4])
        points = fixed_points(TANH, {**BISTABLE, "g_IE": torch.tensor(g_IE), "g_EI": g_EI})
        assert points.n_stable.tolist() == [1, 2, 2, 1]
        E = points.states[..., 0]
        # Below the band the active rest is left, above it the quiet one.
        assert E[0, 0] > 0.5
        assert E[3, 0] < 0.3


def test_polynomial_runs_through_its_edge():
    """The edge is nearly straight: a quadratic leaves less than 1e-3 of its 0.2."""
    boundary = bistable_boundary(TANH, BISTABLE)
    curve = np.polynomial.polynomial.polyval(boundary.g_IE, boundary.quiet_polynomial)
    assert np.abs(curve - boundary.quiet_lost).max() < 1e-3


def test_boundary_of_a_monostable_plane_is_refused():
    with pytest.raises(ConfigurationError, match="met at 0 values of g_IE"):
        bistable_boundary(TANH, g_IE=np.linspace(0, 0.5, 4), g_EI=np.linspace(0, 1, 11))


def test_unknown_axis_is_refused():
    with pytest.raises(ConfigurationError, match=r"\['J_i'\]; name parameters of"):
        regime_map(TANH, {"J_i": np.linspace(0, 1, 3)})


def test_network_jacobian_is_the_derivative_of_the_network():
    generator = torch.Generator().manual_seed(0)
    coupling = Coupling(torch.rand(4, 4, generator=generator, dtype=torch.float64))
    p = complete(TANH, {}, torch.float64)
    state = 0.3 * torch.rand(2, 4, generator=generator, dtype=torch.float64)
    exact = torch.autograd.functional.jacobian(
        lambda x: TANH.drift(x, coupling.matrix() @ x[0], p), state
    )
    found = network_jacobian(TANH, coupling, state, p)
    torch.testing.assert_close(found, exact.reshape(8, 8), rtol=1e-11, atol=1e-13)


def test_direct_coupling_of_equal_regions_is_more_recurrence():
    """Rows that sum to one: the network folds where one region with g_EE + g does."""
    parameters = {"g_EE": torch.tensor(0.45), "g_IE": torch.tensor(1.8)}
    ring = torch.tensor([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]).double()
    found = critical_coupling(TANH, Coupling(ring, diffusive=False), parameters, g_max=0.3)

    def has_quiet_rest(g):
        alone = fixed_points(TANH, {**parameters, "g_EE": torch.tensor(0.45 + g).double()})
        return alone.states[0, 0, 0] < 0.2 and bool(alone.stable[0, 0])

    assert has_quiet_rest(found.g - 1e-4)
    assert not has_quiet_rest(found.g + 1e-4)


def test_diffusive_coupling_of_equal_regions_is_never_critical():
    ring = torch.tensor([[0, 1.0], [1.0, 0]]).double()
    found = critical_coupling(TANH, Coupling(ring), BISTABLE, g_max=5.0, n_steps=10)
    assert found.g == math.inf
    assert found.slowest.leading == pytest.approx(found.path[0].leading, rel=1e-9)


def test_figure_shows_the_four_parameters_and_the_plane():
    axes = {"g_IE": np.linspace(1, 2, 9), "g_EI": np.linspace(0, 0.4, 9)}
    boundary = bistable_boundary(TANH, BISTABLE, g_IE=np.linspace(1.6, 2.0, 4))
    figure = plot_regimes(TANH, BISTABLE, [regime_map(TANH, axes, BISTABLE)], boundary, n_values=21)
    labels = {ax.get_xlabel() for ax in figure.axes} - {""}
    assert labels == {"I_o (nA)", "g_EE (nA)", "g_IE (nA)", "g_EI (nA)"}
    assert len(figure.axes) == 5 + 1  # and a colour bar
