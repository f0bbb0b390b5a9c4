"""The resting fixed point of a mean-field network, where a run starts unless told otherwise."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import root

from cosim.errors import ConfigurationError

# The slow time constant is 100 ms; 20 s let even a critically slowed network settle.
_SETTLING_MS = 20_000.0
_RESIDUAL_PER_MS = 1e-12
# Gating variables of low and of high activity.
_LOW, _HIGH = (0.1, 0.05), (0.9, 0.05)

Array = NDArray[np.float64]


def resting_state(model: Any, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gating variables at the fixed point that the network reaches from low activity.

    Delays do not move a fixed point, so the network is relaxed without them (stiff solver, from
    all gating variables at 0.1 and 0.05) and the end is polished by Newton's method.

    Args:
        model: A configured model of :mod:`cosim.meanfield.models`.
        weights: Connectome ``[target, source]``, shape ``(n_regions, n_regions)``.

    Returns:
        Shape ``(n_gating, n_regions)``.

    Raises:
        ConfigurationError: If the network does not settle.
    """
    n_gating, n_regions = int(model.nintvar), weights.shape[0]
    derivative = _derivative(model, weights)
    settled = _settled(derivative, np.repeat(_LOW[:n_gating], n_regions))
    polished = root(derivative, settled.y[:, -1], method="hybr", options={"xtol": 1e-14})
    residual = np.abs(derivative(polished.x)).max()
    in_range = polished.x.min() >= 0.0 and polished.x.max() <= 1.0
    moved = np.abs(polished.x - settled.y[:, -1]).max()
    if not (settled.success and residual < _RESIDUAL_PER_MS and in_range and moved < 1e-2):
        raise ConfigurationError(
            f"brain: the network does not settle at a fixed point (after {_SETTLING_MS / 1000:g} s "
            f"it still changes by {np.abs(derivative(settled.y[:, -1])).max():.2g} per ms, limit "
            f"{_RESIDUAL_PER_MS:g}); lower brain.parameters.G or give brain.initial."
        )
    rest: Array = polished.x.reshape(n_gating, n_regions)
    return rest


def rates_after_high_activity(model: Any, weights: Array) -> Array:
    """Rates 20 s after all excitatory gating variables were 0.9.

    Where they are not those of :func:`resting_state`, the network has a second stable state, or
    leaves high activity so slowly that a run of minutes may not.

    Args:
        model: A configured model of :mod:`cosim.meanfield.models`.
        weights: Connectome ``[target, source]``, shape ``(n_regions, n_regions)``.

    Returns:
        Shape ``(n_rates, n_regions)``, Hz.
    """
    n_gating, n_regions = int(model.nintvar), weights.shape[0]
    start = np.repeat(_HIGH[:n_gating], n_regions)
    settled = _settled(_derivative(model, weights), start)
    return rates_at(model, weights, settled.y[:, -1].reshape(n_gating, n_regions))


def _derivative(model: Any, weights: Array) -> Callable[[Array], Array]:
    """Change of the gating variables of the network without delays, per ms."""
    n_gating, coupled = int(model.nintvar), int(model.cvar[0])

    def derivative(flat: Array) -> Array:
        S = flat.reshape(n_gating, weights.shape[0], 1)
        c = (weights @ S[coupled])[np.newaxis]
        result: Array = model.dfun(S, c).ravel()
        return result

    return derivative


def _settled(derivative: Callable[[Array], Array], start: Array) -> Any:
    return solve_ivp(
        lambda _, flat: derivative(flat),
        (0.0, _SETTLING_MS),
        start,
        method="LSODA",
        t_eval=[_SETTLING_MS],
        rtol=1e-6,
        atol=1e-9,
    )


def rates_at(
    model: Any, weights: NDArray[np.float64], gating: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rates of a network whose gating variables have always had these values.

    Args:
        model: A configured model of :mod:`cosim.meanfield.models`.
        weights: Connectome ``[target, source]``, shape ``(n_regions, n_regions)``.
        gating: Shape ``(n_gating, n_regions)``.

    Returns:
        Shape ``(n_rates, n_regions)``, Hz.
    """
    c = weights @ gating[int(model.cvar[0])]
    rates: NDArray[np.float64] = model.rates_hz(gating[..., None], c[None, :, None])[..., 0]
    return rates
