"""The compiled engine has TVB's numbers: trajectories, clips, imposed regions, monitors, spikes.

The oracle is TVB's own loop over steps. Where nothing else is said the limit is 1e-12, which was
asked for; the operations and their order are the same, float32 sums included, so 0 is expected. A
sum of float32 terms in another order would differ by 1e-8.
"""

from dataclasses import replace

import numpy as np
import pytest
from tvb.simulator import monitors as tvb_monitors

import cosim
from cosim.clock import SyncWindow
from cosim.errors import ConfigurationError
from cosim.meanfield import compiled_network
from cosim.meanfield.balloon import Balloon
from cosim.meanfield.compiled_network import CompiledNetwork, _pairwise
from cosim.meanfield.connectome import Connectome
from cosim.meanfield.engine import choose_engine
from cosim.meanfield.models import MODELS, ModelFamily
from cosim.meanfield.monitors import build_monitors
from cosim.meanfield.network import MeanFieldNetwork
from cosim.meanfield.simulation import MeanField

DT_MS, SEED, LIMIT = 0.1, 3, 1e-12
ENGINES = {"tvb": MeanFieldNetwork, "compiled": CompiledNetwork}
SIGMA = {"quiet": 0.0, "noisy": 2e-3}


@pytest.fixture(params=["one step at a time", "several at once"])
def summing(request, monkeypatch):
    """Small brains are summed step by step, and here, wherever delays allow it, also in blocks."""
    if request.param == "several at once":
        monkeypatch.setattr(compiled_network, "_WORTHWHILE", (2, 1))


def connectome(n, density=0.5, longest_mm=60.0, diffusive=False, shortest_mm=0.0):
    """A directed random graph whose first region hears nobody and whose second hears one."""
    rng = np.random.default_rng(n)
    weights = rng.uniform(0.1, 1.0, (n, n)) * (rng.random((n, n)) < density) * 3.0 / (n * density)
    np.fill_diagonal(weights, 0.0)
    weights[0] = 0.0
    weights[1] = 0.0
    weights[1, 0] = 0.5
    lengths = rng.uniform(shortest_mm, longest_mm, (n, n))
    labels = tuple(f"r{i}" for i in range(n))
    return Connectome("random", labels, weights, lengths, np.zeros((n, 3)), 3.0, diffusive)


def build(
    engine, graph, model="reduced_wong_wang_exc_inh", sigma=0.0, parameters=None, periods=(),
    precision="single",
):  # fmt: skip
    """A network far from rest, so that it moves."""
    family, n = MODELS[model], graph.n_regions
    initial = np.random.default_rng(5).uniform(0.05, 0.4, (len(family.gating), n))
    scales = sigma * np.array([1.0, 0.5])[: len(family.gating)]
    return ENGINES[engine](MeanField(
        graph, family, parameters or {"G": 0.5}, DT_MS, SEED, scales, initial,
        build_monitors(dict(periods)), precision))  # fmt: skip


def windows(n_steps, length):
    for index, start in enumerate(range(0, n_steps, length)):
        yield SyncWindow(index, start, min(length, n_steps - start), DT_MS)


def trajectory(network, n_steps, length):
    return np.concatenate([network.advance(window) for window in windows(n_steps, length)])


def both(n_steps, *arguments, length=500, **options):
    """States of both engines, after the same number of steps."""
    found = []
    for engine in ENGINES:
        network = build(engine, *arguments, **options)
        found.append(trajectory(network, n_steps, length))
        assert network.step == n_steps
    return found


@pytest.mark.parametrize("noise", SIGMA)
@pytest.mark.parametrize("diffusive", [False, True], ids=["additive", "diffusive"])
@pytest.mark.parametrize("model", MODELS)
def test_10_000_steps_are_those_of_tvb(summing, model, diffusive, noise):
    oracle, got = both(10_000, connectome(12, diffusive=diffusive), model, SIGMA[noise])
    assert np.ptp(oracle[:, 0], axis=0).min() > 1e-3  # it moved
    assert np.abs(got - oracle).max() <= LIMIT


def in_double(graph, n_steps, G=0.5):
    """Heun with the coupling of a step's start, sums by NumPy, everything in double precision."""
    family, n = MODELS["reduced_wong_wang_exc_inh"], graph.n_regions
    model = family.build({"G": G})
    model.configure()
    S = np.random.default_rng(5).uniform(0.05, 0.4, (2, n))
    back = graph.delay_steps(DT_MS)
    past = np.tile(S[0], (back.max() + 1, 1))
    reach = graph.weights.sum(axis=1) if graph.diffusive else 0.0
    states = []
    for _ in range(n_steps):
        heard = (graph.weights * past[-1 - back, np.arange(n)]).sum(axis=1) - reach * S[0]

        def slope(S, heard=heard):
            full = np.concatenate([S, np.zeros_like(S)])[..., None]
            return model.dfun(full, heard[None, :, None])[:2, :, 0]

        first = slope(S)
        S = np.clip(S + DT_MS / 2 * (first + slope(np.clip(S + DT_MS * first, 0, 1))), 0, 1)
        past = np.concatenate([past[1:], S[:1]])
        states.append(S)
    return np.array(states)


@pytest.mark.parametrize("diffusive", [False, True], ids=["additive", "diffusive"])
def test_double_precision_is_that_of_numpy_with_delays(summing, diffusive):
    """Rounding of sums in another order, 1e-16 each over 2,000 steps; single is 1e-9 off."""
    graph = connectome(12, diffusive=diffusive)
    expected = in_double(graph, 2_000)
    found = {
        precision: trajectory(build("compiled", graph, precision=precision), 2_000, 500)[:, :2]
        for precision in ("single", "double")
    }
    assert np.abs(found["double"] - expected).max() < LIMIT
    assert 1e-10 < np.abs(found["single"] - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("engine", "family", "said"),
    [
        ("tvb", MODELS["reduced_wong_wang_exc_inh"], "asked for, .* or engine: auto"),
        (
            "auto",
            replace(MODELS["reduced_wong_wang"], name="other", tvb_class=object),
            "steps other, .* precision: single",
        ),
    ],
)
def test_tvbs_loop_has_no_double_precision(engine, family, said):
    with pytest.raises(ConfigurationError, match=said):
        choose_engine(engine, family, "double")


@pytest.mark.parametrize("diffusive", [False, True], ids=["additive", "diffusive"])
@pytest.mark.parametrize("density", [0.02, 1.0], ids=["sparse", "dense"])
@pytest.mark.parametrize(
    ("shortest_mm", "longest_mm"),
    [(0.0, 0.0), (0.0, 60.0), (2.0, 60.0), (5.0, 40.0), (60.0, 60.0)],
    ids=["at once", "delayed", "from 7 steps on", "from 17 steps on", "200 steps"],
)
def test_any_density_and_delay(density, shortest_mm, longest_mm, diffusive):
    """300 regions: dense, a region sums 299 terms, in NumPy's tree of three levels."""
    graph = connectome(300, density, longest_mm, diffusive, shortest_mm)
    oracle, got = both(300, graph, sigma=SIGMA["noisy"])
    assert np.abs(got - oracle).max() <= LIMIT


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 127, 128, 129, 255, 256, 1000, 4097])
def test_sums_follow_numpys_tree(n):
    """The leaves hold every term once, and joining leaves one sum."""
    leaves = _pairwise(n)
    assert sum(length for length, _ in leaves) == n
    assert all(length <= 128 for length, _ in leaves)
    assert sum(joins for _, joins in leaves) == max(len(leaves) - 1, 0)


@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_may_differ_between_regions(model):
    rng = np.random.default_rng(8)
    default = MODELS[model].tvb_class()
    parameters = {
        name: np.ravel(getattr(default, name)) * rng.uniform(0.9, 1.1, 12) + 1e-3
        for name in MODELS[model].parameters
    }
    oracle, got = both(1000, connectome(12), model, SIGMA["noisy"], parameters)
    assert np.abs(got - oracle).max() <= LIMIT


@pytest.mark.parametrize("length", [1, 5, 23, 1000])
def test_the_window_changes_nothing(summing, length):
    whole, parts = (
        trajectory(build("compiled", connectome(12), sigma=SIGMA["noisy"]), 1000, k)
        for k in (1000, length)
    )
    assert np.array_equal(parts, whole)


@pytest.mark.parametrize("diffusive", [False, True], ids=["additive", "diffusive"])
@pytest.mark.parametrize(
    ("shortest_mm", "longest_mm"),
    [(0.0, 0.0), (0.0, 60.0), (3.0, 60.0)],
    ids=["at once", "delayed", "from 10 steps on"],
)
@pytest.mark.parametrize("length", [1, 5, 23, 400])
def test_imposed_regions_are_felt_alike(summing, length, shortest_mm, longest_mm, diffusive):
    """Whatever a peer says of two regions, S_i unknown; a window may outlast the past (400)."""
    columns, found = np.array([2, 5]), []
    for engine in ENGINES:
        graph = connectome(12, 0.5, longest_mm, diffusive, shortest_mm)
        network = build(engine, graph, sigma=SIGMA["noisy"])
        rng, states = np.random.default_rng(1), []
        for window in windows(1200, length):
            simulated = network.advance(window)
            simulated[:, :, columns] = rng.uniform(0.1, 0.9, (window.n_steps, 4, 2))
            simulated[:, 1, columns] = np.nan
            network.impose(window, columns, simulated[:, :, columns])
            states.append(simulated)
        found.append(np.concatenate(states))
    oracle, got = found
    others = np.setdiff1d(np.arange(12), columns)
    assert np.isfinite(oracle[:, :, others]).all()
    assert np.abs(got - oracle)[:, :, others].max() <= LIMIT


def test_clips_are_counted_alike(summing):
    networks = [build(engine, connectome(12), sigma=0.2) for engine in ENGINES]
    oracle, got = (trajectory(network, 500, 23) for network in networks)
    assert np.abs(got - oracle).max() <= LIMIT
    assert networks[0].n_clipped.min() > 10
    assert np.array_equal(networks[1].n_clipped, networks[0].n_clipped)


def test_what_is_not_a_number_stays_where_tvb_has_it(summing):
    """The participant names the place, so it must be the same."""
    I_o = np.full(12, 0.382)
    I_o[4] = np.nan
    oracle, got = both(100, connectome(12), parameters={"I_o": I_o}, sigma=1e-3)
    assert np.isnan(oracle).any()
    assert not np.isnan(oracle).all()
    assert np.array_equal(np.isnan(got), np.isnan(oracle))


PERIODS = {"raw": DT_MS, "subsample": 0.7, "temporal_average": 1.1, "bold": 10.0, "balloon": 30.0}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("length", [1, 5, 23, 97, 1000])
def test_monitors_say_of_windows_what_tvb_says_of_steps(length, engine):
    """Single steps identical, averages and BOLD to 1e-9, with blocks that no window divides."""
    network = build(engine, connectome(6), sigma=SIGMA["noisy"], periods=PERIODS.items())
    asked = build("tvb", connectome(6), sigma=SIGMA["noisy"], periods=PERIODS.items())
    assert {type(m) for m in asked.monitors.values()} == {
        tvb_monitors.Raw, tvb_monitors.SubSample, tvb_monitors.TemporalAverage, tvb_monitors.Bold,
        Balloon,
    }  # fmt: skip
    got = {name: [] for name in PERIODS}
    oracle = {name: [] for name in PERIODS}
    for window in windows(1000, length):
        states = network.advance(window)
        for name, (times, values) in network.sample(window, states).items():
            got[name] += list(zip(times, values, strict=True))
        for n, state in enumerate(states):
            for name, monitor in asked.monitors.items():
                sampled = monitor.record(window.start_step + n + 1, state[..., None])
                if sampled is not None:
                    oracle[name].append((sampled[0], np.array(sampled[1])[..., 0]))
    for name in PERIODS:
        assert len(got[name]) == len(oracle[name]) > 0
        tolerance = 0.0 if name in ("raw", "subsample") else 1e-9
        for (time, values), (true_time, true_values) in zip(got[name], oracle[name], strict=True):
            assert time == true_time
            assert values.shape == true_values.shape
            assert np.abs(values - true_values).max() <= tolerance


@pytest.mark.parametrize("engine", ENGINES)
def test_a_monitor_without_a_sampler_is_asked_at_every_step(engine):
    """TVB's mean over regions, one that no experiment file names; the oracle is NumPy's mean."""
    graph, family = connectome(6), MODELS["reduced_wong_wang"]
    monitors = {"global": tvb_monitors.GlobalAverage(period=0.5)}
    network = ENGINES[engine](
        MeanField(
            graph, family, {"G": 0.5}, DT_MS, SEED, np.zeros(1), np.full((1, 6), 0.3), monitors
        )
    )
    for window in windows(46, 23):
        states = network.advance(window)
        times, values = network.sample(window, states)["global"]
        steps = np.rint(times / DT_MS).astype(int)
        expected = states[steps - window.start_step - 1].mean(axis=2, keepdims=True)
        seen = range(window.start_step + 1, window.start_step + window.n_steps + 1)
        assert steps.tolist() == [step for step in seen if step % 5 == 0]
        assert np.abs(values - expected).max() < 1e-12


def experiment(engine):
    return cosim.Experiment(
        seed=4,
        duration_ms=120.0,
        brain=cosim.Brain(
            parameters={"G": 0.2},
            noise={"S_e": 1e-3},
            engine=engine,
            monitors={"raw": cosim.Monitor(period_ms=0.1), "balloon": cosim.Monitor(period_ms=20)},
        ),
        circuits=[
            cosim.Circuit(
                circuit="balanced_ei",
                regions=["rPCUN"],
                parameters={"order": 100},
                inputs=[{"from": "R_e", "to": "E"}],
            )
        ],
    )


def test_co_simulations_agree_spike_for_spike():
    oracle, got = (cosim.run(experiment(engine)) for engine in ("tvb", "compiled"))
    assert oracle.provenance["engine"] == {"name": "tvb", "why": "asked for"}
    assert got.provenance["engine"]["name"] == "compiled"
    assert oracle.spikes.keys() == got.spikes.keys()
    assert sum(len(s.times_ms) for s in oracle.spikes.values()) > 100
    for label, spikes in oracle.spikes.items():
        assert np.array_equal(spikes.times_ms, got.spikes[label].times_ms)
    for name in ("raw", "balloon"):
        difference = got.mean_field[name].values - oracle.mean_field[name].values
        assert np.nanmax(np.abs(difference)) <= LIMIT


def test_auto_takes_the_compiled_engine_where_there_is_a_kernel():
    family = MODELS["reduced_wong_wang_tanh"]
    assert choose_engine("auto", family).network is CompiledNetwork
    assert choose_engine("tvb", family).network is MeanFieldNetwork

    class Changed(family.tvb_class):
        """A model of a user: another dfun, so no kernel."""

    own = ModelFamily(
        "own", Changed, family.gating, family.rates, family.gates, family.coupling
    )  # fmt: skip
    chosen = choose_engine("auto", own)
    assert chosen.network is MeanFieldNetwork
    assert chosen.why == "own has no kernel"
    with pytest.raises(ConfigurationError, match=r"own has no kernel.*engine: auto or tvb"):
        choose_engine("compiled", own)
