"""The same network run by NetPyNE alone, with the same injected spikes, gives the same spikes."""

import numpy as np
import pytest


def random_inputs(gids, n_sources, duration_ms, rate_hz, seed=3):
    """(gid, source, weight, time) of Poisson trains; weights rise with the source."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(len(gids) * n_sources * rate_hz * duration_ms * 1e-3)
    sources = rng.integers(0, n_sources, n).tolist()
    weights = np.linspace(0.002, 0.012, n_sources)
    times = np.sort(rng.random(n) * duration_ms).tolist()
    return [
        (int(gid), source, float(weights[source]), time)
        for gid, source, time in zip(rng.choice(gids, n), sources, times, strict=True)
    ], weights


def inject(port, inputs, start_ms, stop_ms):
    index = {gid: i for i, gid in enumerate(port.gids.tolist())}
    mine = [(index[g], s, t) for g, s, _, t in inputs if g in index and start_ms <= t < stop_ms]
    if mine:
        cell, source, times = zip(*mine, strict=True)
        port.schedule(np.array(cell, np.int64), np.array(source, np.int64), np.array(times))


@pytest.mark.parametrize("recurrent_excitation", [0.35, 1.0])
def test_balanced_ei_with_injected_spikes(
    load, in_regions, build, run, netpyne_alone, specs, recurrent_excitation
):
    """36 E cells x 8 trains x 20 Hz x 200 ms: about 1150 events; windows of 2.5 ms against none."""
    circuit = load("balanced_ei", order=30, recurrent_excitation=recurrent_excitation)
    inputs, weights = random_inputs(range(36), 8, 200.0, 20.0)
    config = specs.SimConfig()
    config.oneSynPerNetcon = False
    alone = netpyne_alone(circuit.net_params, config, 7, 0.05, 200.0, "exc", inputs)
    engine = build(in_regions(circuit, "rPCUN"))
    port = engine.ports.add_input("rPCUN.E", "exc", weights)
    engine.initialize()
    before = lambda start, stop: inject(port, inputs, start * 0.1, stop * 0.1)  # noqa: E731
    spikes, *_ = run(engine, 2000, 25, before)
    assert len(alone) > 200
    assert spikes == alone


@pytest.mark.parametrize("reference", ["two_areas.py:network_with_config", "layers.py:network"])
def test_a_tutorial_network_with_its_netparams_unchanged(
    load, in_regions, build, run, netpyne_alone, reference
):
    """Background by NetStims of cells and of populations, rules by distance, random delays."""
    circuit = load(reference)
    alone = netpyne_alone(circuit.net_params, circuit.sim_config, 7, 0.05, 300.0)
    engine = build(in_regions(circuit, "rV1"))
    engine.initialize()
    spikes, *_ = run(engine, 3000, 30)
    assert len(alone) > 100
    assert sorted(spikes) == alone


def test_a_circuit_beside_another_keeps_its_spikes_when_it_comes_first(
    load, in_regions, build, run, netpyne_alone
):
    """Cell ids seed NetPyNE's draws: the first circuit's are those that it has alone."""
    circuit, other = load("layers.py:network"), load("artificial.py:network")
    for name in ("sizeY", "propVelocity", "probLengthConst"):
        setattr(other.net_params, name, getattr(circuit.net_params, name))
    alone = netpyne_alone(circuit.net_params, circuit.sim_config, 7, 0.05, 200.0)
    engine = build([*in_regions(circuit, "r1"), *in_regions(other, "r2")])
    engine.initialize()
    spikes, *_ = run(engine, 2000, 10)
    first_of_other = engine.network.first_gid("r2.cells")
    assert sorted(spike for spike in spikes if spike[1] < first_of_other) == alone
    assert any(gid >= first_of_other for _, gid in spikes)
