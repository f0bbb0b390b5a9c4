"""TVB's simulator, window by window, the past of some regions written from outside."""

import numpy as np
from numpy.typing import NDArray

from cosim.clock import SyncWindow
from cosim.meanfield.sampling import restore_samplers, samplers, samplers_state
from cosim.meanfield.simulation import MeanField, build_simulator
from cosim.saved_state import State, joined, part


class MeanFieldNetwork:
    """A Reduced Wong-Wang network in TVB that a caller advances in windows.

    Within a window no replaced region is felt by another region earlier than its delay, so its
    states need not be known until the window ends; :meth:`impose` then writes them into TVB's
    history before the next window reads them.

    Args:
        brain: What is to be stepped.
    """

    def __init__(self, brain: MeanField):
        self.regions = brain.connectome.regions
        self.family = brain.family
        self.dt_ms = brain.dt_ms
        self.monitors = dict(brain.monitors)
        self._tvb, self._initial = build_simulator(brain)
        self._samplers = samplers(self.monitors)

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
        return {name: take(window.start_step, states) for name, take in self._samplers.items()}

    def state(self) -> State:
        """TVB's present state and history, and what monitors have gathered."""
        own = {
            "step": np.array(self.step),
            "present": self._tvb.current_state.copy(),
            "history": self._tvb.history.buffer.copy(),
            "n_clipped": self.n_clipped.copy(),
        }
        return joined(own=own, monitors=samplers_state(self._samplers))

    def restore(self, state: State) -> None:
        """Go on from a state of a network that was built alike."""
        own = part(state, "own")
        self._tvb.current_step = int(own["step"])
        self._tvb.current_state = np.array(own["present"])
        self._tvb.history.buffer[:] = own["history"]
        self._tvb.integrator.n_clipped = np.array(own["n_clipped"])
        restore_samplers(self._samplers, part(state, "monitors"))
