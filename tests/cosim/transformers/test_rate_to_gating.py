"""Gating variables follow their equation exactly: analytic solution, ODE solver, every window.

S_e and S_i are the excitatory (saturating) and inhibitory gates of Deco et al. (2014).
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cosim.transformers.rate_to_gating import RateToGating

DT_MS = 0.1
GATES = {
    "S_e": {"tau_ms": 100.0, "gamma": 0.641e-3, "saturating": True},
    "S_i": {"tau_ms": 10.0, "gamma": 1e-3, "saturating": False},
}


def gate(name, *initial, **changes):
    return RateToGating(**{**GATES[name], **changes}, initial=np.array(initial))


def derivative(S, rate_hz, tau_ms, gamma, saturating):
    """dS/dt of the mean field, written down once more for the solver."""
    return -S / tau_ms + ((1 - S) if saturating else 1.0) * gamma * rate_hz


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("rate_hz", [0.0, 0.1, 3.0, 80.0])
@pytest.mark.parametrize("initial", [0.0, 0.165, 0.9])
def test_a_constant_rate_gives_the_analytic_solution(name, rate_hz, initial):
    """S(t) = S_inf + (S_0 - S_inf) exp(-k t), k = 1/tau + gamma R or 1/tau, S_inf = gamma R / k.

    3000 steps multiply at most 3000 x 2 roundings of 1.1e-16: 7e-13; 1e-12 is asked.
    """
    parameters = GATES[name]
    gain = parameters["gamma"] * rate_hz
    k = 1 / parameters["tau_ms"] + (gain if parameters["saturating"] else 0.0)
    t_ms = (np.arange(3000) + 1) * DT_MS
    expected = gain / k + (initial - gain / k) * np.exp(-k * t_ms)
    S = gate(name, initial)(np.full((3000, 1), rate_hz), DT_MS)[:, 0]
    assert np.abs(S - expected).max() < 1e-12


@pytest.mark.parametrize("name", GATES)
def test_a_rate_that_changes_every_step_agrees_with_an_ode_solver(name):
    """DOP853, restarted at every jump, local error 1e-12: 200 steps leave less than 1e-9."""
    rates_hz = np.random.default_rng(1).exponential(20.0, 200)
    S, expected = 0.1, []
    for rate_hz in rates_hz:
        solution = solve_ivp(
            lambda _, y, r=rate_hz: derivative(y, r, **GATES[name]),
            (0.0, 1.0),
            [S],
            method="DOP853",
            rtol=1e-12,
            atol=1e-12,
        )
        S = solution.y[0, -1]
        expected.append(S)
    found = gate(name, 0.1)(rates_hz[:, None], 1.0)[:, 0]
    assert np.abs(found - expected).max() < 1e-9


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("window_steps", [1, 7, 50])
def test_the_window_does_not_change_a_single_bit(name, window_steps):
    rates_hz = np.random.default_rng(2).exponential(200.0, (350, 3))
    whole = gate(name, 0.1, 0.2, 0.3)(rates_hz, DT_MS)
    windowed = gate(name, 0.1, 0.2, 0.3)
    parts = [windowed(rates_hz[s : s + window_steps], DT_MS) for s in range(0, 350, window_steps)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_the_step_does_not_change_the_solution():
    """Exact for a constant rate: one step of 10 ms is 100 steps of 0.1 ms, to 100 roundings."""
    fine = gate("S_e", 0.1)(np.full((100, 1), 30.0), 0.1)[-1]
    coarse = gate("S_e", 0.1)(np.full((1, 1), 30.0), 10.0)[-1]
    assert abs(fine - coarse) < 100 * 2.3e-16


def test_an_excitatory_gate_stays_below_one_whatever_the_rate():
    S = gate("S_e", 0.1)(np.full((1000, 1), 1e6), DT_MS)
    assert S.max() < 1.0


def test_an_inhibitory_gate_is_clipped_at_one():
    """gamma R tau = 2 at 200 Hz: without the clip S_i would approach 2."""
    S = gate("S_i", 0.1)(np.full((1000, 1), 200.0), DT_MS)
    assert S.max() == 1.0


def test_a_clipped_gate_decays_from_one():
    """exp(-t/tau) from the clipped value, 100 steps of one rounding each."""
    clipped = gate("S_i", 0.1)
    clipped(np.full((1000, 1), 200.0), DT_MS)
    S = clipped(np.zeros((100, 1)), DT_MS)[-1]
    assert abs(S - np.exp(-1.0)) < 100 * 2.3e-16


def test_each_region_has_its_own_parameters():
    """Three regions at once give what each gives alone."""
    tau_ms, gamma = np.array([50.0, 100.0, 200.0]), np.array([5e-4, 6e-4, 7e-4])
    initial, rates_hz = np.array([0.1, 0.2, 0.3]), np.full((40, 3), [3.0, 10.0, 30.0])
    together = RateToGating(tau_ms, gamma, True, initial)(rates_hz, DT_MS)
    for n in range(3):
        alone = RateToGating(tau_ms[n], gamma[n], True, initial[n : n + 1])
        assert np.array_equal(alone(rates_hz[:, n : n + 1], DT_MS)[:, 0], together[:, n])


def test_the_resting_rate_of_the_model_holds_the_gate_at_rest():
    """S_e .1648 rests at R_e 3.08 Hz (PHYSICS section 1); both are rounded to three digits.

    S = gamma tau R / (1 + gamma tau R) = .16487; the rounding of R, .005 of 3.08, moves S by
    .005/3.08 x S (1 - S) = 2.2e-4.
    """
    S = gate("S_e", 0.1648)(np.full((20_000, 1), 3.08), DT_MS)
    assert abs(S[-1, 0] - 0.1648) < 2.2e-4


def test_the_callers_initial_values_are_left_alone():
    initial = np.array([0.5])
    RateToGating(100.0, 0.641e-3, True, initial)(np.zeros((10, 1)), DT_MS)
    assert initial[0] == 0.5


def test_no_region_gives_no_gate():
    assert gate("S_e")(np.empty((5, 0)), DT_MS).shape == (5, 0)
