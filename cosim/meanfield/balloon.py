"""BOLD by the Balloon-Windkessel model, the one that fits use, as a TVB monitor.

    ds/dt = z - kappa s - gamma (f - 1)          dv/dt = (f - v^(1/alpha)) / tau_0
    df/dt = s                                    dq/dt = (f (1 - (1-rho)^(1/f)) / rho
                                                          - v^(1/alpha) q / v) / tau_0
    y = V_0 (k1 (1 - q) + k2 (1 - q / v) + k3 (1 - v))

The drive z is the excitatory gating variable, and time is in seconds. TVB's own BOLD monitor
convolves activity with a kernel instead: another observable.

References:
    Friston, Harrison & Penny (2003) NeuroImage 19:1273-1302, doi:10.1016/S1053-8119(03)00202-7.
    Griffiths, Wang et al. (2022), doi:10.1101/2022.05.19.492664, eqs 14-18, for the constants.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvb.simulator.monitors import Monitor

# kappa and gamma are rates per second, not time constants; rho = E_0.
_DECAY_PER_S, _AUTOREGULATION_PER_S, _TRANSIT_S = 0.65, 0.41, 0.98
_ALPHA, _RHO, _V_0 = 0.32, 0.34, 0.02
_K1, _K2, _K3 = 7 * _RHO, 2.0, 2 * _RHO - 0.2
# The fastest process takes a third of a second: Heun's scheme needs no shorter step than this.
_LONGEST_STEP_MS = 20.0

Array = NDArray[np.float64]


class Balloon(Monitor):
    """BOLD of every region, a fraction of its resting value, at whole periods.

    It starts settled to the initial state of the network, so that BOLD does not drift at first.
    """

    def config_for_sim(self, simulator: Any) -> None:
        """Take step, coupling variable and start from TVB's simulator."""
        super().config_for_sim(simulator)
        self._row = int(simulator.model.cvar[0])
        self._last = np.array(simulator.initial_conditions[-1][self._row, :, 0], dtype=np.float64)
        self._state = steady(self._last)
        self._sum = np.zeros_like(self._last)
        self._steps = steps_of_block(self.istep, self.dt)

    def sample(self, step: int, state: Array) -> tuple[float, Array] | None:
        """Follow one step of the network.

        Args:
            step: Number of the step, from 1.
            state: All variables after it, shape ``(n_variables, n_regions, 1)``.

        Returns:
            At whole periods time, ms, and BOLD, shape ``(1, n_regions, 1)``; else None.
        """
        now = state[self._row, :, 0]
        # The mean over a block by the trapezoidal rule, as in the fit.
        self._sum += 0.5 * (self._last + now)
        self._last = np.array(now)
        if step % self._steps:
            return None
        self._state = advance(self._state, self._sum / self._steps, self._steps * self.dt / 1000)
        self._sum[:] = 0.0
        if step % self.istep:
            return None
        return step * self.dt, bold(self._state)[None, :, None]

    def sample_window(self, start_step: int, states: Array) -> tuple[Array, Array]:
        """Follow the steps of a window, with the numbers of :meth:`sample`.

        Args:
            start_step: Steps before the window.
            states: All variables after each step, shape ``(n_steps, n_variables, n_regions)``.

        Returns:
            Times of whole periods ``(n,)``, ms, and BOLD ``(n, 1, n_regions)``.
        """
        drive = np.concatenate([self._last[None], states[:, self._row]])
        means = 0.5 * (drive[:-1] + drive[1:])
        times, values, row = [], [], 0
        while row < len(means):
            taken = min(self._steps - (start_step + row) % self._steps, len(means) - row)
            # Term by term onto what is there, as step by step.
            terms = np.concatenate([self._sum[None], means[row : row + taken]])
            self._sum = np.add.reduce(terms, axis=0)
            row += taken
            step = start_step + row
            if step % self._steps:
                break
            seconds = self._steps * self.dt / 1000
            self._state = advance(self._state, self._sum / self._steps, seconds)
            self._sum = np.zeros_like(self._sum)
            if step % self.istep == 0:
                times.append(step * self.dt)
                values.append(bold(self._state)[None])
        self._last = np.array(drive[-1])
        empty = np.empty((0, 1, states.shape[2]))
        return np.array(times, float), np.array(values) if values else empty


def steps_of_block(period_steps: int, dt_ms: float) -> int:
    """Network steps in one haemodynamic step: the most that divide the period within 20 ms."""
    most = max(int(_LONGEST_STEP_MS / dt_ms + 1e-9), 1)
    return next(n for n in range(min(most, period_steps), 0, -1) if period_steps % n == 0)


def steady(drive: Array) -> Array:
    """The state that a constant drive leads to: s, f, v, q, shape ``(4, n_regions)``."""
    f = 1.0 + drive / _AUTOREGULATION_PER_S
    v = f**_ALPHA
    return np.stack([np.zeros_like(f), f, v, v * _extraction(f)])


def advance(state: Array, drive: Array, step_s: float) -> Array:
    """One step of Heun's scheme under a drive whose mean over the step is given."""
    first = _drift(state, drive)
    second = _drift(state + step_s * first, drive)
    moved: Array = state + (first + second) * (step_s / 2)
    return moved


def bold(state: Array) -> Array:
    """BOLD as a fraction of its resting value, shape ``(n_regions,)``."""
    _, _, v, q = state
    signal: Array = _V_0 * (_K1 * (1 - q) + _K2 * (1 - q / v) + _K3 * (1 - v))
    return signal


def _drift(state: Array, drive: Array) -> Array:
    s, f, v, q = state
    outflow = v ** (1 / _ALPHA)
    return np.stack(
        [
            drive - _DECAY_PER_S * s - _AUTOREGULATION_PER_S * (f - 1),
            s,
            (f - outflow) / _TRANSIT_S,
            (f * _extraction(f) - outflow * q / v) / _TRANSIT_S,
        ]
    )


def _extraction(f: Array) -> Array:
    """Oxygen extracted, as a fraction of what is extracted at rest."""
    part: Array = (1 - (1 - _RHO) ** (1 / f)) / _RHO
    return part
