"""Free numbers for parameters that have bounds: the transforms behind the optimiser.

An optimiser moves a free number ``u`` without bounds; the model sees ``value(u)``. A transform is
smooth and one to one, so no gradient dies at a bound and nothing is clipped.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fitting.errors import ConfigurationError
from fitting.models.base import ParameterSpec


class Transform(Protocol):
    """A smooth one-to-one map from any number to the values that a parameter may have."""

    def value(self, u: Tensor) -> Tensor:
        """Return the parameter for a free number."""
        ...

    def free(self, value: Tensor) -> Tensor:
        """Return the free number of a parameter: the inverse of `value`."""
        ...

    def log_slope(self, u: Tensor) -> Tensor:
        """Return ``log |d value / d u|``, which carries a density from one to the other."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """Values strictly between two bounds: ``low + (high - low) sigmoid(u)``.

    Args:
        name: Parameter, for messages.
        low: Lower bound, not reached.
        high: Upper bound, not reached.
    """

    name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ConfigurationError(
                f"{self.name} has bounds {self.low:g} to {self.high:g}; give two finite numbers, "
                "the lower first."
            )

    @classmethod
    def of(cls, spec: ParameterSpec) -> "Interval":
        """Return the bounds that a model gives a parameter."""
        return cls(spec.name, spec.lower, spec.upper)

    def value(self, u: Tensor) -> Tensor:
        """Return the parameter for a free number."""
        return self.low + (self.high - self.low) * torch.sigmoid(u)

    def free(self, value: Tensor) -> Tensor:
        """Return the free number of a parameter.

        Raises:
            ConfigurationError: If a value is not inside the bounds.
        """
        outside = value[~((value > self.low) & (value < self.high))]
        if outside.numel():
            raise ConfigurationError(
                f"{self.name} = {float(outside.reshape(-1)[0]):g} is not inside its bounds, "
                f"{self.low:g} to {self.high:g}; start it between them or widen them."
            )
        return torch.log(value - self.low) - torch.log(self.high - value)

    def log_slope(self, u: Tensor) -> Tensor:
        """Return ``log |d value / d u|``."""
        both = torch.nn.functional.logsigmoid(u) + torch.nn.functional.logsigmoid(-u)
        return math.log(self.high - self.low) + both


@dataclass(frozen=True, slots=True)
class Positive:
    """Values above zero, free on a logarithmic scale: ``exp(u)``.

    Args:
        name: Parameter, for messages.
    """

    name: str

    def value(self, u: Tensor) -> Tensor:
        """Return the parameter for a free number."""
        return torch.exp(u)

    def free(self, value: Tensor) -> Tensor:
        """Return the free number of a parameter.

        Raises:
            ConfigurationError: If a value is not above zero.
        """
        if not bool((value > 0).all()):
            raise ConfigurationError(
                f"{self.name} = {float(value.min()):g} has no logarithm; start it above zero."
            )
        return torch.log(value)

    def log_slope(self, u: Tensor) -> Tensor:
        """Return ``log |d value / d u|``."""
        return u


def standard_error(transform: Transform, u: Tensor, free_error: Tensor) -> Tensor:
    """Return the standard error of a parameter for that of its free number, to first order."""
    return torch.exp(transform.log_slope(u)) * free_error
