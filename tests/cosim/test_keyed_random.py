"""The keyed random numbers: the published generator, the right laws, and keys that do not meet.

Statistical tests accept what a fair generator gives in all but 6.3e-5 of cases, the two-sided
chance of 4 standard deviations; the seeds are fixed, so that a test that passes always passes.
"""

import numpy as np
import pytest
from scipy import stats

from cosim.keyed_random import (
    PROJECTION_STREAM,
    _philox,
    _poisson_by_inversion,
    _to_unit,
    _uniform_pair,
    normal,
    poisson_events,
)

LEVEL = 2 * stats.norm.sf(4)
N = 20_000


@pytest.fixture(scope="module")
def uniforms():
    """Both numbers of N keys that differ in the step only, shape (2, N)."""
    return np.array([_uniform_pair(7, PROJECTION_STREAM, 3, step, 0) for step in range(N)]).T


def counts_of(mean, n_cells=N, seed=7, stream=PROJECTION_STREAM, step=11):
    """One Poisson count for each of many cells, from the events themselves."""
    cell, _, _ = poisson_events(seed, stream, np.arange(n_cells), step, np.array([[mean]]))
    return np.bincount(cell, minlength=n_cells)


def poisson_chi_square(counts, mean):
    """P value of Pearson's chi-square, values pooled so that 10 or more are expected of each."""
    edges = np.arange(counts.max() + 2)
    expected = stats.poisson.pmf(edges, mean) * counts.size
    expected[-1] = stats.poisson.sf(edges[-1] - 1, mean) * counts.size
    observed = np.bincount(counts, minlength=edges.size).astype(float)
    pooled, held = [], np.zeros(2)
    for pair in zip(observed, expected, strict=True):
        held += pair
        if held[1] >= 10:
            pooled.append(held.copy())
            held[:] = 0
    pooled[-1] += held
    observed, expected = np.array(pooled).T
    return stats.chi2.sf(((observed - expected) ** 2 / expected).sum(), observed.size - 1)


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF, 0xFFFFFFFF),
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_generator_gives_the_known_answers_of_random123(counter, key, answer):
    """Vectors of philox4x32-10 from Random123's kat_vectors (Salmon et al. 2011)."""
    seed = np.uint64(key[0] | key[1] << 32)
    assert tuple(int(word) for word in _philox(seed, *counter)) == answer


def test_uniforms_have_the_mean_and_variance_of_a_uniform(uniforms):
    """Mean 1/2, SE sqrt(1/12n); variance 1/12, SE sqrt((1/80 - 1/144)/n)."""
    n = uniforms.size
    assert abs(uniforms.mean() - 1 / 2) < 4 * np.sqrt(1 / 12 / n)
    assert abs(uniforms.var() - 1 / 12) < 4 * np.sqrt((1 / 80 - 1 / 144) / n)


def test_uniforms_are_uniform(uniforms):
    assert stats.kstest(uniforms.ravel(), "uniform").pvalue > LEVEL


def test_the_two_uniforms_of_one_key_are_independent(uniforms):
    """A correlation of n independent pairs has SD 1/sqrt(n)."""
    assert abs(np.corrcoef(uniforms)[0, 1]) < 4 / np.sqrt(N)


@pytest.mark.parametrize("lag", [1, 2, 10])
def test_uniforms_of_neighbouring_steps_are_independent(uniforms, lag):
    u = uniforms[0]
    assert abs(np.corrcoef(u[lag:], u[:-lag])[0, 1]) < 4 / np.sqrt(N - lag)


@pytest.mark.parametrize("word", [0, 0xFFFFFFFF])
def test_uniforms_stay_inside_the_open_interval(word):
    """The extremes are 2^-53 and 1 - 2^-53: neither log(u) nor a quantile can be infinite."""
    assert 0.0 < _to_unit(np.uint64(word), np.uint64(word)) < 1.0


def test_normals_have_the_moments_of_a_standard_normal():
    """Variances of mean, variance, skewness, excess kurtosis: 1, 2, 6 and 24, over n."""
    z = normal(7, 0, 200_000, 3)
    moments = [z.mean(), z.var() - 1, stats.skew(z), stats.kurtosis(z)]
    assert np.all(np.abs(moments) < 4 * np.sqrt(np.array([1, 2, 6, 24]) / z.size))


def test_normals_are_normal():
    assert stats.kstest(normal(7, 0, 200_000, 3), "norm").pvalue > LEVEL


def test_normals_of_consecutive_steps_are_normal_and_independent():
    """One region's noise over time, as the mean field draws it."""
    z = np.array([normal(7, 0, 2, step) for step in range(N)])
    assert stats.kstest(z[:, 1], "norm").pvalue > LEVEL
    assert abs(np.corrcoef(z[1:, 0], z[:-1, 0])[0, 1]) < 4 / np.sqrt(N - 1)
    assert abs(np.corrcoef(z.T)[0, 1]) < 4 / np.sqrt(N)


@pytest.mark.parametrize(
    "other",
    [(8, 0, 3), (7 + 2**32, 0, 3), (7, 1, 3), (7, PROJECTION_STREAM, 3), (7, 0, 4)],
    ids=["seed", "upper half of the seed", "stream", "projection", "step"],
)
def test_changing_any_part_of_the_key_gives_independent_numbers(other):
    a, b = normal(7, 0, N, 3), normal(*other[:2], N, other[2])
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(N)


def test_a_key_gives_the_same_number_however_many_are_drawn_with_it():
    assert np.array_equal(normal(7, 0, 5, 3), normal(7, 0, 66, 3)[:5])


def test_drawing_leaves_nothing_behind():
    first = normal(7, 0, 66, 3)
    normal(7, 0, 66, 4)
    assert np.array_equal(normal(7, 0, 66, 3), first)


def test_the_largest_seed_is_used_whole():
    """The lower 32 bits of 2**63 - 1 and 2**32 - 1 are the same; the upper ones differ."""
    assert not np.array_equal(normal(2**63 - 1, 0, 5, 3), normal(2**32 - 1, 0, 5, 3))


@pytest.mark.parametrize("mean", [1e-3, 0.1, 1.0, 7.3, 64.0])
def test_inversion_is_the_poisson_quantile(mean):
    u = (np.arange(500) + 0.5) / 500
    assert [_poisson_by_inversion(mean, x) for x in u] == stats.poisson.ppf(u, mean).tolist()


def test_inversion_ends_at_the_largest_uniform():
    """1 - 2^-53 can exceed the rounded sum of all probabilities: the search must stop anyway.

    The quantile is 397; where the sum no longer grows, a count or two further, the search ends.
    """
    assert 397 <= _poisson_by_inversion(256.0, 1.0 - 2.0**-53) < 400


@pytest.mark.parametrize("mean", [0.003, 0.3, 3.0, 30.0, 255.9, 256.0, 256.1, 600.0, 1500.0])
def test_counts_follow_the_poisson_law(mean):
    """Above 256 a count is the sum of independent parts, which must show the same law."""
    assert poisson_chi_square(counts_of(mean), mean) > LEVEL


@pytest.mark.parametrize("mean", [300.0, 1000.0])
def test_the_parts_of_a_large_mean_are_independent(mean):
    """Equal parts would give a dispersion near mean/256, not 1; its SE is sqrt(2/(n-1))."""
    counts = counts_of(mean)
    assert abs(counts.var(ddof=1) / counts.mean() - 1) < 4 * np.sqrt(2 / (N - 1))


@pytest.mark.parametrize("total", [0.5, 5.0, 500.0])
def test_each_source_has_its_own_poisson_law_and_they_are_uncorrelated(total):
    """Superposition and splitting give back independent Poisson counts of each source's mean."""
    means = total * np.array([0.1, 0.6, 0.3])
    cell, source, _ = poisson_events(7, PROJECTION_STREAM, np.arange(N), 5, means[None, :])
    counts = np.zeros((3, N), dtype=np.int64)
    np.add.at(counts, (source, cell), 1)
    for row, mean in zip(counts, means, strict=True):
        assert poisson_chi_square(row, mean) > LEVEL
    off_diagonal = np.corrcoef(counts)[np.triu_indices(3, 1)]
    assert np.all(np.abs(off_diagonal) < 4 / np.sqrt(N))


def test_a_source_that_is_silent_gets_no_event():
    means = np.array([[0.0, 2.0, 0.0, 3.0, 0.0]])
    _, source, _ = poisson_events(7, PROJECTION_STREAM, np.arange(N), 5, means)
    assert set(source.tolist()) == {1, 3}


def test_without_a_source_there_are_no_events():
    cell, source, when = poisson_events(7, 0, np.arange(3), 0, np.empty((4, 0)))
    assert cell.size == source.size == when.size == 0


def test_without_a_cell_there_are_no_events():
    cell, _, _ = poisson_events(7, 0, np.empty(0, dtype=np.int64), 0, np.ones((4, 2)))
    assert cell.size == 0


def test_events_lie_uniformly_within_their_step():
    _, source, when = poisson_events(7, PROJECTION_STREAM, np.arange(N), 5, np.array([[1.0, 1.0]]))
    assert stats.kstest(when - 5.0, "uniform").pvalue > LEVEL
    assert abs(np.corrcoef(when, source)[0, 1]) < 4 / np.sqrt(when.size)


def test_when_an_event_happens_is_independent_of_how_many_there_are():
    """The count and the times are drawn from different blocks of one key."""
    cell, _, when = poisson_events(7, PROJECTION_STREAM, np.arange(N), 5, np.array([[3.0]]))
    counts = np.bincount(cell, minlength=N)
    first = when[np.unique(cell, return_index=True)[1]] - 5.0
    assert abs(np.corrcoef(first, counts[counts > 0])[0, 1]) < 4 / np.sqrt(first.size)


def test_events_are_ordered_by_step_and_then_by_cell():
    cell, _, when = poisson_events(7, PROJECTION_STREAM, np.arange(20), 5, np.full((10, 2), 0.5))
    order = np.floor(when).astype(int) * 20 + cell
    assert np.all(np.diff(order) >= 0)


def test_two_projections_onto_one_cell_are_independent():
    a, b = (counts_of(2.0, stream=PROJECTION_STREAM + p) for p in (0, 1))
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(N)


def test_events_are_those_of_the_definition_for_every_mean():
    """One scalar draw per cell and step, and one per event, at means from none to many parts."""
    from cosim.keyed_random import _poisson, _uniform_pair

    random = np.random.default_rng(3)
    gids = np.array([0, 5, 6, 1_234_567, 2**31 + 3])
    seed, stream, first = 2**40 + 9, PROJECTION_STREAM + 3, 10**9
    for scale in (0.0, 1e-18, 1e-3, 0.02, 0.7, 30.0, 400.0):
        means = random.random((7, 4)) * scale
        means[2], means[3, 1:] = 0.0, 0.0
        expected = []
        for row, sources in enumerate(np.cumsum(means, axis=1)):
            for cell, gid in enumerate(gids):
                key = np.uint64(seed), np.uint64(stream), np.uint64(gid), np.uint64(first + row)
                for event in range(_poisson(*key, sources[-1])):
                    u, v = _uniform_pair(*key, np.uint64(event))
                    source = int(np.searchsorted(sources, v * sources[-1], side="right"))
                    expected.append((cell, source, first + row + u))
        found = poisson_events(seed, stream, gids, first, means)
        assert list(zip(*(column.tolist() for column in found), strict=True)) == expected
