"""Drift, derivatives and names of the mean-field models."""

import numpy as np
import pytest
import torch
from tvb.simulator.models.wong_wang_exc_inh import ReducedWongWangExcInh

from fitting.errors import ConfigurationError
from fitting.models import model_names, named_model
from fitting.models.base import complete, defaults, jacobian_by_autograd
from fitting.models.reduced_wong_wang import EXCITATORY, INHIBITORY, ReducedWongWang, from_tvb

RAW = ReducedWongWang(squash_currents=False)


def random_state(model, n_regions=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    state = torch.rand(2, len(model.variables), n_regions, generator=generator, dtype=torch.float64)
    coupling = torch.rand(2, n_regions, generator=generator, dtype=torch.float64)
    return state, coupling - 0.3


def tvb_model(**parameters):
    model = ReducedWongWangExcInh(**{k: np.array([v]) for k, v in parameters.items()})
    model.configure()
    return model


@pytest.mark.parametrize(
    "parameters", [{}, {"G": 0.7, "J_N": 0.2, "w_p": 1.1, "J_i": 1.6, "I_o": 0.3, "lamda": 0.4}]
)
def test_untransformed_drift_is_that_of_tvb(parameters):
    """Same formula, other order of products: a few ulp of terms up to 10 per ms."""
    state, coupling = random_state(RAW)
    ours = RAW.drift(state, coupling, complete(RAW, from_tvb(**parameters), torch.float64))
    for member in range(2):
        x = state[member].numpy()[..., None]
        theirs = tvb_model(**parameters).dfun(x, coupling[member].numpy()[None, :, None])[..., 0]
        np.testing.assert_allclose(ours[member].numpy(), theirs, rtol=1e-12, atol=1e-14)


def test_uncoupled_region_rests_where_the_literature_says():
    state = RAW.start(1)
    p = complete(RAW, from_tvb(), torch.float64)
    zero = torch.zeros(1, 1, dtype=torch.float64)
    for _ in range(20):
        local, _ = RAW.jacobian(state, zero, p)
        step = torch.linalg.solve(local[:, 0], RAW.drift(state, zero, p)[..., 0])
        state = state - step[..., None]
    rates = RAW.observables(state, zero, p)
    found = [float(state[0, 0]), float(state[0, 1]), float(rates["R_E"]), float(rates["R_I"])]
    assert found == pytest.approx([0.1648, 0.0392, 3.08, 3.92], abs=5e-3)


@pytest.mark.parametrize("name", model_names())
def test_jacobian_is_the_derivative_of_the_drift(name):
    model = named_model(name)
    state, coupling = random_state(model, 7)
    p = complete(model, {}, torch.float64)
    for analytic, automatic in zip(
        model.jacobian(state, coupling, p),
        jacobian_by_autograd(model, state, coupling, p),
        strict=True,
    ):
        torch.testing.assert_close(analytic, automatic, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("population", [EXCITATORY, INHIBITORY])
def test_rate_and_slope_are_smooth_through_the_threshold(population):
    """At a I = b the quotient is 0/0; its limit is 1/d, the slope's a/2."""
    threshold = population.b_hz / population.a
    offsets = torch.tensor([-1e-4, -1e-6, -1e-9, 0.0, 1e-9, 1e-6, 1e-4], dtype=torch.float64)
    current = (threshold + offsets).requires_grad_()
    rate = population.rate_hz(current)
    (slope,) = torch.autograd.grad(rate.sum(), current)
    s = population.d_s * population.a * offsets
    torch.testing.assert_close(
        rate.detach(), (1 + s / 2 + s * s / 12) / population.d_s, rtol=1e-10, atol=0
    )
    torch.testing.assert_close(slope, population.rate_slope(current).detach(), rtol=1e-9, atol=0)


def test_tanh_bounds_the_rate_whatever_the_input():
    model = named_model("reduced_wong_wang_tanh")
    p = complete(model, {"I_o": torch.tensor(50.0)}, torch.float64)
    state, coupling = random_state(model)
    rates = model.observables(state, coupling, p)["R_E"]
    torch.testing.assert_close(rates, torch.full_like(rates, 185.0), rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", model_names())
def test_defaults_lie_within_their_bounds(name):
    for spec in named_model(name).parameters:
        assert spec.lower <= spec.default <= spec.upper


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="reduced_wong_wang_tanh"):
        named_model("wong_wang")
    with pytest.raises(ConfigurationError, match=r"no parameter 'J_i'.*g_IE"):
        complete(RAW, {"J_i": torch.tensor(1.0)}, torch.float64)


def test_hopf_settles_on_the_circle_of_radius_root_a():
    model = named_model("hopf")
    p = defaults(model) | {"a": torch.tensor(0.25, dtype=torch.float64)}
    angle = torch.linspace(0, 6, 9, dtype=torch.float64)
    circle = 0.5 * torch.stack((torch.cos(angle), torch.sin(angle)))[None]
    drift = model.drift(circle, torch.zeros(1, 9, dtype=torch.float64), p)
    assert float((circle * drift).sum(-2).abs().max()) < 1e-16
