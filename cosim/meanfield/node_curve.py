"""Stationary rates of one mean-field node as a function of what the other regions send it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import root

from cosim.errors import ConfigurationError

# As for the resting state: the slow time constant is 100 ms.
_SETTLING_MS = 20_000.0
_RESIDUAL_PER_MS = 1e-12


def stationary_nodes(
    model: Any, own_weight: float, external: Sequence[float], start: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fixed points of one node under constant input, followed from a known one.

    The input is raised or lowered from value to value, and the node relaxes from the fixed point
    before; so a bistable node stays on the branch on which it started while that exists.

    Args:
        model: A configured model of :mod:`cosim.meanfield.models` with scalar parameters.
        own_weight: Factor on the node's own gating variable in its coupling: minus the sum of its
            weights for diffusive coupling, else 0.
        external: ``sum_j C_ij S_j`` of the other regions, in the order in which they are followed.
        start: Gating variables from which the first one relaxes, shape ``(n_gating,)``.

    Returns:
        Gating variables ``(n, n_gating)`` and rates ``(n, n_rates)``, Hz.

    Raises:
        ConfigurationError: If the node does not settle.
    """
    coupled = int(model.cvar[0])
    states, rates = [], []
    S = np.array(start, dtype=np.float64)
    for value in external:
        S = _settled(model, coupled, own_weight, float(value), S)
        c = np.array(value + own_weight * S[coupled]).reshape(1, 1, 1)
        states.append(S)
        rates.append(model.rates_hz(S.reshape(-1, 1, 1), c).ravel())
    return np.array(states), np.array(rates)


def _settled(
    model: Any, coupled: int, own_weight: float, external: float, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    def derivative(S: NDArray[np.float64]) -> NDArray[np.float64]:
        c = np.array(external + own_weight * S[coupled]).reshape(1, 1, 1)
        result: NDArray[np.float64] = model.dfun(S.reshape(-1, 1, 1), c).ravel()
        return result

    near = solve_ivp(
        lambda _, S: derivative(S),
        (0.0, _SETTLING_MS),
        start,
        method="LSODA",
        t_eval=[_SETTLING_MS],
        rtol=1e-6,
        atol=1e-9,
    )
    polished = root(derivative, near.y[:, -1], method="hybr", options={"xtol": 1e-14})
    if np.abs(derivative(polished.x)).max() > _RESIDUAL_PER_MS:
        raise ConfigurationError(
            f"brain: a node that gets sum_j C_ij S_j = {external:.4g} does not settle; narrow the "
            f"range of the drive, or lower brain.parameters.G."
        )
    found: NDArray[np.float64] = polished.x
    return found
