"""Two ways into NEURON's event queue, one result; compiled only where that pays."""

import time

import numpy as np
import pytest

from cosim.errors import ConfigurationError
from cosim.spiking import injection, interpreter
from cosim.spiking.injection import Injection, choose_injection, foresee_injection
from cosim.spiking.interpreter import neuron_hoc

# Every kind of target in the library and beside it: shared and own Exp2Syn, synapses on dendrites,
# point neurons whose weights have an index, artificial cells.
CIRCUITS = {
    "balanced_ei": {"order": 20, "recurrent_excitation": 1.0},
    "wong_wang": {"n_excitatory": 100, "n_inhibitory": 60},
    "basal_ganglia": {"cells": 20},
    "cortico_thalamic": {"size": 0.1},
    "pyramidal_morphology": {"cells": 4},
    "calcium_sk": {"order": 5},
    "artificial.py:network": {},
}
WINDOW_STEPS, N_WINDOWS = 7, 40


def queued(h, ports):
    """What is in NEURON's queue of events of connections: times and the connections' numbers."""
    number = {}
    for port in ports:
        number |= {one.hname(): len(number) + i for i, one in enumerate(port._connections)}
    times, connections = h.Vector(), h.List()
    h.CVode().event_queue_info(2, times, connections)
    names = [connection.hname() for connection in connections]
    return sorted((when, number.get(name, -1)) for when, name in zip(times, names, strict=True))


def simulate(way, copies, build):
    """Spikes, and what each window leaves in the queue, of one way."""
    engine = build(copies)
    engine.ports.choose_injection(way, 0)
    assert engine.ports.injection.name == way
    ports = [
        engine.ports.add_input(label, receptor, np.array([0.01, 0.037, 0.0041]))
        for label, receptors in engine.network.composition.population_receptors.items()
        for receptor in receptors
    ]
    engine.initialize()
    random, spikes, left = np.random.default_rng(4), [], []
    for window in range(N_WINDOWS):
        begin_ms, length_ms = window * WINDOW_STEPS * 0.1, WINDOW_STEPS * 0.1
        for port in ports:
            n = 1 + port.gids.size // 8
            # Many at the same time, many within NEURON's last half step before the window's end.
            within = random.choice([0.0, 0.25, 0.5, 0.95, 0.999999], n) * length_ms
            jittered = np.where(random.random(n) < 0.5, within, random.random(n) * length_ms)
            cell, source = random.integers(0, port.gids.size, n), random.integers(0, 3, n)
            port.schedule(cell, source, begin_ms + jittered)
        engine.advance((window + 1) * WINDOW_STEPS)
        spikes += zip(*(column.tolist() for column in engine.take_spikes()), strict=True)
        left.append(queued(neuron_hoc(), ports))
    engine.close()
    return spikes, left


@pytest.mark.parametrize("name", CIRCUITS)
def test_both_ways_give_the_same_spikes_and_leave_nothing_of_a_window(
    name, in_regions, load, build
):
    """Bit for bit; of the events that were queued all are delivered when the window ends."""
    copies = in_regions(load(name, **CIRCUITS[name]), "r")
    one_by_one, at_once = (simulate(way, copies, build) for way in ("netcon", "compiled"))
    assert len(one_by_one[0]) >= 8
    assert all(number < 0 for left in one_by_one[1] for _, number in left)
    assert at_once[0] == one_by_one[0]
    assert at_once[1] == one_by_one[1]


def test_what_is_in_the_queue_can_be_seen(in_regions, load, build):
    """Events of the next window, in the order of their times: the test above sees what is left."""
    for way in ("netcon", "compiled"):
        engine = build(in_regions(load("balanced_ei", order=5), "r"))
        engine.ports.choose_injection(way, 0)
        port = engine.ports.add_input("r.E", "exc", np.array([0.01]))
        engine.initialize()
        port.schedule(np.array([2, 0, 1]), np.zeros(3, dtype=np.int64), np.array([0.3, 0.2, 0.05]))
        engine.advance(1)
        assert queued(neuron_hoc(), [port]) == [(0.2, 0), (0.3, 2)]
        engine.close()


def test_an_event_costs_less_than_a_microsecond(in_regions, load, build):
    """CPU time of this thread, so that others at work do not count; .1 us is usual."""
    engine = build(in_regions(load("balanced_ei", order=20), "r"))
    engine.ports.choose_injection("compiled", 0)
    port = engine.ports.add_input("r.E", "exc", np.full(66, 1e-4))
    engine.initialize()
    random, spent_s = np.random.default_rng(1), []
    for start in range(0, 1000, 20):
        cell, source = random.integers(0, port.gids.size, 1000), random.integers(0, 66, 1000)
        times_ms = (start + 20 * random.random(1000)) * 0.1
        begin = time.thread_time()
        port.schedule(cell, source, times_ms)
        spent_s.append(time.thread_time() - begin)
        engine.advance(start + 20)
    assert np.median(spent_s) < 1e-6 * 1000


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_short_run_is_not_kept_waiting_by_the_compiler(empty_cache):
    found = choose_injection("auto", 26_000)
    assert found == Injection("netcon", "not compiled yet, and 2.6e+04 events do not pay for it")


def test_a_long_run_compiles(empty_cache):
    found = foresee_injection("auto", 2 * injection.WORTH_COMPILING)
    assert found == Injection("compiled", "6e+06 events expected")


def test_before_the_number_of_events_is_known_it_is_told_what_decides(empty_cache):
    assert "runs of 3e+06 events on a rank compile it" in foresee_injection("auto").why


def test_what_was_compiled_before_is_used_by_the_shortest_run():
    choose_injection("compiled", 0)
    assert choose_injection("auto", 0) == Injection("compiled", "compiled before")


def test_without_a_compiler_the_loop_runs_and_says_why(empty_cache, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert choose_injection("auto", 1e9) == Injection("netcon", "no C++ compiler and make")


def test_compiled_without_a_compiler_is_refused_in_one_line(empty_cache, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigurationError, match=r"no C\+\+ compiler and make; install"):
        foresee_injection("compiled")


def test_a_library_that_cannot_be_made_leaves_the_loop(empty_cache, monkeypatch, tmp_path):
    monkeypatch.setattr(interpreter, "_loaded_contents", set())
    (tmp_path / "tvb-netpyne-cosim").write_text("a file where the cache's folder should be")
    found = choose_injection("auto", 1e9)
    assert found.name == "netcon"
    assert "set XDG_CACHE_HOME" in found.why
