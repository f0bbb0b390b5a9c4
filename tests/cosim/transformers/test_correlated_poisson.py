"""Correlated trains: each one Poisson, pairs correlated by c, and the same on any ranks."""

import numpy as np
import pytest

from cosim.transformers.correlated_poisson import CorrelatedPoisson

PROCESSES = ("single", "multiple")
DT_MS = 0.1
RATE_HZ = 40.0
N_BINS, STEPS_PER_BIN = 4000, 100


def counts(transformer, n_cells, n_sources=1):
    """Spikes of each cell from source 0 in bins of 10 ms: shape (n_cells, n_bins)."""
    rates = np.full((N_BINS * STEPS_PER_BIN, n_sources), RATE_HZ)
    events = transformer(rates, 0, DT_MS)
    found = np.zeros((n_cells, N_BINS), dtype=int)
    mine = events.source == 0
    bins = (events.times_ms[mine] / (DT_MS * STEPS_PER_BIN)).astype(int)
    np.add.at(found, (events.cell[mine], bins), 1)
    return found


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("c", [0.1, 0.6])
def test_pairs_are_correlated_by_c(process, c):
    """Two trains: r of 4000 bins has a standard error of at most about (1 - c^2) / sqrt(4000) for
    normal counts; these counts of mean .4 are skewed, which at most doubles it. 20 cells give 190
    pairs that share their common train, so averaging them is not counted on."""
    found = counts(CorrelatedPoisson(1, 0, np.arange(20), process, c), 20)
    r = np.corrcoef(found)[np.triu_indices(20, 1)].mean()
    assert abs(r - c) < 4 * 2 * (1 - c**2) / np.sqrt(N_BINS)


@pytest.mark.parametrize("process", PROCESSES)
def test_every_train_is_a_poisson_process_of_its_rate(process):
    """Mean .4 a bin: the mean of 4000 bins has SE sqrt(.4 / 4000), variance over mean has SE
    sqrt(2 / 4000) for a Poisson count."""
    found = counts(CorrelatedPoisson(2, 0, np.arange(3), process, 0.3), 3)
    mean = RATE_HZ * DT_MS * STEPS_PER_BIN / 1000
    assert np.abs(found.mean(axis=1) - mean).max() < 4 * np.sqrt(mean / N_BINS)
    fano = found.var(axis=1) / found.mean(axis=1)
    assert np.abs(fano - 1).max() < 4 * np.sqrt(2 / N_BINS)


def test_many_trains_fire_all_at_once_or_a_random_part_of_them():
    """50 trains, c = .5. Single: an event is in one train or in all 50. Multiple: it is in about
    half of them, 25 with SD 3.5."""
    rates = np.full((20_000, 1), 5.0)
    for process, sizes in (("single", {1, 50}), ("multiple", set(range(8, 43)))):
        events = CorrelatedPoisson(3, 0, np.arange(50), process, 0.5)(rates, 0, DT_MS)
        _, together = np.unique(events.times_ms, return_counts=True)
        assert set(together.tolist()) <= sizes
        assert together.max() > 20


def test_trains_of_different_sources_are_independent():
    """SE of a correlation of 4000 bins: 1 / sqrt(4000)."""
    transformer = CorrelatedPoisson(4, 0, np.arange(1), "multiple", 0.9)
    rates = np.full((N_BINS * STEPS_PER_BIN, 2), RATE_HZ)
    events = transformer(rates, 0, DT_MS)
    found = np.zeros((2, N_BINS))
    bins = (events.times_ms / (DT_MS * STEPS_PER_BIN)).astype(int)
    np.add.at(found, (events.source, bins), 1)
    assert abs(np.corrcoef(found)[0, 1]) < 4 / np.sqrt(N_BINS)


def test_several_trains_of_a_cell_are_correlated_too():
    """Four trains of rate R with pairwise correlation c: variance over mean of their sum is
    1 + 3 c = 2.2 for c = .4. The variance of 4000 such counts has a relative SE near
    sqrt(2 / 4000) x 2 for their skewness."""
    found = counts(CorrelatedPoisson(5, 0, np.arange(1), "multiple", 0.4, trains=4), 1)[0]
    assert abs(found.var() / found.mean() / 2.2 - 1) < 4 * 2 * np.sqrt(2 / N_BINS)


@pytest.mark.parametrize("process", PROCESSES)
def test_places_get_their_share(process):
    """About 400 x 50 x .04 = 800 events on 3 : 1 places: SD of the part is sqrt(.1875 / 800), and
    the copies of one event choose independently."""
    shares = np.array([0.75, 0.25])
    transformer = CorrelatedPoisson(6, 0, np.arange(50), process, 0.2, 1, shares)
    events = transformer(np.full((4000, 1), RATE_HZ), 0, DT_MS)
    part = (events.source == 0).mean()
    assert abs(part - 0.75) < 4 * np.sqrt(0.1875 / events.source.size)


@pytest.mark.parametrize("process", PROCESSES)
def test_neither_ranks_nor_windows_change_a_train(process):
    gids, rates = np.arange(10), np.full((60, 3), 900.0)

    def events(cells, windows):
        found = []
        for start, stop in windows:
            transformer = CorrelatedPoisson(7, 2, cells, process, 0.3, 2)
            part = transformer(rates[start:stop], start, DT_MS)
            found += zip(part.times_ms, cells[part.cell], part.source, strict=True)
        return sorted(found)

    whole = events(gids, [(0, 60)])
    assert len(whole) > 100
    assert events(gids, [(0, 7), (7, 8), (8, 60)]) == whole
    assert sorted(events(gids[:3], [(0, 60)]) + events(gids[3:], [(0, 60)])) == whole


def test_events_stay_inside_their_step():
    events = CorrelatedPoisson(8, 0, np.arange(5), "multiple", 0.5)(np.full((3, 1), 9e4), 7, 0.1)
    assert events.times_ms.min() >= 0.7
    assert events.times_ms.max() < 1.0


@pytest.mark.parametrize("process", PROCESSES)
def test_silence_gives_no_spikes(process):
    events = CorrelatedPoisson(9, 0, np.arange(5), process, 0.5)(np.zeros((30, 2)), 0, DT_MS)
    assert events.times_ms.size == 0
