"""The run starts at rest, without a burst, and ends when asked, on both sides."""

import numpy as np
import pytest

import cosim
from cosim.plan import plan

DURATION_MS = 50.0


@pytest.fixture(scope="module")
def experiment():
    """Without noise, so that the mean field starts at its fixed point and stays there."""
    circuit = {
        "circuit": "balanced_ei",
        "regions": ["rPCUN"],
        "parameters": {"order": 100, "recurrent_excitation": 0.35},
        "inputs": [{"from": "R_e", "to": "E", "trains_per_source": 4, "weight_uS": 0.1}],
    }
    monitors = {"temporal_average": {"period_ms": 1.0}}
    return cosim.Experiment(
        seed=7, duration_ms=DURATION_MS, brain={"monitors": monitors}, circuits=[circuit]
    )


@pytest.fixture(scope="module")
def result(experiment):
    return cosim.run(experiment)


def exchanged_hz(result, rows):
    """Rates that TVB sent, shape (steps, regions)."""
    (name,) = (n for n in result.exchange.data_vars if n.startswith("to_circuits"))
    return result.exchange[name].values[rows]


def test_rates_of_the_first_window_are_those_of_the_initial_state(experiment, result):
    """A fixed point found to 1e-12 moves by less than 1e-6 Hz in the 2.3 ms of a window."""
    planned = plan(experiment)
    regions = planned.circuits.to_circuits.signals[0].regions
    columns = [planned.connectome.index(region) for region in regions]
    initial_hz = planned.initial_rates_hz[planned.family.rates.index("R_e"), columns]
    assert initial_hz.min() > 1.0
    rates_hz = exchanged_hz(result, result.exchange["window"].values == 0)
    assert rates_hz.shape == (23, len(regions))
    np.testing.assert_allclose(rates_hz, np.tile(initial_hz, (23, 1)), rtol=0, atol=1e-6)


def test_rates_of_the_first_step_are_those_of_a_given_initial_state(experiment):
    """Away from the fixed point and with noise too: row 0 is the state at t = 0."""
    elsewhere = experiment.brain.model_copy(
        update={"initial": {"S_e": 0.3, "S_i": 0.05}, "noise": {"S_e": 0.001}}
    )
    moved = experiment.model_copy(update={"brain": elsewhere, "duration_ms": 2.3})
    planned = plan(moved)
    regions = planned.circuits.to_circuits.signals[0].regions
    columns = [planned.connectome.index(region) for region in regions]
    initial_hz = planned.initial_rates_hz[planned.family.rates.index("R_e"), columns]
    rates_hz = exchanged_hz(cosim.run(moved), slice(None))
    # TVB sums delayed input in float32: 1e-7 of 30 terms.
    np.testing.assert_allclose(rates_hz[0], initial_hz, rtol=1e-5)
    assert np.abs(rates_hz[-1] / initial_hz - 1).max() > 1e-3


def test_input_events_from_the_start_on_are_those_of_the_stationary_rates(experiment, result):
    """120 cells, 4 trains from each source, 50 ms: a Poisson count, SD the square root of it."""
    planned = plan(experiment)
    (drive,) = planned.circuits.drives
    columns = [planned.connectome.index(source) for source in drive.sources]
    rates_hz = planned.initial_rates_hz[planned.family.rates.index("R_e"), columns]
    expected = 120 * 4 * rates_hz.sum() * DURATION_MS / 1000.0
    assert expected > 1000
    n_events = result.provenance["participants"]["NEURON"]["input_events_of_rank_0"]
    assert abs(n_events - expected) < 4 * np.sqrt(expected)


@pytest.mark.parametrize(
    ("duration_ms", "last_window_steps"),
    [(500.0, 9), (46.0, 23), (2.3, 23), (0.1, 1)],
    ids=["500 ms", "20 windows", "1 window", "1 step"],
)
def test_both_sides_and_the_clock_end_when_asked(experiment, duration_ms, last_window_steps):
    """Windows of 2.3 ms: 500 ms are 217 of them and 0.9 ms. NEURON sums its steps of 0.05 ms."""
    small = experiment.circuits[0].model_copy(update={"parameters": {"order": 10}})
    asked = experiment.model_copy(update={"duration_ms": duration_ms, "circuits": [small]})
    n_steps = round(duration_ms / 0.1)
    ended = cosim.run(asked)
    participants = ended.provenance["participants"]
    assert participants["TVB"]["steps"] == n_steps
    assert participants["TVB"]["time_ms"] == pytest.approx(duration_ms, abs=1e-9)
    assert participants["NEURON"]["time_ms"] == pytest.approx(duration_ms, abs=1e-9)
    assert ended.exchange.sizes["time"] == n_steps
    windows = ended.exchange["window"].values
    assert windows[-1] == (n_steps - 1) // 23
    assert np.bincount(windows)[:-1].tolist() == [23] * windows[-1]
    assert np.bincount(windows)[-1] == last_window_steps
    samples = ended.mean_field["time_temporal_average"].values
    assert samples.size == int(duration_ms)


def test_last_spikes_are_kept(experiment):
    """A run of 50 ms holds the very spikes of a run of 60 ms that fall before 50 ms."""
    longer = cosim.run(experiment.model_copy(update={"duration_ms": 60.0})).spikes["rPCUN.E"]
    spikes = cosim.run(experiment).spikes["rPCUN.E"]
    before = longer.times_ms < DURATION_MS
    assert 10 < spikes.times_ms.size == before.sum() < longer.times_ms.size
    np.testing.assert_array_equal(spikes.times_ms, longer.times_ms[before])
    np.testing.assert_array_equal(spikes.node_ids, longer.node_ids[before])
