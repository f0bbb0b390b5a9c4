"""A change in one region reaches another after tau_ij, through the exchange, both ways."""

import numpy as np
import pytest
from scipy.sparse.csgraph import dijkstra

import cosim
from cosim.build import build_tvb
from cosim.clock import SyncWindow
from cosim.plan import plan
from cosim.recorder import Recorder
from cosim.result_sinks import MemorySink
from cosim.signals import Packet
from cosim.spiking.delay_line import DelayLine
from cosim.stopwatch import Stopwatch
from cosim.transformers.rate_to_poisson import RateToPoisson

REPLACED = "rPCUN"


@pytest.fixture(scope="module")
def planned():
    circuit = cosim.Circuit(circuit="balanced_ei", regions=[REPLACED], inputs=[cosim.Input()])
    return plan(cosim.Experiment(duration_ms=100.0, circuits=[circuit]))


def test_delays_are_tract_length_over_speed_to_within_one_step(planned):
    (drive,) = planned.circuits.drives
    connectome = planned.connectome
    i = connectome.index(REPLACED)
    lengths = [connectome.lengths_mm[i, connectome.index(j)] for j in drive.sources]
    assert len(drive.sources) > 10
    assert np.abs(drive.delays * 0.1 - np.array(lengths) / 3.0).max() <= 0.05 + 1e-9


def test_a_rate_step_reaches_the_circuit_after_its_delay(planned):
    """Each source in turn jumps from 0 to 20 kHz at step 200: of 120 cells with 2 spikes expected
    per cell and step, one fires in the first step of arrival with probability 1 - e^-240."""
    (drive,) = planned.circuits.drives
    jump, window = 200, planned.clock.window_steps
    n_steps = jump + int(drive.delays.max()) + 2 * window
    to_spikes = RateToPoisson(seed=3, projection=0, gids=np.arange(120))
    for source, delay in enumerate(drive.delays):
        rates = np.zeros((n_steps, len(drive.sources)))
        rates[jump:, source] = 20_000.0
        line = DelayLine(np.zeros(len(drive.sources)), int(drive.delays.max()), window)
        first_ms = None
        for start in range(0, jump + int(delay) + window, window):
            columns = np.arange(len(drive.sources))
            arriving = line.arriving(start, window, columns, drive.delays)
            events = to_spikes(arriving, start, 0.1)
            if events.times_ms.size:
                assert set(events.source) == {source}
                first_ms = events.times_ms.min()
                break
            line.push(start, rates[start : start + window])
        assert first_ms is not None
        assert 0 <= first_ms - (jump + delay) * 0.1 <= 0.1


def states_with_a_rate_step(planned, jump):
    """S_e of every region, with R_e of the circuit going from its rest to 400 Hz at step jump."""
    sink = MemorySink()
    recorder = Recorder(sink)
    tvb = build_tvb(planned, recorder, Stopwatch())
    i = planned.connectome.index(REPLACED)
    rest = planned.initial_rates_hz[:, i]
    states, incoming = [], Packet(0, "NEURON")
    tvb.start()
    network = tvb._network
    advance = network.advance
    network.advance = lambda window: states.append(advance(window)) or states[-1]
    for window in planned.clock.windows():
        tvb.advance(window, incoming)
        steps = np.arange(window.start_step, window.stop_step)
        rates = np.where(steps[:, None] >= jump, 400.0, rest[0]), np.full((steps.size, 1), rest[1])
        signals = zip(planned.circuits.to_brain.signals, rates, strict=True)
        incoming = Packet(
            window.index + 1, "NEURON", tuple(layout.build(window, r) for layout, r in signals)
        )
    return np.concatenate(states)[:, 0]


def test_a_rate_step_of_the_circuit_reaches_every_region_after_its_delay(planned):
    """R jumps at step k: S of the replaced region differs from step k + 1, is felt tau later,
    and shows in the target one step after that: exactly where the direct way is the shortest, and
    never before the shortest way allows."""
    jump = 300
    quiet = states_with_a_rate_step(planned, jump=10**9)
    loud = states_with_a_rate_step(planned, jump)
    connectome = planned.connectome
    i = connectome.index(REPLACED)
    delays = connectome.delay_steps(0.1)
    # What is felt over a relay costs one more step there. The oracle is Dijkstra's shortest path.
    hops = np.where(connectome.weights.T > 0, delays.T + 1, 0)
    earliest = dijkstra(hops, indices=i)
    targets = np.flatnonzero(connectome.weights[:, i] > 0)
    assert targets.size > 10
    n_direct = 0
    for target in targets:
        # Row n is the state after step n: the first that differs read S(jump + 1) tau later.
        changed = np.flatnonzero(loud[:, target] != quiet[:, target])[0]
        direct = jump + 1 + delays[target, i]
        assert jump + earliest[target] <= changed <= direct
        n_direct += direct == jump + earliest[target]
    assert n_direct >= 5


def test_what_is_sent_before_the_run_is_the_initial_state(planned):
    tvb = build_tvb(planned, Recorder(MemorySink()), Stopwatch())
    packet = tvb.start()
    sent = packet.signal("R_e")
    columns = [planned.connectome.index(region) for region in sent.regions]
    np.testing.assert_array_equal(sent.values[0], planned.initial_rates_hz[0, columns])
    assert packet.exchange == 0
    assert isinstance(sent.window, SyncWindow)
