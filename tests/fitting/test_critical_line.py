import numpy as np
import pytest
import torch

from fitting.bifurcation import bistable_boundary
from fitting.critical_line import critical_polynomial, slowest_g_EI
from fitting.errors import ConfigurationError
from fitting.models import named_model

TANH = named_model("reduced_wong_wang_tanh")


@pytest.mark.parametrize("g_EE", [0.4, 0.5, 0.6])
def test_the_slowest_region_lies_on_an_edge_of_the_bistable_band(g_EE):
    """At a fold the return rate is zero; the grid of g_EI is .01 wide."""
    grid = np.linspace(0.01, 1, 100)
    band = bistable_boundary(TANH, {"g_EE": torch.tensor(g_EE)})
    middle = len(band.g_IE) // 2
    found = slowest_g_EI(TANH, np.array([g_EE]), band.g_IE[[middle]], grid, {})
    edges = np.array([band.quiet_lost[middle], band.active_lost[middle]])
    assert np.nanmin(np.abs(edges - found)) <= 0.01


def test_the_polynomial_runs_through_the_line_where_there_is_no_band():
    """Quadratic in both; the line bends by less than .03 nA more where regions are critical."""
    c = critical_polynomial(TANH)
    g_EE, g_IE = np.array([0.3, 0.4, 0.4, 0.5]), np.array([1.0, 0.9, 1.3, 1.0])
    found = slowest_g_EI(TANH, g_EE, g_IE, np.linspace(0.01, 1, 100), {})
    assert np.abs(np.polynomial.polynomial.polyval2d(g_IE, g_EE, c) - found).max() < 0.03


def test_without_a_critical_region_the_prior_is_refused():
    """A background current of 1 nA holds every region in its active state."""
    with pytest.raises(ConfigurationError, match="bifurcation_prior to 0"):
        critical_polynomial(TANH, {"I_o": torch.tensor(1.0)})
