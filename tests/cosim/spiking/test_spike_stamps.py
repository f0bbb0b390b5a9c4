"""How NEURON 9 stamps spikes, and that every spike falls into exactly one step of one window."""

import numpy as np
import pytest

DT_MS = 0.05


@pytest.fixture
def clocks_and_cells(specs, hh_circuit):
    """HH cells, and generators: irregular ones, and ones on half and whole steps."""
    circuit = hh_circuit({"A": 5})
    net = circuit.net_params
    for name, rate_hz, noise, start_ms in (
        ("noisy", 60.0, 1.0, 0.0),
        ("whole", 1000.0, 0.0, 0.0),
        ("half", 1600.0, 0.0, 0.025),
        ("odd", 700.0, 0.0, 0.31),
    ):
        net.popParams[name] = {
            "cellModel": "NetStim", "numCells": 3,
            "rate": rate_hz, "noise": noise, "start": start_ms,
        }  # fmt: skip
    net.connParams["noise"] = {
        "preConds": {"pop": "noisy"}, "postConds": {"pop": "A"},
        "weight": 0.01, "delay": "uniform(1,4)", "synMech": "exc",
    }  # fmt: skip
    return circuit


def test_a_cells_spike_is_stamped_on_the_grid_plus_a_tenth_of_a_nanosecond(
    in_regions, clocks_and_cells, build, run
):
    engine = build(in_regions(clocks_and_cells, "r"))
    engine.initialize()
    spikes, *_ = run(engine, 1000)
    times = np.array([time for time, gid in spikes if gid < 5])
    offset = times - np.round(times / DT_MS) * DT_MS
    assert times.size > 10
    assert offset == pytest.approx(1e-10, abs=1e-11)


def test_a_crossing_at_the_very_end_of_a_window_is_reported_by_the_next(
    in_regions, hh_circuit, build
):
    """The potential is pushed over threshold between two windows: at 1 ms, by hand."""
    engine = build(in_regions(hh_circuit({"A": 1}), "r"))
    engine.initialize()
    engine.advance(10)
    assert engine.take_spikes()[0].size == 0
    engine.network.cells[0].secs["soma"]["hObj"].v = 40.0
    engine.advance(11)
    times_ms, _ = engine.take_spikes()
    assert times_ms == pytest.approx([1.0], abs=1e-9)
    assert engine.step_of(times_ms).tolist() == [10]


@pytest.mark.parametrize("window_steps", [1, 2, 3, 7, 25, 50, 300])
def test_spikes_do_not_depend_on_the_window_and_fall_inside_it(
    in_regions, clocks_and_cells, build, run, window_steps
):
    """60 ms as one psolve and as windows: times and ids bit for bit, and the same steps."""
    whole = build(in_regions(clocks_and_cells, "r"))
    whole.initialize()
    expected, _, expected_steps = run(whole, 600)
    whole.close()
    engine = build(in_regions(clocks_and_cells, "r"))
    engine.initialize()
    spikes, windows, steps = run(engine, 600, window_steps)
    assert sorted(spikes) == sorted(expected)
    assert sorted(steps) == sorted(expected_steps)
    assert all(start <= step < stop for step, (start, stop) in zip(steps, windows, strict=True))


def test_no_spike_is_lost_or_counted_twice(in_regions, clocks_and_cells, build, run):
    """Per generator without noise: one spike at start and then every interval, up to 60 ms.

    At 1 kHz from 0: 60. At 1600 Hz from .025 ms: floor(59.975 / .625) + 1 = 96. At 700 Hz from
    .31 ms: floor(59.69 / 1.42857) + 1 = 42. Three cells each; a spike at 60 ms is of the next step.
    """
    engine = build(in_regions(clocks_and_cells, "r"))
    engine.initialize()
    spikes, _, steps = run(engine, 600, 1)
    gids = np.array([gid for _, gid in spikes])
    counts = {
        name: int(np.isin(gids, engine.network.local_gids(f"r.{name}")).sum())
        for name in ("whole", "half", "odd")
    }
    assert counts == {"whole": 180, "half": 288, "odd": 126}
    first = engine.network.first_gid("r.whole")
    whole = [step for (_, gid), step in zip(spikes, steps, strict=True) if gid == first]
    assert whole == list(range(0, 600, 10))


def test_a_step_is_what_contains_the_spikes_stamp(in_regions, clocks_and_cells, build, run):
    """Mean-field step .1 ms: floor(t / .1), but for rounding at grid times."""
    engine = build(in_regions(clocks_and_cells, "r"))
    engine.initialize()
    spikes, _, steps = run(engine, 600, 6)
    times = np.array([time for time, _ in spikes])
    assert np.abs(np.array(steps) - (times - 0.05) / 0.1).max() <= 0.5 + 1e-3


def test_no_step_is_dropped_in_a_long_run(in_regions, hh_circuit, build):
    """With dt .025 and targets k * window, NEURON 9 takes 39 steps instead of 40 at 11639 ms."""
    engine = build(in_regions(hh_circuit({"A": 1}), "r"), dt_ms=0.025)
    engine.initialize()
    for window in range(1, 12001):
        engine.advance(10 * window)
        assert abs(engine.time_ms - window) < 1e-6
    engine.take_spikes()


@pytest.mark.parametrize("drift_ms", [-3e-4, 0.0, 3e-4])
def test_drift_of_neurons_clock_does_not_move_a_spike(in_regions, hh_circuit, build, drift_ms):
    """After 1000 s h.t may be 3e-4 ms off; the stamp of step 200's crossing is off by as much."""
    engine = build(in_regions(hh_circuit({"A": 1}), "r"))
    engine.initialize()
    engine._stamped.follow(10.0 + drift_ms, 100)
    assert engine.step_of(np.array([10.0 + drift_ms + 1e-10])).tolist() == [100]
    assert engine.step_of(np.array([9.95 + drift_ms + 1e-10])).tolist() == [99]
