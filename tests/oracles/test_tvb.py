"""TVB is TVB: without circuits a run is TVB's own, its models, monitors and fixed points."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq
from tvb.simulator import coupling, integrators, monitors, simulator
from tvb.simulator.models.wong_wang import ReducedWongWang
from tvb.simulator.models.wong_wang_exc_inh import ReducedWongWangExcInh

import cosim
from cosim.meanfield.connectome import load_connectome
from cosim.meanfield.models import MODELS
from cosim.meanfield.simulation import tvb_connectivity
from cosim.plan import plan

TWO, ONE = "reduced_wong_wang_exc_inh", "reduced_wong_wang"


def hagmann():
    return load_connectome("hagmann66", "none", 3.0, Path())


def tvb_run(model, initial, observers, duration_ms, a=1.0):
    """TVB's own simulator and model on Hagmann 66, per monitor (times, values)."""
    connectivity = tvb_connectivity(hagmann())
    connectivity.configure()
    connectivity.set_idelays(0.1)
    horizon = int(connectivity.idelays.max()) + 1
    tvb = simulator.Simulator(
        connectivity=connectivity,
        model=model,
        coupling=coupling.Linear(a=np.array([a])),
        integrator=integrators.HeunDeterministic(dt=0.1),
        monitors=observers,
        initial_conditions=np.tile(initial[None, ..., None], (horizon, 1, 1, 1)),
    )
    tvb.configure()
    # TVB counts the rows of the initial history as steps done; monitors would be shifted by them.
    tvb.current_step = 0
    return [(t, values[..., 0]) for t, values in tvb.run(simulation_length=duration_ms)]


@pytest.mark.parametrize("seed", range(3))
def test_two_state_equations_are_tvbs(seed):
    """Same operations in the same order: equal to the last bit."""
    rng = np.random.default_rng(seed)
    S, c = rng.uniform(0, 1, (2, 66, 1)), rng.uniform(0, 2, (1, 66, 1))
    values = {"G": rng.uniform(0.1, 2, 66), "J_i": rng.uniform(0.5, 2, 66), "lamda": [0.3]}
    ours, theirs = (
        MODELS[TWO].build(values),
        ReducedWongWangExcInh(**{name: np.asarray(value) for name, value in values.items()}),
    )
    ours.configure()
    theirs.configure()
    assert np.array_equal(ours.dfun(S, c), theirs.dfun(S, c))


def test_one_state_equations_are_tvbs_in_hertz():
    """TVB counts in kHz and ms: a, b / 1000, d, gamma x 1000 give the same derivative."""
    rng = np.random.default_rng(0)
    S, c = rng.uniform(0, 1, (1, 66, 1)), rng.uniform(0, 2, (1, 66, 1))
    ours = MODELS[ONE].build({"G": 1.0})
    theirs = ReducedWongWang(w=np.array([0.9]), I_o=np.array([0.3]))
    ours.configure()
    theirs.configure()
    np.testing.assert_allclose(ours.dfun(S, c), theirs.dfun(S, c), rtol=1e-13, atol=1e-16)


def test_two_state_run_with_monitors_is_tvbs():
    """Temporal average and BOLD of 5 s on Hagmann 66 with delays, to 1e-12."""
    experiment = cosim.Experiment(
        duration_ms=5000.0,
        brain=cosim.Brain(
            initial={"S_e": 0.3, "S_i": 0.1},
            monitors={
                "temporal_average": cosim.Monitor(period_ms=1.0),
                "bold": cosim.Monitor(period_ms=2000.0),
            },
        ),
    )
    ours = cosim.run(experiment).mean_field
    initial = np.stack([np.full(66, 0.3), np.full(66, 0.1)])
    observers = (monitors.TemporalAverage(period=1.0), monitors.Bold(period=2000.0))
    theirs = tvb_run(ReducedWongWangExcInh(G=np.array([0.2])), initial, observers, 5000.0)
    for name, (times, values) in zip(("temporal_average", "bold"), theirs, strict=True):
        got = ours[name].sel(variable=["S_e", "S_i"])
        np.testing.assert_allclose(got[f"time_{name}"], times, rtol=0, atol=1e-9)
        assert np.abs(got.values - values).max() <= 1e-12


def test_one_state_run_is_tvbs():
    """TVB's class has no G: it goes into the coupling's factor. 200 ms, to 1e-12."""
    experiment = cosim.Experiment(
        duration_ms=200.0,
        brain=cosim.Brain(
            model=ONE,
            parameters={"G": 0.5},
            initial={"S": 0.2},
            monitors={"raw": cosim.Monitor(period_ms=0.1)},
        ),
    )
    got = cosim.run(experiment).mean_field["raw"].sel(variable=["S"]).values
    model = ReducedWongWang(w=np.array([0.9]), I_o=np.array([0.3]))
    ((_, expected),) = tvb_run(model, np.full((1, 66), 0.2), (monitors.Raw(),), 200.0, a=0.5)
    # G multiplies the sum of float32 products in one and each state in the other: the history's
    # float32 rounding, 6e-8 relative, enters at the same place, so only rounding differs.
    assert np.abs(got - expected).max() <= 1e-12


def transfer_hz(current_nA, a, b, d):
    x = a * current_nA - b
    return x / (1 - np.exp(-d * x))


def rest_of_an_uncoupled_node():
    """S_e, S_i, R_e, R_i of Deco 2014's node by nested root finding, from the printed equations."""

    def inhibitory(S_e):
        return brentq(
            lambda S: -S / 10 + 1e-3 * transfer_hz(0.15 * S_e - S + 0.7 * 0.382, 615, 177, 0.087),
            0.0,
            1.0,
            xtol=1e-15,
        )

    def rate(S_e):
        return transfer_hz(1.4 * 0.15 * S_e - inhibitory(S_e) + 0.382, 310, 125, 0.16)

    S_e = brentq(lambda S: -S / 100 + (1 - S) * 0.641e-3 * rate(S), 0.05, 0.3, xtol=1e-15)
    S_i = inhibitory(S_e)
    return S_e, S_i, rate(S_e), S_i / 10 / 1e-3


def test_uncoupled_rest_is_the_root_of_the_printed_equations():
    S_e, S_i, R_e, R_i = rest_of_an_uncoupled_node()
    # The published operating point: S_E .1648, S_I .0392, R_E 3.08, R_I 3.92 Hz.
    assert (round(S_e, 4), round(S_i, 4)) == (0.1648, 0.0392)
    assert (round(R_e, 2), round(R_i, 2)) == (3.08, 3.92)
    found = plan(cosim.Experiment(brain=cosim.Brain(parameters={"G": 0.0})))
    np.testing.assert_allclose(found.initial, np.tile([[S_e], [S_i]], 66), atol=1e-12)
    np.testing.assert_allclose(found.initial_rates_hz, np.tile([[R_e], [R_i]], 66), atol=1e-9)


@pytest.mark.parametrize(("model", "G"), [(TWO, 0.2), (TWO, 0.1), (ONE, 0.5)])
def test_a_noise_free_run_stays_at_the_resting_state(model, G):
    """TVB keeps S in float32: 66 rounding errors of 3e-8 in c, times G J_N and the slope of H,
    move S by less than 1e-6 in 200 ms; a state that is not the fixed point moves by more."""
    experiment = cosim.Experiment(
        duration_ms=200.0,
        brain=cosim.Brain(
            model=model,
            parameters={"G": G},
            monitors={"subsample": cosim.Monitor(period_ms=10.0)},
        ),
    )
    gating = list(MODELS[model].gating)
    samples = cosim.run(experiment).mean_field["subsample"].sel(variable=gating).values
    assert np.abs(samples - plan(experiment).initial).max() < 1e-6


def test_rates_are_the_transfer_function_of_the_state_before_the_step():
    """R at sample n is H of S and the delayed coupling one step earlier (oracle: the formula)."""
    experiment = cosim.Experiment(
        duration_ms=1.0,
        brain=cosim.Brain(
            initial={"S_e": 0.2, "S_i": 0.05}, monitors={"raw": cosim.Monitor(period_ms=0.1)}
        ),
    )
    raw = cosim.run(experiment).mean_field["raw"]
    S = raw.sel(variable=["S_e", "S_i"]).values
    # Within the shortest delay every region still feels the initial 0.2 of all others.
    c = hagmann().weights.sum(axis=1) * 0.2
    before = np.concatenate([np.tile([[0.2], [0.05]], (1, 1, 66)), S[:-1]])
    current = 1.4 * 0.15 * before[:, 0] - before[:, 1] + 0.382 + 0.2 * 0.15 * c
    expected = transfer_hz(current, 310, 125, 0.16)
    np.testing.assert_allclose(raw.sel(variable="R_e").values, expected, rtol=1e-5)


def test_noise_has_the_standard_deviation_that_was_asked_for():
    """First-step increments: 66 regions x 100 steps; SD of an estimated SD is sigma/sqrt(2n)."""
    sigma = 0.003
    experiment = cosim.Experiment(
        duration_ms=10.0,
        brain=cosim.Brain(noise={"S_e": sigma}, monitors={"raw": cosim.Monitor(period_ms=0.1)}),
    )
    raw = cosim.run(experiment).mean_field["raw"]
    S_e = np.concatenate([plan(experiment).initial[None, 0], raw.sel(variable="S_e").values])
    increments = np.diff(S_e, axis=0) / np.sqrt(0.1)
    n = increments.size
    # The drift adds (dS/dt)^2 dt, below 1e-3 of the variance at these amplitudes.
    assert abs(increments.std() / sigma - 1) < 4 / np.sqrt(2 * n) + 1e-3
    assert raw.sel(variable="S_i").values.std(axis=0).max() < 1e-3 * 10
