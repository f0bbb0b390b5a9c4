"""Terms of a fit's loss that see the fitted quantities alone: priors.

References:
    Griffiths, Wang et al. (2022), doi:10.1101/2022.05.19.492664, eqs 38 and 41.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fitting.errors import ConfigurationError
from fitting.objective import Prediction, Target


@dataclass(frozen=True, slots=True)
class ParameterPrior:
    """Any differentiable cost of the fitted quantities, such as that of the bifurcation boundary.

    Attributes:
        cost: Takes the fitted quantities by name, returns a scalar.
    """

    cost: Callable[[Mapping[str, Tensor]], Tensor]

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost."""
        return self.cost(prediction.parameters)


@dataclass(frozen=True, slots=True)
class GaussianPrior:
    """Negative log density of a normal prior, its spread fixed or learned within bounds.

    A learned spread without a lower bound makes the density grow without limit as parameter and
    mean coincide, and the loss follows it instead of the data. Here the spread is
    ``low + (high - low) sigmoid(u)`` and ``u`` is the hyperparameter.

    Attributes:
        name: Fitted quantity.
        mean: Centre of the prior.
        low_sd: Smallest spread.
        high_sd: Largest spread; equal to ``low_sd`` for a fixed one.
        hyperparameter: Name of ``u`` among the fitted quantities; None for a fixed spread.
    """

    name: str
    mean: float
    low_sd: float
    high_sd: float
    hyperparameter: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.low_sd <= self.high_sd:
            raise ConfigurationError(
                f"The prior of {self.name} has a spread from {self.low_sd:g} to {self.high_sd:g}; "
                "give 0 < low <= high."
            )

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost, averaged over entries where the quantity has several."""
        value = prediction.parameters[self.name]
        sd = torch.tensor(self.low_sd, dtype=value.dtype)
        if self.hyperparameter is not None:
            share = torch.sigmoid(prediction.parameters[self.hyperparameter])
            sd = self.low_sd + (self.high_sd - self.low_sd) * share
        return (0.5 * ((value - self.mean) / sd) ** 2 + torch.log(sd)).mean()


@dataclass(frozen=True, slots=True)
class GainPrior:
    """Mean squared log gain over the connections: how far the connectome left its measurement.

    Attributes:
        present: Which connections exist, shape ``(n_regions, n_regions)``.
    """

    present: Tensor

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost."""
        gains = prediction.parameters["log_gains"]
        symmetric = (gains + gains.T) / 2
        return (symmetric[self.present] ** 2).mean()
