"""Population rate -> synaptic gating variable, by the mean field's own equation, solved exactly."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cosim.saved_state import State


@njit(cache=True)
def _relax(S, target, kept, n_clipped):  # type: ignore[no-untyped-def]
    """S goes to its target by the factor ``kept`` in each step; state and count in place."""
    out = np.empty_like(target)
    for n in range(target.shape[0]):
        for i in range(target.shape[1]):
            S[i] = target[n, i] + (S[i] - target[n, i]) * kept[n, i]
            # Without saturation nothing bounds S but the mean field's own clip to [0, 1].
            if S[i] > 1.0:
                S[i] = 1.0
                n_clipped[i] += 1
            out[n, i] = S[i]
    return out


class RateToGating:
    """Follow dS/dt = -S/tau + (1 - S) gamma R (or + gamma R) for a given rate.

    The rate is constant over a mean-field step, so the equation is linear there and its solution
    is an exponential: no step size enters, and S stays in [0, 1) whatever the rate.

    Args:
        tau_ms: Decay time constant, scalar or shape ``(n_regions,)``, ms.
        gamma: Kinetic parameter per (Hz ms), scalar or shape ``(n_regions,)``.
        saturating: Whether the factor (1 - S) is there: yes for the excitatory gate (NMDA), no for
            the inhibitory one.
        initial: Gating variable at t = 0, shape ``(n_regions,)``.

    Attributes:
        n_clipped: Steps in which each region's S was clipped to 1, shape ``(n_regions,)``.

    References:
        Deco et al. (2014) J. Neurosci. 34(23):7886-7898, doi:10.1523/JNEUROSCI.5068-13.2014.
    """

    def __init__(
        self,
        tau_ms: NDArray[np.float64] | float,
        gamma: NDArray[np.float64] | float,
        saturating: bool,
        initial: NDArray[np.float64],
    ):
        self._tau_ms = np.asarray(tau_ms, dtype=np.float64)
        self._gamma = np.asarray(gamma, dtype=np.float64)
        self._saturating = saturating
        self._S = np.array(initial, dtype=np.float64)
        self.n_clipped = np.zeros(self._S.shape, dtype=np.int64)
        # Compiled here, not in the first window of a run.
        _relax(self._S, np.empty((0, 1)), np.empty((0, 1)), self.n_clipped)

    def __call__(self, values_hz: NDArray[np.float64], dt_ms: float) -> NDArray[np.float64]:
        """Continue over the next steps.

        Args:
            values_hz: Rate over each step, shape ``(n_steps, n_regions)``, Hz.
            dt_ms: Step, ms.

        Returns:
            Gating variable at the end of each step, same shape.
        """
        gain = self._gamma * values_hz
        decay = 1.0 / self._tau_ms + (gain if self._saturating else np.zeros_like(gain))
        target = gain / decay
        S: NDArray[np.float64] = _relax(self._S, target, np.exp(-decay * dt_ms), self.n_clipped)
        return S

    def state(self) -> State:
        """The gating variable as it stands, and the clips so far."""
        return {"S": self._S.copy(), "n_clipped": self.n_clipped.copy()}

    def restore(self, state: State) -> None:
        """Go on from the gating variable of a checkpoint."""
        self._S[:] = state["S"]
        self.n_clipped[:] = state["n_clipped"]
