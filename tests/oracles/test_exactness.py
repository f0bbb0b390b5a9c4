"""The coupling is exact: a stand-in that integrates TVB's own equations changes nothing.

The stand-in circuit is a second TVB that integrates the replaced regions (Heun, the same keyed
noise) and learns of all others only through the exchange, as the first learns of the replaced ones.
Each side has a wrong external input in the regions that are not its own, so that only what is
exchanged can be right. The oracle is TVB's own Simulator with TVB's own model, run in one piece.
"""

from pathlib import Path

import numpy as np
import pytest
from tvb.simulator import coupling, integrators, monitors, simulator
from tvb.simulator.models.wong_wang_exc_inh import ReducedWongWangExcInh

from cosim.clock import SyncClock
from cosim.meanfield.compiled_network import CompiledNetwork
from cosim.meanfield.connectome import load_connectome
from cosim.meanfield.integration import KeyedAdditive
from cosim.meanfield.models import MODELS
from cosim.meanfield.monitors import build_monitors
from cosim.meanfield.network import MeanFieldNetwork
from cosim.meanfield.participant import TvbParticipant
from cosim.meanfield.simulation import MeanField, tvb_connectivity
from cosim.recorder import Recorder
from cosim.result_sinks import MemorySink
from cosim.results import RunResult
from cosim.scheduler import Position, Side, run_windows
from cosim.signals import PacketLayout, SignalLayout
from cosim.stopwatch import Stopwatch
from cosim.transport.in_process import InProcessTransport

DT_MS, DURATION_MS, SEED = 0.1, 150.0, 11
REPLACED = {1: ("rPCUN",), 3: ("rPCUN", "lPCUN", "rSP")}
TRUE_I_O, WRONG_I_O = 0.382, 0.2
ENGINES = {"tvb": MeanFieldNetwork, "compiled": CompiledNetwork}
SIGMA = {"quiet": np.zeros(2), "noisy": np.array([0.002, 0.001])}


@pytest.fixture(scope="module")
def hagmann():
    return load_connectome("hagmann66", "none", 3.0, Path())


@pytest.fixture(scope="module")
def initial(hagmann):
    """Far from rest, different in every region, so that the network moves."""
    rng = np.random.default_rng(5)
    return rng.uniform(0.05, 0.4, (2, hagmann.n_regions))


def plain_tvb(hagmann, initial, sigma):
    """S_e, S_i of TVB's own run, shape (n_steps, 2, n_regions)."""
    if sigma.any():
        noise = KeyedAdditive(SEED, sigma)
        integrator = integrators.HeunStochastic(dt=DT_MS, noise=noise)
    else:
        integrator = integrators.HeunDeterministic(dt=DT_MS)
    connectivity = tvb_connectivity(hagmann)
    connectivity.configure()
    connectivity.set_idelays(DT_MS)
    horizon = connectivity.idelays.max() + 1
    tvb = simulator.Simulator(
        connectivity=connectivity,
        model=ReducedWongWangExcInh(G=np.array([0.2])),
        coupling=coupling.Linear(a=np.array([1.0])),
        integrator=integrator,
        monitors=(monitors.Raw(),),
        initial_conditions=np.tile(initial[None, ..., None], (horizon, 1, 1, 1)),
    )
    tvb.configure()
    ((_, values),) = tvb.run(simulation_length=DURATION_MS)
    return values[..., 0]


def participant(hagmann, initial, sigma, engine, own, other, name, recorder, stopwatch):
    """A TVB that integrates ``own`` and is told S of ``other``, for which its own I_o is wrong."""
    I_o = np.where(np.isin(hagmann.regions, own), TRUE_I_O, WRONG_I_O)
    network = ENGINES[engine](
        MeanField(
            hagmann,
            MODELS["reduced_wong_wang_exc_inh"],
            {"G": np.array([0.2]), "I_o": I_o},
            DT_MS,
            SEED,
            sigma,
            initial,
            build_monitors({"raw": DT_MS}),
        )
    )
    recorder.declare_series("raw", network.family.variables, hagmann.regions, DT_MS)
    gatings = ("S_e", "S_i")
    told = PacketLayout(name, tuple(SignalLayout(v, own, is_rate=False) for v in gatings))
    hears = PacketLayout("peer", tuple(SignalLayout(v, other, is_rate=False) for v in gatings))
    return TvbParticipant(network, told, hears, {}, recorder, stopwatch, 500.0, 0.01)


def coupled(hagmann, initial, sigma, replaced, window_steps, engine="tvb"):
    """S_e, S_i of the coupled run, as the first side records it."""
    rest = tuple(region for region in hagmann.regions if region not in replaced)
    stopwatch, sinks = Stopwatch(), (MemorySink(), MemorySink())
    recorders = [Recorder(sink) for sink in sinks]
    one, two = InProcessTransport.pair()
    common = hagmann, initial, sigma, engine
    brain = participant(*common, rest, replaced, "brain", recorders[0], stopwatch)
    stand_in = participant(*common, replaced, rest, "stand-in", recorders[1], stopwatch)
    clock = SyncClock(DT_MS, window_steps, round(DURATION_MS / DT_MS))
    run_windows(clock, [Side(brain, one), Side(stand_in, two)], stopwatch, Position())
    for recorder in recorders:
        recorder.close()
    raw = RunResult.in_memory(sinks[0]).mean_field["raw"]
    return raw.sel(variable=["S_e", "S_i"]).values


def shortest_crossing_steps(hagmann, replaced):
    inside = np.isin(hagmann.regions, replaced)
    crosses = (hagmann.weights > 0) & (inside[:, None] != inside[None, :])
    return int(hagmann.delay_steps(DT_MS)[crosses].min())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n_replaced", REPLACED)
@pytest.mark.parametrize("noise", SIGMA)
@pytest.mark.parametrize("window", [1, 5, "longest"])
def test_coupled_run_equals_the_plain_tvb_run(hagmann, initial, noise, window, n_replaced, engine):
    """To 1e-12, the limit that was asked for; the operations are the same, so 0 is expected."""
    replaced, sigma = REPLACED[n_replaced], SIGMA[noise]
    longest = shortest_crossing_steps(hagmann, replaced)
    steps = longest if window == "longest" else window
    assert steps <= longest
    expected = plain_tvb(hagmann, initial, sigma)
    got = coupled(hagmann, initial, sigma, replaced, steps, engine)
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-12


def test_a_window_beyond_the_shortest_delay_is_not_exact(hagmann, initial):
    """The condition is sharp: two steps more than the delay, and the result changes."""
    replaced = REPLACED[1]
    longest = shortest_crossing_steps(hagmann, replaced)
    expected = plain_tvb(hagmann, initial, SIGMA["quiet"])
    got = coupled(hagmann, initial, SIGMA["quiet"], replaced, longest + 2)
    assert np.abs(got - expected).max() > 1e-9
