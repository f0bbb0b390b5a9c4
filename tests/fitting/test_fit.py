"""The schedules on a small made-up subject: seconds, not science."""

import numpy as np
import pytest
import torch

from fitting.config import check_fit_file
from fitting.dataset import make_subject
from fitting.errors import ConfigurationError, DivergenceError
from fitting.evaluation import SimulationSettings, evaluate
from fitting.fit import _Job, fit_subject, floored
from fitting.linear_noise_schedule import LinearPrediction
from fitting.objective import Prediction
from fitting.windows_objective import window_terms

N = 8


def made_up(seed=0, n_trs=240):
    """Regions on a ring, BOLD with the correlations of neighbours."""
    rng = np.random.default_rng(seed)
    distance = np.abs(np.arange(N)[:, None] - np.arange(N))
    distance = np.minimum(distance, N - distance)
    weights = np.exp(-distance.astype(float)) * rng.uniform(0.5, 2, (N, N))
    weights = weights + weights.T
    np.fill_diagonal(weights, 0)
    factor = np.linalg.cholesky(np.exp(-distance / 2.0) + 0.3 * np.eye(N))
    bold = 1000 + 5 * factor @ rng.standard_normal((N, n_trs))
    return make_subject("ring", weights, {"rest": bold}, 2.0)


SUBJECT = made_up()
BOLD = SUBJECT.scans["rest"]


def settings(**changes):
    base = {
        "subject": "ring/0",
        "linear_noise": {"steps": 120},
        "windows": {"window_s": 40.0, "epochs": 1, "dt_ms": 5.0},
        "refinement": {"window_s": 40.0, "epochs": 1, "dt_ms": 5.0},
        "simulation": {"minutes": 4.0, "settle_s": 10.0, "seeds": [1], "dt_ms": 5.0},
    }
    return check_fit_file(base | changes)


def test_the_default_schedule_fits_the_training_fc():
    outcome = fit_subject(settings(), SUBJECT, BOLD)
    assert outcome.history[-1]["fc_r"] > 0.9
    assert outcome.history[-1]["total"] < outcome.history[0]["total"]
    assert outcome.cpu_seconds > 0


def test_the_untransformed_model_is_fitted_by_the_same_schedule():
    outcome = fit_subject(settings(model="reduced_wong_wang_exc_inh"), SUBJECT, BOLD)
    assert outcome.history[-1]["fc_r"] > 0.9


def test_a_known_connectome_gives_back_the_coupling_behind_an_fc():
    """BOLD whose sample FC is exactly the linear prediction's at g = .8; nothing but the stop of
    the descent, at a step of 1e-3, stands between."""
    chosen = settings(fit={"connectome": False}, linear_noise={"steps": 300})
    truth = _Job(chosen, SUBJECT, BOLD, None, None, None, []).resting_network()
    truth.free["log_g"].fill_(np.log(0.8))
    fc = LinearPrediction(truth, 480.0)().fc.numpy()
    noise = np.random.default_rng(0).standard_normal((240, N))
    rows = np.linalg.qr(noise - noise.mean(0))[0].T
    rows -= rows.mean(1, keepdims=True)
    fitted = fit_subject(chosen, SUBJECT, np.linalg.cholesky(fc) @ rows).network
    assert float(torch.exp(fitted.free["log_g"])) == pytest.approx(0.8, rel=2e-3)


def test_lbfgs_gets_there_in_fewer_steps():
    section = {"steps": 25, "optimiser": "lbfgs", "learning_rate": 1.0}
    outcome = fit_subject(settings(linear_noise=section), SUBJECT, BOLD)
    assert outcome.history[-1]["fc_r"] > 0.9


def test_the_scan_leaves_the_fit_at_its_best_coupling():
    outcome = fit_subject(settings(linear_noise={"steps": 1, "start_jitter": 0.0}), SUBJECT, BOLD)
    best = min(outcome.scan, key=lambda point: point.loss)
    assert len(outcome.scan) == 15
    assert outcome.history[0]["g"] == pytest.approx(best.g, rel=1e-12)


def test_the_same_seed_gives_the_same_fit_bit_for_bit():
    first = fit_subject(settings(), SUBJECT, BOLD).network
    second = fit_subject(settings(), SUBJECT, BOLD).network
    assert all(torch.equal(first.free[name], second.free[name]) for name in first.free)


def test_another_seed_starts_elsewhere():
    few = {"steps": 2}
    first = fit_subject(settings(linear_noise=few), SUBJECT, BOLD).network
    second = fit_subject(settings(linear_noise=few, seed=1), SUBJECT, BOLD).network
    assert not torch.equal(first.free["log_gains"], second.free["log_gains"])


def test_a_fixed_connectome_stays_as_measured():
    network = fit_subject(settings(fit={"connectome": False}), SUBJECT, BOLD).network
    assert set(network.free) == {"log_g", "log_kappa"}
    assert torch.equal(network.weights(), network.connectome.prior)


@pytest.mark.parametrize("schedule", ["linear_noise", "windows", "linear_noise_then_windows"])
def test_an_interrupted_fit_continues_bit_for_bit(tmp_path, schedule):
    chosen = settings(schedule=schedule, windows={"window_s": 40.0, "epochs": 1, "dt_ms": 5.0})
    whole = fit_subject(chosen, SUBJECT, BOLD).network
    fit_subject(chosen, SUBJECT, BOLD, tmp_path, stop_after=3)
    resumed = fit_subject(chosen, SUBJECT, BOLD, tmp_path).network
    if schedule != "linear_noise_then_windows":
        assert all(torch.equal(whole.free[name], resumed.free[name]) for name in whole.free)
    again = fit_subject(chosen, SUBJECT, BOLD, tmp_path).network
    assert all(torch.equal(again.free[name], resumed.free[name]) for name in resumed.free)


def test_a_finished_fit_that_is_read_again_keeps_its_cost(tmp_path):
    first = fit_subject(settings(), SUBJECT, BOLD, tmp_path)
    again = fit_subject(settings(), SUBJECT, BOLD, tmp_path)
    # the scan that precedes the descent is not in the checkpoint, and is done again
    assert again.cpu_seconds > 0.7 * first.cpu_seconds
    assert again.history == first.history


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    fit_subject(settings(linear_noise={"steps": 2}), SUBJECT, BOLD, tmp_path)
    with pytest.raises(ConfigurationError, match="another fit"):
        fit_subject(settings(linear_noise={"steps": 2}), SUBJECT, BOLD * 2, tmp_path)


def test_windows_vary_the_published_parameters_within_their_bounds():
    outcome = fit_subject(settings(schedule="windows"), SUBJECT, BOLD)
    specs = {spec.name: spec for spec in outcome.network.model.parameters}
    fitted = outcome.network.parameters()
    assert set(fitted) == {"g", "g_EE", "g_IE", "g_EI"}
    for name, value in fitted.items():
        assert specs[name].lower < float(value) < specs[name].upper
    assert {"fc_correlation", "state_entropy", "prior_g", "g_IE"} <= set(outcome.history[0])
    assert len(outcome.history) == 240 // 20


def test_a_refinement_that_harms_gives_back_what_it_started_from():
    """Steps of 1 in every log gain spoil the FC; the start is the best look."""
    section = {"window_s": 40.0, "epochs": 2, "learning_rate": 1.0}
    chosen = settings(schedule="linear_noise_then_windows", refinement=section)
    start = fit_subject(settings(), SUBJECT, BOLD).network
    refined = fit_subject(chosen, SUBJECT, BOLD)
    assert all(torch.equal(start.free[name], refined.network.free[name]) for name in start.free)
    assert {"fc_mean", "fc_variance"} <= set(refined.history[-1])


def test_a_refinement_is_no_worse_than_its_start_on_its_own_noise():
    """The linear fit is stopped early, so that there is something to gain."""
    few = {"steps": 3}
    section = {"window_s": 40.0, "epochs": 4, "learning_rate": 0.05}
    chosen = settings(schedule="linear_noise_then_windows", linear_noise=few, refinement=section)
    job = _Job(chosen, SUBJECT, BOLD, None, None, None, [])
    start = fit_subject(settings(linear_noise=few), SUBJECT, BOLD).network
    refined = fit_subject(chosen, SUBJECT, BOLD).network
    before, after = (
        job.window_loss(chosen.refinement, network)[0].held_out() for network in (start, refined)
    )
    assert after > before


def test_the_bifurcation_prior_has_a_gradient_on_both_sides_of_the_critical_line():
    """Also in the active state, where FC has none."""
    network = fit_subject(settings(schedule="windows"), SUBJECT, BOLD).network
    terms = window_terms(check_fit_file({"subject": "a/0", "schedule": "windows"}).windows, network)
    weight, prior = terms["bifurcation_prior"]
    assert weight == 5.0

    def cost(g_EI):
        at = {"g_EE": 0.4, "g_IE": 1.0, "g_EI": g_EI}
        quantities = {k: torch.tensor(v, dtype=torch.float64) for k, v in at.items()}
        return float(prior(Prediction(fc=torch.eye(2), parameters=quantities), None))

    # critical at g_EE .4, g_IE 1: g_EI .28; the region is active below and quiet above
    assert cost(0.1) > cost(0.2) > cost(0.28) < cost(0.4)


def test_windows_fit_another_model():
    """Hopf, which has other parameters and no operating point; 20 s of BOLD, eager."""
    short = make_subject("ring", SUBJECT.weights, {"rest": BOLD[:, :40]}, 0.5)
    chosen = settings(
        model="hopf",
        schedule="windows",
        windows={"window_s": 10, "dt_ms": 10, "epochs": 1, "free": ["g"]}
        | {"state_entropy": 0, "bifurcation_prior": 0},
    )
    outcome = fit_subject(chosen, short, short.scans["rest"])
    assert set(outcome.network.parameters()) == {"g"}


def test_a_model_without_an_operating_point_is_sent_to_windows():
    with pytest.raises(ConfigurationError, match="schedule: windows"):
        fit_subject(settings(model="hopf"), SUBJECT, BOLD)


def test_held_out_data_stop_a_fit_early():
    """The held-out end is noise: what is learned from the rest does not help."""
    chosen = settings(linear_noise={"steps": 400, "held_out": 0.3, "patience": 2})
    bold = BOLD.copy()
    bold[:, 168:] = np.random.default_rng(3).standard_normal((N, 72))
    outcome = fit_subject(chosen, SUBJECT, bold)
    assert len(outcome.history) < 400
    assert any("held_out" in entry for entry in outcome.history)


def test_weights_are_scaled_before_their_logarithm():
    """log(1 + 1) = .693 and log(1 + .5) = .405 for the largest weight and its half."""
    network = fit_subject(settings(fit={"connectome": False}), SUBJECT, BOLD).network
    scaled = np.log1p(SUBJECT.weights / SUBJECT.weights.max())
    expected = scaled / np.linalg.norm(scaled)
    assert np.allclose(network.connectome.prior.numpy(), expected, rtol=1e-12, atol=0)


def test_a_learning_rate_beyond_reason_diverges_with_a_cure(tmp_path):
    chosen = settings(linear_noise={"steps": 200, "learning_rate": 1e4})
    with pytest.raises(DivergenceError, match="learning_rate"):
        fit_subject(chosen, SUBJECT, BOLD, tmp_path)


def test_progress_is_told_stage_and_step():
    seen = []
    fit_subject(
        settings(linear_noise={"steps": 3}),
        SUBJECT,
        BOLD,
        progress=lambda stage, step, steps, terms: seen.append((stage, step, steps)),
    )
    assert seen == [("linear_noise", k, 3) for k in (1, 2, 3)]


def test_the_floor_touches_only_what_lies_below_it():
    weights = np.array([[0.0, 0.0, 9.0], [0.0, 0.0, 99.0], [9.0, 99.0, 0.0]])
    raised = floored(weights, 0.1)
    assert np.array_equal(raised[2], weights[2])
    expected = 0.1 * np.log1p([9.0, 9.0, 99.0, 99.0]).mean()
    assert raised[0, 1] == pytest.approx(np.expm1(expected))
    assert not np.diag(raised).any()


def test_the_fitted_network_does_not_fall_silent():
    """The mean gating stays within 30 % of its resting value; silence is 20 % of it."""
    network = fit_subject(settings(), SUBJECT, BOLD).network
    seen = evaluate(network, 2.0, SimulationSettings(4.0, 10.0, (1, 2), 5.0))
    assert seen.fc.shape == (2, N, N)
    assert seen.mean_state[0] == pytest.approx(float(network.rest()[0, 0]), rel=0.3)


def test_evaluation_depends_on_its_noise_seed_alone():
    network = fit_subject(settings(linear_noise={"steps": 2}), SUBJECT, BOLD).network
    both = evaluate(network, 2.0, SimulationSettings(2.0, 10.0, (5, 6), 5.0))
    alone = evaluate(network, 2.0, SimulationSettings(2.0, 10.0, (6,), 5.0))
    assert np.allclose(both.fc[1], alone.fc[0], atol=1e-4)
    assert not np.allclose(both.fc[0], both.fc[1], atol=1e-2)
