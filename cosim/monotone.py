"""Numerics of a calibration: the rising branch of a measured curve, its inverse, bounded steps."""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import lsq_linear

Array = NDArray[np.float64]


def rising_branch(drive: Array, rate_hz: Array) -> tuple[Array, Array]:
    """The part of a measured curve on which more drive gives a higher rate.

    It ends at the peak: beyond it (depolarisation block) a rate has a second, wrong drive. Points
    that noise put below an earlier one are left out.

    Args:
        drive: Ascending, shape ``(n,)``.
        rate_hz: Rate at each, shape ``(n,)``, Hz.

    Returns:
        Drive and rate, both strictly ascending.
    """
    keep: list[int] = []
    for index in range(int(np.argmax(rate_hz)) + 1):
        if not keep or rate_hz[index] > rate_hz[keep[-1]]:
            keep.append(index)
    return drive[keep], rate_hz[keep]


def drive_for(drive: Array, rate_hz: Array, wanted_hz: Array) -> Array:
    """Drive that gives each wanted rate, by monotone interpolation of a rising curve.

    In log-log where all is positive, as rates rise over decades of the drive; else linear.

    Args:
        drive: Strictly ascending, shape ``(n,)``, at least two.
        rate_hz: Strictly ascending, shape ``(n,)``, Hz.
        wanted_hz: Rates; those outside the curve get the drive of its end.

    Returns:
        Drives, the shape of ``wanted_hz``.
    """
    wanted = np.clip(wanted_hz, rate_hz[0], rate_hz[-1])
    if drive[0] > 0 and rate_hz[0] > 0:
        inverse = PchipInterpolator(np.log(rate_hz), np.log(drive))
        return np.asarray(np.exp(inverse(np.log(wanted))), dtype=np.float64)
    return np.asarray(PchipInterpolator(rate_hz, drive)(wanted), dtype=np.float64)


def bounded_step(
    jacobian: Array, residual: Array, weights: Array, lower: Array, upper: Array
) -> Array:
    """Gauss-Newton step within bounds: least squares of ``residual + jacobian @ step``.

    Args:
        jacobian: Shape ``(n_residuals, n_unknowns)``.
        residual: Shape ``(n_residuals,)``.
        weights: Of the residuals, shape ``(n_residuals,)``.
        lower: Smallest step of each unknown, shape ``(n_unknowns,)``, <= 0.
        upper: Largest step of each unknown, shape ``(n_unknowns,)``, >= 0.
    """
    # An unknown at its bound has no room; lsq_linear wants some.
    upper = np.maximum(upper, lower + 1e-12)
    # Unknowns differ in unit by orders; in units of their own range the solver is well conditioned.
    scale = upper - lower
    found = lsq_linear(
        jacobian * scale * weights[:, None],
        -residual * weights,
        (lower / scale, upper / scale),
        method="bvls",
    )
    return np.asarray(found.x * scale, dtype=np.float64)


def broyden(jacobian: Array, step: Array, change: Array, scale: Array) -> Array:
    """The Jacobian that also explains the last step, closest to the one before.

    Args:
        jacobian: Shape ``(n_residuals, n_unknowns)``.
        step: Step taken, shape ``(n_unknowns,)``.
        change: Change of the residuals, shape ``(n_residuals,)``.
        scale: Typical size of each unknown, shape ``(n_unknowns,)``.

    References:
        Broyden (1965) Math. Comp. 19:577-593, doi:10.1090/S0025-5718-1965-0198670-6.
    """
    scaled = step / scale
    norm = float(scaled @ scaled)
    if norm == 0.0:
        return jacobian
    return jacobian + np.outer(change - jacobian @ step, scaled / scale) / norm
