"""Whether a fitted network ended in a state in which its FC says nothing, and how to say so."""

import numpy as np
from numpy.typing import NDArray

from fitting.models.base import MeanFieldModel
from fitting.models.reduced_wong_wang import ReducedWongWang

# Mean excitatory rates between which a network may be said to rest. A region at rest fires at 3 to
# 4 Hz; past the fold all regions saturate together near 100 Hz, and without inhibition's balance
# they fall silent. In both states FC, and its gradient, all but vanish.
SILENT_HZ, SATURATED_HZ = 0.5, 15.0


def mean_rate_hz(model: ReducedWongWang, E: float) -> float:
    """Excitatory rate that holds a mean gating ``E``: ``E / (tau gamma (1 - E))``."""
    population = model.excitatory
    return float(E / (population.tau_ms * population.gamma * max(1 - E, 1e-6)))


def collapse(
    model: MeanFieldModel,
    mean_state: NDArray[np.float64],
    fc_mean_simulated: float,
    fc_mean_data: float,
) -> str | None:
    """Say in one line how a simulation collapsed; None where it did not, or cannot be told.

    Args:
        model: Only the two-state Wong-Wang models have a resting range.
        mean_state: Mean of each variable over time, regions and runs, ``(n_variables,)``.
        fc_mean_simulated: Mean FC over pairs of the simulation.
        fc_mean_data: The same of the data.
    """
    if not isinstance(model, ReducedWongWang):
        return None
    E = float(mean_state[0])
    rate = mean_rate_hz(model, E)
    if SILENT_HZ <= rate <= SATURATED_HZ:
        return None
    state = "high-activity" if rate > SATURATED_HZ else "silent"
    return (
        f"collapsed: the fitted network ended in the {state} state (mean E {E:.2f}, {rate:.3g} Hz; "
        f"mean FC {fc_mean_simulated:.3f}, data {fc_mean_data:.3f}); do not use this fit, take "
        "schedule: linear_noise or another seed."
    )
