import numpy as np
import pytest

from fitting.collapse import collapse, mean_rate_hz
from fitting.models import named_model

MODEL = named_model("reduced_wong_wang_tanh")


def test_the_rate_is_that_which_holds_the_gating():
    """dE/dt = -E/tau + (1 - E) gamma R = 0 at E = .164757 and R = 3.0772 (PHYSICS, Deco 2014)."""
    assert mean_rate_hz(MODEL, 0.164757) == pytest.approx(3.0772, abs=1e-3)


@pytest.mark.parametrize(("E", "state"), [(0.86, "high-activity"), (0.01, "silent")])
def test_a_collapsed_network_is_named_with_its_numbers(E, state):
    said = collapse(MODEL, np.array([E, 0.1]), 0.004, 0.3)
    assert said is not None
    assert said.startswith("collapsed") and state in said
    assert f"{E:.2f}" in said and "0.004" in said and "\n" not in said


def test_a_network_at_rest_has_not_collapsed():
    assert collapse(MODEL, np.array([0.19, 0.04]), 0.3, 0.3) is None


def test_a_model_without_a_resting_range_is_not_judged():
    assert collapse(named_model("hopf"), np.array([0.9, 0.1]), 0.0, 0.3) is None
