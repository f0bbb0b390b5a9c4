"""Where a region is slowest: the line that the fold of the bistable band lies on, and beyond it.

At weak recurrent excitation there is no bistable band, hence no edge of one to stay near, yet the
region still slows down as inhibition is taken away and speeds up again in its active state. The
inhibition at which its return is slowest is the edge where there is one and continues it where
there is none.

References:
    Griffiths, Wang et al. (2022), doi:10.1101/2022.05.19.492664, eqs 24 and 41.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fitting.bifurcation import fixed_points
from fitting.errors import ConfigurationError
from fitting.models.reduced_wong_wang import ReducedWongWang

Array = NDArray[np.float64]

DEGREE = 2
# Slower than this a region counts as near critical; an uncoupled one at rest returns at .008 / ms.
SLOW_PER_MS = 0.003


def slowest_g_EI(
    model: ReducedWongWang, g_EE: Array, g_IE: Array, g_EI: Array, others: Mapping[str, Tensor]
) -> Array:
    """Return the g_EI of a grid at which a region returns most slowly to a stable rest.

    Args:
        model: Either variant of the two-state model.
        g_EE: Recurrent excitation, nA, shape ``(n_lines,)``.
        g_IE: Feedback inhibition, nA, shape ``(n_lines,)``.
        g_EI: Grid, nA, increasing, shape ``(n_grid,)``.
        others: Other parameters that differ from their defaults, scalars.

    Returns:
        Shape ``(n_lines,)``; NaN where it is no faster than `SLOW_PER_MS` anywhere inside.
    """
    lines = [np.repeat(g_EE, g_EI.size), np.repeat(g_IE, g_EI.size), np.tile(g_EI, g_EE.size)]
    varied = {
        name: torch.from_numpy(values)
        for name, values in zip(("g_EE", "g_IE", "g_EI"), lines, strict=True)
    }
    points = fixed_points(model, {**others, **varied})
    rate = np.where(points.stable, -points.eigenvalues.real.max(-1), np.inf).min(-1)
    rate = rate.reshape(g_EE.size, g_EI.size)
    where = rate.argmin(1)
    inside = (where > 0) & (where < g_EI.size - 1) & (rate.min(1) < SLOW_PER_MS)
    return np.where(inside, g_EI[where], np.nan)


def critical_polynomial(
    model: ReducedWongWang, others: Mapping[str, Tensor] | None = None
) -> Array:
    """Return the coefficients of the critical g_EI, quadratic in g_IE and in g_EE.

    Args:
        model: Either variant of the two-state model.
        others: Parameters other than the three that differ from their defaults, scalars.

    Returns:
        Shape ``(3, 3)``: the coefficient of ``g_IE**i g_EE**j``, nA to the power ``1 - i - j``.

    Raises:
        ConfigurationError: If no region is critical in the range looked at.
    """
    E, I = (  # noqa: E741
        axis.ravel()
        for axis in np.meshgrid(np.linspace(0.2, 0.8, 13), np.linspace(0.2, 2.0, 13), indexing="ij")
    )
    edge = slowest_g_EI(model, E, I, np.linspace(0.01, 1.0, 100), others or {})
    known = np.isfinite(edge)
    terms = np.polynomial.polynomial.polyvander2d(I[known], E[known], [DEGREE, DEGREE])
    if known.sum() < 2 * terms.shape[1]:
        raise ConfigurationError(
            f"Only {known.sum()} of {known.size} pairs of g_EE and g_IE have a critical g_EI; set "
            "windows.bifurcation_prior to 0."
        )
    solved = np.linalg.lstsq(terms, edge[known], rcond=None)[0]
    return np.asarray(solved.reshape(DEGREE + 1, DEGREE + 1))
