"""The `wong_wang` circuit as a network: what is built, and (slow) that it is its mean field."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import fsolve

from cosim.errors import ConfigurationError
from cosim.spiking.compose import compose

SMALL = {
    "n_excitatory": 40,
    "n_inhibitory": 10,
    "in_degree_excitatory": 8,
    "in_degree_inhibitory": 4,
}


def lif(engine, gid):
    """The point process of a cell."""
    return engine.network.cells[gid].secs["soma"]["pointps"]["lif"]["hObj"]


# -- what is built --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_excitatory": 1}, r"n_excitatory = 1 is not a whole number >= 2"),
        ({"n_inhibitory": 2.5}, r"n_inhibitory = 2.5 is not a whole number"),
        ({"in_degree_excitatory": 0}, r"in_degree_excitatory = 0 is not a whole number >= 1"),
        ({"in_degree_inhibitory": 100}, r"in_degree_inhibitory = 100 is not below n_inhibitory"),
        ({"J_i": -1.0}, r"J_i = -1.0 is not a finite number >= 0"),
        ({"J_i": "1"}, r"J_i = '1' is not a finite number"),
        ({"I_o": math.nan}, r"I_o = nan is not a finite number; give one"),
        ({"delay_ms": 0.05}, r"delay_ms = 0.05 is not a finite number >= 0.1"),
        ({"S_E_start": 1.5}, r"S_E_start = 1.5 is not a finite number from 0 to 1"),
        ({"j_i": 1.0}, r"Unknown parameter of circuit 'wong_wang': 'j_i'.*Did you mean 'J_i'"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(load, parameters, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        load("wong_wang", **parameters)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_said_at_once(load):
    with pytest.raises(ConfigurationError) as caught:
        load("wong_wang", n_excitatory=1, J_N=-1.0, delay_ms=0.0)
    assert len(caught.value.problems) == 3


def test_cells_can_receive_on_each_of_their_receptors(load, in_regions):
    composition = compose(in_regions(load("wong_wang"), "r1", "r2"))
    for population in ("r1.E", "r2.I"):
        known = composition.population_receptors[population]
        assert list(known) == ["ampa", "nmda", "gaba", "nmda_nA", "gaba_nA"]


def test_couplings_are_those_of_the_mean_field(load, in_regions, build, connections):
    """Each cell: the in-degree from distinct other cells; weights add up to the coupling, nA."""
    circuit = load("wong_wang", **SMALL, J_i=1.7, w_p=1.3, J_N=0.16)
    found = connections(build(in_regions(circuit, "r1"), dt_ms=0.1))
    coupling = {  # (from E, to E): nA, with the slopes of the cells
        (True, True): 0.971 * 1.3 * 0.16,
        (True, False): 1.003 * 0.16,
        (False, True): 0.971 * 1.7,
        (False, False): 1.003 * 1.0,
    }
    for post in range(50):
        for from_E, in_degree in ((True, 8), (False, 4)):
            mine = [c for c in found if c[1] == post and (c[0] < 40) == from_E]
            assert len({pre for pre, *_ in mine} - {post}) == len(mine) == in_degree
            total = sum(weight for *_, weight, _ in mine)
            assert total == pytest.approx(coupling[from_E, post < 40], rel=1e-12)
            assert {round(delay, 4) for *_, delay in mine} == {1.0}


def test_what_inhibition_holds_back_depolarises_no_cell(load, in_regions, build):
    """(J_i - 1) times the mean field's S_I at rest, .0392; J_i acts on E alone."""
    engine = build(in_regions(load("wong_wang", **SMALL, J_i=1.5), "r1"), dt_ms=0.1)
    assert lif(engine, 0).I_held == pytest.approx(0.0196, rel=1e-12)
    assert lif(engine, 40).I_held == 0.0


def test_constant_currents_are_what_the_background_does_not_stand_for(load, in_regions, build):
    """Slope times (W I_o minus the current at rest), plus the offset: .39, not .382 nA, here."""
    circuit = load("wong_wang", **SMALL, I_o=0.39, offset_E_nA=0.002, offset_I_nA=-0.001)
    engine = build(in_regions(circuit, "r1"), dt_ms=0.1)
    assert pytest.approx(0.971 * (0.39 - 0.3774) + 0.002, rel=1e-12) == lif(engine, 0).I_0
    assert pytest.approx(1.003 * (0.273 - 0.2529) - 0.001, rel=1e-12) == lif(engine, 40).I_0


def test_the_background_of_a_cell_is_keyed_by_its_id_and_the_seed(load, in_regions, build):
    """Ids and seeds of the streams of two regions, for two seeds of the run."""
    keys = []
    for seed in (7, 8, 7):
        engine = build(in_regions(load("wong_wang", **SMALL), "r1", "r2"), dt_ms=0.1, seed=seed)
        cells = [lif(engine, gid) for gid in range(100)]
        assert [cell.gid for cell in cells] == list(range(100))
        keys.append([cell.seed for cell in cells])
        assert all(seed == int(seed) and 0 <= seed < 2**32 for seed in keys[-1])
        assert len(set(keys[-1])) == 100
        engine.close()
    assert keys[0] == keys[2]
    assert not set(keys[0]) & set(keys[1])


def test_spikes_do_not_depend_on_the_window_or_on_what_ran_before(load, in_regions, build, run):
    engine = build(in_regions(load("wong_wang", **SMALL), "r1"), dt_ms=0.1)
    found = []
    for window_steps in (3000, 7, 1, 3000):
        engine.initialize()
        found.append(run(engine, 3000, window_steps)[0])
    assert len(found[0]) > 30
    assert found[1] == found[0]
    assert found[2] == found[0]
    assert found[3] == found[0]


def test_netpyne_alone_gives_the_same_spikes(load, in_regions, build, run, netpyne_alone):
    """The netParams and simConfig as they are, 0.3 s; arrival times there are not ordered by gid.

    That changes the last bits of gates (order of sums, 5e-8 ms), which no spike time shows here.
    """
    circuit = load("wong_wang", **SMALL)
    alone = netpyne_alone(circuit.net_params, circuit.sim_config, 7, 0.1, 300.0)
    engine = build(in_regions(circuit, "r1"), dt_ms=0.1)
    engine.initialize()
    spikes, *_ = run(engine, 3000, 25)
    assert len(alone) > 30
    assert sorted(spikes) == alone


def test_copies_differ_and_follow_their_own_coupling(load, in_regions, build, run):
    """Two copies, one driven: 0.05 nA makes it fire several times as much, the other not at all."""
    engine = build(in_regions(load("wong_wang", **SMALL), "r1", "r2"), dt_ms=0.1)
    counts = []
    for current_nA in (0.0, 0.05):
        for gid in engine.network.local_gids("r2.E").tolist():
            lif(engine, gid).I_c = current_nA
        engine.initialize()
        gids = np.array([gid for _, gid in run(engine, 3000)[0]])
        counts.append((np.isin(gids, range(40)).sum(), np.isin(gids, range(50, 90)).sum()))
    assert counts[0][0] == counts[1][0] > 10
    assert counts[1][1] > 3 * counts[0][1] > 30


# -- against the mean field -----------------------------------------------------------------


def transfer_hz(current_nA, a, b, d):
    """H(I) of Deco et al. (2014)."""
    x = a * current_nA - b
    return x / -np.expm1(-d * x)


def node(coupling_nA, S_E, S_I, J_i=1.0, w_p=1.4):
    """Rates (R_E, R_I) of a node of the mean field, Hz."""
    I_E = 0.382 + w_p * 0.15 * S_E - J_i * S_I + coupling_nA
    I_I = 0.7 * 0.382 + 0.15 * S_E - S_I
    return transfer_hz(I_E, 310.0, 125.0, 0.16), transfer_hz(I_I, 615.0, 177.0, 0.087)


def change(S, coupling_nA, J_i=1.0):
    R_E, R_I = node(coupling_nA, *S, J_i=J_i)
    return -S[0] / 100 + (1 - S[0]) * 0.641e-3 * R_E, -S[1] / 10 + 1e-3 * R_I


def stationary(coupling_nA, J_i=1.0):
    """Stationary rates (R_E, R_I) of a node under a coupling current, Hz."""
    return node(coupling_nA, *fsolve(change, (0.16, 0.04), (coupling_nA, J_i), xtol=1e-12), J_i=J_i)


def test_the_mean_field_here_rests_where_the_literature_says():
    np.testing.assert_allclose(stationary(0.0), (3.08, 3.92), atol=0.005)
    np.testing.assert_allclose(fsolve(change, (0.16, 0.04), (0.0,)), (0.1648, 0.0392), atol=5e-5)


class Network:
    """The default network, or several copies of it, under a coupling current."""

    def __init__(self, engine, n_copies):
        self._engine, self._n = engine, n_copies
        self._E = np.concatenate([engine.network.local_gids(f"r{k}.E") for k in range(n_copies)])
        self._cells = [lif(engine, gid) for gid in self._E.tolist()]

    def couple(self, current_nA):
        for cell in self._cells:
            cell.I_c = current_nA

    def restart(self):
        self._engine.initialize()
        self._step = 0

    def run(self, seconds):
        """Spikes per ms and cell of E and of I, mean of the copies, shape (n_ms, 2)."""
        start_ms, self._step = self._step * 0.1, self._step + round(seconds * 1e4)
        self._engine.advance(self._step)
        times_ms, gids = self._engine.take_spikes()
        is_E = np.isin(gids, self._E)
        bins = np.arange(start_ms, self._step * 0.1 + 0.5)
        n_E, n_I = 400 * self._n, 100 * self._n
        counts = [np.histogram(times_ms[m] + 1e-6, bins)[0] for m in (is_E, ~is_E)]
        return np.stack([counts[0] / n_E, counts[1] / n_I], axis=1)


@pytest.fixture
def network(load, in_regions, build):
    def make(n_copies, seed=3, **parameters):
        regions = [f"r{k}" for k in range(n_copies)]
        circuit = load("wong_wang", **parameters)
        return Network(build(in_regions(circuit, *regions), dt_ms=0.1, seed=seed), n_copies)

    return make


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_rates_follow_H_from_rest_to_16_hz(network):
    """R_E within 5 % of the mean field for I_c up to .0338 nA; R_I within 3 % at rest.

    Two networks of one of the seeds that the calibration used. Standard errors, from blocks of
    1 s (R_E fluctuates slowly with S: 3 to 4 / sqrt(spikes)): 1.2 % up to .0153 nA, .9 % above;
    R_I .5 %. The cells' curve itself is not H, so a few per cent remain whatever the calibration.
    """
    net, found, wanted = network(2, seed=21), [], []
    for coupling_nA, seconds in (
        (0.0, 25.0), (0.004, 25.0), (0.0076, 25.0), (0.0153, 20.0), (0.0243, 8.0), (0.0338, 6.0)
    ):  # fmt: skip
        net.couple(coupling_nA)
        net.restart()
        net.run(0.5)
        found.append(1e3 * net.run(seconds).mean(axis=0))
        wanted.append(stationary(coupling_nA))
        print(coupling_nA, found[-1] / wanted[-1], flush=True)
    ratio = np.array(found) / np.array(wanted)
    assert wanted[-1][0] > 16
    assert np.abs(ratio[:, 0] - 1).max() < 0.05, ratio[:, 0]
    assert abs(ratio[0, 1] - 1) < 0.03


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_step_of_the_coupling_moves_S_as_in_the_mean_field(network):
    """I_c .0038 <-> .0153 nA every 1.5 s, 3 copies x 8 cycles; S follows from the spikes.

    S of one network fluctuates with an SD of .012: the mean of 24 has one of .0025 at any time,
    and of .002 over the last .5 s before a switch, so the step's size has an error of .003, 2 %
    of it; asked are 5 %. The rise to 63 % has one of .0025 over the slope there, 12 ms.
    """
    low, high, half_s, n_cycles = 0.0038, 0.0153, 1.5, 8
    net = network(3, seed=5, S_E_start=0.2)
    net.restart()
    rates = []
    for _ in range(n_cycles):
        for current in (low, high):
            net.couple(current)
            rates.append(net.run(half_s)[:, 0])
    S, trace = 0.2, []
    for rate in np.concatenate(rates):  # spikes per ms, constant over it: exact over the step
        pull = 1 / 100 + 0.641 * rate
        S = S * math.exp(-pull) + 0.641 * rate / pull * (1 - math.exp(-pull))
        trace.append(S)
    cycle_ms = round(2e3 * half_s)
    measured = np.array(trace).reshape(n_cycles, cycle_ms)[1:].mean(axis=0)
    state, expected = np.array([0.2, 0.04]), []
    for _ in range(3):
        for current in (low, high):
            times = np.arange(1.0, 1e3 * half_s + 0.5)
            solved = solve_ivp(
                lambda _, y, current=current: change(y, current),
                (0.0, times[-1]), state, t_eval=times, rtol=1e-8,
            )  # fmt: skip
            state = solved.y[:, -1]
            expected.append(solved.y[0])
    expected = np.concatenate(expected[-2:])

    def size_and_rise(trace):
        half = cycle_ms // 2
        before, after = trace[half - 500 : half].mean(), trace[-500:].mean()
        rise = np.flatnonzero(trace[half:] > before + 0.632 * (after - before))[0]
        return after - before, rise

    size, rise_ms = size_and_rise(measured)
    wanted, wanted_rise_ms = size_and_rise(expected)
    print(size, wanted, rise_ms, wanted_rise_ms)
    assert wanted == pytest.approx(0.135, abs=0.003)
    assert size == pytest.approx(wanted, rel=0.05)
    assert abs(rise_ms - wanted_rise_ms) < 4 * 12


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("coupling_nA", [0.01, 0.02, 0.0392])
def test_feedback_inhibition_holds_the_rate(network, coupling_nA):
    """J_i that holds the mean field at rest under a coupling: 1 + I_c / S_I, 1.25, 1.51 and 2.

    Within 10 %: standard errors of R_E in 25 s, 3 to 4 / sqrt(31,000 spikes), are 2 %. Inhibition
    and background both rise, and with them the cells' noise, which the mean field does not know.
    """
    J_i = 1 + coupling_nA / 0.039218
    R_E, R_I = stationary(coupling_nA, J_i)
    assert pytest.approx(3.077, abs=0.005) == R_E
    net = network(1, seed=21, J_i=J_i)
    net.couple(coupling_nA)
    net.restart()
    net.run(0.5)
    ratio = 1e3 * net.run(25.0).mean(axis=0) / (R_E, R_I)
    print(coupling_nA, J_i, ratio)
    assert np.abs(ratio - 1).max() < 0.10


@pytest.mark.slow
def test_a_run_starts_at_rest(network):
    """The first 0.3 s: 740 spikes of E, 240 of I in two networks, standard errors 6 and 7 %.

    (Twice the 1.6 / sqrt(n) of a rate whose S still stands, as fluctuations take 0.3 s to grow.)
    """
    net = network(2)
    net.restart()
    first = 1e3 * net.run(0.3).mean(axis=0)
    np.testing.assert_allclose(first, stationary(0.0), rtol=0.25)
