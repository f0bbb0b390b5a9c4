"""The published schedule: gradient descent through windows of the stochastic simulation.

The state is carried from window to window and the gradient cut between them, so the memory of one
window is all that is needed; an epoch passes once over the length of the training scan. A window's
FC is held against that of the whole training range: FC over the 40 samples of 30 s of data is
mostly noise, and there is no reason to fit it.

References:
    Griffiths, Wang et al. (2022), doi:10.1101/2022.05.19.492664.
"""

from typing import Any

import torch
from torch import Tensor

from fitting.coupling import Coupling
from fitting.integrate import NetworkState, Scheme, simulate, start_state
from fitting.keyed_noise import KeyedNoise
from fitting.network import Network
from fitting.objective import Objective, Prediction, Target
from fitting.signals import lower, pearson
from fitting.time_grid import TimeGrid

# Fitting draws from streams that no evaluation uses: those are small numbers.
FITTING_STREAM = 1 << 20


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
    ):
        self._network, self._objective, self._target = network, objective, target
        self._grid, self._window_trs, self._recent_trs = grid, window_trs, recent_trs
        self._noise = KeyedNoise(seed, (FITTING_STREAM,))
        self._scheme: Scheme = scheme
        with torch.no_grad():
            start = start_state(network.model, network.rest()[None].to(torch.float64))
            settled, _ = self._window(start, settle_trs)
        self._state = self._next = settled
        n = network.connectome.n_regions
        self._recent = self._next_recent = torch.zeros((n, 0), dtype=torch.float64)

    def _window(self, start: NetworkState, n_trs: int) -> tuple[NetworkState, Prediction]:
        run = simulate(
            self._network.model,
            Coupling(self._network.weights()),
            self._network.parameters(),
            self._grid,
            n_trs,
            noise=self._noise,
            start=start,
            scheme=self._scheme,
        )
        bold = run.bold[0].T
        prediction = Prediction(
            fc=torch.corrcoef(bold),
            bold=bold,
            states=run.mean_state[0],
            mean_state=run.mean_state[0].mean(dim=(0, 2)),
            parameters=self._network.quantities(),
        )
        return run.state.detach(), prediction

    def __call__(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Simulate the next window and return its loss and terms, with the parameters."""
        self._next, prediction = self._window(self._state, self._window_trs)
        assert prediction.bold is not None
        bold = prediction.bold.detach()
        self._next_recent = torch.cat([self._recent, bold], 1)[:, -self._recent_trs :]
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
