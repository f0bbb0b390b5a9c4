"""One cell of the `wong_wang` circuit against formulas: threshold, gates, receptors, background."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cosim.spiking.circuits.wong_wang import wong_wang
from cosim.spiking.interpreter import load_mechanisms
from cosim.spiking.library import circuits

C, g_L, V_L, V_th, V_reset, t_ref = 0.5, 25.0, -70.0, -50.0, -55.0, 2.0  # nF, nS, mV, ms: E cells
AMPA, NMDA, GABA, NMDA_nA, GABA_nA = range(5)  # weights of a NetCon


@pytest.fixture(scope="module")
def h():
    from neuron import h

    load_mechanisms(circuits["wong_wang"].mechanisms)
    assert circuits["wong_wang"].build is wong_wang
    return h


@pytest.fixture
def make_cell(h):
    """A cell without background; what is not given is an E cell of the papers."""
    kept = []

    def make(**parameters):
        section = h.Section()
        cell = h.WongWangLIF(section(0.5))
        for name, value in parameters.items():
            setattr(cell, name, value)
        kept.append((section, cell))
        return cell

    return make


@pytest.fixture
def simulate(h):
    """Run for a time and return variables after every step."""

    def run(duration_ms, dt_ms, *pointers, events=()):
        h.dt = dt_ms
        vectors = [h.Vector().record(pointer) for pointer in pointers]
        context = h.ParallelContext()
        context.set_maxstep(10)
        h.finitialize(-65)
        for connection, times_ms in events:
            for time_ms in times_ms:
                connection.event(time_ms)
        context.psolve(duration_ms)
        return [np.array(vector)[1:] for vector in vectors]

    return run


def connect(h, cell, receptor, weight):
    connection = h.NetCon(None, cell)
    connection.delay = 0.0
    connection.weight[receptor] = weight
    return connection


# -- membrane -------------------------------------------------------------------------------


@pytest.mark.parametrize("dt_ms", [0.1, 0.025])
@pytest.mark.parametrize("current_nA", [0.51, 0.6, 0.9, 2.0])
def test_constant_current_gives_the_intervals_of_the_formula(
    make_cell, simulate, current_nA, dt_ms
):
    """t_ref + tau log((V_inf - V_reset) / (V_inf - V_th)), rounded up to the grid: exactly."""
    cell = make_cell(I_0=current_nA)
    (spike,) = simulate(1000.0, dt_ms, cell._ref_spike)
    tau_ms, V_inf = 1e3 * C / g_L, V_L + 1e3 * current_nA / g_L
    rise_ms = tau_ms * math.log((V_inf - V_reset) / (V_inf - V_th))
    intervals = np.diff(np.flatnonzero(spike))
    assert intervals.size > 10
    assert set(intervals.tolist()) == {round(t_ref / dt_ms) + math.ceil(rise_ms / dt_ms)}


def test_no_spike_below_the_rheobase(make_cell, simulate):
    """g_L (V_th - V_L) = 0.5 nA; 0.499 nA settles at 19.96 mV above rest, whatever the step."""
    cell = make_cell(I_0=0.499)
    spike, V = simulate(1000.0, 0.1, cell._ref_spike, cell._ref_V)
    assert not spike.any()
    assert V[-1] == pytest.approx(V_L + 499.0 / g_L, abs=1e-9)


def test_the_potential_is_held_after_a_spike(make_cell, simulate):
    cell = make_cell(I_0=2.0, t_ref=3.0)
    spike, V = simulate(50.0, 0.1, cell._ref_spike, cell._ref_V)
    first = int(np.flatnonzero(spike)[0])
    assert set(V[first : first + 31].tolist()) == {V_reset}
    assert V[first + 31] > V_reset


# -- receptors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("receptor", "weight", "tau_ms", "E_mV", "jump"),
    [
        (AMPA, 0.004, 2.0, 0.0, 1.0),
        (NMDA, 0.02, 100.0, 0.0, 0.641),
        (GABA, 0.01, 10.0, -70.0, 1.0),
        (NMDA_nA, 0.05, 100.0, None, 0.641),
        (GABA_nA, 0.1, 10.0, None, -1.0),
    ],
)
def test_a_receptor_moves_the_potential_as_the_equation_says(
    h, make_cell, simulate, receptor, weight, tau_ms, E_mV, jump
):
    """One spike, against SciPy; the step, of first order in a gate's decay, is .01 ms here.

    Half a step of it is .0025 (AMPA) to .00005 (NMDA) of a response of up to 3 mV: under .01 mV.
    """
    cell = make_cell(I_0=0.3, V_th=0.0)  # rests at -58 mV, where inhibition shows
    connection = connect(h, cell, receptor, weight)
    (V,) = simulate(400.0, 0.01, cell._ref_V, events=[(connection, [300.0])])
    resting = V_L + 300.0 / g_L
    assert V[29_998] == pytest.approx(resting, abs=1e-4)

    def slope(t, V):
        gate = weight * jump * math.exp(-(t - 300.0) / tau_ms)
        block = 1 / (1 + math.exp(-0.062 * V[0]) / 3.57) if receptor == NMDA else 1.0
        current = gate if E_mV is None else gate * block * (E_mV - V[0])  # nA
        return [(1e-3 * g_L * (V_L - V[0]) + 0.3 + current) / C]

    times = 0.01 * np.arange(30_000, 40_001)
    solved = solve_ivp(slope, (300.0, 400.0), [resting], t_eval=times, rtol=1e-9, atol=1e-9)
    assert np.abs(solved.y[0] - resting).max() > 0.5
    np.testing.assert_allclose(V[29_999:40_000], solved.y[0], atol=0.01)


@pytest.mark.parametrize("weight_uS", [1.0, 10.0, 1e4])
def test_a_huge_conductance_is_stable(h, make_cell, simulate, weight_uS):
    """1e7 nS is 2000 per ms and step: V goes to the reversal potential and not past it."""
    cell = make_cell(V_th=10.0)
    connection = connect(h, cell, AMPA, weight_uS)
    (V,) = simulate(30.0, 0.1, cell._ref_V, events=[(connection, [5.0])])
    assert V.min() >= -70.0
    assert -10.0 < V.max() <= 0.0


# -- NMDA gates -----------------------------------------------------------------------------


def test_the_sum_of_gates_is_that_of_every_presynaptic_cell_alone(h, make_cell, simulate):
    """Four cells, of unequal weight, each with its own train; s by the closed formula of each."""
    cell = make_cell()
    rng = np.random.default_rng(1)
    trains = [np.unique(rng.integers(1, 9999, n)) for n in (40, 15, 3, 200)]
    weights = (0.01, 0.02, 0.05, 0.003)
    # NEURON delivers what falls into the first half of a step before that step.
    events = [
        (connect(h, cell, NMDA_nA, weight), (train * 0.1 + 0.02).tolist())
        for train, weight in zip(trains, weights, strict=True)
    ]
    (i_exc,) = simulate(1000.0, 0.1, cell._ref_i_exc, events=events)
    expected = np.zeros(10_000)
    for train, weight in zip(trains, weights, strict=True):
        s, last, jump = 0.0, 0, np.zeros(10_000)
        for step in train.tolist():
            s *= math.exp(-0.1 * (step - last) / 100.0)
            jump[step] = 0.641 * (1 - s)
            s, last = s + jump[step], step
        total = 0.0
        for step in range(10_000):
            total = (total + jump[step]) * math.exp(-0.1 / 100.0)
            expected[step] += weight * total
    np.testing.assert_allclose(i_exc, expected, rtol=1e-9)


@pytest.mark.parametrize("rate_hz", [3.08, 16.0, 60.0])
def test_the_mean_gate_of_poisson_trains_is_the_mean_fields_S(h, make_cell, simulate, rate_hz):
    """dS/dt = -S / tau + (1 - S) gamma R from S = 0, with 600 trains of one cell each.

    A gate's second moment obeys d<s2>/dt = -2 <s2> / tau + R (g2 + 2 g (1 - g) <s> +
    ((1 - g)2 - 1) <s2>), g = .641: its stationary variance over 600 is the square of the standard
    error at one time. Compared are 20 times; 4.5 errors at each, where chance exceeds one in
    7000 of 60.
    """
    n_trains, R, tau, g = 600, rate_hz * 1e-3, 100.0, 0.641
    cell = make_cell()
    rng = np.random.default_rng(2)
    events = [
        (
            connect(h, cell, NMDA_nA, 1.0 / n_trains),
            np.sort(rng.random(rng.poisson(R * 500.0)) * 500.0).tolist(),
        )
        for _ in range(n_trains)
    ]
    (i_exc,) = simulate(500.0, 0.1, cell._ref_i_exc, events=events)
    S_inf = g * R * tau / (1 + g * R * tau)
    second = R * (g**2 + 2 * g * (1 - g) * S_inf) / (2 / tau + R * (1 - (1 - g) ** 2))
    error = math.sqrt((second - S_inf**2) / n_trains)
    times = np.arange(25.0, 500.1, 25.0)
    S = S_inf * (1 - np.exp(-times * (1 / tau + g * R)))
    found = i_exc[np.rint(times / 0.1).astype(int) - 1]
    assert np.abs(found - S).max() < 4.5 * error
    assert 4.5 * error < 0.25 * S_inf


def test_the_networks_own_gates_start_where_they_are_told(h, make_cell, simulate):
    """Own connections at s_nmda_0 and s_gaba_0, all others closed."""
    cell = make_cell(s_nmda_0=0.2, s_gaba_0=0.05)
    own = [connect(h, cell, NMDA_nA, 0.01), connect(h, cell, NMDA_nA, 0.03)]
    others = [connect(h, cell, receptor, 0.5) for receptor in (AMPA, NMDA, GABA)]
    inhibiting = connect(h, cell, GABA_nA, 0.4)
    for _ in range(2):  # and at every initialisation anew
        simulate(0.0, 0.1)
        assert cell.i_exc == pytest.approx(0.04 * 0.2, rel=1e-12)
        assert cell.i_inh == pytest.approx(0.4 * 0.05, rel=1e-12)
        assert (cell.g_ampa, cell.g_nmda, cell.g_gaba) == (0.0, 0.0, 0.0)
        simulate(5.0, 0.1, events=[(own[0], [1.0])])
    assert len(others) == 3
    assert inhibiting.weight[GABA_nA] == 0.4


# -- background -----------------------------------------------------------------------------


def counts(x, dt_ms, tau_ms=2.0):
    """Background spikes in each step but the first, from the gate that they move."""
    decay = math.exp(-dt_ms / tau_ms)
    n = (x[1:] - decay * x[:-1]) / ((1 - decay) * tau_ms / dt_ms)
    assert np.abs(n - np.rint(n)).max() < 1e-9
    return np.rint(n).astype(int)


@pytest.mark.parametrize("dt_ms", [0.1, 0.05, 0.025])
def test_background_has_mean_and_variance_of_shot_noise(make_cell, simulate, dt_ms):
    """Campbell: mean nu tau, variance nu tau / 2, tau 2 ms, for every step.

    Over T = 100 s the mean has the standard error sqrt(nu tau / 2 * 2 tau / T), .0086; the
    variance, with excess kurtosis 1 / (nu tau), the relative error
    sqrt((1 + 1 / (nu tau)) 2 tau / T), .0072 . The step takes (dt / tau)^2 / 12 of it, < .0003.
    """
    nu, tau, T = 1.8719, 2.0, 100_000.0
    cell = make_cell(nu_bg=nu, gid=5, seed=8)
    (x,) = simulate(T, dt_ms, cell._ref_x)
    mean_error = math.sqrt(nu * tau / 2 * 2 * tau / T)
    assert abs(x.mean() - nu * tau) < 4 * mean_error
    variance_error = math.sqrt((1 + 1 / (nu * tau)) * 2 * tau / T)
    assert abs(x.var() / (nu * tau / 2) - 1) < 4 * variance_error + 0.0003


@pytest.mark.parametrize("rate_kHz", [0.2, 1.8719, 40.0, 3000.0])
def test_background_counts_are_poisson(make_cell, simulate, rate_kHz):
    """Mean, Fano factor and correlation of neighbours of 200,000 counts, and their distribution.

    Standard errors sqrt(m / N), sqrt((2 + 1 / m) / N), 1 / sqrt(N); chi-square by its 1e-4 point.
    """
    from scipy.stats import chi2
    from scipy.stats import poisson as poisson_law

    n_steps = 200_000
    cell = make_cell(nu_bg=rate_kHz, gid=1, seed=3_000_000_000)
    (x,) = simulate((n_steps + 1) * 0.1, 0.1, cell._ref_x)
    n, m = counts(x, 0.1), rate_kHz * 0.1
    assert abs(n.mean() - m) < 4 * math.sqrt(m / n.size)
    assert abs(n.var() / n.mean() - 1) < 4 * math.sqrt((2 + 1 / m) / n.size)
    assert abs(np.corrcoef(n[1:], n[:-1])[0, 1]) < 4 / math.sqrt(n.size)
    expected = poisson_law.pmf(np.arange(n.max() + 1), m) * n.size
    common = expected > 20
    found = np.bincount(n)[common]
    statistic = ((found - expected[common]) ** 2 / expected[common]).sum()
    assert statistic < chi2.ppf(1 - 1e-4, common.sum())


def test_every_cell_and_seed_has_a_stream_of_its_own(make_cell, simulate):
    """The same (gid, seed) is the same stream, again after initialisation, and no other is.

    Correlation of 20,000 counts of any two streams: 4 / sqrt(20,000).
    """
    keys = [(0, 0), (1, 0), (0, 1), (1, 4_294_967_295), (1, 0)]
    cells = [make_cell(nu_bg=1.8719, gid=gid, seed=seed) for gid, seed in keys]
    pointers = [cell._ref_x for cell in cells]
    streams = simulate(2000.0, 0.1, *pointers)
    again = simulate(2000.0, 0.1, *pointers)
    np.testing.assert_array_equal(streams, again)
    np.testing.assert_array_equal(streams[1], streams[4])
    n = [counts(x, 0.1) for x in streams[:4]]
    between = np.corrcoef(n)[np.triu_indices(4, 1)]
    assert np.abs(between).max() < 4 / math.sqrt(n[0].size)


@pytest.mark.parametrize(
    ("bend", "I_held", "rate_kHz"),
    [(0.0, 0.0, 2.0), (2.0, 0.0, 2.5), (2.0, 0.125, 2.25), (2.0, 0.25, 2.0), (2.0, 0.5, 2.0)],
)
def test_coupling_current_adds_to_the_rate(make_cell, simulate, bend, I_held, rate_kHz):
    """4 kHz/nA times 0.25 nA are 1 kHz, and 1.5 kHz with 2 * 0.25 more; number by number.

    The bend is of what inhibition does not hold back: with half of it held, 2 * 0.125 more.
    """
    one = make_cell(nu_bg=1.0, I_c=0.25, kappa=4.0, bend=bend, I_held=I_held, gid=2)
    other = make_cell(nu_bg=rate_kHz, gid=2)
    silent = make_cell(nu_bg=1.0, I_c=-1.0, kappa=4.0, bend=bend, gid=2)  # below zero is none
    x_one, x_other, x_silent = simulate(200.0, 0.1, one._ref_x, other._ref_x, silent._ref_x)
    np.testing.assert_array_equal(counts(x_one, 0.1), counts(x_other, 0.1))
    assert counts(x_one, 0.1).sum() > 300
    assert not counts(x_silent, 0.1).any()


def test_a_rate_that_cannot_be_drawn_stops_the_run(make_cell, simulate, capfd):
    """Inversion needs exp(-rate dt) > 0; it ends at 500 spikes in a step."""
    make_cell(nu_bg=5001.0)
    with pytest.raises(RuntimeError):
        simulate(1.0, 0.1)
    assert "more than 500 background spikes in a step" in capfd.readouterr().err
