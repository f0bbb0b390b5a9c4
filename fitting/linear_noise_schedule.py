"""The default schedule: scan the global coupling, then descend, both on the linear prediction.

No simulation is run, so a fit of 80 regions takes seconds, the loss has no noise, and the gradient
is exact. The start cannot be silent because the network is parameterised by its operating point.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fitting.balloon_response import BalloonResponse
from fitting.linear_noise import (
    Band,
    LinearNode,
    correlation,
    covariance,
    effective_samples,
    laplacian,
    linear_node,
    mode_spectrum,
)
from fitting.network import RestingNetwork
from fitting.objective import Objective, Prediction, Target


@dataclass(frozen=True, slots=True)
class ScanPoint:
    """The loss at one global coupling.

    Attributes:
        g: Global coupling, nA.
        loss: Total loss.
        fc_r: Correlation with the training FC.
    """

    g: float
    loss: float
    fc_r: float


class LinearPrediction:
    """What the linear noise approximation says of a resting network.

    The node's linearisation depends on the free quantities through ``kappa`` and ``g`` alone. While
    ``kappa`` is held, its part is computed once.

    Args:
        network: The candidate.
        duration_s: Length of the scan whose FC is predicted, which sets the lowest frequency.
        hold_kappa: Whether ``log_kappa`` stays as it is.
    """

    def __init__(self, network: RestingNetwork, duration_s: float, hold_kappa: bool = True):
        self.network, self.hold_kappa = network, hold_kappa
        with torch.no_grad():
            self._point = network.point()
        self.band = Band.of_scan(duration_s, BalloonResponse(float(self._point.E)))

    def node(self) -> LinearNode:
        """The linearised region, differentiable in what is free."""
        point = self._point if self.hold_kappa else self.network.point()
        sigma = torch.tensor(self.network.sigma, dtype=torch.float64)
        parameters = point.parameters(torch.exp(self.network.free["log_g"]), sigma)
        return linear_node(self.network.model, torch.stack([point.E, point.I]), parameters)

    def __call__(self) -> Prediction:
        """FC and the variance of BOLD."""
        both = covariance(self.node(), laplacian(self.network.weights()), self.band)
        return Prediction(
            fc=correlation(both),
            bold_variance=torch.diagonal(both),
            mean_state=torch.stack([self._point.E, self._point.I]),
            parameters=self.network.free,
        )

    def effective_samples(self, duration_s: float) -> float:
        """Independent samples in a simulated scan: that of its typical mode."""
        with torch.no_grad():
            modes = torch.linalg.eigvalsh(laplacian(self.network.weights()))
            density, _ = mode_spectrum(self.node(), modes, self.band.frequency_hz)
            seen = density.mean(1) * torch.as_tensor(self.band.gain)
        return effective_samples(seen, self.band, duration_s)


class LinearNoiseLoss:
    """The objective of the linear prediction; carries nothing between steps."""

    def __init__(self, prediction: LinearPrediction, objective: Objective, target: Target):
        self._prediction, self._objective, self._target = prediction, objective, target

    def __call__(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss and its terms, with ``g`` for the log."""
        loss, terms = self._objective(self._prediction(), self._target)
        terms["g"] = float(torch.exp(self._prediction.network.free["log_g"].detach()))
        return loss, terms

    def commit(self) -> None:
        """Nothing is carried."""

    def carried(self) -> dict[str, Any]:
        """Nothing is carried."""
        return {}

    def restore(self, carried: dict[str, Any]) -> None:
        """Nothing is carried."""


def scan_coupling(
    loss: LinearNoiseLoss, network: RestingNetwork, low: float, high: float, n: int
) -> list[ScanPoint]:
    """Try global couplings and leave the network at the best one.

    Args:
        loss: The loss to look at.
        network: Its ``log_g`` is set.
        low: Smallest ``g``.
        high: Largest ``g``.
        n: Number of values, spaced logarithmically.

    Returns:
        Every value tried.
    """
    points = []
    with torch.no_grad():
        for g in np.geomspace(low, high, n):
            network.free["log_g"].fill_(float(np.log(g)))
            value, terms = loss(0)
            points.append(ScanPoint(float(g), float(value), terms["fc_r"]))
        best = min(points, key=lambda point: point.loss)
        network.free["log_g"].fill_(float(np.log(best.g)))
    return points
