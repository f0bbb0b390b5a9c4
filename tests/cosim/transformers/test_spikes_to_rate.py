"""Counts to rates: every spike in exactly one step, and the rates that elephant finds."""

import numpy as np
import pytest
import quantities as pq
from elephant.statistics import mean_firing_rate, time_histogram
from neo import SpikeTrain

from cosim.clock import SyncClock, SyncWindow
from cosim.signals import SpikeCounts
from cosim.transformers.rate_to_poisson import RateToPoisson
from cosim.transformers.spikes_to_rate import SpikesToRate

DT_MS = 0.1
N_STEPS = 1000
N_CELLS = np.array([120, 40])
LABELS = ("V1.E", "V1.I")


@pytest.fixture(scope="module")
def spikes():
    """Population, cell and step of Poisson spikes of two populations over 100 ms."""
    found = []
    for number, (n_cells, hz) in enumerate(zip(N_CELLS, (30.0, 90.0), strict=True)):
        train = RateToPoisson(seed=1, projection=number, gids=np.arange(n_cells))
        events = train(np.full((N_STEPS, 1), hz), 0, DT_MS)
        steps = np.floor(events.times_ms / DT_MS).astype(int)
        found.append(np.stack([np.full(steps.size, number), events.cell, steps]))
    return np.concatenate(found, axis=1)


def rates_in_windows(spikes, window_steps):
    """Rates of the whole run, from counts taken window by window."""
    population, _, steps = spikes
    to_rate, parts = SpikesToRate(N_CELLS), []
    for window in SyncClock(DT_MS, window_steps, N_STEPS).windows():
        inside = (steps >= window.start_step) & (steps < window.stop_step)
        counts = np.zeros((window.n_steps, 2), dtype=np.int64)
        np.add.at(counts, (steps[inside] - window.start_step, population[inside]), 1)
        parts.append(to_rate(SpikeCounts(window, LABELS, counts)))
    return np.concatenate(parts)


@pytest.mark.parametrize("window_steps", [1, 2, 7, 23, 50, 999, 1000])
def test_spikes_are_conserved_to_the_last_one(spikes, window_steps):
    """Sum of rate x dt x cells is the number of spikes.

    Each rate carries two roundings and the sum at most 1000 more: relative 1002 x 1.1e-16 of some
    400 spikes is 5e-11, far from half a spike; 1e-9 leaves no room for a lost one.
    """
    rates_hz = rates_in_windows(spikes, window_steps)
    n_spikes = (rates_hz * DT_MS / 1000 * N_CELLS).sum(axis=0)
    assert np.allclose(n_spikes, np.bincount(spikes[0]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("window_steps", [1, 7, 50])
def test_rates_do_not_depend_on_the_window(spikes, window_steps):
    assert np.array_equal(rates_in_windows(spikes, window_steps), rates_in_windows(spikes, 1000))


@pytest.mark.parametrize("population", [0, 1])
def test_rates_equal_elephants_time_histogram(spikes, population):
    """The same quotient in other units; elephant works in 1/ms, so a few roundings are left.

    Spikes stand in the middle of their step: which bin an edge belongs to is not the question.
    """
    found, cells, steps = spikes
    mine = found == population
    trains = [
        SpikeTrain(
            np.sort((steps[mine & (cells == cell)] + 0.5) * DT_MS),
            t_stop=N_STEPS * DT_MS,
            units="ms",
        )
        for cell in range(N_CELLS[population])
    ]
    histogram = time_histogram(trains, bin_size=DT_MS * pq.ms, output="rate")
    expected_hz = histogram.rescale(pq.Hz).magnitude.ravel()
    rates_hz = rates_in_windows(spikes, 7)[:, population]
    assert np.allclose(rates_hz, expected_hz, rtol=1e-12, atol=0)


def test_the_mean_rate_equals_elephants_mean_firing_rate(spikes):
    """Mean over 1000 steps, a few hundred roundings of 1.1e-16: 1e-12 relative."""
    _, _, steps = spikes
    mine = spikes[0] == 0
    train = SpikeTrain((steps[mine] + 0.5) * DT_MS, t_stop=N_STEPS * DT_MS, units="ms")
    expected_hz = mean_firing_rate(train).rescale(pq.Hz).item() / N_CELLS[0]
    assert rates_in_windows(spikes, 50)[:, 0].mean() == pytest.approx(expected_hz, rel=1e-12)


def test_one_spike_of_one_cell_in_one_step():
    """1 spike / (1 cell x 0.1 ms) = 10 kHz."""
    window = SyncWindow(0, 0, 1, DT_MS)
    rate_hz = SpikesToRate(np.array([1]))(SpikeCounts(window, ("V1.E",), np.array([[1]])))
    assert rate_hz == pytest.approx(10_000.0, rel=1e-15)


def test_a_silent_population_has_a_rate_of_zero():
    window = SyncWindow(0, 0, 5, DT_MS)
    counts = SpikeCounts(window, LABELS, np.zeros((5, 2), dtype=np.int64))
    assert not SpikesToRate(N_CELLS)(counts).any()


def test_no_population_gives_no_rate():
    window = SyncWindow(0, 0, 5, DT_MS)
    nothing = SpikeCounts(window, (), np.zeros((5, 0), dtype=np.int64))
    assert SpikesToRate(np.empty(0, dtype=np.int64))(nothing).shape == (5, 0)
