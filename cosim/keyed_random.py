"""Counter-based random numbers: a draw is a function of its key, not of what was drawn before.

A draw depends on ``(seed, stream, identity, step)`` alone: the seed of the run, the stream (the
mean-field noise or one input projection), the region or cell it is for, and the mean-field step.
So results do not change with the number of ranks, the window or a restart, there is no state to
save, and a test can redraw any single number.

The generator is Philox4x32-10 of Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2,
3", SC '11, doi:10.1145/2063384.2063405. Everything compiled stands in this one file because
numba's cache does not notice a change in another one.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Streams: the mean-field noise takes one per state variable, projections count up from here; a
# projection of correlated trains has two more, for its common trains and for who copies them.
NOISE_STREAM = 0
PROJECTION_STREAM = 1 << 16
COMMON_STREAM = 1 << 24
COPY_STREAM = 1 << 25

# exp(-mean) must not underflow and the search from zero must stay short: larger means are split
# into independent parts, whose sum is again Poisson.
_LARGEST_MEAN = 256.0


@njit(cache=True, inline="always")
def _philox(seed, c0, c1, c2, c3):  # type: ignore[no-untyped-def]
    """Four 32-bit words for one 128-bit counter and a 64-bit key."""
    mask = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    k0 = np.uint64(seed) & mask
    k1 = np.uint64(seed) >> half
    x0, x1, x2, x3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * x0
        p1 = np.uint64(0xCD9E8D57) * x2
        x0, x1, x2, x3 = (p1 >> half) ^ x1 ^ k0, p1 & mask, (p0 >> half) ^ x3 ^ k1, p0 & mask
        k0 = (k0 + np.uint64(0x9E3779B9)) & mask
        k1 = (k1 + np.uint64(0xBB67AE85)) & mask
    return x0, x1, x2, x3


@njit(cache=True, inline="always")
def _to_unit(high, low):  # type: ignore[no-untyped-def]
    """Two 32-bit words to a float in the open interval (0, 1), 52 bits."""
    bits = (high << np.uint64(20)) | (low >> np.uint64(12))
    return (np.float64(bits) + 0.5) * 2.0**-52


@njit(cache=True, inline="always")
def _uniform_pair(seed, stream, identity, step, block):  # type: ignore[no-untyped-def]
    """Two uniforms of one key; ``block`` numbers the pairs of that key."""
    x0, x1, x2, x3 = _philox(seed, step, identity, stream, block)
    return _to_unit(x0, x1), _to_unit(x2, x3)


@njit(cache=True, inline="always")
def _poisson_by_inversion(mean, u):  # type: ignore[no-untyped-def]
    """The Poisson quantile of ``u``, by summing the probabilities from zero."""
    count = 0
    probability = np.exp(-mean)
    total = probability
    while u > total:
        count += 1
        probability *= mean / count
        # Rounding can leave the sum a few ulp short of u: then no term changes it any more.
        if total + probability == total and count > mean:
            break
        total += probability
    return count


@njit(cache=True)
def _poisson(seed, stream, identity, step, mean):  # type: ignore[no-untyped-def]
    """One Poisson count; means above the largest are drawn in parts."""
    if mean <= 0.0:
        return 0
    count = 0
    # Blocks from the top, so that parts never meet the blocks that time the events.
    part = np.uint64(0xFFFFFFFF)
    while mean > _LARGEST_MEAN:
        u, _ = _uniform_pair(seed, stream, identity, step, part)
        count += _poisson_by_inversion(_LARGEST_MEAN, u)
        mean -= _LARGEST_MEAN
        part -= np.uint64(1)
    u, _ = _uniform_pair(seed, stream, identity, step, part)
    return count + _poisson_by_inversion(mean, u)


@njit(cache=True)
def _normals(seed, stream, step, out):  # type: ignore[no-untyped-def]
    for i in range(out.size):
        u, v = _uniform_pair(seed, stream, i, step, 0)
        out[i] = np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)


@njit(cache=True)
def _increments(seed, first_stream, first_step, root, scales, out):  # type: ignore[no-untyped-def]
    for s in range(out.shape[0]):
        for v in range(out.shape[1]):
            if scales[v] == 0.0:
                out[s, v] = 0.0
                continue
            for i in range(out.shape[2]):
                a, b = _uniform_pair(seed, first_stream + v, i, first_step + s, 0)
                z = np.sqrt(-2.0 * np.log(a)) * np.cos(2.0 * np.pi * b)
                out[s, v, i] = z * root * scales[v]


@njit(cache=True)
def _first_bits(seed, stream, identities, step, block, out):  # type: ignore[no-untyped-def]
    """The 52 bits behind the first uniform of one key per identity; eight at a time in a vector."""
    for c in range(identities.size):
        x0, x1, _, _ = _philox(seed, step, identities[c], stream, block)
        out[c] = np.int64((x0 << np.uint64(20)) | (x1 >> np.uint64(12)))


@njit(cache=True)
def _count(seed, stream, identities, step, mean, bits, counts):  # type: ignore[no-untyped-def]
    """What ``_poisson`` gives for each identity; returns the sum."""
    n_events = 0
    if mean <= 0.0:
        return n_events
    if mean > _LARGEST_MEAN:
        for c in range(identities.size):
            counts[c] = _poisson(seed, stream, identities[c], step, mean)
            n_events += counts[c]
        return n_events
    _first_bits(seed, stream, identities, step, np.uint64(0xFFFFFFFF), bits)
    # Most draws are below exp(-mean), that is, no event. Compared as whole numbers, exactly:
    # (bits + .5) 2^-52 > p where bits > p 2^52 - .5, and the right side has no rounding.
    none = np.int64(np.floor(np.exp(-mean) * 2.0**52 - 0.5))
    for c in range(identities.size):
        if bits[c] > none:
            counts[c] = _poisson_by_inversion(mean, (np.float64(bits[c]) + 0.5) * 2.0**-52)
            n_events += counts[c]
    return n_events


@njit(cache=True)
def _events(seed, stream, identities, first_step, means):  # type: ignore[no-untyped-def]
    """All events of some steps: cell, source, time in steps."""
    cumulated = np.empty_like(means)
    counts = np.zeros((means.shape[0], identities.size), np.int64)
    bits = np.empty(identities.size, np.int64)
    n_events = 0
    for s in range(means.shape[0]):
        total = 0.0
        for j in range(means.shape[1]):
            total += means[s, j]
            cumulated[s, j] = total
        step = first_step + np.uint64(s)
        n_events += _count(seed, stream, identities, step, total, bits, counts[s])
    cell = np.empty(n_events, np.int64)
    source = np.empty(n_events, np.int64)
    when = np.empty(n_events)
    n = 0
    for s in range(means.shape[0]):
        step = first_step + np.uint64(s)
        # Late in a long run the sum can round up to the next step.
        latest = np.nextafter(np.float64(step) + 1.0, 0.0)
        for c in range(identities.size):
            for k in range(counts[s, c]):
                u, v = _uniform_pair(seed, stream, identities[c], step, k)
                cell[n] = c
                # Which source: the first whose cumulated mean exceeds the draw.
                source[n] = np.searchsorted(
                    cumulated[s], v * cumulated[s, means.shape[1] - 1], side="right"
                )
                when[n] = min(np.float64(step) + u, latest)
                n += 1
    return cell, source, when


@njit(cache=True)
def _copy_all(seed, stream, identities, steps, sources, probability, n_trains, shares, fill, out):  # type: ignore[no-untyped-def]
    """Copies of common events; counts them, and with ``fill`` writes (cell, column, event)."""
    n = 0
    draw = np.uint64(0)
    for e in range(steps.size):
        # Draws are numbered within a step, so that they do not depend on the window.
        draw = np.uint64(0) if e == 0 or steps[e] != steps[e - 1] else draw + np.uint64(n_trains)
        for c in range(identities.size):
            for k in range(n_trains):
                u, v = _uniform_pair(seed, stream, identities[c], steps[e], draw + np.uint64(k))
                if u < probability:
                    if fill:
                        place = np.searchsorted(shares, v * shares[-1], side="right")
                        out[n, 0] = c
                        out[n, 1] = sources[e] * shares.size + place
                        out[n, 2] = e
                    n += 1
    return n


def normal(seed: int, stream: int, n: int, step: int) -> NDArray[np.float64]:
    """Standard normal numbers of one step, by the Box-Muller transform.

    Args:
        seed: Seed of the run.
        stream: Stream, see the module.
        n: How many; number ``i`` belongs to identity ``i``.
        step: Mean-field step.

    Returns:
        Shape ``(n,)``.
    """
    out = np.empty(n)
    _normals(np.uint64(seed), np.uint64(stream), np.uint64(step), out)
    return out


def wiener_increments(
    seed: int,
    first_stream: int,
    first_step: int,
    root: float,
    scales: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Increments of Wiener processes over consecutive steps, one per variable and identity.

    Args:
        seed: Seed of the run.
        first_stream: Stream of the first variable; the others count up from it.
        first_step: Mean-field step of the first row.
        root: Square root of the step.
        scales: Standard deviation per square root of time of each variable, ``(n_variables,)``.
        out: Takes them, shape ``(n_steps, n_variables, n_identities)``: :func:`normal` times
            ``root`` times the scale, multiplied in this order.
    """
    key = np.uint64(seed), np.int64(first_stream), np.int64(first_step)
    _increments(*key, root, scales, out)


def poisson_events(
    seed: int,
    stream: int,
    identities: NDArray[np.int64],
    first_step: int,
    mean_counts: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Events of independent Poisson processes, one per (cell, source), over several steps.

    Each cell draws the count of all its sources together and then the source of each event:
    by the superposition theorem the trains are independent Poisson processes of the given
    means, at the cost of one draw per cell and step instead of one per source (Kingman 1993,
    Poisson Processes, sec. 2.2 and 5.1).

    Args:
        seed: Seed of the run.
        stream: Stream of the projection.
        identities: Global ids of the target cells, shape ``(n_cells,)``.
        first_step: Mean-field step of the first row.
        mean_counts: Expected events per step from each source, shape ``(n_steps, n_sources)``.

    Returns:
        Cell index, source index and time of each event, shape ``(n_events,)``; time in steps
        since the start of the run, inside the step. Ordered by step, then cell.
    """
    key = np.uint64(seed), np.uint64(stream), identities.astype(np.uint64), np.uint64(first_step)
    found: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
    found = _events(*key, mean_counts)
    return found


def copied_events(
    seed: int,
    projection: int,
    identities: NDArray[np.int64],
    first_step: int,
    mean_counts: NDArray[np.float64],
    probability: float,
    n_trains: int,
    shares: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Events of trains that each copy the spikes of one common Poisson train per source.

    Args:
        seed: Seed of the run.
        projection: Number of the projection.
        identities: Global ids of the target cells, shape ``(n_cells,)``.
        first_step: Mean-field step of the first row.
        mean_counts: Expected common events per step of each source, ``(n_steps, n_sources)``.
        probability: That a train copies a common event.
        n_trains: Trains of each cell from each source.
        shares: Part of a cell's events that arrives at each of its places, ``(n_places,)``.

    Returns:
        Cell index, column ``source * n_places + place``, and time in steps since the start of the
        run, each ``(n_events,)``; ordered by common event, then cell.
    """
    everyone = np.zeros(1, dtype=np.int64)
    stream = COMMON_STREAM + projection
    _, source, when = poisson_events(seed, stream, everyone, first_step, mean_counts)
    arguments = (
        np.uint64(seed),
        np.uint64(COPY_STREAM + projection),
        identities.astype(np.uint64),
        np.floor(when).astype(np.int64),
        source,
        probability,
        n_trains,
        np.cumsum(shares),
    )
    n_events = _copy_all(*arguments, False, np.empty((0, 3), dtype=np.int64))
    out = np.empty((n_events, 3), dtype=np.int64)
    _copy_all(*arguments, True, out)
    return out[:, 0], out[:, 1], when[out[:, 2]]


def compile_now() -> None:
    """Compile or load every kernel, so that it does not happen in the first window of a run."""
    normal(0, NOISE_STREAM, 1, 0)
    poisson_events(0, PROJECTION_STREAM, np.zeros(1, dtype=np.int64), 0, np.full((1, 1), 9.0))
    copied_events(0, 0, np.zeros(1, dtype=np.int64), 0, np.full((1, 1), 9.0), 0.5, 1, np.ones(1))
