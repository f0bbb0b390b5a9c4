"""Feedback inhibition control puts every region at the wanted rate, as TVB itself confirms."""

import numpy as np
import pytest
from scipy.optimize import fsolve

import cosim
from cosim.meanfield.connectome import load_connectome
from cosim.meanfield.feedback_inhibition import current_for_rate, inhibition_for_rate, transfer
from cosim.meanfield.models import model_family
from cosim.plan import plan


def brain(rate_hz=3.0, G=0.2, **changes):
    return cosim.Experiment(
        duration_ms=200.0,
        brain=cosim.Brain(parameters={"G": G}, fic={"rate_hz": rate_hz}, **changes),
    )


def test_the_current_of_deco_2014_rests_at_about_3_hz():
    """Deco et al. (2014): a current of b/a - .026 nA is a rate of 3.06 Hz."""
    assert transfer(125.0 / 310.0 - 0.026, 310.0, 125.0, 0.16) == pytest.approx(3.06, abs=5e-3)
    current = current_for_rate(3.0, 310.0, 125.0, 0.16)
    assert transfer(current, 310.0, 125.0, 0.16) == pytest.approx(3.0, rel=1e-12)


@pytest.mark.parametrize("rate_hz", [3.0, 5.0])
@pytest.mark.parametrize("G", [0.05, 0.2, 0.5])
def test_every_region_rests_at_the_rate(rate_hz, G):
    planned = plan(brain(rate_hz, G))
    np.testing.assert_allclose(planned.initial_rates_hz[0], rate_hz, rtol=0, atol=1e-6)
    # Regions differ in what reaches them, and so in their inhibition.
    assert np.ptp(planned.parameters["J_i"]) > 0.1 * G


def test_tvb_stays_at_the_rate():
    """200 ms of TVB's own integration from the planned start; float32 history moves R by 1e-5."""
    result = cosim.run(brain(monitors={"raw": cosim.Monitor(period_ms=0.1)}))
    R_e = result.mean_field["raw"].sel(variable="R_e").values
    np.testing.assert_allclose(R_e, 3.0, rtol=0, atol=1e-4)


def test_near_the_critical_coupling_the_other_branch_is_told_and_tvb_finds_it():
    """G 1. From its own start TVB's integration stays at 3 Hz; from S_e .9, 5 s later, it is where
    the notice says, to its three digits.
    """
    (notice,) = plan(brain(G=1.0)).notices
    assert "at 7.82 Hz on average (rISTC at 22.2 Hz)" in notice
    assert plan(brain(G=0.8)).notices == ()
    found = {}
    for start in (None, {"S_e": 0.9, "S_i": 0.05}):
        changes = {"dt_ms": 0.5, "monitors": {"raw": cosim.Monitor(period_ms=0.5)}}
        experiment = brain(G=1.0, initial=start, **changes)
        experiment = experiment.model_copy(update={"duration_ms": 5000.0})
        raw = cosim.run(experiment).mean_field["raw"].sel(variable="R_e")
        found[start is None] = raw.isel(time_raw=-1)
    np.testing.assert_allclose(found[True].values, 3.0, rtol=0, atol=1e-3)
    assert float(found[False].mean()) == pytest.approx(7.82, abs=0.01)
    assert float(found[False].sel(region="rISTC")) == pytest.approx(22.2, abs=0.1)


def test_a_ceiling_below_the_rate_at_rest_is_refused_before_the_run():
    with pytest.raises(cosim.CosimError, match=r"limits.rate_hz = 2: .* brain.fic.rate_hz = 3, so"):
        plan(brain().model_copy(update={"limits": cosim.Limits(rate_hz=2.0)}))
    plan(brain().model_copy(update={"limits": cosim.Limits(rate_hz=8.0)}))


def test_it_is_the_solution_of_the_equations_as_printed():
    """One uncoupled region, Deco's equations 5-10 solved for (S_E, S_I, J_i) by another solver."""
    model = model_family("reduced_wong_wang_exc_inh").build({"G": 0.0})
    model.configure()
    (J_i,) = inhibition_for_rate(model, np.zeros((1, 1)), 3.0, ("A",))

    def printed(unknown):
        S_E, S_I, J = unknown
        x_E = 310 * (0.382 + 1.4 * 0.15 * S_E - J * S_I) - 125
        x_I = 615 * (0.7 * 0.382 + 0.15 * S_E - S_I) - 177
        R_E, R_I = x_E / (1 - np.exp(-0.16 * x_E)), x_I / (1 - np.exp(-0.087 * x_I))
        return [-S_E / 100 + (1 - S_E) * 0.641e-3 * R_E, -S_I / 10 + 1e-3 * R_I, R_E - 3.0]

    S_E, _, J = fsolve(printed, [0.16, 0.04, 1.0], xtol=1e-14)
    assert J_i == pytest.approx(J, rel=1e-9)
    assert pytest.approx(0.161285, abs=1e-6) == S_E


def test_parameters_may_differ_from_region_to_region():
    connectome = load_connectome("hagmann66", "none", 3.0, None)
    w_p = np.linspace(1.2, 1.5, connectome.n_regions)
    planned = plan(
        cosim.Experiment(brain={"parameters": {"w_p": w_p.tolist()}, "fic": {"rate_hz": 4.0}})
    )
    np.testing.assert_allclose(planned.initial_rates_hz[0], 4.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("experiment", "said"),
    [
        (brain(60.0, G=0.0), r"66 of 66 regions .* less than no inhibition for it; lower the rate"),
        (brain(1e5), r"rate_hz = 100000: no current from -1 to 40 nA gives that rate"),
        (brain(G=6.0), r"rests at .* instead, .*; lower brain\.parameters\.G"),
        (
            cosim.Experiment(brain={"fic": {}, "parameters": {"J_i": 1.0}}),
            "fic sets J_i, and brain.parameters.J_i is given too",
        ),
        (
            cosim.Experiment(brain={"fic": {}, "model": "reduced_wong_wang"}),
            "solved for the model reduced_wong_wang_exc_inh, not reduced_wong_wang",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_line(experiment, said):
    with pytest.raises(cosim.CosimError, match=said):
        plan(experiment)
