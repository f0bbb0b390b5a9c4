"""TVB's simulator, window by window, the past of some regions written from outside."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvb.datatypes.connectivity import Connectivity
from tvb.simulator import coupling, simulator

from cosim.clock import SyncWindow
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


class MeanFieldNetwork:
    """A Reduced Wong-Wang network in TVB that a caller advances in windows.

    Within a window no replaced region is felt by another region earlier than its delay, so its
    states need not be known until the window ends; :meth:`impose` then writes them into TVB's
    history before the next window reads them.

    Args:
        connectome: Regions, weights, delays.
        family: The model.
        parameters: Model parameters, scalar or ``(n_regions,)``.
        dt_ms: Integration step, ms.
        seed: Seed of the noise.
        sigma: Noise per integrated variable, per sqrt(ms), shape ``(n_gating,)``.
        initial: Gating variables at all times up to 0, shape ``(n_gating, n_regions)``.
        monitors: TVB monitors by name.
    """

    def __init__(
        self,
        connectome: Connectome,
        family: ModelFamily,
        parameters: Mapping[str, Any],
        dt_ms: float,
        seed: int,
        sigma: NDArray[np.float64],
        initial: NDArray[np.float64],
        monitors: Mapping[str, Any],
    ):
        self.regions = connectome.regions
        self.family = family
        self.dt_ms = dt_ms
        self.monitors = dict(monitors)
        connectivity = tvb_connectivity(connectome)
        connectivity.configure()
        connectivity.set_idelays(dt_ms)
        model = family.build(parameters)
        model.configure()
        self._initial = np.concatenate([initial, rates_at(model, connectome.operator, initial)])
        horizon = int(connectivity.idelays.max()) + 1
        self._tvb = _StartsAtZero(
            connectivity=connectivity,
            model=model,
            coupling=_coupling(connectome),
            integrator=build_integrator(dt_ms, seed, sigma),
            monitors=tuple(self.monitors.values()),
            # The whole horizon: TVB fills what is missing with random numbers.
            initial_conditions=np.tile(self._initial[None, ..., None], (horizon, 1, 1, 1)),
        )
        self._tvb.configure()
        self._tvb.model.fix_parameters()

    def initial_state(self) -> NDArray[np.float64]:
        """Every variable at all times up to 0, shape ``(n_variables, n_regions)``."""
        return self._initial.copy()

    @property
    def step(self) -> int:
        """TVB's own count of the steps done."""
        return int(self._tvb.current_step)

    @property
    def n_clipped(self) -> NDArray[np.int64]:
        """Steps in which each region's gating was clipped, shape ``(n_regions,)``."""
        counted = self._tvb.integrator.n_clipped
        return np.zeros(len(self.regions), dtype=np.int64) if counted is None else counted

    def advance(self, window: SyncWindow) -> NDArray[np.float64]:
        """Integrate over one window.

        Args:
            window: The window; its start must be where the network stands.

        Returns:
            State at the end of each step, shape ``(n_steps, n_variables, n_regions)``. Row ``n``
            holds the gating after step ``start_step + n`` and the rates over that step.
        """
        tvb = self._tvb
        noise = getattr(tvb.integrator, "noise", None)
        if noise is not None:
            noise.step = window.start_step
        state = tvb.current_state
        out = np.empty((window.n_steps, *state.shape[:2]))
        for n in range(window.n_steps):
            step = window.start_step + n + 1
            delayed = tvb._loop_compute_node_coupling(step)
            state = tvb.integrate_next_step(state, tvb.model, delayed, 0.0, 0.0)
            tvb.history.update(step, state)
            out[n] = state[..., 0]
        tvb.current_state = state
        tvb.current_step = window.stop_step
        return out

    def impose(
        self, window: SyncWindow, columns: NDArray[np.int64], states: NDArray[np.float64]
    ) -> None:
        """Write the states of replaced regions into TVB's history and present state.

        Args:
            window: The window just simulated.
            columns: Positions of the replaced regions, shape ``(n_replaced,)``.
            states: Their variables at the end of each step, shape
                ``(n_steps, n_variables, n_replaced)``.
        """
        history = self._tvb.history
        kept = min(window.n_steps, history.n_time)
        steps = np.arange(window.stop_step - kept, window.stop_step) + 1
        felt = states[window.n_steps - kept :][:, history.cvars][..., np.newaxis]
        history.buffer[
            (steps % history.n_time)[:, None, None],
            np.arange(len(history.cvars))[None, :, None],
            columns[None, None, :],
        ] = felt
        # NaN marks what a circuit does not provide; TVB's own value then goes on unseen.
        last = states[-1][..., np.newaxis]
        known = ~np.isnan(last)
        present = self._tvb.current_state[:, columns]
        self._tvb.current_state[:, columns] = np.where(known, last, present)

    def sample(
        self, window: SyncWindow, states: NDArray[np.float64]
    ) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Let every monitor see the window's states, now complete.

        Args:
            window: The window.
            states: Shape ``(n_steps, n_variables, n_regions)``.

        Returns:
            Per monitor, sample times ``(n,)`` in ms and values ``(n, n_variables, n_regions)``;
            those that project to sensors have one variable and sensors in the place of regions.
        """
        samples = {}
        for name, monitor in self.monitors.items():
            times, values = [], []
            for n, state in enumerate(states):
                sampled = monitor.record(window.start_step + n + 1, state[..., np.newaxis])
                if sampled is not None:
                    times.append(sampled[0])
                    values.append(np.array(sampled[1])[..., 0])
            # Without a sample nothing tells the shape, and nothing is recorded.
            samples[name] = np.array(times, float), np.array(values)
        return samples
