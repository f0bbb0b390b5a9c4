"""What a fit varies: a network whose free quantities are tensors, in one of two forms.

`RestingNetwork` is parameterised by its operating point, so it cannot fall silent. `FreeNetwork`
has the four weights of Griffiths et al. (2022) themselves, each within its model's bounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fitting.coupling import Connectome
from fitting.models.base import MeanFieldModel
from fitting.models.reduced_wong_wang import ReducedWongWang
from fitting.operating_point import OperatingPoint, operating_point
from fitting.parameters import Interval

FREE_PARAMETERS = ("g", "g_EE", "g_IE", "g_EI")


class Network(Protocol):
    """What schedules ask of a candidate."""

    @property
    def model(self) -> MeanFieldModel:
        """Model of every region."""
        ...

    @property
    def connectome(self) -> Connectome:
        """The measured connectome."""
        ...

    @property
    def free(self) -> dict[str, Tensor]:
        """What is varied, by name; leaves of the gradient."""
        ...

    def parameters(self) -> dict[str, Tensor]:
        """The model's parameters, differentiable in what is free."""
        ...

    def weights(self) -> Tensor:
        """The connectome with its gains, ``(n_regions, n_regions)``."""
        ...

    def rest(self) -> Tensor:
        """A state to start from, ``(n_variables, n_regions)``."""
        ...

    def quantities(self) -> dict[str, Tensor]:
        """What priors may speak of: the free tensors and the model's parameters."""
        ...


def _weights(connectome: Connectome, free: Mapping[str, Tensor]) -> Tensor:
    gains = free.get("log_gains")
    return connectome.prior if gains is None else connectome.weights(gains)


@dataclass(slots=True)
class RestingNetwork:
    """A Reduced Wong-Wang network that rests at a chosen rate, whatever is fitted.

    Attributes:
        model: The two-state model.
        connectome: The measured connectome.
        free: ``log_g`` (global coupling), ``log_kappa`` (slow rate, per ms) and, where the
            connectome is fitted, ``log_gains`` of shape ``(n_regions, n_regions)``.
        rate_hz: Resting excitatory rate.
        g_EI: Excitation of the inhibitory population, nA.
        I_o: Background current, nA.
        sigma: Noise amplitude, per sqrt(ms).
    """

    model: ReducedWongWang
    connectome: Connectome
    free: dict[str, Tensor]
    rate_hz: float = 3.5
    g_EI: float = 0.15
    I_o: float = 0.382
    sigma: float = 0.005

    def point(self) -> OperatingPoint:
        """The operating point, differentiable in ``log_kappa``."""
        kappa = torch.exp(self.free["log_kappa"])
        return operating_point(self.model, self.rate_hz, kappa, self.g_EI, self.I_o)

    def parameters(self) -> dict[str, Tensor]:
        """The model's parameters, differentiable in what is free."""
        sigma = torch.tensor(self.sigma, dtype=torch.float64)
        return self.point().parameters(torch.exp(self.free["log_g"]), sigma)

    def weights(self) -> Tensor:
        """The connectome with its gains."""
        return _weights(self.connectome, self.free)

    def rest(self) -> Tensor:
        """The operating point in every region."""
        return self.point().state(self.connectome.n_regions)[0]

    def quantities(self) -> dict[str, Tensor]:
        """The free tensors and the model's parameters."""
        return dict(self.free) | self.parameters()


@dataclass(slots=True)
class FreeNetwork:
    """A network whose weights vary freely within bounds, as published.

    Attributes:
        model: Any model with the parameters named in ``bounds``.
        connectome: The measured connectome.
        free: ``u`` by parameter name, and ``log_gains`` where the connectome is fitted.
        intervals: Bounds by parameter name, and the transform that keeps them.
        fixed: Values of parameters that are not varied.
    """

    model: MeanFieldModel
    connectome: Connectome
    free: dict[str, Tensor]
    intervals: Mapping[str, Interval]
    fixed: Mapping[str, float]

    def parameters(self) -> dict[str, Tensor]:
        """The model's parameters, differentiable in what is free."""
        values = {k: torch.tensor(v, dtype=torch.float64) for k, v in self.fixed.items()}
        for name, interval in self.intervals.items():
            values[name] = interval.value(self.free[name])
        return values

    def weights(self) -> Tensor:
        """The connectome with its gains."""
        return _weights(self.connectome, self.free)

    def rest(self) -> Tensor:
        """The model's own start."""
        return self.model.start(self.connectome.n_regions)[0]

    def quantities(self) -> dict[str, Tensor]:
        """The free tensors and the model's parameters, which take precedence."""
        return dict(self.free) | self.parameters()


def jittered(shape: tuple[int, ...], sd: float, rng: np.random.Generator) -> Tensor:
    """Normal numbers for a start that differs by seed; zeros for ``sd = 0``."""
    return torch.as_tensor(sd * rng.standard_normal(shape))
