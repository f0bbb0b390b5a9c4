"""TVB's simulator of a brain, configured: what both engines start from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tvb.datatypes.connectivity import Connectivity
from tvb.simulator import coupling, simulator

from cosim.meanfield.connectome import Connectome
from cosim.meanfield.integration import build_integrator
from cosim.meanfield.models import ModelFamily
from cosim.meanfield.resting_state import rates_at


class _StartsAtZero(simulator.Simulator):
    """TVB's Simulator whose first step is step 1, whatever the length of the initial history.

    TVB counts the rows of an initial condition as steps, which would shift every monitor. The
    history here is constant in time, so its rows can be counted as the past.
    """

    def _configure_history(self, initial_conditions: Any = None) -> None:
        super()._configure_history(initial_conditions)
        self.current_step = 0


def tvb_connectivity(connectome: Connectome) -> Any:
    """A TVB Connectivity with these weights, lengths and speed."""
    return Connectivity(
        weights=connectome.weights.copy(),
        tract_lengths=connectome.lengths_mm.copy(),
        region_labels=np.array(connectome.regions),
        centres=connectome.centres_mm.copy(),
        # TVB's projections ask for both; the lead fields used here are of the cortical surface.
        cortical=np.ones(connectome.n_regions, dtype=bool),
        orientations=np.zeros((connectome.n_regions, 3)),
        speed=np.array([connectome.speed_mm_per_ms]),
    )


def _coupling(connectome: Connectome) -> Any:
    """TVB's coupling function: what arrives, or its difference to the region's own state."""
    kind = coupling.Difference if connectome.diffusive else coupling.Linear
    return kind(a=np.array([1.0]))


@dataclass(frozen=True)
class MeanField:
    """A mean field to be stepped, whichever loop steps it.

    Attributes:
        connectome: Regions, weights, delays.
        family: The model.
        parameters: Model parameters, scalar or ``(n_regions,)``.
        dt_ms: Integration step, ms.
        seed: Seed of the noise.
        sigma: Noise per integrated variable, per sqrt(ms), shape ``(n_gating,)``.
        initial: Gating variables at all times up to 0, shape ``(n_gating, n_regions)``.
        monitors: TVB monitors by name.
        precision: Of the past and the weights: ``single`` as in TVB, or ``double``, for which only
            the compiled loop is made.
    """

    connectome: Connectome
    family: ModelFamily
    parameters: Mapping[str, Any]
    dt_ms: float
    seed: int
    sigma: NDArray[np.float64]
    initial: NDArray[np.float64]
    monitors: Mapping[str, Any]
    precision: Literal["single", "double"] = "single"


def build_simulator(brain: MeanField) -> tuple[Any, NDArray[np.float64]]:
    """TVB's simulator, configured, and every variable at all times up to 0.

    Args:
        brain: What is to be stepped.

    Returns:
        The simulator, and the initial state, shape ``(n_variables, n_regions)``.
    """
    connectome, initial = brain.connectome, brain.initial
    connectivity = tvb_connectivity(connectome)
    connectivity.configure()
    connectivity.set_idelays(brain.dt_ms)
    model = brain.family.build(brain.parameters)
    model.configure()
    start = np.concatenate([initial, rates_at(model, connectome.operator, initial)])
    horizon = int(connectivity.idelays.max()) + 1
    tvb = _StartsAtZero(
        connectivity=connectivity,
        model=model,
        coupling=_coupling(connectome),
        integrator=build_integrator(brain.dt_ms, brain.seed, brain.sigma),
        monitors=tuple(brain.monitors.values()),
        # The whole horizon: TVB fills what is missing with random numbers.
        initial_conditions=np.tile(start[None, ..., None], (horizon, 1, 1, 1)),
    )
    tvb.configure()
    tvb.model.fix_parameters()
    return tvb, start
