import numpy as np
import pytest
import torch

from fitting.errors import ConfigurationError
from fitting.objective import (
    BoldAmplitude,
    FCCorrelation,
    FCDDistribution,
    FCMean,
    FCVariance,
    LaggedCovariance,
    MeanState,
    Objective,
    PowerSpectrum,
    Prediction,
    RestingState,
    StateEntropy,
    Target,
    detectable_correlation,
)
from fitting.priors import GainPrior, GaussianPrior, ParameterPrior
from fitting.signals import fcd_lower, fractional_change, lower

TR_S = 2.0


def series(seed=0, n_regions=5, n_trs=200):
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(n_trs)
    own = rng.standard_normal((n_regions, n_trs))
    return torch.as_tensor(own + common * np.arange(1, n_regions + 1)[:, None] / 3)


def prediction_of(bold, **more):
    return Prediction(fc=torch.corrcoef(bold), bold=bold, **more)


TARGET = Target.of_bold(series(0), TR_S)
TERMS = [
    FCCorrelation(),
    FCCorrelation(n_effective=100.0),
    FCMean(),
    FCVariance(),
    FCDDistribution(),
    BoldAmplitude(),
    PowerSpectrum(),
    LaggedCovariance(),
]


@pytest.mark.parametrize("term", [t for t in TERMS if t != FCCorrelation(n_effective=100.0)])
def test_a_perfect_prediction_costs_nothing(term):
    assert float(term(prediction_of(TARGET.bold), TARGET)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("term", TERMS)
def test_another_series_costs_more(term):
    assert float(term(prediction_of(3 * series(1)), TARGET)) > 1e-6


@pytest.mark.parametrize("term", TERMS)
def test_every_term_has_the_gradient_of_finite_differences(term):
    """gradcheck's central differences with eps 1e-6."""
    bold = series(2, n_regions=3, n_trs=80)
    target = Target.of_bold(series(3, n_regions=3, n_trs=80), TR_S)
    leaf = bold.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda b: term(prediction_of(b), target), (leaf,), atol=1e-6)


def test_opposite_fc_costs_more_than_unrelated_fc():
    fc = torch.corrcoef(series(0))
    opposite = Prediction(fc=2 * fc.mean() - fc)
    assert FCCorrelation()(opposite, TARGET) > FCCorrelation()(prediction_of(series(4)), TARGET)


def test_detectable_correlation_is_what_a_sample_of_that_size_reaches():
    """200 samples of n = 150 independent draws from the predicted correlation matrix: the mean r
    has an SD of about .03 / sqrt(200) = .002; the formula itself leaves out order 1/n, .007."""
    rng = np.random.default_rng(0)
    loads = rng.uniform(0.2, 0.9, (30, 1))
    fc = loads @ loads.T
    np.fill_diagonal(fc, 1.0)
    factor = np.linalg.cholesky(fc)
    rows = np.tril_indices(30, -1)
    reached = [
        np.corrcoef(np.corrcoef(factor @ rng.standard_normal((30, 150)))[rows], fc[rows])[0, 1]
        for _ in range(200)
    ]
    f = torch.as_tensor(fc[rows])
    assert float(detectable_correlation(f, f, 150.0)) == pytest.approx(np.mean(reached), abs=0.015)


def entropy_cost(states):
    return StateEntropy()(Prediction(fc=TARGET.fc, states=states), TARGET)


def test_entropy_is_largest_at_one_half_so_the_term_is_smallest_there():
    """E counts 1 and I one half: 1.5 log 2 where both are one half."""

    def cost(value):
        return float(entropy_cost(torch.full((4, 2, 5), value)))

    assert cost(0.5) == pytest.approx(-1.5 * np.log(2), rel=1e-6)
    assert cost(0.5) < cost(0.2) < cost(0.01) < 0


@pytest.mark.parametrize("value", [0.003, 0.2, 0.8, 0.997])
def test_descending_the_entropy_term_moves_states_away_from_0_and_1(value):
    """Central differences of step 1e-6: d/dx of x log x + (1 - x) log(1 - x) is log(x / (1 - x)),
    below zero for x < 1/2; the third derivative, 1/x^2 at most 1e5, times h^2 / 6 is 2e-8."""
    states = torch.full((3, 2, 4), value, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(entropy_cost(states), states)
    step = 1e-6 * torch.ones((), dtype=torch.float64)
    with torch.no_grad():
        numeric = (entropy_cost(states + step) - entropy_cost(states - step)) / (2 * step)
        moved = states - 1e-3 * slope
    assert float(slope.sum()) == pytest.approx(float(numeric), rel=1e-6)
    assert float(numeric) == pytest.approx(1.5 * np.log(value / (1 - value)), rel=1e-6)
    assert bool(((moved - 0.5).abs() < (states - 0.5).abs()).all())


def test_entropy_is_finite_with_its_gradient_at_the_edges():
    states = torch.tensor([[[0.0, 1.0, 0.3]] * 2], dtype=torch.float64, requires_grad=True)
    cost = entropy_cost(states)
    (slope,) = torch.autograd.grad(cost, states)
    assert bool(torch.isfinite(cost)) and bool(torch.isfinite(slope).all())


def test_entropy_of_a_model_with_other_variables_is_refused():
    with pytest.raises(ConfigurationError, match="set it to 0"):
        entropy_cost(torch.full((4, 3, 5), 0.5))


def test_resting_state_is_a_relative_distance():
    prediction = Prediction(fc=TARGET.fc, mean_state=torch.tensor([0.22, 0.04]))
    assert float(RestingState(0.2)(prediction, TARGET)) == pytest.approx(0.01, rel=1e-5)


def test_mean_state_needs_a_measured_one():
    prediction = Prediction(fc=TARGET.fc, mean_state=torch.tensor([0.2, 0.04]))
    with pytest.raises(ConfigurationError, match="measured mean states"):
        MeanState()(prediction, TARGET)


@pytest.mark.parametrize("term", [FCDDistribution(), PowerSpectrum(), LaggedCovariance()])
def test_a_term_without_its_input_names_the_cure(term):
    with pytest.raises(ConfigurationError, match="use schedule: windows or leave the term out"):
        term(Prediction(fc=TARGET.fc), TARGET)


def test_a_learned_spread_cannot_run_away():
    """At its mean the density grows as the spread shrinks, and the spread stops at its bound."""
    prior = GaussianPrior("g", 1.0, 0.1, 2.0, "u")

    def cost(u):
        quantities = {"g": torch.tensor(1.0), "u": torch.tensor(u)}
        return float(prior(Prediction(fc=TARGET.fc, parameters=quantities), TARGET))

    assert cost(-50.0) == pytest.approx(np.log(0.1), rel=1e-6)
    assert cost(-50.0) < cost(0.0)


def test_a_prior_without_spread_is_refused():
    with pytest.raises(ConfigurationError, match="0 < low <= high"):
        GaussianPrior("g", 1.0, 0.0, 1.0)


def test_gain_prior_counts_only_connections_that_exist():
    gains = torch.ones((3, 3), dtype=torch.float64)
    gains[0, 1] = gains[1, 0] = 100.0
    present = torch.ones((3, 3), dtype=torch.bool)
    present[0, 1] = present[1, 0] = False
    prediction = Prediction(fc=TARGET.fc, parameters={"log_gains": gains})
    assert float(GainPrior(present)(prediction, TARGET)) == pytest.approx(1.0)


def test_any_cost_of_parameters_may_be_a_prior():
    prediction = Prediction(fc=TARGET.fc, parameters={"g": torch.tensor(3.0)})
    assert float(ParameterPrior(lambda p: p["g"] ** 2)(prediction, TARGET)) == 9.0


def test_the_objective_logs_each_weighted_term_and_their_sum():
    objective = Objective({"a": (2.0, FCMean()), "b": (3.0, FCVariance()), "off": (0.0, FCMean())})
    total, logged = objective(prediction_of(series(1)), TARGET)
    assert set(logged) == {"a", "b", "total", "fc_r"}
    assert logged["a"] + logged["b"] == pytest.approx(logged["total"], rel=1e-12)
    assert float(total) == logged["total"]


def test_an_objective_without_terms_is_refused():
    with pytest.raises(ConfigurationError, match="no term with a weight"):
        Objective({"a": (0.0, FCMean())})(prediction_of(series(1)), TARGET)


def test_fcd_leaves_out_windows_that_overlap():
    """200 TRs, windows of 30 shifted by 5: 35 windows; pairs at least 6 shifts apart: 29*30/2."""
    assert fcd_lower(series(0), 30, 5).shape == (29 * 30 // 2,)


def test_scanner_units_become_a_fraction_of_the_baseline():
    fraction = fractional_change(1000 + 10 * series(0))
    assert torch.allclose(fraction, fractional_change(2000 + 20 * series(0)))
    assert float(fraction.std()) < 0.05


def test_a_demeaned_series_stays_as_it_is():
    bold = series(0) - series(0).mean(1, keepdim=True)
    assert torch.allclose(fractional_change(bold), bold)


def test_lower_triangle_has_every_pair_once():
    matrix = torch.arange(16.0).reshape(4, 4)
    assert lower(matrix).tolist() == [4, 8, 9, 12, 13, 14]
