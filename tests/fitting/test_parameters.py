"""Transforms between free numbers and bounded parameters."""

import pytest
import torch

from fitting.errors import ConfigurationError
from fitting.models import model_names, named_model
from fitting.parameters import Interval, Positive, standard_error

TRANSFORMS = [Interval("g", 0.05, 20.0), Interval("lambda", -1.0, 1.0), Positive("sigma")]
FREE = torch.linspace(-6, 6, 13, dtype=torch.float64)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_free_undoes_value(transform):
    """At |u| = 6 the distance to a bound is 1/400 of the interval: 400 ulp of it in u."""
    torch.testing.assert_close(transform.free(transform.value(FREE)), FREE, rtol=0, atol=1e-12)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_log_slope_is_that_of_autograd(transform):
    u = FREE.clone().requires_grad_()
    (slope,) = torch.autograd.grad(transform.value(u).sum(), u)
    torch.testing.assert_close(transform.log_slope(FREE), torch.log(slope), rtol=0, atol=1e-12)


def test_values_stay_inside_however_far_the_optimiser_goes():
    bounded = Interval("g", 0.05, 20.0)
    values = bounded.value(torch.tensor([-30.0, 30.0]).double())
    assert ((values > 0.05) & (values < 20)).all()


@pytest.mark.parametrize("name", model_names())
def test_every_parameter_of_a_model_has_an_interval(name):
    for spec in named_model(name).parameters:
        bounded = Interval.of(spec)
        middle = torch.tensor((spec.lower + spec.upper) / 2, dtype=torch.float64)
        assert float(bounded.free(middle)) == pytest.approx(0, abs=1e-12)


def test_standard_error_is_carried_by_the_slope():
    u, error = torch.tensor(0.3).double(), torch.tensor(0.1).double()
    scale = Positive("g")
    assert float(standard_error(scale, u, error)) == pytest.approx(0.1 * float(torch.exp(u)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Interval("g", 1.0, 1.0), "g has bounds 1 to 1"),
        (lambda: Interval("g", 0.0, float("inf")), "g has bounds 0 to inf"),
        (lambda: Interval("g", 0.0, 1.0).free(torch.tensor([0.5, 1.0])), "g = 1 is not inside"),
        (lambda: Positive("g").free(torch.tensor(0.0)), "g = 0 has no logarithm"),
    ],
)
def test_what_has_no_free_number_is_refused(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()
