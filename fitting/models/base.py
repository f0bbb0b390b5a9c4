"""What a mean-field model is to the rest of the fit: names, bounds, a drift and its derivatives.

Shapes are the same everywhere. A state is ``(batch, variable, region)``; a parameter is a tensor
that broadcasts to ``(batch, region)``, so a scalar, one value a region, or one value a batch
member with shape ``(batch, 1)``. Times are in ms and rates in Hz. A model's functions want every
one of its parameters: `complete` fills in what was not given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fitting.errors import ConfigurationError

Parameters = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One parameter of a model, as a user may set or fit it.

    Attributes:
        name: The symbol of the paper.
        default: Value where nothing else is said.
        lower: Smallest value that the model accepts.
        upper: Largest value that the model accepts.
        unit: Unit, empty where there is none.
        meaning: What it is, in a few words, for reports.
    """

    name: str
    default: float
    lower: float
    upper: float
    unit: str
    meaning: str


class MeanFieldModel(Protocol):
    """A population model of one region, coupled to others through one of its variables.

    Attributes:
        name: The name that a fit file uses.
        variables: Names of the state variables, in their order.
        variable_units: Their units.
        lower: Smallest value of each variable; the integrator clips to it.
        upper: Largest value of each variable.
        sent_variable: Index of the variable that other regions receive and that drives BOLD.
        parameters: What may be set or fitted.
        noise_parameter: Name of the noise amplitude, per sqrt(ms).
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def variables(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def variable_units(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def lower(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def upper(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def sent_variable(self) -> int: ...  # noqa: D102
    @property
    def parameters(self) -> tuple[ParameterSpec, ...]: ...  # noqa: D102
    @property
    def noise_parameter(self) -> str: ...  # noqa: D102

    def drift(self, state: Tensor, coupling: Tensor, p: Parameters) -> Tensor:
        """Return the time derivative without noise.

        Args:
            state: Shape ``(..., variable, region)``.
            coupling: Sum of what the other regions send, before the global factor,
                shape ``(..., region)``.
            p: Parameters.

        Returns:
            Shape of ``state``, per ms.
        """
        ...

    def observables(self, state: Tensor, coupling: Tensor, p: Parameters) -> dict[str, Tensor]:
        """Return named quantities of the state, each ``(..., region)``, such as rates in Hz."""
        ...

    def jacobian(self, state: Tensor, coupling: Tensor, p: Parameters) -> tuple[Tensor, Tensor]:
        """Return the derivative of the drift to a region's own state and to its coupling.

        Returns:
            ``(..., region, variable, variable)`` with ``[i, j] = d drift_i / d state_j``, per ms,
            and ``(..., region, variable)``, per ms and unit of coupling.
        """
        ...

    def start(self, n_regions: int, batch: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return a state to start from, shape ``(batch, variable, region)``."""
        ...


def defaults(model: MeanFieldModel, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Return every parameter of a model at its default, as scalars."""
    return {spec.name: torch.tensor(spec.default, dtype=dtype) for spec in model.parameters}


def complete(model: MeanFieldModel, given: Parameters, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the given parameters with the model's defaults for the rest.

    Raises:
        ConfigurationError: If a name is not one of the model's.
    """
    known = [spec.name for spec in model.parameters]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ConfigurationError(
            f"{model.name} has no parameter {unknown[0]!r}; its parameters are {', '.join(known)}."
        )
    return defaults(model, dtype) | {name: value.to(dtype) for name, value in given.items()}


def column(value: Tensor) -> Tensor:
    """Return a per-region quantity ready to multiply ``(..., variable, region)``."""
    return value if value.ndim < 2 else value.unsqueeze(-2)


def jacobian_by_autograd(
    model: MeanFieldModel, state: Tensor, coupling: Tensor, p: Parameters
) -> tuple[Tensor, Tensor]:
    """Return what `MeanFieldModel.jacobian` returns, by differentiating the drift.

    Regions do not see each other but through the coupling, so one backward pass a variable gives
    the derivatives of all regions at once. The result can be differentiated again.
    """
    with torch.enable_grad():
        x = state if state.requires_grad else state.detach().requires_grad_()
        c = coupling if coupling.requires_grad else coupling.detach().requires_grad_()
        rows, gains = [], []
        drift = model.drift(x, c, p)
        for i in range(len(model.variables)):
            to_state, to_coupling = torch.autograd.grad(
                drift[..., i, :].sum(), (x, c), create_graph=True, allow_unused=True
            )
            zeros = torch.zeros_like
            rows.append(zeros(x) if to_state is None else to_state)
            gains.append(zeros(c) if to_coupling is None else to_coupling)
    return torch.stack(rows, -3).movedim(-1, -3), torch.stack(gains, -1)
