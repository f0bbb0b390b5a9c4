"""The adjoint of `fitting.kernels`, written by hand.

With ``l`` the derivative of the loss to the state after a step and ``J`` the Jacobian of the
drift, Euler's step gives ``l <- l + dt J^T l``. Heun's, through its predictor at ``x1``, gives
``m = dt/2 J(x1)^T l`` and ``l <- l + m + J(x)^T (dt/2 l + dt m)``. Where a state was clipped the
derivative is zero.

It inlines functions of `fitting.kernels` and `fitting.elementary`; numba's cache does not notice a
change there, so touch this file after editing them.
"""

import numpy as np
from numba import njit

from fitting.elementary import FAST, INLINE, expm1, log
from fitting.kernels import blood_predict, blood_step, multiply
from fitting.tiles import (
    A_E,
    A_I,
    ADJOINT_ROWS,
    B_Q,
    B_S,
    B_V,
    BLOOD_ADJOINT_ROWS,
    BLOOD_ROWS,
    C_AUTO,
    C_DECAY,
    C_DT,
    C_H,
    C_LOG_KEPT,
    C_PER_RHO,
    C_RATE_I,
    C_STIFF,
    C_TRANSIT,
    C_W_E,
    C_W_I,
    C_Y1,
    C_Y2,
    C_Y3,
    DRIVE,
    G_EE,
    G_EI,
    G_IE,
    H_F,
    H_Q,
    H_S,
    H_V,
    L_DRIVE,
    L_E,
    L_I,
    L_Q,
    L_S,
    L_SUM_E,
    L_SUM_I,
    L_V,
    LAMBDA,
    LANES,
    M_E,
    M_I,
    N_F,
    N_PARAMETERS,
    N_Q,
    N_S,
    N_V,
    Q_EE,
    Q_EI,
    Q_EXT,
    Q_G,
    Q_IE,
    Q_LAMBDA,
    Q_O,
    Q_SIGMA,
    T_C,
    T_E,
    T_I,
    T_LEAK_E,
    T_SLOPE_E,
    T_SLOPE_I,
    X_F,
    X_Q,
    X_S,
    X_V,
    G,
    Z,
)


@njit(**INLINE)
def _add_bold_adjoint(a, v, q, con, weight, cotangent):  # type: ignore[no-untyped-def]
    """Add the derivative of weighted BOLD to the adjoint of v and q of one tile."""
    for k in range(LANES):
        g = weight * cotangent[k]
        per_v = con[C_Y2] / v[k]
        a[L_Q + k] -= g * (con[C_Y1] + per_v)
        a[L_V + k] += g * (per_v * q[k] / v[k] - con[C_Y3])


@njit(**INLINE)
def _blood_drift_adjoint(b, a, con):  # type: ignore[no-untyped-def]
    """Pull the derivative H back through the drift at X, to N and, added, to the drive."""
    one = b.dtype.type(1.0)
    for k in range(LANES):
        f, v, q = b[X_F + k], b[X_V + k], b[X_Q + k]
        h_v, h_q = con[C_TRANSIT] * a[H_V + k], con[C_TRANSIT] * a[H_Q + k]
        per_v = (one + expm1(con[C_STIFF] * log(v))) / v
        share = con[C_LOG_KEPT] / f
        lost = expm1(share)
        slope = con[C_PER_RHO] * (share * (one + lost) - lost)
        flow = h_v + h_q * slope - con[C_AUTO] * a[H_S + k]
        a[N_F + k] = flow
        a[N_V + k] = -per_v * (con[C_STIFF] * h_v + h_q * (con[C_STIFF] - one) * q / v)
        a[N_Q + k] = -h_q * per_v
    for k in range(LANES):
        a[N_S + k] = a[H_F + k] - con[C_DECAY] * a[H_S + k]
        a[L_DRIVE + k] += a[H_S + k]


@njit(**INLINE)
def _blood_step_adjoint(b, a, con):  # type: ignore[no-untyped-def]
    """Pull L back through Heun's step of the haemodynamics from the state in B."""
    h = con[C_H]
    half = h * b.dtype.type(0.5)
    for k in range(LANES):
        a[L_DRIVE + k] = b.dtype.type(0.0)
    blood_predict(b, con)
    for k in range(4 * LANES):
        a[H_S + k] = half * a[L_S + k]
    _blood_drift_adjoint(b, a, con)
    for k in range(4 * LANES):
        a[H_S + k] += h * a[N_S + k]
        a[L_S + k] += a[N_S + k]
    for k in range(4 * LANES):
        b[X_S + k] = b[B_S + k]
    _blood_drift_adjoint(b, a, con)
    for k in range(4 * LANES):
        a[L_S + k] += a[N_S + k]


@njit(**INLINE)
def _evaluate_adjoint(t, p, a, con):  # type: ignore[no-untyped-def]
    """Pull the derivative A back through one evaluation of the drift, to M, Z and parameters."""
    for k in range(LANES):
        to_e = a[A_E + k] * t[T_SLOPE_E + k]
        to_i = a[A_I + k] * t[T_SLOPE_I + k]
        arriving = to_e + p[LAMBDA - G + k] * to_i
        a[Z + k] = p[k] * arriving
        a[Q_G + k] += arriving * t[T_C + k]
        a[Q_LAMBDA + k] += p[k] * t[T_C + k] * to_i
        a[Q_EE + k] += to_e * t[T_E + k]
        a[Q_IE + k] -= to_e * t[T_I + k]
        a[Q_EI + k] += to_i * t[T_E + k]
        a[Q_O + k] += con[C_W_E] * to_e + con[C_W_I] * to_i
        a[Q_EXT + k] += to_e
        to_e_recurrent = p[G_EE - G + k] * to_e + p[G_EI - G + k] * to_i
        a[M_E + k] = a[A_E + k] * t[T_LEAK_E + k] + to_e_recurrent
        a[M_I + k] = -con[C_RATE_I] * a[A_I + k] - p[G_IE - G + k] * to_e - to_i


@njit(**INLINE)
def _send_back(adjoints, z, coupled, matrix):  # type: ignore[no-untyped-def]
    """Collect Z of all tiles in ``z`` and add what it sends back to M_E."""
    _collect(adjoints, z)
    multiply(matrix, z, coupled)
    _add_to_m(adjoints, coupled)


@njit(**INLINE)
def _send_back_in_time(  # type: ignore[no-untyped-def]
    adjoints, z, matrix, delays_t, past, to_past, now, tape, to_matrix
):
    """As `_send_back`, through delays; adds the derivative to the matrix as well.

    What is sent at once comes from the tape: the row of a prediction has been overwritten.
    """
    _collect(adjoints, z)
    for i in range(z.shape[0]):
        row, late, to_row, z_i = matrix[i], delays_t[i], to_matrix[i], z[i]
        for j in range(z.shape[0]):
            to_past[now - late[j], j] += row[j] * z_i
            sent = past[now - late[j], j]
            if late[j] == 0:
                sent = tape[j // LANES, T_E + j % LANES]
            to_row[j] += z_i * sent
    _add_to_m(adjoints, to_past[now])
    for j in range(z.shape[0]):
        to_past[now, j] = z.dtype.type(0.0)


@njit(**INLINE)
def _collect(adjoints, z):  # type: ignore[no-untyped-def]
    """Copy Z of all tiles to ``z``."""
    for tile in range(adjoints.shape[0]):
        a = adjoints[tile]
        for k in range(LANES):
            z[tile * LANES + k] = a[Z + k]


@njit(**INLINE)
def _add_to_m(adjoints, received):  # type: ignore[no-untyped-def]
    """Add a number for each region to M_E of all tiles."""
    for tile in range(adjoints.shape[0]):
        a = adjoints[tile]
        for k in range(LANES):
            a[M_E + k] += received[tile * LANES + k]


@njit(nogil=True, **FAST)
def backward(  # type: ignore[no-untyped-def]
    matrix, delays_t, past, to_past, to_state, to_blood, parameters, con, noise, plan, weights,
    first, last, per_block, heun, to_bold, to_mean, tape, blood_tape, to_parameters, to_matrix, z,
):  # fmt: skip
    """Pull derivatives back from block ``last`` to block ``first``, in place.

    Args as in `forward`, and:
        matrix: Coupling matrix, not transposed, ``(padded, padded)``.
        delays_t: Steps from sender (column) to receiver, ``(padded, padded)``; or no rows.
        past: What was sent, as `forward` left it.
        to_past: Derivative to what was sent, rows as ``past``; those of the last ``horizon``
            steps hold what later chunks gave. Added to; rows are zero once passed on.
        to_state: Derivative to E and I, ``(tile, 2 * LANES)``.
        to_blood: Derivative to s, f, v and q, ``(tile, 4 * LANES)``.
        to_bold: Derivative to the BOLD of the window, ``(sample, padded)``.
        to_mean: Derivative to the mean state of the window, ``(sample, 2, padded)``.
        to_parameters: Added to, ``(tile, 8 * LANES)``.
        to_matrix: Added to where there are delays; else the caller makes it of ``z``.
        z: Written: derivative to the coupling at each evaluation, ``(evaluation, padded)``.
    """
    real = to_state.dtype.type
    zero, one, half = real(0.0), real(1.0), real(0.5)
    dt = con[C_DT]
    n_tiles = to_state.shape[0]
    stages = 2 if heun else 1
    delayed = delays_t.shape[0] > 0
    horizon = past.shape[0] - (last - first) * per_block - 1 if delayed else 0
    adjoints = np.zeros((n_tiles, ADJOINT_ROWS * LANES), to_state.dtype)
    vessel_adjoints = np.zeros((n_tiles, BLOOD_ADJOINT_ROWS * LANES), to_state.dtype)
    b = np.zeros(BLOOD_ROWS * LANES, to_state.dtype)
    coupled = np.empty(n_tiles * LANES, to_state.dtype)
    for tile in range(n_tiles):
        adjoints[tile, : 2 * LANES] = to_state[tile]
        adjoints[tile, Q_G : Q_G + N_PARAMETERS * LANES] = to_parameters[tile]
        vessel_adjoints[tile, : 4 * LANES] = to_blood[tile]
    for block in range(last - 1, first - 1, -1):
        sample = plan[block]
        per_step = one / real(per_block)
        for tile in range(n_tiles):
            a, c = adjoints[tile], vessel_adjoints[tile]
            lanes = slice(tile * LANES, (tile + 1) * LANES)
            before = blood_tape[block - first, tile]
            for k in range(4 * LANES):
                b[B_S + k] = before[k]
            for k in range(LANES):
                b[DRIVE + k] = before[4 * LANES + k]
            if weights[2, block] != zero:
                blood_step(b, con)
                _add_bold_adjoint(
                    c, b[B_V : B_V + LANES], b[B_Q : B_Q + LANES], con, weights[2, block],
                    to_bold[sample, lanes],
                )  # fmt: skip
                for k in range(4 * LANES):
                    b[B_S + k] = before[k]
            _blood_step_adjoint(b, c, con)
            if weights[2, block] != zero:
                _add_bold_adjoint(
                    c, b[B_V : B_V + LANES], b[B_Q : B_Q + LANES], con, weights[1, block],
                    to_bold[sample, lanes],
                )  # fmt: skip
            share = weights[0, block]
            for k in range(LANES):
                e = c[L_DRIVE + k] + share * to_mean[sample, 0, tile * LANES + k]
                i = share * to_mean[sample, 1, tile * LANES + k]
                a[L_SUM_E + k], a[L_SUM_I + k] = per_step * e, per_step * i
        for n in range(per_block - 1, -1, -1):
            step = (block - first) * per_block + n
            share = half if n == per_block - 1 else one
            for tile in range(n_tiles):
                a = adjoints[tile]
                after = tape[(step + 1) * stages, tile]
                kick = noise[step, :, tile * LANES : (tile + 1) * LANES]
                for k in range(2 * LANES):
                    ell = a[L_E + k] + share * a[L_SUM_E + k]
                    a[L_E + k] = ell if zero < after[T_E + k] < one else zero
                for k in range(LANES):
                    a[Q_SIGMA + k] += a[L_E + k] * real(kick[0, k]) + a[L_I + k] * real(kick[1, k])
            if heun:
                for tile in range(n_tiles):
                    a, t = adjoints[tile], tape[step * stages + 1, tile]
                    for k in range(2 * LANES):
                        a[A_E + k] = half * dt * a[L_E + k]
                    _evaluate_adjoint(t, parameters[tile], a, con)
                if delayed:
                    _send_back_in_time(
                        adjoints, z[step * stages + 1], matrix, delays_t, past, to_past,
                        horizon + step + 1, tape[step * stages + 1], to_matrix,
                    )  # fmt: skip
                else:
                    _send_back(adjoints, z[step * stages + 1], coupled, matrix)
                for tile in range(n_tiles):
                    a, t = adjoints[tile], tape[step * stages + 1, tile]
                    kick = noise[step, :, tile * LANES : (tile + 1) * LANES]
                    for k in range(2 * LANES):
                        m = a[M_E + k] if zero < t[T_E + k] < one else zero
                        a[A_E + k] = half * dt * a[L_E + k] + dt * m
                        a[L_E + k] += m
                        a[M_E + k] = m
                    for k in range(LANES):
                        e, i = a[M_E + k] * real(kick[0, k]), a[M_I + k] * real(kick[1, k])
                        a[Q_SIGMA + k] += e + i
            else:
                for tile in range(n_tiles):
                    a = adjoints[tile]
                    for k in range(2 * LANES):
                        a[A_E + k] = dt * a[L_E + k]
            for tile in range(n_tiles):
                _evaluate_adjoint(tape[step * stages, tile], parameters[tile], adjoints[tile], con)
            if delayed:
                _send_back_in_time(
                    adjoints, z[step * stages], matrix, delays_t, past, to_past, horizon + step,
                    tape[step * stages], to_matrix,
                )  # fmt: skip
            else:
                _send_back(adjoints, z[step * stages], coupled, matrix)
            for tile in range(n_tiles):
                a = adjoints[tile]
                for k in range(2 * LANES):
                    a[L_E + k] += a[M_E + k]
        for tile in range(n_tiles):
            a = adjoints[tile]
            for k in range(2 * LANES):
                a[L_E + k] += half * a[L_SUM_E + k]
    for tile in range(n_tiles):
        to_state[tile] = adjoints[tile, : 2 * LANES]
        to_parameters[tile] = adjoints[tile, Q_G : Q_G + N_PARAMETERS * LANES]
        to_blood[tile] = vessel_adjoints[tile, : 4 * LANES]
