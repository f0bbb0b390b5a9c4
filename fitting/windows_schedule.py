"""The published schedule: gradient descent through windows of the stochastic simulation.

The state is carried from window to window and the gradient cut between them, so the memory of one
window is all that is needed; an epoch passes once over the length of the training scan. A window's
FC is held against that of the whole training range: FC over the 40 samples of 30 s of data is
mostly noise, and there is no reason to fit it.

References:
    Griffiths, Wang et al. (2022), doi:10.1101/2022.05.19.492664.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fitting.coupling import Coupling
from fitting.integrate import NetworkState, Scheme, Simulation, simulate, start_state
from fitting.keyed_noise import KeyedNoise
from fitting.network import Network
from fitting.objective import Objective, Prediction, Target
from fitting.signals import lower, pearson
from fitting.time_grid import TimeGrid

# Fitting draws from streams that no evaluation uses: those are small numbers.
FITTING_STREAM = 1 << 20
HELD_OUT_STREAMS = ((1 << 20) + 1, (1 << 20) + 2)


class WindowLoss:
    """The objective of one simulated window; carries the network's state to the next.

    Args:
        network: The candidate.
        objective: What to minimise.
        target: The training range.
        grid: Steps of the simulation; its TR is the scan's.
        window_trs: Repetitions in a window.
        recent_trs: Repetitions of recent BOLD to keep for the held-out measure.
        seed: Seed of the noise.
        settle_trs: Repetitions simulated before the first window and thrown away.
        scheme: Integration scheme.
        whole_scan: Whether FC is that of the last ``recent_trs``, of which the new window carries
            the gradient, or that of the window alone. FC over the few independent samples of a
            window is mostly noise, and what stands out of noise best is FC that is too strong.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        target: Target,
        grid: TimeGrid,
        window_trs: int,
        recent_trs: int,
        seed: int,
        settle_trs: int = 40,
        scheme: Scheme = "heun",
        whole_scan: bool = False,
    ):
        self._network, self._objective, self._target = network, objective, target
        self._grid, self._window_trs, self._recent_trs = grid, window_trs, recent_trs
        self._noise = KeyedNoise(seed, (FITTING_STREAM,))
        self._scheme: Scheme = scheme
        self._settle_trs, self._whole_scan = settle_trs, whole_scan
        n = network.connectome.n_regions
        self._recent = torch.zeros((n, 0), dtype=torch.float64)
        with torch.no_grad():
            self._state, _ = self._window(self._rest(1), settle_trs)
            if whole_scan:
                self._state, scan = self._window(self._state, recent_trs)
                assert scan.bold is not None
                self._recent = scan.bold
        self._next, self._next_recent = self._state, self._recent

    def _rest(self, n_runs: int) -> NetworkState:
        rest = self._network.rest().to(torch.float64)
        return start_state(self._network.model, rest.expand(n_runs, -1, -1).clone())

    def _simulated(self, start: NetworkState, n_trs: int, noise: KeyedNoise) -> Simulation:
        return simulate(
            self._network.model,
            Coupling(self._network.weights()),
            self._network.parameters(),
            self._grid,
            n_trs,
            noise=noise,
            start=start,
            scheme=self._scheme,
        )

    def _prediction(self, bold: Tensor, states: Tensor) -> Prediction:
        return Prediction(
            fc=torch.corrcoef(bold),
            bold=bold,
            states=states,
            mean_state=states.mean(dim=(0, 2)),
            parameters=self._network.quantities(),
        )

    def _window(self, start: NetworkState, n_trs: int) -> tuple[NetworkState, Prediction]:
        run = self._simulated(start, n_trs, self._noise)
        return run.state.detach(), self._prediction(run.bold[0].T, run.mean_state[0])

    def __call__(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Simulate the next window and return its loss and terms, with the parameters."""
        self._next, prediction = self._window(self._state, self._window_trs)
        assert prediction.bold is not None
        recent = torch.cat([self._recent, prediction.bold], 1)[:, -self._recent_trs :]
        self._next_recent = recent.detach()
        if self._whole_scan:
            prediction = replace(prediction, fc=torch.corrcoef(recent), bold=recent)
        loss, terms = self._objective(prediction, self._target)
        for name, value in self._network.parameters().items():
            terms[name] = float(value.detach().mean())
        return loss, terms

    def commit(self) -> None:
        """Carry the state on."""
        self._state, self._recent = self._next, self._next_recent

    def correlation_with(self, fc: Tensor) -> float:
        """Correlation of the recent simulation's FC with another, for early stopping."""
        if self._recent.shape[1] < 2:
            return 0.0
        return float(pearson(lower(torch.corrcoef(self._recent)), lower(fc)))

    def held_out(self) -> float:
        """Minus the objective of whole scans with noise of their own, the same at every look."""
        totals = []
        noise = KeyedNoise(0, HELD_OUT_STREAMS)
        with torch.no_grad():
            start = self._rest(len(HELD_OUT_STREAMS))
            n_trs = self._settle_trs + self._recent_trs
            run = self._simulated(start, n_trs, noise)
            for bold, states in zip(run.bold, run.mean_state, strict=True):
                seen = self._prediction(bold[self._settle_trs :].T, states[self._settle_trs :])
                totals.append(float(self._objective(seen, self._target)[0]))
        return -sum(totals) / len(totals)

    def carried(self) -> dict[str, Any]:
        """The network's state and the recent BOLD."""
        return {
            "neural": self._state.neural,
            "blood": self._state.blood,
            "block": self._state.block,
            "recent": self._recent,
        }

    def restore(self, carried: dict[str, Any]) -> None:
        """Undo :meth:`carried`."""
        self._state = NetworkState(carried["neural"], carried["blood"], carried["block"])
        self._recent = carried["recent"]
