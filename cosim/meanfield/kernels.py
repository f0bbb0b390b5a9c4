"""The compiled equations of the mean-field models, and the step of a whole network.

Everything compiled stands in this one file because numba's cache does not notice a change in
another one: the equations that TVB's models call, and the loop over steps that calls the same
equations without TVB. Terms stand in TVB's order, so that trajectories agree to the last bit.

Compiled functions have no type hints: numba compiles them for the types that they are called with,
float32 and float64 pasts, and gives their results none that mypy could see.
"""

import numpy as np
from numba import float64, guvectorize, njit

# Models that have a kernel.
EXC_INH, TANH, ONE_STATE = 0, 1, 2


@njit(cache=True, inline="always")
def _transfer(x, d):  # type: ignore[no-untyped-def]
    """H = x / (1 - exp(-d x)); at x -> 0 its limit, where the quotient is 0/0."""
    # Below 1e-9 / d the limit 1/d + x/2 and the quotient agree to rounding.
    if abs(d * x) < 1e-9:
        return 1.0 / d + 0.5 * x
    return x / (1.0 - np.exp(-d * x))


@njit(cache=True, inline="always")
def _exc_inh_hz(E, I, c, ae, be, de, wp, we, jn, ai, bi, di, wi, ji, g, lam, io, ie):  # type: ignore[no-untyped-def]  # noqa: E741
    cc = g * jn * c
    jnSe = jn * E
    x = wp * jnSe - ji * I + we * io + cc + ie
    R_e = _transfer(ae * x - be, de)
    x = jnSe - I + wi * io + lam * cc
    return R_e, _transfer(ai * x - bi, di)


@njit(cache=True, inline="always")
def _tanh_hz(E, I, c, ae, be, de, wp, we, jn, ai, bi, di, wi, ji, g, lam, io, ie):  # type: ignore[no-untyped-def]  # noqa: E741
    cc = g * jn * c
    x = np.tanh(wp * jn * E - ji * I + we * io + cc + ie)
    R_e = _transfer(ae * x - be, de)
    x = np.tanh(jn * E - I + wi * io + lam * cc)
    return R_e, _transfer(ai * x - bi, di)


@njit(cache=True, inline="always")
def _one_state_hz(S, c, a, b, d, w, j, io, g):  # type: ignore[no-untyped-def]
    x = w * j * S + io + j * (g * c)
    return _transfer(a * x - b, d)


@njit(cache=True, inline="always")
def _saturating(S, R, tau, gamma):  # type: ignore[no-untyped-def]
    return -(S / tau) + (1.0 - S) * R * gamma


@njit(cache=True, inline="always")
def _plain(S, R, tau, gamma):  # type: ignore[no-untyped-def]
    return -(S / tau) + R * gamma


@guvectorize([(float64[:],) * 22], "(n),(m)" + ",()" * 19 + "->(n)", nopython=True, cache=True)
def exc_inh(S, c, ae, be, de, ge, te, wp, we, jn, ai, bi, di, gi, ti, wi, ji, g, lam, io, ie, out):  # type: ignore[no-untyped-def]
    """Time derivative of S_e, S_i (Deco et al. 2014), per ms."""
    R = _exc_inh_hz(
        S[0], S[1], c[0], ae[0], be[0], de[0], wp[0], we[0], jn[0], ai[0], bi[0], di[0], wi[0],
        ji[0], g[0], lam[0], io[0], ie[0],
    )  # fmt: skip
    out[0] = _saturating(S[0], R[0], te[0], ge[0])
    out[1] = _plain(S[1], R[1], ti[0], gi[0])


@guvectorize([(float64[:],) * 18], "(n),(m)" + ",()" * 15 + "->(n)", nopython=True, cache=True)
def exc_inh_rates(S, c, ae, be, de, wp, we, jn, ai, bi, di, wi, ji, g, lam, io, ie, out):  # type: ignore[no-untyped-def]
    """R_e, R_i (Deco et al. 2014), Hz."""
    out[0], out[1] = _exc_inh_hz(
        S[0], S[1], c[0], ae[0], be[0], de[0], wp[0], we[0], jn[0], ai[0], bi[0], di[0], wi[0],
        ji[0], g[0], lam[0], io[0], ie[0],
    )  # fmt: skip


@guvectorize([(float64[:],) * 22], "(n),(m)" + ",()" * 19 + "->(n)", nopython=True, cache=True)
def tanh(S, c, ae, be, de, ge, te, wp, we, jn, ai, bi, di, gi, ti, wi, ji, g, lam, io, ie, out):  # type: ignore[no-untyped-def]
    """Time derivative of S_e, S_i with tanh on the currents, per ms."""
    R = _tanh_hz(
        S[0], S[1], c[0], ae[0], be[0], de[0], wp[0], we[0], jn[0], ai[0], bi[0], di[0], wi[0],
        ji[0], g[0], lam[0], io[0], ie[0],
    )  # fmt: skip
    out[0] = _saturating(S[0], R[0], te[0], ge[0])
    out[1] = _plain(S[1], R[1], ti[0], gi[0])


@guvectorize([(float64[:],) * 18], "(n),(m)" + ",()" * 15 + "->(n)", nopython=True, cache=True)
def tanh_rates(S, c, ae, be, de, wp, we, jn, ai, bi, di, wi, ji, g, lam, io, ie, out):  # type: ignore[no-untyped-def]
    """R_e, R_i with tanh on the currents, Hz."""
    out[0], out[1] = _tanh_hz(
        S[0], S[1], c[0], ae[0], be[0], de[0], wp[0], we[0], jn[0], ai[0], bi[0], di[0], wi[0],
        ji[0], g[0], lam[0], io[0], ie[0],
    )  # fmt: skip


@guvectorize([(float64[:],) * 12], "(n),(m)" + ",()" * 9 + "->(n)", nopython=True, cache=True)
def one_state(S, c, a, b, d, gamma, tau, w, j, io, g, out):  # type: ignore[no-untyped-def]
    """Time derivative of S (Deco et al. 2013), per ms."""
    R = _one_state_hz(S[0], c[0], a[0], b[0], d[0], w[0], j[0], io[0], g[0])
    out[0] = _saturating(S[0], R, tau[0], gamma[0])


@guvectorize([(float64[:],) * 10], "(n),(m)" + ",()" * 7 + "->(n)", nopython=True, cache=True)
def one_state_rate(S, c, a, b, d, w, j, io, g, out):  # type: ignore[no-untyped-def]
    """R (Deco et al. 2013), Hz."""
    out[0] = _one_state_hz(S[0], c[0], a[0], b[0], d[0], w[0], j[0], io[0], g[0])


@njit(cache=True, inline="always")
def _rates(kind, E, I, c, p):  # type: ignore[no-untyped-def]  # noqa: E741
    """Rates of one region; ``p`` in the order of the equations; one state has no second rate."""
    if kind == EXC_INH:
        return _exc_inh_hz(
            E, I, c, p[0], p[1], p[2], p[5], p[6], p[7], p[8], p[9], p[10], p[13], p[14], p[15],
            p[16], p[17], p[18],
        )  # fmt: skip
    if kind == TANH:
        return _tanh_hz(
            E, I, c, p[0], p[1], p[2], p[5], p[6], p[7], p[8], p[9], p[10], p[13], p[14], p[15],
            p[16], p[17], p[18],
        )  # fmt: skip
    return _one_state_hz(E, c, p[0], p[1], p[2], p[5], p[6], p[7], p[8]), 0.0


@njit(cache=True, inline="always")
def _outside(x):  # type: ignore[no-untyped-def]
    # False for NaN, which is left alone as by TVB's side and reported with its place.
    return x < 0.0 or x > 1.0


@njit(cache=True, inline="always")
def _clipped(x):  # type: ignore[no-untyped-def]
    if x < 0.0:
        return 0.0
    return 1.0 if x > 1.0 else x


@njit(cache=True, inline="always")
def _arrives(q, felt, base, offsets, weights, own):  # type: ignore[no-untyped-def]
    """Weighted delayed state of one connection, in the precision of the past."""
    return weights[q] * (felt[base + offsets[q]] - own)


@njit(cache=True, inline="always")
def _leaf(start, stop, felt, base, offsets, weights, own, zero):  # type: ignore[no-untyped-def]
    """Sum of up to 128 terms in NumPy's order: eight partial sums, joined as a tree."""
    total = zero
    q = start
    if stop - start >= 8:
        r0 = _arrives(q, felt, base, offsets, weights, own)
        r1 = _arrives(q + 1, felt, base, offsets, weights, own)
        r2 = _arrives(q + 2, felt, base, offsets, weights, own)
        r3 = _arrives(q + 3, felt, base, offsets, weights, own)
        r4 = _arrives(q + 4, felt, base, offsets, weights, own)
        r5 = _arrives(q + 5, felt, base, offsets, weights, own)
        r6 = _arrives(q + 6, felt, base, offsets, weights, own)
        r7 = _arrives(q + 7, felt, base, offsets, weights, own)
        q += 8
        while stop - q >= 8:
            r0 += _arrives(q, felt, base, offsets, weights, own)
            r1 += _arrives(q + 1, felt, base, offsets, weights, own)
            r2 += _arrives(q + 2, felt, base, offsets, weights, own)
            r3 += _arrives(q + 3, felt, base, offsets, weights, own)
            r4 += _arrives(q + 4, felt, base, offsets, weights, own)
            r5 += _arrives(q + 5, felt, base, offsets, weights, own)
            r6 += _arrives(q + 6, felt, base, offsets, weights, own)
            r7 += _arrives(q + 7, felt, base, offsets, weights, own)
            q += 8
        total = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
    while q < stop:
        total += _arrives(q, felt, base, offsets, weights, own)
        q += 1
    return total


@njit(cache=True)
def _leaf_of_steps(start, stop, felt, base, offsets, weights, lane, eight, out):  # type: ignore[no-untyped-def]
    """``_leaf`` of several steps, whose sums ``out`` takes; ``lane`` and ``eight`` are room."""
    q = start
    if stop - start >= 8:
        n_rounds = (stop - start) // 8
        for k in range(8):
            a = base + offsets[q + k]
            for s in range(lane.size):
                lane[s] = weights[q + k] * felt[a + np.uint64(s)]
            p = q + 8 + k
            done = 1
            # Three terms a pass, added one after the other: fewer ways to and from ``lane``.
            while done + 3 <= n_rounds:
                a, b, c = base + offsets[p], base + offsets[p + 8], base + offsets[p + 16]
                u, v, w = weights[p], weights[p + 8], weights[p + 16]
                for s in range(lane.size):
                    x = np.uint64(s)
                    lane[s] = ((lane[s] + u * felt[a + x]) + v * felt[b + x]) + w * felt[c + x]
                p += 24
                done += 3
            while done < n_rounds:
                a, u = base + offsets[p], weights[p]
                for s in range(lane.size):
                    lane[s] += u * felt[a + np.uint64(s)]
                p += 8
                done += 1
            for s in range(lane.size):
                eight[k, s] = lane[s]
        for s in range(lane.size):
            out[s] = ((eight[0, s] + eight[1, s]) + (eight[2, s] + eight[3, s])) + (
                (eight[4, s] + eight[5, s]) + (eight[6, s] + eight[7, s])
            )
        q += 8 * n_rounds
    else:
        out[:] = 0.0
    while q < stop:
        a, u = base + offsets[q], weights[q]
        for s in range(lane.size):
            out[s] += u * felt[a + np.uint64(s)]
        q += 1


@njit(cache=True)
def _arriving(  # type: ignore[no-untyped-def]
    i, felt, base, offsets, weights, first, leaf_first, leaf_stop, leaf_joins, room, total
):
    """What arrives at region i over the next steps, none of which has a part in it.

    A connection's weight and place are read once for all steps, and the sums of the steps, each in
    NumPy's order, are made side by side in the core's vectors. ``felt`` has a region's values side
    by side; ``room`` is for partial sums, ``(64, n_steps)``; ``total``, ``(n_steps,)``, takes the
    sums.
    """
    q = first[i]
    if q == first[i + 1]:
        total[:] = 0.0
        return
    a = base + offsets[q]
    for s in range(total.size):
        total[s] = weights[q] * felt[a + np.uint64(s)]
    q += 1
    lane, eight = room[55], room[56:]
    depth = 0
    for leaf in range(leaf_first[i], leaf_first[i + 1]):
        stop = leaf_stop[leaf]
        _leaf_of_steps(q, stop, felt, base, offsets, weights, lane, eight, room[depth])
        depth += 1
        q = stop
        for _ in range(leaf_joins[leaf]):
            depth -= 1
            for s in range(total.size):
                room[depth - 1, s] += room[depth, s]
    if depth:
        for s in range(total.size):
            total[s] += room[0, s]


@njit(cache=True, error_model="numpy")
def advance(  # type: ignore[no-untyped-def]
    kind, n_steps, dt, params, noise, state,
    felt, row, n_rows, pitch, ahead, offsets, weights, first, leaf_first, leaf_stop, leaf_joins,
    diffusive, gain, shift, out, n_clipped,
):  # fmt: skip
    """Heun steps of a network in which regions feel each other's past.

    Args:
        kind: ``EXC_INH``, ``TANH`` or ``ONE_STATE``.
        n_steps: How many steps.
        dt: Step, ms.
        params: ``(n_regions, n_parameters)``, in the order of the equations.
        noise: Increments, ``(n_steps, n_gating, n_regions)``, or no steps: no noise.
        state: All variables, ``(n_variables, n_regions)``; changed in place.
        felt: Past of the variable that others feel, flat; float32 as in TVB, or float64. Sums over
            connections have its precision.
        row: Row that the first step writes; the one before it is the present.
        n_rows: Rows before ``row`` that offsets count from.
        pitch: Places in ``felt`` from one region to the next, and from one row to the next.
        ahead: Steps, of each region, none of which has a part in what arrives over them: it is then
            summed for all at once. Above 1 only without differences and with a region's rows side
            by side.
        offsets: Place of what each connection feels, counted from that of row ``row - n_rows`` of
            the first region; unsigned, as an index that may be negative costs a look at its sign.
        weights: Of each connection, by target, in the precision of the past.
        first: First connection of each target, ``(n_regions + 1,)``.
        leaf_first: First leaf of each target's sum, ``(n_regions + 1,)``.
        leaf_stop: End of each leaf, as a connection.
        leaf_joins: How often the two last partial sums are joined after each leaf.
        diffusive: Whether regions feel differences.
        gain: Of the coupling function.
        shift: Of the coupling function.
        out: State after each step, ``(n_steps, n_variables, n_regions)``.
        n_clipped: Steps in which a region was clipped, ``(n_regions,)``; added to.
    """
    n_regions = params.shape[0]
    one = kind == ONE_STATE
    noisy = noise.shape[0] > 0
    n_gating = 1 if one else 2
    of_region, of_row = pitch
    waiting = np.zeros(64, dtype=felt.dtype)
    zero = waiting[0]
    sums = np.empty((n_regions, ahead.max()), dtype=felt.dtype)
    room = np.empty((64, ahead.max()), dtype=felt.dtype)
    since = np.zeros(n_regions, dtype=np.int64)
    until = np.zeros(n_regions, dtype=np.int64)
    for n in range(n_steps):
        base = np.uint64((row + n - n_rows) * of_row)
        now = (row + n - 1) * of_row
        for i in range(n_regions):
            own = felt[now + i * of_region] if diffusive else zero
            total = zero
            q = first[i]
            if ahead[i] > 1:
                if n == until[i]:
                    n_parts = (n_steps - n + ahead[i] - 1) // ahead[i]
                    width = (n_steps - n + n_parts - 1) // n_parts
                    since[i], until[i] = n, n + width
                    _arriving(
                        i, felt, base, offsets, weights, first, leaf_first, leaf_stop, leaf_joins,
                        room[:, :width], sums[i, :width],
                    )  # fmt: skip
                total = sums[i, n - since[i]]
            elif q < first[i + 1]:
                # NumPy's reduceat: the first term, plus the pairwise sum of the others.
                total = _arrives(q, felt, base, offsets, weights, own)
                q += 1
                depth = 0
                for leaf in range(leaf_first[i], leaf_first[i + 1]):
                    stop = leaf_stop[leaf]
                    waiting[depth] = _leaf(q, stop, felt, base, offsets, weights, own, zero)
                    depth += 1
                    q = stop
                    for _ in range(leaf_joins[leaf]):
                        depth -= 1
                        waiting[depth - 1] += waiting[depth]
                if depth:
                    total += waiting[0]
            c = gain * np.float64(total) + shift
            p = params[i]
            E = state[0, i]
            I = 0.0 if one else state[1, i]  # noqa: E741
            z_e = noise[n, 0, i] if noisy else 0.0
            z_i = noise[n, 1, i] if noisy and not one else 0.0
            R_e, R_i = _rates(kind, E, I, c, p)
            slope_e = _saturating(E, R_e, p[4], p[3])
            slope_i = 0.0 if one else _plain(I, R_i, p[12], p[11])
            E_next = _clipped(E + dt * slope_e + z_e)
            I_next = _clipped(I + dt * slope_i + z_i)
            H_e, H_i = _rates(kind, E_next, I_next, c, p)
            slope_e = slope_e + _saturating(E_next, H_e, p[4], p[3])
            E_next = E + slope_e * dt / 2.0 + z_e
            clips = _outside(E_next)
            state[0, i] = _clipped(E_next)
            state[n_gating, i] = R_e
            if not one:
                slope_i = slope_i + _plain(I_next, H_i, p[12], p[11])
                I_next = I + slope_i * dt / 2.0 + z_i
                clips = clips or _outside(I_next)
                state[1, i] = _clipped(I_next)
                state[3, i] = R_i
            if clips:
                n_clipped[i] += 1
        place = (row + n) * of_row
        for i in range(n_regions):
            felt[place + i * of_region] = state[0, i]
        out[n] = state
