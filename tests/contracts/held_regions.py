"""Where a Reduced Wong-Wang brain rests while some regions are held: the printed equations, SciPy.

Deco et al. (2014), J. Neurosci. 34:7886-7898, doi:10.1523/JNEUROSCI.5068-13.2014, with the
parameters of its table, rates in Hz and times in ms; coupling is additive.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Array = NDArray[np.float64]


def rest_with_held(weights: Array, J_i: Array, G: float, held: Mapping[int, float]) -> Array:
    """S_E of every region at the fixed point next to low activity.

    Args:
        weights: ``[target, source]``, shape ``(n, n)``.
        J_i: Feedback inhibition of every region, shape ``(n,)``.
        G: Global coupling.
        held: S_E of regions that do not follow the equations.
    """
    free = np.array([i for i in range(len(weights)) if i not in held])
    S = np.full(len(weights), 0.16)
    S[list(held)] = list(held.values())

    def slope(x: Array) -> Array:
        S[free], S_I = np.split(x, 2)
        I_E = 0.382 + 1.4 * 0.15 * S[free] - J_i[free] * S_I + G * 0.15 * (weights @ S)[free]
        R_E = _rate_hz(I_E, 310.0, 125.0, 0.16)
        R_I = _rate_hz(0.7 * 0.382 + 0.15 * S[free] - S_I, 615.0, 177.0, 0.087)
        dS_E = -S[free] / 100.0 + (1.0 - S[free]) * 0.641e-3 * R_E
        return np.concatenate([dS_E, -S_I / 10.0 + 1e-3 * R_I])

    found = optimize.root(slope, np.repeat([0.16, 0.039], len(free)), tol=1e-12)
    assert found.success, found.message
    slope(found.x)
    return S


def _rate_hz(current_nA: Array, a: float, b: float, d: float) -> Array:
    x = a * current_nA - b
    return x / (1.0 - np.exp(-d * x))
