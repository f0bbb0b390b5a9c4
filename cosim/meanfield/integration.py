"""TVB's Heun integrators with keyed noise and a count of how often a state had to be clipped."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvb.simulator.integrators import HeunDeterministic, HeunStochastic
from tvb.simulator.noise import Additive

from cosim.keyed_random import NOISE_STREAM, normal


class KeyedAdditive(Additive):
    """TVB's additive noise, each number a function of (seed, variable, region, step).

    Whoever integrates sets ``step`` before each window; every draw then advances it by one.
    """

    def __init__(self, seed: int, sigma: NDArray[np.float64]):
        """Configure the noise.

        Args:
            seed: Seed of the run.
            sigma: Standard deviation per sqrt(ms) of each integrated variable, ``(n_gating,)``.
        """
        # TVB scales by sqrt(2 nsig): nsig is the dispersion D = sigma^2 / 2.
        super().__init__(nsig=sigma**2 / 2.0)
        self.seed_of_run = seed
        self.step = 0

    def generate(
        self, shape: tuple[int, ...], lo: float = -1.0, hi: float = 1.0
    ) -> NDArray[np.float64]:
        """Increments of a Wiener process over one step, shape ``(n_gating, n_regions, 1)``."""
        numbers = np.empty(shape)
        for variable in range(shape[0]):
            numbers[variable, :, 0] = normal(
                self.seed_of_run, NOISE_STREAM + variable, shape[1], self.step
            )
        self.step += 1
        numbers *= np.sqrt(self.dt)
        return numbers


class _CountsClips:
    """Clips gating variables to [0, 1] as TVB does, and counts the steps that needed it."""

    n_clipped: NDArray[np.int64] | None = None
    _is_predictor = True

    def bound_integration_state(self, X: NDArray[np.float64]) -> None:
        """Clip in place; called by Heun for the predictor and then for the step itself.

        Args:
            X: Gating variables, shape ``(n_gating, n_regions, 1)``.
        """
        final, self._is_predictor = not self._is_predictor, not self._is_predictor
        # False for NaN too, which np.clip leaves alone: the participant reports it with its place.
        if X.min() >= 0.0 and X.max() <= 1.0:
            return
        if final:
            if self.n_clipped is None:
                self.n_clipped = np.zeros(X.shape[1], dtype=np.int64)
            self.n_clipped += ((X < 0.0) | (X > 1.0)).any(axis=(0, 2))
        np.clip(X, 0.0, 1.0, out=X)


class Heun(_CountsClips, HeunDeterministic):
    """Heun's scheme without noise."""


class NoisyHeun(_CountsClips, HeunStochastic):
    """Heun's scheme with keyed additive noise."""


def build_integrator(dt_ms: float, seed: int, sigma: NDArray[np.float64]) -> Any:
    """A configured integrator; without any noise the deterministic one.

    Args:
        dt_ms: Step, ms.
        seed: Seed of the run.
        sigma: Standard deviation per sqrt(ms) of each integrated variable, ``(n_gating,)``.
    """
    if not sigma.any():
        return Heun(dt=dt_ms)
    return NoisyHeun(dt=dt_ms, noise=KeyedAdditive(seed, sigma))
