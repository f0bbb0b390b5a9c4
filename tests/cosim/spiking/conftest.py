"""Fixtures that build a network, run it in windows, and always take it down again."""

from pathlib import Path

import numpy as np
import pytest

from cosim.spiking.chatter import quiet
from cosim.spiking.circuit import Circuit, load_circuit
from cosim.spiking.compose import CircuitCopy, compose
from cosim.spiking.engine import NeuronEngine
from cosim.spiking.interpreter import netpyne_seeds

DATA = Path(__file__).parent / "data"


@pytest.fixture
def data():
    """The folder of circuits as a user writes them."""
    return DATA


@pytest.fixture
def in_regions():
    """One copy of a circuit per region."""

    def copies(circuit, *regions):
        names = circuit.population_names
        return [CircuitCopy(circuit, r, dict.fromkeys(names, r)) for r in regions]

    return copies


@pytest.fixture
def load():
    """Load a circuit of the data folder, or any other reference."""

    def load_from_data(reference, **parameters):
        return load_circuit(reference, parameters, DATA)

    return load_from_data


@pytest.fixture
def specs():
    from cosim.spiking.interpreter import netpyne_specs

    return netpyne_specs()


@pytest.fixture
def hh_circuit(specs):
    """Make a circuit of single-compartment HH cells from population sizes and connection rules."""

    def make(sizes, rules=(), name="hh", config=None, **scalars):
        net_params = specs.NetParams()
        net_params.cellParams["HH"] = {
            "secs": {
                "soma": {
                    "geom": {"L": 18.8, "diam": 18.8, "Ra": 123.0},
                    "mechs": {"hh": {"gnabar": 0.12, "gkbar": 0.036, "gl": 0.003, "el": -70.0}},
                }
            }
        }
        for population, n_cells in sizes.items():
            net_params.popParams[population] = {"cellType": "HH", "numCells": n_cells}
        net_params.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
        for number, rule in enumerate(rules):
            net_params.connParams[f"rule{number}"] = rule
        for key, value in scalars.items():
            setattr(net_params, key, value)
        return Circuit(name, net_params, config, {})

    return make


@pytest.fixture
def build():
    """Build an engine from circuit copies; closed when the test ends."""
    engines = []

    def make(copies, dt_ms=0.05, mean_field_dt_ms=0.1, seed=7):
        engine = NeuronEngine(compose(copies), dt_ms, mean_field_dt_ms, seed)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def run():
    """Run an engine to a step in windows; spikes as (time, gid), and each one's window and step."""

    def in_windows(engine, stop_step, window_steps=None, before=lambda start, stop: None):
        window_steps = window_steps or stop_step
        spikes, windows, steps = [], [], []
        for start in range(0, stop_step, window_steps):
            stop = min(start + window_steps, stop_step)
            before(start, stop)
            engine.advance(stop)
            times_ms, gids = engine.take_spikes()
            spikes += zip(times_ms.tolist(), gids.tolist(), strict=True)
            windows += [(start, stop)] * times_ms.size
            steps += engine.step_of(times_ms).tolist()
        return spikes, windows, steps

    return in_windows


@pytest.fixture
def netpyne_alone():
    """Run netParams with NetPyNE and one psolve, nothing of this package in between."""
    from netpyne import sim

    def simulate(net_params, config, seed, dt_ms, duration_ms, receptor=None, inputs=()):
        h = sim.h
        config.dt, config.duration, config.seeds = dt_ms, duration_ms, netpyne_seeds(seed)
        with quiet():
            sim.initialize(netParams=net_params, simConfig=config)
            sim.net.createPops()
            sim.net.createCells()
            sim.net.connectCells()
            sim.net.addStims()
            connections = {}
            for gid, source, weight_uS, _ in inputs:
                if (gid, source) not in connections:
                    synapse = sim.net.cells[gid].addSynMech(receptor, "soma", 0.5)
                    connections[gid, source] = h.NetCon(None, synapse["hObj"])
                    connections[gid, source].delay = 0.0
                    connections[gid, source].weight[0] = weight_uS
            sim.preRun()
            times, gids = h.Vector(), h.Vector()
            sim.pc.spike_record(-1, times, gids)
            h.finitialize(float(sim.cfg.hParams["v_init"]))
            for gid, source, _, time_ms in inputs:
                connections[gid, source].event(time_ms)
            sim.pc.psolve(duration_ms)
            found = sorted(zip(times.to_python(), map(int, gids.to_python()), strict=True))
            connections.clear()
            sim.clearAll()
        return found

    return simulate


@pytest.fixture
def connections():
    """Every cell-to-cell connection of an engine: (from, to, weight, delay), sorted."""

    def of(engine):
        return sorted(
            (int(conn["preGid"]), gid, conn["weight"], conn["hObj"].delay)
            for gid, cell in engine.network.cells.items()
            for conn in cell.conns
            if conn["preGid"] != "NetStim"
        )

    return of


@pytest.fixture
def poisson_events():
    """Keyed input events of one port over a window: the same whatever the window is."""

    def draw(port, start_step, stop_step, dt_ms, rate_hz, seed=1):
        cell, source, times = [], [], []
        for step in range(start_step, stop_step):
            for index, gid in enumerate(port.gids.tolist()):
                rng = np.random.default_rng((seed, gid, step))
                n = rng.poisson(rate_hz * dt_ms * 1e-3 * port.n_sources)
                cell += [index] * n
                source += rng.integers(0, port.n_sources, n).tolist()
                times += ((step + rng.random(n)) * dt_ms).tolist()
        return np.array(cell, dtype=np.int64), np.array(source, dtype=np.int64), np.array(times)

    return draw


@pytest.fixture
def soma_of(build, in_regions):
    """Run one circuit and record the soma of a population's first cell, clamped by a current.

    Returns times (ms), potentials (mV) at every step of NEURON, and upward crossings of a level,
    interpolated.
    """
    from neuron import h

    def run_cell(
        circuit, population, clamp=(0, 0, 0), dt_ms=0.05, stop_ms=100.0, v_init=None, level_mV=0.0
    ):
        circuit = Circuit(circuit.name, circuit.net_params, circuit.sim_config, {})
        if v_init is not None:
            circuit.sim_config.hParams["v_init"] = v_init
        engine = build(in_regions(circuit, "r"), dt_ms=dt_ms, mean_field_dt_ms=dt_ms)
        cell = engine.network.cells[engine.network.first_gid(f"r.{population}")]
        soma = cell.secs["soma"]["hObj"](0.5)
        electrode = h.IClamp(soma)
        electrode.amp, electrode.delay, electrode.dur = clamp
        potential, times = h.Vector().record(soma._ref_v), h.Vector().record(h._ref_t)
        engine.initialize()
        engine.advance(round(stop_ms / dt_ms))
        t, v = np.array(times), np.array(potential)
        electrode = potential = times = soma = None
        engine.close()
        i = np.flatnonzero((v[:-1] < level_mV) & (v[1:] >= level_mV))
        return t, v, t[i] + dt_ms * (level_mV - v[i]) / (v[i + 1] - v[i])

    return run_cell
