"""Simulate a fitted network with fresh noise and hold its FC against the data."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fitting.coupling import Coupling
from fitting.dataset import lower_triangle, pattern_correlation
from fitting.integrate import Scheme, simulate, start_state
from fitting.keyed_noise import KeyedNoise
from fitting.network import Network
from fitting.time_grid import TimeGrid

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """How a network is simulated for evaluation.

    Attributes:
        minutes: Simulated scan; 14.4 is one HCP scan.
        settle_s: Thrown away before it.
        seeds: Noise seeds, one run each; none of them was used in fitting.
        dt_ms: Neural step.
        scheme: Integration scheme.
        single_precision: Whether to use float32, which is twice as fast.
    """

    minutes: float = 14.4
    settle_s: float = 60.0
    seeds: tuple[int, ...] = (1001, 1002, 1003)
    dt_ms: float = 2.5
    scheme: Scheme = "heun"
    single_precision: bool = True


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Simulated FC, a run for each noise seed.

    Attributes:
        fc: Shape ``(n_seeds, n_regions, n_regions)``.
        bold: The first run's BOLD, ``(n_regions, n_trs)``.
        mean_state: Mean over time, runs and regions of each state variable.
        seeds: The noise seeds.
    """

    fc: Array
    bold: Array
    mean_state: Array
    seeds: tuple[int, ...]

    def correlation_with(self, fc: Array) -> Array:
        """Correlation of each run's FC with another's, ``(n_seeds,)``."""
        return np.array([pattern_correlation(run, fc) for run in self.fc])

    def mean_and_sd(self) -> tuple[float, float]:
        """Mean and standard deviation of FC over pairs, averaged over runs."""
        entries = np.array([lower_triangle(run) for run in self.fc])
        return float(entries.mean()), float(entries.std(axis=1).mean())


def evaluate(network: Network, tr_s: float, settings: SimulationSettings) -> Evaluation:
    """Simulate from rest, all noise seeds at once."""
    dtype = torch.float32 if settings.single_precision else torch.float64
    grid = TimeGrid(dt_ms=settings.dt_ms, tr_ms=1000 * tr_s)
    n_settle = int(np.ceil(settings.settle_s / tr_s))
    n_samples = round(60 * settings.minutes / tr_s)
    n_runs = len(settings.seeds)
    with torch.no_grad():
        coupling = Coupling(network.weights().to(dtype))
        parameters = {name: value.to(dtype) for name, value in network.parameters().items()}
        rest = network.rest().to(dtype).expand(n_runs, -1, -1).clone()
        run = simulate(
            network.model,
            coupling,
            parameters,
            grid,
            n_settle + n_samples,
            noise=KeyedNoise(0, settings.seeds),
            start=start_state(network.model, rest),
            scheme=settings.scheme,
        )
    bold = run.bold[:, n_settle:].double().numpy().transpose(0, 2, 1)
    states = run.mean_state[:, n_settle:].double().mean(dim=(0, 1, 3)).numpy()
    fc = np.array([np.corrcoef(one) for one in bold])
    return Evaluation(fc, bold[0], states, settings.seeds)
