"""Poisson trains: their law over all rates and windows, their independence, their invariance.

Tolerances are 4 standard errors; P values are held against the two-sided chance of 4 SD, 6.3e-5.
"""

import numpy as np
import pytest
from scipy import stats

from cosim.transformers.rate_to_poisson import RateToPoisson

DT_MS = 0.1
LEVEL = 2 * stats.norm.sf(4)


def draw(transformer, rates_hz, window_steps, start_step=0):
    """Events of all windows: cell, source, time and window of each."""
    cell, source, times_ms, window = [], [], [], []
    for number, start in enumerate(range(0, len(rates_hz), window_steps)):
        rows = rates_hz[start : start + window_steps]
        events = transformer(rows, start_step + start, DT_MS)
        cell.append(events.cell)
        source.append(events.source)
        times_ms.append(events.times_ms)
        window.append(np.full(events.cell.size, number))
    return tuple(np.concatenate(parts) for parts in (cell, source, times_ms, window))


def constant(n_steps, *rates_hz):
    return np.tile(np.array(rates_hz, dtype=float), (n_steps, 1))


def as_set(cell, source, times_ms, gids):
    """Events named by what they mean, in an order that nothing depends on."""
    return sorted(zip(gids[cell].tolist(), source.tolist(), times_ms.tolist(), strict=True))


@pytest.mark.parametrize("window_steps", [1, 7, 50])
@pytest.mark.parametrize("rate_hz", [0.1, 1.0, 10.0, 100.0, 1000.0])
def test_counts_per_window_have_a_poisson_mean_and_fano_factor(rate_hz, window_steps):
    """20,000 cells over 350 steps: n counts of mean m = rate x window.

    The mean of n Poisson counts has SE sqrt(m/n). The index of dispersion, sample variance by
    mean, has expectation 1 and variance 2/(n - 1) (Fisher: (n - 1) times it is nearly chi-square
    with n - 1 degrees of freedom, whose variance is 2(n - 1)); that is an upper bound for small m,
    where given the total T the variance is 2/(n - 1) x (1 - 1/T).
    """
    n_cells, n_steps = 20_000, 350
    train = RateToPoisson(seed=1, projection=0, gids=np.arange(n_cells))
    cell, _, _, window = draw(train, constant(n_steps, rate_hz), window_steps)
    n_windows = n_steps // window_steps
    counts = np.bincount(window * n_cells + cell, minlength=n_windows * n_cells)
    m, n = rate_hz * window_steps * DT_MS / 1000, counts.size
    assert abs(counts.mean() - m) < 4 * np.sqrt(m / n)
    assert abs(counts.var(ddof=1) / counts.mean() - 1) < 4 * np.sqrt(2 / (n - 1))


@pytest.mark.parametrize("window_steps", [1, 7, 50])
def test_a_cells_trains_over_time_are_poisson_too(window_steps):
    """One cell followed for 35,000 steps at 300 Hz: the same two statistics along time."""
    train = RateToPoisson(seed=2, projection=0, gids=np.array([17]))
    _, _, _, window = draw(train, constant(35_000, 300.0), window_steps)
    n = 35_000 // window_steps
    counts, m = np.bincount(window, minlength=n), 300.0 * window_steps * DT_MS / 1000
    assert abs(counts.mean() - m) < 4 * np.sqrt(m / n)
    assert abs(counts.var(ddof=1) / counts.mean() - 1) < 4 * np.sqrt(2 / (n - 1))


@pytest.mark.parametrize("rate_hz", [20.0, 200.0, 20_000.0])
def test_intervals_between_spikes_are_exponential(rate_hz):
    """KS over the first k intervals of 100 cells; 20 kHz puts two events into each step.

    A record of 200 expected spikes holds at least k = 200 - 6 sqrt(200) = 115 of them in every
    cell, so that taking the first k does not prefer short intervals.
    """
    train = RateToPoisson(seed=3, projection=0, gids=np.arange(100))
    n_steps = round(200 / (rate_hz * DT_MS / 1000))
    cell, _, times_ms, _ = draw(train, constant(n_steps, rate_hz), 50)
    order = np.lexsort((times_ms, cell))
    per_cell = np.split(times_ms[order], np.cumsum(np.bincount(cell))[:-1])
    k = int(200 - 6 * np.sqrt(200))
    intervals = np.concatenate([np.diff(times, prepend=0.0)[:k] for times in per_cell])
    assert intervals.size == 100 * k
    assert stats.kstest(intervals, "expon", args=(0, 1000 / rate_hz)).pvalue > LEVEL


def test_a_rate_that_changes_is_followed_step_by_step():
    """Time rescaling: the expected count up to each event, over the total, is uniform."""
    n_steps = 2000
    rates_hz = 300.0 * (1.01 + np.sin(2 * np.pi * np.arange(n_steps) / 700))
    train = RateToPoisson(seed=4, projection=0, gids=np.arange(300))
    _, _, times_ms, _ = draw(train, rates_hz[:, None], 23)
    expected = np.concatenate([[0.0], np.cumsum(rates_hz)])
    rescaled = np.interp(times_ms, np.arange(n_steps + 1) * DT_MS, expected / expected[-1])
    assert stats.kstest(rescaled, "uniform").pvalue > LEVEL


def test_a_step_in_the_rate_shows_in_that_very_step():
    """Silent up to step 40, then 1 MHz (100 events a step): none before, some within it."""
    rates_hz = constant(60, 0.0)
    rates_hz[40:] = 1e6
    train = RateToPoisson(seed=4, projection=0, gids=np.arange(1))
    _, _, times_ms, _ = draw(train, rates_hz, 7)
    assert 40 <= times_ms.min() / DT_MS < 41


def test_cells_are_independent_of_each_other():
    """Counts of 8 cells over 5000 windows; a correlation of independent counts has SD 1/sqrt(n)."""
    train = RateToPoisson(seed=5, projection=0, gids=np.arange(8))
    cell, _, _, window = draw(train, constant(25_000, 400.0), 5)
    counts = np.bincount(window * 8 + cell, minlength=5000 * 8).reshape(5000, 8)
    off_diagonal = np.corrcoef(counts.T)[np.triu_indices(8, 1)]
    assert np.all(np.abs(off_diagonal) < 4 / np.sqrt(5000))


def test_sources_are_independent_of_each_other():
    """The trains that one cell gets from three sources of different rates."""
    train = RateToPoisson(seed=6, projection=0, gids=np.arange(5000))
    cell, source, _, _ = draw(train, constant(5, 100.0, 400.0, 900.0), 5)
    counts = np.bincount(source * 5000 + cell, minlength=3 * 5000).reshape(3, 5000)
    off_diagonal = np.corrcoef(counts)[np.triu_indices(3, 1)]
    assert np.all(np.abs(off_diagonal) < 4 / np.sqrt(5000))


def test_each_source_has_its_own_rate():
    """Mean and Fano factor of every source's counts, 20,000 cells each."""
    rates_hz, n = np.array([3.0, 0.0, 50.0, 700.0]), 20_000
    train = RateToPoisson(seed=7, projection=0, gids=np.arange(n))
    cell, source, _, _ = draw(train, constant(10, *rates_hz), 10)
    counts = np.bincount(source * n + cell, minlength=4 * n).reshape(4, n)
    m = rates_hz * 10 * DT_MS / 1000
    assert np.all(np.abs(counts.mean(axis=1) - m) <= 4 * np.sqrt(m / n))
    active = m > 0
    fano = counts[active].var(axis=1, ddof=1) / counts[active].mean(axis=1)
    assert np.all(np.abs(fano - 1) < 4 * np.sqrt(2 / (n - 1)))


@pytest.mark.parametrize("other", [{"projection": 1}, {"seed": 9}], ids=["projection", "seed"])
def test_trains_of_another_projection_or_seed_are_independent(other):
    n = 10_000
    one = RateToPoisson(**{"seed": 8, "projection": 0, "gids": np.arange(n)})
    two = RateToPoisson(**{"seed": 8, "projection": 0, "gids": np.arange(n), **other})
    counts = [
        np.bincount(draw(train, constant(10, 500.0), 10)[0], minlength=n) for train in (one, two)
    ]
    assert abs(np.corrcoef(*counts)[0, 1]) < 4 / np.sqrt(n)


@pytest.mark.parametrize("window_steps", [1, 7, 50])
def test_a_rate_of_zero_gives_no_spikes(window_steps):
    train = RateToPoisson(seed=1, projection=0, gids=np.arange(1000))
    cell, _, _, _ = draw(train, constant(100, 0.0, 0.0), window_steps)
    assert cell.size == 0


def test_a_population_without_sources_gets_no_spikes():
    train = RateToPoisson(seed=1, projection=0, gids=np.arange(10))
    assert train(np.empty((5, 0)), 0, DT_MS).times_ms.size == 0


def test_a_rank_without_cells_gets_no_spikes():
    train = RateToPoisson(seed=1, projection=0, gids=np.empty(0, dtype=np.int64))
    assert train(constant(5, 100.0), 0, DT_MS).times_ms.size == 0


@pytest.mark.parametrize("window_steps", [1, 7, 50])
def test_the_same_spikes_are_drawn_whatever_the_window(window_steps):
    """A window of one step loses none of them, nor does the last step of a longer one."""
    gids = np.arange(200)
    train = RateToPoisson(seed=1, projection=2, gids=gids)
    rates_hz = np.random.default_rng(1).random((350, 3)) * 300
    in_windows = as_set(*draw(train, rates_hz, window_steps)[:3], gids)
    assert in_windows == as_set(*draw(train, rates_hz, 350)[:3], gids)


def test_the_last_step_of_a_window_gets_as_many_spikes_as_the_others():
    """Counts per position in windows of 5 steps, chi-square with 4 degrees of freedom."""
    train = RateToPoisson(seed=1, projection=0, gids=np.arange(500))
    _, _, times_ms, _ = draw(train, constant(500, 200.0), 5)
    position = np.floor(times_ms / DT_MS).astype(int) % 5
    assert stats.chisquare(np.bincount(position)).pvalue > LEVEL


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 61])
def test_spikes_do_not_depend_on_how_cells_are_spread(n_ranks):
    """Rank layout is simulated in one process: rank r holds every n-th cell; no mpiexec needed."""
    gids, rates_hz = np.arange(100, 160), constant(40, 200.0, 30.0)
    spread = []
    for rank in range(n_ranks):
        mine = gids[rank::n_ranks]
        train = RateToPoisson(seed=7, projection=0, gids=mine)
        spread += as_set(*draw(train, rates_hz, 7)[:3], mine)
    whole = as_set(*draw(RateToPoisson(7, 0, gids), rates_hz, 7)[:3], gids)
    assert sorted(spread) == whole


def test_spikes_fall_inside_the_step_that_they_were_drawn_for():
    """Drawn one step at a time, late in a run; one ulp of 2 s is left for the product with dt."""
    train = RateToPoisson(seed=2, projection=0, gids=np.arange(500))
    for step in (0, 1, 19_999):
        times_ms = train(constant(1, 500.0), step, DT_MS).times_ms
        ulp = np.spacing(2000.0)
        assert step * DT_MS - ulp <= times_ms.min()
        assert times_ms.max() < (step + 1) * DT_MS + ulp


def test_several_trains_of_a_source_are_one_train_of_that_many_times_the_rate():
    """Poisson trains of one weight onto one synapse add up to one: to the last spike."""
    gids = np.arange(50)
    four = RateToPoisson(seed=1, projection=0, gids=gids, trains=4)
    one = RateToPoisson(seed=1, projection=0, gids=gids)
    rates_hz = constant(100, 25.0, 8.0)
    expected = as_set(*draw(one, 4 * rates_hz, 10)[:3], gids)
    assert as_set(*draw(four, rates_hz, 10)[:3], gids) == expected


def test_a_single_train_can_be_redrawn_alone():
    gids = np.arange(30)
    whole = as_set(*draw(RateToPoisson(3, 1, gids), constant(50, 300.0), 10)[:3], gids)
    alone = as_set(
        *draw(RateToPoisson(3, 1, gids[12:13]), constant(50, 300.0), 10)[:3], gids[12:13]
    )
    assert alone == [event for event in whole if event[0] == 12]
