"""TVB as a participant keeps the contract, and stops where a run must not be carried on."""

from pathlib import Path

import numpy as np
import pytest
from participant_contract import BEFORE, CLOCK, ParticipantContract, run, told

from cosim.clock import SyncClock
from cosim.errors import SimulationError
from cosim.meanfield.compiled_network import CompiledNetwork
from cosim.meanfield.connectome import Connectome, load_connectome
from cosim.meanfield.models import MODELS
from cosim.meanfield.monitors import build_monitors
from cosim.meanfield.network import MeanFieldNetwork
from cosim.meanfield.participant import TvbParticipant
from cosim.meanfield.simulation import MeanField
from cosim.protocols import GatedRate
from cosim.signals import PacketLayout, SignalLayout
from cosim.stopwatch import Stopwatch
from cosim.transformers.rate_to_gating import RateToGating

REGIONS = ("V1", "V2", "M1")
FAMILY = MODELS["reduced_wong_wang_exc_inh"]
TO_CIRCUITS = PacketLayout("TVB", (SignalLayout("R_e", ("V1", "M1"), True),))
TO_BRAIN = PacketLayout(
    "NEURON", (SignalLayout("R_e", ("V2",), True), SignalLayout("R_i", ("V2",), True))
)
# Delays of 7 steps and more at 3 mm/ms: the windows of the contract are exact.
CONNECTOME = Connectome(
    "three",
    REGIONS,
    np.array([[0.0, 0.5, 0.2], [0.4, 0.0, 0.3], [0.6, 0.1, 0.0]]),
    np.array([[0.0, 2.1, 3.0], [4.5, 0.0, 2.4], [9.0, 2.1, 0.0]]),
    np.zeros((3, 3)),
    3.0,
)
INITIAL = np.array([[0.16] * 3, [0.04] * 3])


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self):
        self.times_ms = {}
        self.values = {}

    def add_series(self, name, times_ms, values):
        self.times_ms.setdefault(name, []).extend(times_ms)
        self.values.setdefault(name, []).extend(values)


def build(
    sigma=(0.0, 0.0),
    parameters=None,
    ceiling_hz=500.0,
    clipped=0.01,
    incoming=TO_BRAIN,
    engine=CompiledNetwork,
):
    """A participant of three regions, of which V2 is replaced, and its sink."""
    network = engine(
        MeanField(
            CONNECTOME,
            FAMILY,
            parameters or {"G": 0.5},
            CLOCK.dt_ms,
            7,
            np.array(sigma),
            INITIAL,
            build_monitors({"raw": CLOCK.dt_ms, "temporal_average": 1.0}),
        )
    )
    gates = {
        "R_e": GatedRate("S_e", RateToGating(100.0, 0.641e-3, True, INITIAL[0, 1:2])),
        "R_i": GatedRate("S_i", RateToGating(10.0, 1e-3, False, INITIAL[1, 1:2])),
    }
    sink = Kept()
    participant = TvbParticipant(
        network, TO_CIRCUITS, incoming, gates, sink, Stopwatch(), ceiling_hz, clipped
    )
    return participant, sink


class TestTvb(ParticipantContract):
    @pytest.fixture(params=[MeanFieldNetwork, CompiledNetwork], ids=["tvb", "compiled"])
    def engine(self, request):
        return request.param

    @pytest.fixture(params=[(0.0, 0.0), (1e-3, 1e-3)], ids=["quiet", "noisy"])
    def make(self, request, engine):
        return lambda clock: (build(sigma=request.param, engine=engine)[0], TO_BRAIN)


def recorded(clock=CLOCK, **options):
    participant, sink = build(**options)
    run(participant, TO_BRAIN, clock)
    return np.array(sink.times_ms["raw"]), np.array(sink.values["raw"])


def test_the_start_tells_the_rates_of_the_initial_state():
    """All regions alike but for their input: R_e of V1 by the equations of PHYSICS section 1.

    I_e = .382 + 1.4 x .15 x .16 - .04 + .5 x .15 x .7 x .16 nA with J_i 1; the arithmetic is a
    dozen roundings of some Hz, 1e-13.
    """
    x = 0.382 + 1.4 * 0.15 * 0.16 - 0.04 + 0.5 * 0.15 * 0.7 * 0.16
    u = 310 * x - 125
    packet = build()[0].start()
    assert packet.signal("R_e").values[0, 0] == pytest.approx(
        u / (1 - np.exp(-0.16 * u)), rel=1e-12
    )


def test_every_step_of_the_run_is_recorded_once_the_last_window_included():
    times_ms, values = recorded()
    assert np.allclose(times_ms, (np.arange(31) + 1) * 0.1, rtol=0, atol=1e-12)
    assert values.shape == (31, 4, 3)


def test_a_replaced_region_is_recorded_with_the_rates_that_were_told():
    _, values = recorded()
    steps = np.concatenate([TO_BRAIN.pack(told(TO_BRAIN, w.index + 1, w)) for w in CLOCK.windows()])
    assert np.array_equal(values[:, 2:, 1], steps)


def test_a_replaced_region_is_recorded_with_the_gating_that_its_rates_drive():
    _, values = recorded()
    expected = RateToGating(100.0, 0.641e-3, True, INITIAL[0, 1:2])(values[:, 2, 1:2], 0.1)
    assert np.array_equal(values[:, 0, 1:2], expected)


def test_what_a_circuit_does_not_give_is_recorded_as_unknown():
    only_e = PacketLayout("NEURON", TO_BRAIN.signals[:1])
    participant, sink = build(incoming=only_e)
    run(participant, only_e, CLOCK)
    values = np.array(sink.values["raw"])
    assert np.isnan(values[:, [1, 3], 1]).all()
    assert np.isfinite(values[:, :, [0, 2]]).all()


@pytest.mark.parametrize("window_steps", [1, 3, 5, 7])
def test_the_window_does_not_change_a_bit_of_what_is_recorded(window_steps):
    times_ms, values = recorded(SyncClock(0.1, window_steps, 31), sigma=(1e-3, 1e-3))
    whole_times_ms, whole = recorded(sigma=(1e-3, 1e-3))
    assert np.array_equal(times_ms, whole_times_ms)
    assert np.array_equal(values, whole)


def test_monitors_sample_at_their_period():
    participant, sink = build()
    run(participant, TO_BRAIN, CLOCK)
    assert len(sink.times_ms["temporal_average"]) == 3  # 3.1 ms at a period of 1 ms


def test_the_step_count_is_tvbs_own():
    participant, _ = build()
    run(participant, TO_BRAIN, CLOCK)
    assert participant.summary()["steps"] == 31


def test_a_number_that_is_not_finite_stops_the_run_with_variable_region_and_time():
    """gamma_e drives S_e in the first step, from 0 to 0.1 ms."""
    participant, _ = build(parameters={"gamma_e": np.array([1e-3, 1e-3, np.nan])})
    with pytest.raises(SimulationError, match=r"S_e of region 'M1' became nan at t = 0\.1 ms"):
        run(participant, TO_BRAIN, CLOCK)


def test_a_regional_rate_above_the_ceiling_stops_the_run():
    """At rest R_e and R_i are 3 to 4 Hz; the first 100 ms end at step 1000 of 1100."""
    participant, _ = build(ceiling_hz=1.0)
    with pytest.raises(SimulationError, match=r"of region '(V1|M1)' fires at .* ceiling of 1 Hz"):
        run(participant, TO_BRAIN, SyncClock(0.1, 7, 1100))


def test_too_many_clipped_steps_stop_the_run():
    """Noise of 1 per sqrt(ms), SD .3 a step, takes S out of [0, 1] every few steps."""
    participant, _ = build(sigma=(1.0, 0.0))
    with pytest.raises(SimulationError, match=r"were clipped to \[0, 1\] .* = 0\.01; lower"):
        run(participant, TO_BRAIN, CLOCK)


def test_allowed_clips_are_counted_per_region():
    participant, _ = build(sigma=(1.0, 0.0), clipped=1.0)
    run(participant, TO_BRAIN, CLOCK)
    clipped = participant.summary()["clipped_steps"]
    assert set(clipped) == {"V1", "M1"}
    assert all(0 < n <= 31 for n in clipped.values())


def test_the_incoming_rates_are_first_felt_one_delay_later():
    """V2 reaches V1 after 7 steps: until then V1 does what it does whatever V2 is told to do.

    A rate over step 0 is in S_e after step 0, which V1 reads 7 steps on; R_e of V1 holds the value
    at the start of a step, so that row 7 + 1 is the first to differ.
    """
    states = []
    for shift in (0.0, 50.0):
        participant, sink = build()
        participant.start()
        incoming = told(TO_BRAIN, 0, BEFORE)
        for window in CLOCK.windows():
            participant.advance(window, incoming)
            values = TO_BRAIN.pack(told(TO_BRAIN, window.index + 1, window)) + shift
            incoming = TO_BRAIN.unpack(window.index + 1, window, values)
        participant.finish(incoming)
        states.append(np.array(sink.values["raw"])[:, 2, 0])
    differs = np.flatnonzero(states[0] != states[1])
    assert differs[0] == 8


@pytest.mark.parametrize("engine", [MeanFieldNetwork, CompiledNetwork], ids=["tvb", "compiled"])
@pytest.mark.parametrize("cut", [1, 9, 23])
def test_monitors_go_on_with_what_they_had_gathered(engine, cut):
    """Every monitor, its period cut anywhere: 8.4 ms in windows of .3 ms, BOLD over 4 ms first."""
    clock = SyncClock(0.1, 3, 84)
    periods_ms = {
        "raw": 0.1,
        "subsample": 0.7,
        "temporal_average": 1.1,
        "bold": 4.0,
        "balloon": 2.1,
        "eeg": 1.3,
    }
    connectome = load_connectome("tvb76", "none", 3.0, Path())
    initial = np.tile([[0.16], [0.04]], connectome.n_regions)

    def network():
        brain = MeanField(
            connectome, FAMILY, {"G": 0.1}, 0.1, 7, np.array([1e-3, 0.0]), initial,
            build_monitors(periods_ms),
        )  # fmt: skip
        return engine(brain)

    def go(one, windows, samples):
        for window in windows:
            for name, (_, values) in one.sample(window, one.advance(window)).items():
                samples.setdefault(name, []).extend(values)

    expected, samples = {}, {}
    go(network(), clock.windows(), expected)
    first, second = network(), network()
    go(first, list(clock.windows())[:cut], samples)
    second.restore(first.state())
    go(second, clock.windows(cut), samples)
    assert samples.keys() == periods_ms.keys()
    for name, values in expected.items():
        assert len(values) > 1
        assert np.array_equal(samples[name], values), name
