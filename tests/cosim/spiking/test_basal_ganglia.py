"""The basal ganglia: cells against another integrator, electrode, network, published rates."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import ConfigurationError
from cosim.spiking.circuit import Circuit, load_circuit

STANDARD = {"c": -65, "C": 1, "n0": 140, "n1": 5, "n2": 0.04, "Vr": 0, "thr": 30}
STRIATUM = {
    "a": 0.05, "b": -20, "c": -55, "d": 377, "C": 50, "Ie": 0,
    "n0": 61.65119, "n1": 2.594639, "n2": 0.022799, "Vr": -80, "thr": 40,
}  # fmt: skip
CELLS = {
    "dSN": STRIATUM,
    "iSN": STRIATUM,
    "GPi": dict(STANDARD, a=0.005, b=0.585, d=4, Ie=30),
    "GPe": dict(STANDARD, a=0.005, b=0.585, d=4, Ie=12),
    "STN": dict(STANDARD, a=0.005, b=0.265, d=2, Ie=3),
    "Thl": dict(STANDARD, a=0.02, b=0.25, d=0.05, Ie=3.5),
    "CxE": dict(STANDARD, a=0.02, b=0.2, c=-72, d=6, Ie=7),
    "CxI": dict(STANDARD, a=0.02, b=0.2, c=-72, d=6, Ie=0),
}
# 500 to 1000 ms of an independent NetPyNE model of the same network, one seed.
CONTROL_HZ = {
    "dSN": 16.3, "iSN": 15.2, "GPi": 35.7, "GPe": 35.7,
    "STN": 31.6, "Thl": 20.3, "CxE": 15.9, "CxI": 32.0,
}  # fmt: skip
PATIENT_HZ = {**CONTROL_HZ, "dSN": 18.3, "Thl": 17.6}
STN_PULSES = {"site": "STN", "rate_hz": 130, "amplitude": 20}


def circuit(**parameters):
    return load_circuit("basal_ganglia", parameters, Path())


def rates_hz(times_ms, gids, engine, start_ms, stop_ms):
    inside = (times_ms >= start_ms) & (times_ms < stop_ms)
    found = {}
    for label in engine.network.populations:
        first, n = engine.network.first_gid(label), engine.network.n_cells(label)
        count = ((gids >= first) & (gids < first + n) & inside).sum()
        found[label.partition(".")[2]] = float(count) / n / (stop_ms - start_ms) * 1000
    return found


@pytest.fixture
def single_cells(specs, in_regions, build):
    """One cell of each population, without connections."""

    def make(**parameters):
        whole = circuit(cells=20, **parameters)
        net_params = specs.NetParams(whole.net_params.todict())
        net_params.connParams.clear()
        for population in net_params.popParams.values():
            population["numCells"] = 1
        alone = Circuit("alone", net_params, whole.sim_config, {})
        return build(in_regions(alone, "r"), dt_ms=0.1)

    return make


def point(engine, population):
    cell = engine.network.cells[engine.network.first_gid(f"r.{population}")]
    return cell.secs["soma"]["pointps"]["izhikevich"]["hObj"]


def counts(rate_hz, stop_ms, seed):
    """Poisson events in each step of 0.1 ms."""
    return np.random.default_rng(seed).poisson(rate_hz * 1e-4, round(stop_ms / 0.1))


def conductance(jumps):
    """At the start of each step, after its events: exponential decay, 10 ms."""
    g, found = 0.0, []
    for jump in jumps:
        g += jump
        found.append(g)
        g *= np.exp(-0.01)
    return np.array(found)


def next_spike(name, V, u, step, held, g_ampa, g_gaba):
    """Step at which V has passed 10 mV, by the midpoint rule in steps of 0.01 ms; None if never."""
    p, h = CELLS[name], 0.01

    def slope(V, u, g_a, g_g):
        dV = p["n2"] * V * V + p["n1"] * V + p["n0"] - u / p["C"] + p["Ie"]
        return dV - g_a * V - g_g * (V + 90.0), p["a"] * (p["b"] * (V - p["Vr"]) - u)

    for now in range(step + held, len(g_ampa)):
        for part in range(10):
            g_a, g_g = (g[now] * np.exp(-(part + 0.5) * h / 10) for g in (g_ampa, g_gaba))
            dV, du = slope(V, u, g_a * np.exp(h / 20), g_g * np.exp(h / 20))
            dV, du = slope(V + h / 2 * dV, u + h / 2 * du, g_a, g_g)
            V, u = V + h * dV, u + h * du
        if V > 10.0:
            return now + 1
    return None


def test_cells_fire_when_another_integrator_says_so(single_cells):
    """8 cell types, 600 ms of excitatory and inhibitory events; another scheme, steps of 0.01 ms.

    Interval by interval: from what the cell was at each of its resets, the other integrator finds
    the next spike within one step, on whose grid both stamp it. (Over many intervals driven by
    fluctuations one step of difference grows, in any two integrators.)
    """
    n_steps, w = 6000, 0.008
    engine = single_cells()
    heard = {}
    for number, name in enumerate(CELLS):
        # About what a cell hears in the network, where these three hear the most.
        excitation_hz = 2200.0 if name in ("dSN", "iSN", "CxI") else 600.0
        heard[name] = counts(excitation_hz, 600.0, (number, 1)), counts(400.0, 600.0, (number, 0))
    ports = {
        (name, receptor): engine.ports.add_input(f"r.{name}", receptor, np.array([w]))
        for name in CELLS
        for receptor in ("ampa", "gaba")
    }
    engine.initialize()
    for (name, receptor), port in ports.items():
        steps = np.repeat(np.arange(n_steps), heard[name][receptor == "gaba"])
        zeros = np.zeros(steps.size, dtype=np.int64)
        port.schedule(zeros, zeros, steps * 0.1)
    cells = {name: point(engine, name) for name in CELLS}
    states = {name: [(cell.V, cell.u)] for name, cell in cells.items()}
    for step in range(1, n_steps + 1):
        engine.advance(step)
        for name, cell in cells.items():
            states[name].append((cell.V, cell.u))
    times_ms, gids = engine.take_spikes()
    for name, parameters in CELLS.items():
        g_ampa, g_gaba = (conductance(w * of) for of in heard[name])
        mine = np.rint(times_ms[gids == engine.network.first_gid(f"r.{name}")] / 0.1).astype(int)
        V = np.array([v for v, _ in states[name]])
        resets = np.flatnonzero((V[1:] == parameters["c"]) & (V[:-1] != parameters["c"]))
        assert mine.size >= 5, name
        assert 0 <= mine.size - resets.size <= 1, name
        starts = [(*states[name][0], 0, 0)]
        starts += [(parameters["c"], states[name][r + 1][1], r, 100) for r in resets.tolist()]
        for spike, (v, u, step, held) in zip(mine.tolist(), starts, strict=False):
            assert abs(next_spike(name, v, u, step, held, g_ampa, g_gaba) - spike) <= 1, name


def test_events_raise_one_conductance_which_decays_while_the_cell_is_refractory(single_cells):
    """Events at 1 ms; exp(-29 / 10) of their weight is left at 30 ms, whatever V did."""
    engine = single_cells()
    ports = {r: engine.ports.add_input("r.GPi", r, np.array([0.05])) for r in ("ampa", "gaba")}
    engine.initialize()
    ports["ampa"].schedule(np.array([0]), np.array([0]), np.array([1.0]))
    cell = point(engine, "GPi")
    engine.advance(300)
    assert engine.take_spikes()[0].size >= 1
    assert cell.g_ampa == pytest.approx(0.05 * np.exp(-2.9), rel=1e-9)
    assert cell.g_gaba == 0.0
    ports["gaba"].schedule(np.array([0]), np.array([0]), np.array([31.0]))
    engine.advance(400)
    assert cell.g_gaba == pytest.approx(0.05 * np.exp(-0.9), rel=1e-9)


def test_a_cell_is_held_for_ten_milliseconds_after_its_reset(single_cells):
    engine = single_cells()
    engine.initialize()
    cell = point(engine, "GPi")
    potentials = []
    for step in range(1, 1500):
        engine.advance(step)
        potentials.append(cell.V)
    lengths = [len(list(run)) for v, run in itertools.groupby(potentials) if v == -65.0]
    assert len(lengths) >= 2
    # The 100 steps of the refractory period.
    assert set(lengths) == {100}


def published_pulses(time_ms, rate_hz, amplitude, width_ms):
    """The biphasic stimulation of Meier et al.'s code, mV/ms."""
    on = lambda t: np.sin(2 * np.pi * rate_hz / 1000 * t) > 0  # noqa: E731
    first, whole = on(time_ms) & ~on(time_ms - width_ms), on(time_ms) & ~on(time_ms - 11 * width_ms)
    return 8 * amplitude * (1.1 * first - 0.1 * whole)


def test_the_electrode_delivers_the_published_pulses(single_cells):
    """Charge up to each step against the published formula, integrated in steps of 0.5 us.

    40 ms hold 5 pulses of 48 mV. Each edge of the sum is right to one step of 8 * 22 mV/ms * 0.5
    us = 0.09 mV, and there are up to 3 edges in each of 6 periods: below 1.6 mV if all added up.
    """
    engine = single_cells(stimulation={**STN_PULSES, "pulse_width_ms": 0.3})
    engine.initialize()
    delivered = []
    for step in range(1, 401):
        engine.advance(step)
        delivered.append(point(engine, "STN").delivered)
    fine = (np.arange(80_000) + 0.5) * 5e-4
    charge = np.cumsum(published_pulses(fine, 130.0, 20.0, 0.3)) * 5e-4
    assert np.abs(np.array(delivered) - charge[199::200]).max() < 1.6
    assert max(delivered) == pytest.approx(48.0)
    assert point(engine, "GPi").delivered == 0.0


def test_the_electrode_starts_and_stops(single_cells):
    constant = {"site": "GPi", "current": -10.0, "start_ms": 5.0, "stop_ms": 8.0}
    engine = single_cells(stimulation=constant)
    engine.initialize()
    cell = point(engine, "GPi")
    found = []
    for step in (50, 65, 80, 200):
        engine.advance(step)
        found.append(cell.delivered)
    assert found == pytest.approx([0.0, -15.0, -30.0, -30.0], abs=1e-9)


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ({"condition": "sick"}, "condition: Unknown value 'sick'. Known: control, patient."),
        ({"cortex": "brain"}, "cortex: Unknown value 'brain'. Known: spiking, none."),
        ({"cells": 5}, "cells = 5 is not a whole number >= 20"),
        ({"cortex_current": float("nan")}, "cortex_current = nan is not finite"),
        ({"stimulation": {"site": "SNr", "current": 1}}, "site: Unknown population 'SNr'."),
        (
            {"cortex": "none", "stimulation": {"site": "CxE", "current": 1}},
            "site: Unknown population 'CxE'.",
        ),
        ({"stimulation": dict(STN_PULSES, width=1)}, "stimulation: Unknown key 'width'."),
        ({"stimulation": dict(STN_PULSES, rate_hz="fast")}, "rate_hz = 'fast' is not a number"),
        ({"stimulation": {"site": "STN", "rate_hz": 130}}, "pulses need both"),
        ({"stimulation": {"site": "STN"}}, "neither pulses nor a current"),
        ({"stimulation": dict(STN_PULSES, pulse_width_ms=1)}, "take 11 ms, longer than the 7.69"),
        (
            {"stimulation": dict(STN_PULSES, start_ms=10, stop_ms=10)},
            "stop_ms = 10 is not after start_ms = 10",
        ),
    ],
)
def test_mistakes_are_named(parameters, line):
    with pytest.raises(ConfigurationError) as caught:
        circuit(**parameters)
    assert line in str(caught.value)
    assert "basal_ganglia: " in str(caught.value)


def test_fewer_cells_hear_as_much(specs):
    """Mean conductance: probability x cells x weight is that of the published size."""
    small, whole = circuit(cells=50).net_params, circuit().net_params
    assert len(whole.connParams) == 19
    for label, rule in whole.connParams.items():
        pre = rule["preConds"]["pop"]
        given, expected = (
            net.popParams[pre]["numCells"] * net.connParams[label]["weight"]
            for net in (small, whole)
        )
        # CxI has 37.5 cells, rounded to 38.
        assert given == pytest.approx(expected, rel=0.014)


def test_a_cortex_in_the_brain_leaves_out_its_cells_and_connections():
    net_params = circuit(cortex="none").net_params
    assert set(net_params.popParams) == {"dSN", "iSN", "GPi", "GPe", "STN", "Thl"}
    assert len(net_params.connParams) == 13


def test_spikes_do_not_depend_on_the_window(in_regions, build, run):
    spikes = []
    for window_steps in (2000, 37):
        engine = build(in_regions(circuit(cells=20, stimulation=STN_PULSES), "r"), dt_ms=0.1)
        engine.initialize()
        spikes.append(run(engine, 2000, window_steps)[0])
        engine.close()
    assert len(spikes[0]) > 300
    assert spikes[0] == spikes[1]


def off_by(found, published):
    return {name: found[name] / hz - 1 for name, hz in published.items()}


def test_the_network_at_rest_fires_as_published(in_regions, build):
    """One seed, 500 to 1000 ms: every population within 10 % of the published rate.

    Also the network itself: 19 numbers of connections within 4 standard deviations of a binomial
    draw, and no cell onto itself.
    """
    whole = circuit()
    engine = build(in_regions(whole, "r"), dt_ms=0.1, seed=1)
    counts = dict.fromkeys(whole.net_params.connParams, 0)
    for gid, cell in engine.network.cells.items():
        for conn in cell.conns:
            counts[conn["label"].partition(".")[2] or conn["label"]] += 1
            assert conn["preGid"] != gid
    for label, rule in whole.net_params.connParams.items():
        pre, post = (
            engine.network.n_cells(f"r.{rule[end]['pop']}") for end in ("preConds", "postConds")
        )
        pairs = pre * (post - (rule["preConds"] == rule["postConds"]))
        p = rule["probability"]
        assert abs(counts[label] - p * pairs) < 4 * np.sqrt(p * (1 - p) * pairs), label
    engine.initialize()
    engine.advance(10_000)
    found = rates_hz(*engine.take_spikes(), engine, 500.0, 1000.0)
    assert max(map(abs, off_by(found, CONTROL_HZ).values())) < 0.10, found


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("condition", "published"), [("control", CONTROL_HZ), ("patient", PATIENT_HZ)]
)
def test_five_networks_fire_as_published(in_regions, build, condition, published):
    """Mean of five seeds, 500 to 1000 ms: every population within 10 % of the published rate."""
    found = []
    for seed in range(1, 6):
        engine = build(in_regions(circuit(condition=condition), "r"), dt_ms=0.1, seed=seed)
        engine.initialize()
        engine.advance(10_000)
        found.append(rates_hz(*engine.take_spikes(), engine, 500.0, 1000.0))
        engine.close()
    mean = {name: float(np.mean([one[name] for one in found])) for name in published}
    print(
        condition,
        {
            name: (round(mean[name], 2), round(float(np.std([o[name] for o in found])), 2))
            for name in mean
        },
    )
    assert max(map(abs, off_by(mean, published).values())) < 0.10, mean


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pulses_into_the_subthalamic_nucleus_bring_the_thalamus_towards_the_control(
    in_regions, build
):
    """Published: stimulation moves the patient's thalamus towards the healthy rate.

    Of the mean over three networks only: without a brain around it the effect is small, and in one
    of the three (seed 2) the thalamus fell from 18.9 to 17.3 Hz. A constant current into the GPi
    disinhibits the thalamus in each.
    """
    cases = {
        "control": {"condition": "control"},
        "patient": {"condition": "patient"},
        "STN": {"condition": "patient", "stimulation": STN_PULSES},
        "GPi": {"condition": "patient", "stimulation": {"site": "GPi", "current": -10.0}},
    }
    found = {name: [] for name in cases}
    for name, parameters in cases.items():
        for seed in (1, 2, 3):
            engine = build(in_regions(circuit(**parameters), "r"), dt_ms=0.1, seed=seed)
            engine.initialize()
            engine.advance(10_000)
            found[name].append(rates_hz(*engine.take_spikes(), engine, 500.0, 1000.0))
            engine.close()
    thalamus = {name: np.mean([one["Thl"] for one in runs]) for name, runs in found.items()}
    lacking = thalamus["control"] - thalamus["patient"]
    assert lacking > 1.0
    assert abs(thalamus["control"] - thalamus["STN"]) < 0.75 * lacking
    assert thalamus["GPi"] > thalamus["control"]
    for stimulated, rest in zip(found["GPi"], found["patient"], strict=True):
        assert stimulated["GPi"] < rest["GPi"] - 3.0
    for stimulated, rest in zip(found["STN"], found["patient"], strict=True):
        assert stimulated["STN"] > rest["STN"]


def test_netpyne_alone_gives_the_same_spikes(in_regions, build, run, netpyne_alone):
    """The netParams are NetPyNE's own; 150 ms, with an electrode."""
    small = circuit(cells=20, stimulation=STN_PULSES)
    alone = netpyne_alone(small.net_params, small.sim_config, 7, 0.1, 150.0)
    engine = build(in_regions(small, "r"), dt_ms=0.1)
    engine.initialize()
    spikes, *_ = run(engine, 1500, 30)
    assert len(alone) > 200
    assert sorted(spikes) == alone
