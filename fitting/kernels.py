"""The two-state Wong-Wang network and its BOLD, compiled: the forward pass.

Tape. On request the pass records, for each evaluation of the drift, what the adjoint needs of it
(the state, the coupling, three slopes), so that `fitting.adjoint` evaluates no exponential but
those of the haemodynamics. The caller keeps the tape or has it written again, chunk by chunk.
"""

import numpy as np
from numba import njit

from fitting.elementary import FAST, INLINE, expm1, log
from fitting.tiles import (
    B_Q,
    B_S,
    B_V,
    BLOOD_ROWS,
    C_A_E,
    C_A_I,
    C_AUTO,
    C_B_E,
    C_B_I,
    C_CURVE_E,
    C_CURVE_I,
    C_DECAY,
    C_DT,
    C_GAMMA_E,
    C_GAMMA_I,
    C_H,
    C_LOG_KEPT,
    C_PER_RHO,
    C_RATE_E,
    C_RATE_I,
    C_STIFF,
    C_TRANSIT,
    C_W_E,
    C_W_I,
    C_Y1,
    C_Y2,
    C_Y3,
    COUPLING,
    D_E,
    D_E0,
    D_I,
    D_I0,
    DRIVE,
    E_0,
    G_EE,
    G_EI,
    G_IE,
    I_0,
    I_E,
    I_EXT,
    I_I,
    I_O,
    K_F,
    K_Q,
    K_S,
    K_V,
    LAMBDA,
    LANES,
    N_PARAMETERS,
    RATE,
    S_E,
    S_I,
    SIGMA,
    SUM_E,
    SUM_I,
    T_C,
    T_E,
    T_I,
    T_LEAK_E,
    T_SLOPE_E,
    T_SLOPE_I,
    V_E,
    V_I,
    WORK_ROWS,
    X_F,
    X_Q,
    X_S,
    X_V,
    E,
    G,
    I,
)


@njit(**INLINE)
def multiply(matrix, vector, out):  # type: ignore[no-untyped-def]
    """``out = vector @ matrix``, eight rows at a time to spare loads and stores of ``out``."""
    width = out.shape[0]
    for i in range(width):
        out[i] = vector.dtype.type(0.0)
    for j in range(0, vector.shape[0], 8):
        a, b, c, d = vector[j], vector[j + 1], vector[j + 2], vector[j + 3]
        e, f, g, h = vector[j + 4], vector[j + 5], vector[j + 6], vector[j + 7]
        r0, r1, r2, r3 = matrix[j], matrix[j + 1], matrix[j + 2], matrix[j + 3]
        r4, r5, r6, r7 = matrix[j + 4], matrix[j + 5], matrix[j + 6], matrix[j + 7]
        for i in range(width):
            low = (r0[i] * a + r1[i] * b) + (r2[i] * c + r3[i] * d)
            high = (r4[i] * e + r5[i] * f) + (r6[i] * g + r7[i] * h)
            out[i] += low + high


@njit(**INLINE)
def _evaluate(w, con, squash):  # type: ignore[no-untyped-def]
    """Drift of one tile: E, I and the coupling to D_E and D_I."""
    real = w.dtype.type
    one, two = real(1.0), real(2.0)
    for k in range(LANES):
        drive = w[G + k] * w[COUPLING + k]
        i_e = con[C_W_E] * w[I_O + k] + w[G_EE + k] * w[E + k] - w[G_IE + k] * w[I + k]
        i_i = con[C_W_I] * w[I_O + k] + w[G_EI + k] * w[E + k] - w[I + k]
        w[I_E + k] = i_e + drive + w[I_EXT + k]
        w[I_I + k] = i_i + w[LAMBDA + k] * drive
    if squash:
        for k in range(LANES):
            x = expm1(two * w[I_E + k])
            y = expm1(two * w[I_I + k])
            w[I_E + k] = x / (x + two)
            w[I_I + k] = y / (y + two)
    near, half, twelfth = real(1e-3), real(0.5), real(1.0 / 12.0)
    for k in range(LANES):
        # s / (1 - exp(-s)), with V = 1 / (1 - exp(-s)) kept for the slope.
        s = con[C_CURVE_E] * (con[C_A_E] * w[I_E + k] - con[C_B_E])
        v = -one / expm1(-s)
        h = one + s * (half + s * twelfth) if abs(s) < near else s * v
        w[S_E + k], w[V_E + k] = s, v
        rate = con[C_GAMMA_E] * h / con[C_CURVE_E]
        w[RATE + k] = rate
        w[D_E + k] = (one - w[E + k]) * rate - con[C_RATE_E] * w[E + k]
    for k in range(LANES):
        s = con[C_CURVE_I] * (con[C_A_I] * w[I_I + k] - con[C_B_I])
        v = -one / expm1(-s)
        h = one + s * (half + s * twelfth) if abs(s) < near else s * v
        w[S_I + k], w[V_I + k] = s, v
        w[D_I + k] = con[C_GAMMA_I] * h / con[C_CURVE_I] - con[C_RATE_I] * w[I + k]


@njit(**INLINE)
def _record(w, con, squash, t):  # type: ignore[no-untyped-def]
    """Write to the tape tile what the adjoint needs of the evaluation just made.

    The slope of ``s / (1 - exp(-s))`` is ``V (1 - s exp(-s) V)`` with ``exp(-s) = 1 - 1/V``. It
    cancels to first order in s, so the series holds below .1, where its next term is 2e-16.
    """
    real = w.dtype.type
    one, near, half = real(1.0), real(0.1), real(0.5)
    c1, c3, c5, c7 = real(1 / 6), real(-1 / 180), real(1 / 5040), real(-1 / 151200)
    for k in range(LANES):
        s, v = w[S_E + k], w[V_E + k]
        z = s * s
        slope = v * (one - s * (v - one))
        if abs(s) < near:
            slope = half + s * (c1 + z * (c3 + z * (c5 + z * c7)))
        if squash:
            slope *= one - w[I_E + k] * w[I_E + k]
        t[T_E + k] = w[E + k]
        t[T_I + k] = w[I + k]
        t[T_C + k] = w[COUPLING + k]
        t[T_SLOPE_E + k] = (one - w[E + k]) * con[C_GAMMA_E] * con[C_A_E] * slope
        t[T_LEAK_E + k] = -con[C_RATE_E] - w[RATE + k]
    for k in range(LANES):
        s, v = w[S_I + k], w[V_I + k]
        z = s * s
        slope = v * (one - s * (v - one))
        if abs(s) < near:
            slope = half + s * (c1 + z * (c3 + z * (c5 + z * c7)))
        if squash:
            slope *= one - w[I_I + k] * w[I_I + k]
        t[T_SLOPE_I + k] = con[C_GAMMA_I] * con[C_A_I] * slope


@njit(**INLINE)
def _receive(work, past, now, coupled, matrix_t, delays):  # type: ignore[no-untyped-def]
    """Send E of all tiles, which is the present, and put what arrives into their coupling."""
    sent = past[now]
    for tile in range(work.shape[0]):
        w = work[tile]
        for k in range(LANES):
            sent[tile * LANES + k] = w[E + k]
    if delays.shape[0] == 0:
        multiply(matrix_t, sent, coupled)
    else:
        for i in range(coupled.shape[0]):
            coupled[i] = sent.dtype.type(0.0)
        for j in range(coupled.shape[0]):
            row, late = matrix_t[j], delays[j]
            for i in range(coupled.shape[0]):
                coupled[i] += row[i] * past[now - late[i], j]
    for tile in range(work.shape[0]):
        w = work[tile]
        for k in range(LANES):
            w[COUPLING + k] = coupled[tile * LANES + k]


@njit(**INLINE)
def blood_drift(b, con):  # type: ignore[no-untyped-def]
    """Drift of the haemodynamics of one tile at X, to K."""
    one = b.dtype.type(1.0)
    for k in range(LANES):
        f, v = b[X_F + k], b[X_V + k]
        outflow = one + expm1(con[C_STIFF] * log(v))
        taken = -expm1(con[C_LOG_KEPT] / f) * con[C_PER_RHO]
        b[K_V + k] = con[C_TRANSIT] * (f - outflow)
        b[K_Q + k] = con[C_TRANSIT] * (f * taken - outflow * b[X_Q + k] / v)
    for k in range(LANES):
        b[K_F + k] = b[X_S + k]
        b[K_S + k] = b[DRIVE + k] - con[C_DECAY] * b[X_S + k] - con[C_AUTO] * (b[X_F + k] - one)


@njit(**INLINE)
def blood_predict(b, con):  # type: ignore[no-untyped-def]
    """Put the state plus a full step of its own drift into X; leaves that drift in K."""
    for k in range(4 * LANES):
        b[X_S + k] = b[B_S + k]
    blood_drift(b, con)
    h = con[C_H]
    for k in range(4 * LANES):
        b[X_S + k] = b[B_S + k] + h * b[K_S + k]


@njit(**INLINE)
def blood_step(b, con):  # type: ignore[no-untyped-def]
    """Advance the haemodynamics of one tile by Heun's step."""
    blood_predict(b, con)
    half = con[C_H] * b.dtype.type(0.5)
    for k in range(4 * LANES):
        b[B_S + k] += half * b[K_S + k]
    blood_drift(b, con)
    for k in range(4 * LANES):
        b[B_S + k] += half * b[K_S + k]


@njit(**INLINE)
def _add_bold(b, con, weight, out):  # type: ignore[no-untyped-def]
    """Add the weighted BOLD of one tile to ``out``, a row of 16."""
    one = b.dtype.type(1.0)
    for k in range(LANES):
        v, q = b[B_V + k], b[B_Q + k]
        y = con[C_Y1] * (one - q) + con[C_Y2] * (one - q / v) + con[C_Y3] * (one - v)
        out[k] += weight * y


@njit(nogil=True, **FAST)
def forward(  # type: ignore[no-untyped-def]
    matrix_t, delays, past, state, blood, parameters, con, noise, plan, weights, first, last,
    per_block, heun, squash, bold, mean, tape, blood_tape, keep,
):  # fmt: skip
    """Advance one batch member from block ``first`` to block ``last``, in place.

    Args:
        matrix_t: Transposed coupling matrix, ``(padded, padded)``.
        delays: Steps from sender (row) to receiver, ``(padded, padded)``; without rows, none.
        past: What was sent, oldest first, ``(horizon + steps + 1, padded)``; the first
            ``horizon`` rows are given, the others written. Without delays one row will do.
        state: E and I, ``(tile, 2 * LANES)``.
        blood: s, f, v and q, ``(tile, 4 * LANES)``.
        parameters: In the model's order, ``(tile, 8 * LANES)``; sigma times sqrt(dt).
        con: Constants, in the order of this file.
        noise: Standard normal, float32, ``(step, 2, padded)``.
        plan: Sample that each block of the window belongs to.
        weights: Share in the mean, weight of BOLD before and after, ``(3, block)``.
        first: First block, in the window.
        last: Block to stop at.
        per_block: Steps in a block.
        heun: Whether to take Heun's step, else Euler's.
        squash: Whether tanh acts on the currents.
        bold: Added to, ``(sample, padded)``.
        mean: Added to, ``(sample, 2, padded)``.
        tape: Written to if ``keep``, ``(evaluations + 1, tile, TAPE_ROWS * LANES)``.
        blood_tape: Written to if ``keep``, ``(block, tile, 5 * LANES)``.
        keep: Whether the tapes are written.
    """
    real = state.dtype.type
    zero, one, half = real(0.0), real(1.0), real(0.5)
    dt = con[C_DT]
    half_dt = half * dt
    n_tiles = state.shape[0]
    stages = 2 if heun else 1
    delayed = delays.shape[0] > 0
    horizon = past.shape[0] - (last - first) * per_block - 1 if delayed else 0
    work = np.zeros((n_tiles, WORK_ROWS * LANES), state.dtype)
    vessels = np.zeros((n_tiles, BLOOD_ROWS * LANES), state.dtype)
    coupled = np.empty(n_tiles * LANES, state.dtype)
    for tile in range(n_tiles):
        work[tile, : 2 * LANES] = state[tile]
        work[tile, G : G + N_PARAMETERS * LANES] = parameters[tile]
        vessels[tile, : 4 * LANES] = blood[tile]
    for block in range(first, last):
        for tile in range(n_tiles):
            w = work[tile]
            for k in range(2 * LANES):
                w[SUM_E + k] = half * w[E + k]
        for n in range(per_block):
            step = (block - first) * per_block + n
            now = horizon + step if delayed else 0
            _receive(work, past, now, coupled, matrix_t, delays)
            for tile in range(n_tiles):
                w = work[tile]
                _evaluate(w, con, squash)
                if keep:
                    _record(w, con, squash, tape[step * stages, tile])
                kick = noise[step, :, tile * LANES : (tile + 1) * LANES]
                for k in range(LANES):
                    w[E_0 + k], w[I_0 + k] = w[E + k], w[I + k]
                    w[D_E0 + k], w[D_I0 + k] = w[D_E + k], w[D_I + k]
                for k in range(LANES):
                    e = w[E + k] + dt * w[D_E + k] + w[SIGMA + k] * real(kick[0, k])
                    i = w[I + k] + dt * w[D_I + k] + w[SIGMA + k] * real(kick[1, k])
                    w[E + k] = min(max(e, zero), one)
                    w[I + k] = min(max(i, zero), one)
            if heun:
                # The row of the next step holds the prediction until that step overwrites it.
                _receive(work, past, now + 1 if delayed else 0, coupled, matrix_t, delays)
                for tile in range(n_tiles):
                    w = work[tile]
                    _evaluate(w, con, squash)
                    if keep:
                        _record(w, con, squash, tape[step * stages + 1, tile])
                    kick = noise[step, :, tile * LANES : (tile + 1) * LANES]
                    for k in range(LANES):
                        e = half_dt * (w[D_E0 + k] + w[D_E + k]) + w[SIGMA + k] * real(kick[0, k])
                        i = half_dt * (w[D_I0 + k] + w[D_I + k]) + w[SIGMA + k] * real(kick[1, k])
                        w[E + k] = min(max(w[E_0 + k] + e, zero), one)
                        w[I + k] = min(max(w[I_0 + k] + i, zero), one)
            share = half if n == per_block - 1 else one
            for tile in range(n_tiles):
                w = work[tile]
                for k in range(2 * LANES):
                    w[SUM_E + k] += share * w[E + k]
        sample = plan[block]
        per_step = one / real(per_block)
        for tile in range(n_tiles):
            w, b = work[tile], vessels[tile]
            lanes = slice(tile * LANES, (tile + 1) * LANES)
            for k in range(LANES):
                b[DRIVE + k] = per_step * w[SUM_E + k]
            if keep:
                blood_tape[block - first, tile, : 4 * LANES] = b[: 4 * LANES]
                blood_tape[block - first, tile, 4 * LANES :] = b[DRIVE : DRIVE + LANES]
            for k in range(LANES):
                mean[sample, 0, tile * LANES + k] += weights[0, block] * per_step * w[SUM_E + k]
                mean[sample, 1, tile * LANES + k] += weights[0, block] * per_step * w[SUM_I + k]
            if weights[2, block] != zero:
                _add_bold(b, con, weights[1, block], bold[sample, lanes])
            blood_step(b, con)
            if weights[2, block] != zero:
                _add_bold(b, con, weights[2, block], bold[sample, lanes])
    for tile in range(n_tiles):
        state[tile] = work[tile, : 2 * LANES]
        blood[tile] = vessels[tile, : 4 * LANES]
        past[past.shape[0] - 1, tile * LANES : (tile + 1) * LANES] = work[tile, :LANES]
        if keep:
            tape[(last - first) * per_block * stages, tile, : 2 * LANES] = work[tile, : 2 * LANES]
