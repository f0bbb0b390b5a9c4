import numpy as np
import pytest
import torch

from fitting.errors import ConfigurationError
from fitting.models import named_model
from fitting.models.base import complete
from fitting.operating_point import operating_point

TANH = named_model("reduced_wong_wang_tanh")
PLAIN = named_model("reduced_wong_wang_exc_inh")


def parameters(point, model, g=1.0):
    given = point.parameters(torch.tensor(g), torch.tensor(0.0))
    return complete(model, given, torch.float64)


@pytest.mark.parametrize("model", [TANH, PLAIN], ids=["tanh", "plain"])
@pytest.mark.parametrize("rate_hz", [2.0, 3.5, 6.0])
def test_the_point_is_a_fixed_point_of_the_model(model, rate_hz):
    """Drift terms are about 0.02 per ms, so 1e-15 is rounding."""
    point = operating_point(model, rate_hz)
    drift = model.drift(point.state(3)[0], torch.zeros(3), parameters(point, model))
    assert drift.abs().max() < 1e-15


@pytest.mark.parametrize("model", [TANH, PLAIN], ids=["tanh", "plain"])
def test_the_node_rests_at_the_rate_asked(model):
    point = operating_point(model, 3.5)
    seen = model.observables(
        point.state(1)[0], torch.zeros(1, dtype=torch.float64), parameters(point, model)
    )
    assert float(seen["R_E"]) == pytest.approx(3.5, rel=1e-12)
    assert float(seen["R_I"]) == pytest.approx(float(point.rate_i_hz), rel=1e-12)


def test_the_published_recipe_gives_its_published_weights():
    """PHYSICS: 3.5 Hz and kappa .004 give g_EE about .23 and g_IE about .58."""
    point = operating_point(TANH, 3.5, 0.004)
    assert float(point.g_EE) == pytest.approx(0.23, abs=0.005)
    assert float(point.g_IE) == pytest.approx(0.58, abs=0.005)


def test_kappa_is_the_return_rate_at_low_frequency():
    """At zero frequency the 2x2 response to a push on E is 1 / kappa: Schur's complement."""
    point = operating_point(TANH, 3.5, 0.004)
    local, _ = TANH.jacobian(
        point.state(1)[0], torch.zeros(1, dtype=torch.float64), parameters(point, TANH)
    )
    response = torch.linalg.inv(-local[0])[0, 0]
    assert float(1 / response) == pytest.approx(0.004, rel=1e-9)


@pytest.mark.parametrize("name", ["rate_hz", "kappa_per_ms", "g_EI", "I_o"])
def test_gradients_equal_finite_differences(name):
    """Central differences with a relative step of 1e-5 are good to about 1e-9 relative."""
    values = {"rate_hz": 3.5, "kappa_per_ms": 0.004, "g_EI": 0.15, "I_o": 0.382}

    def weights(x):
        point = operating_point(TANH, **(values | {name: x}))
        return point.g_EE + 2 * point.g_IE + 3 * point.I + 5 * point.b

    leaf = torch.tensor(values[name], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(weights(leaf), leaf)
    h = 1e-5 * values[name]
    with torch.no_grad():
        differences = (weights(values[name] + h) - weights(values[name] - h)) / (2 * h)
    assert float(slope) == pytest.approx(float(differences), rel=1e-6)


def test_one_kappa_a_region_gives_one_weight_a_region():
    kappa = torch.tensor([0.003, 0.004, 0.005], dtype=torch.float64)
    point = operating_point(TANH, kappa_per_ms=kappa)
    assert point.g_EE.shape == point.E.shape == (3,)
    assert float(point.g_EE[1]) == pytest.approx(float(operating_point(TANH).g_EE), rel=1e-14)


def test_a_rate_of_zero_is_refused():
    with pytest.raises(ConfigurationError, match="0 Hz, and a rate is positive"):
        operating_point(TANH, 0.0)


def test_a_rate_beyond_the_squashed_current_is_refused():
    """tanh stays below 1, so the current never exceeds 1 nA: a - b = 185 Hz."""
    with pytest.raises(ConfigurationError, match="below 185 Hz"):
        operating_point(TANH, 250.0)


def test_an_impossible_return_rate_is_refused_with_its_weight():
    with pytest.raises(ConfigurationError, match="g_EE and g_IE are positive"):
        operating_point(TANH, kappa_per_ms=0.5)


def test_state_repeats_the_point():
    state = operating_point(TANH).state(4, batch=2)
    assert state.shape == (2, 2, 4)
    assert np.ptp(state[:, 0].numpy()) == 0
