"""Feedback inhibition control: the inhibition of each region that makes all rest at one rate.

At the wanted rate every equation of the fixed point but one can be solved in turn: the rate gives
the excitatory gating and, through the inverse of the transfer function, the excitatory current; the
connectome then gives the coupling; one scalar root a region gives the inhibitory gating; and what
is left over of the current is the inhibition. No simulation is needed.

References:
    Deco et al. (2014) J. Neurosci. 34(23):7886-7898, doi:10.1523/JNEUROSCI.5068-13.2014.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from cosim.errors import ConfigurationError

# Ends of the searches: H is below 1e-20 Hz and above 1e4 Hz at these currents, nA; S_I is
# tau_I gamma_I R_I, 10 at 1000 Hz.
_LOWEST_nA, _HIGHEST_nA = -1.0, 40.0
_HIGHEST_S_I = 10.0


def inhibition_for_rate(
    model: Any, weights: NDArray[np.float64], rate_hz: float, regions: tuple[str, ...]
) -> NDArray[np.float64]:
    """J_i of each region for which the coupled network has a fixed point at one excitatory rate.

    Args:
        model: A configured two-state model of :mod:`cosim.meanfield.models`; its own J_i is not
            used.
        weights: Connectome ``[target, source]``, shape ``(n_regions, n_regions)``.
        rate_hz: Excitatory rate of all regions, Hz.
        regions: Their labels, for messages.

    Returns:
        J_i, nA, shape ``(n_regions,)``.

    Raises:
        ConfigurationError: If a region would need a negative J_i, or no search ends.
    """

    def of(name: str) -> NDArray[np.float64]:
        values = np.asarray(getattr(model, name), dtype=np.float64).ravel()
        return np.broadcast_to(values, (len(weights),))

    driven = of("tau_e") * of("gamma_e") * rate_hz
    S_e = driven / (1.0 + driven)
    coupling = of("G") * of("J_N") * (weights @ S_e)
    onto_e = of("W_e") * of("I_o") + of("w_p") * of("J_N") * S_e + coupling + of("I_ext")
    onto_i = of("W_i") * of("I_o") + of("J_N") * S_e + of("lamda") * coupling
    try:
        needed = [
            current_for_rate(rate_hz, *curve)
            for curve in zip(of("a_e"), of("b_e"), of("d_e"), strict=True)
        ]
        S_i = [
            _inhibitory_gating(current, gain, *curve)
            for current, gain, *curve in zip(
                onto_i, of("tau_i") * of("gamma_i"), of("a_i"), of("b_i"), of("d_i"), strict=True
            )
        ]
    except ValueError as error:
        raise ConfigurationError(
            f"brain.fic.rate_hz = {rate_hz:g}: no current from {_LOWEST_nA:g} to {_HIGHEST_nA:g} "
            f"nA gives that rate, or no S_i up to {_HIGHEST_S_I:g} goes with it; give another "
            f"rate, or check brain.parameters."
        ) from error
    J_i: NDArray[np.float64] = (onto_e - needed) / S_i
    if J_i.min() < 0:
        raise ConfigurationError(
            f"brain.fic.rate_hz = {rate_hz:g}: {np.count_nonzero(J_i < 0)} of {len(regions)} "
            f"regions (first {regions[int(np.argmin(J_i))]!r}, J_i {J_i.min():.3g}) would need "
            f"less than no inhibition for it; lower the rate, or raise G or w_p."
        )
    return J_i


def current_for_rate(rate_hz: float, a: float, b: float, d: float) -> float:
    """The current at which the transfer function has a value; it rises from 0 without bound.

    Args:
        rate_hz: Value of H, Hz.
        a: Gain, Hz/nA.
        b: Threshold, Hz.
        d: Curvature, s.

    Returns:
        Current, nA.
    """
    return float(
        brentq(
            lambda current: transfer(current, a, b, d) - rate_hz,
            _LOWEST_nA,
            _HIGHEST_nA,
            xtol=1e-16,
            rtol=1e-15,
        )
    )


def transfer(current_nA: float, a: float, b: float, d: float) -> float:
    """H(I) = x / (1 - exp(-d x)), x = a I - b, of one current, Hz."""
    x = a * current_nA - b
    s = d * x
    if abs(s) < 1e-9:  # where the quotient is 0/0
        return 1.0 / d + 0.5 * x
    # expm1 overflows below -700, where H is 0 to double precision.
    return float(x / -np.expm1(-s)) if s > -700.0 else 0.0


def _inhibitory_gating(current_nA: float, gain: float, a: float, b: float, d: float) -> float:
    """S_I = tau_I gamma_I H(current - S_I), whose right side falls as S_I rises."""
    return float(
        brentq(
            lambda S_i: gain * transfer(current_nA - S_i, a, b, d) - S_i,
            0.0,
            _HIGHEST_S_I,
            xtol=1e-16,
            rtol=1e-15,
        )
    )
