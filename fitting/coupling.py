"""How regions reach each other: the connectome with its fitted gains, and the coupling it makes."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fitting.errors import ConfigurationError

Normalisation = Literal["frobenius", "largest", "spectral", "none"]


@dataclass(frozen=True, slots=True)
class Connectome:
    """A measured connectome whose connections may be scaled, ``W = exp(w) * prior``.

    Gains multiply, so a connection that was not measured stays absent, and ``w = 0`` is the
    measurement. The result is symmetric, because tractography does not know directions, and
    normalised after the gains, so that they cannot take over the role of the global ``g``.

    Args:
        measured: Connection weights, shape ``(n_regions, n_regions)``, not negative. The diagonal
            must be zero: a region's own recurrence is a parameter of the model.
        compress: Whether weights are replaced by ``log(1 + weight)`` first.
        normalisation: What is one afterwards: the Frobenius norm, the largest weight, the largest
            eigenvalue, or nothing.

    Raises:
        ConfigurationError: If the matrix is not square, not finite, negative or has a diagonal.
    """

    measured: Tensor
    compress: bool = True
    normalisation: Normalisation = "frobenius"

    def __post_init__(self) -> None:
        m = self.measured
        if m.ndim != 2 or m.shape[0] != m.shape[1]:
            raise ConfigurationError(
                f"The connectome has shape {tuple(m.shape)}; give a square matrix, regions by "
                "regions."
            )
        bad = torch.nonzero(~(torch.isfinite(m) & (m >= 0)))
        if len(bad):
            i, j = (int(k) for k in bad[0])
            raise ConfigurationError(
                f"Connection ({i}, {j}) is {float(m[i, j]):g}; weights are finite and not "
                "negative. Repair the connectome."
            )
        loop = torch.nonzero(m.diagonal())
        if len(loop):
            i = int(loop[0])
            raise ConfigurationError(
                f"Region {i} is connected to itself with weight {float(m[i, i]):g}; set the "
                "diagonal to zero, the model has its own recurrence."
            )
        if not bool((m > 0).any()):
            raise ConfigurationError("The connectome has no connection; give one that has.")

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return self.measured.shape[0]

    @property
    def prior(self) -> Tensor:
        """Weights without gains, symmetric and normalised, ``(n_regions, n_regions)``."""
        return self._normalised(self._base())

    def weights(self, log_gains: Tensor) -> Tensor:
        """Return ``exp(w) * prior``, symmetric and normalised.

        Args:
            log_gains: ``w``, shape ``(..., n_regions, n_regions)``; only its symmetric part counts.

        Returns:
            Shape of ``log_gains``.
        """
        symmetric = (log_gains + log_gains.mT) / 2
        return self._normalised(torch.exp(symmetric) * self._base().to(log_gains))

    def _base(self) -> Tensor:
        symmetric = (self.measured + self.measured.mT) / 2
        return torch.log1p(symmetric) if self.compress else symmetric

    def _normalised(self, weights: Tensor) -> Tensor:
        if self.normalisation == "frobenius":
            norm: Tensor = torch.linalg.matrix_norm(weights, keepdim=True)
            return weights / norm
        if self.normalisation == "largest":
            return weights / weights.amax((-2, -1), keepdim=True)
        if self.normalisation == "spectral":
            eigenvalues: Tensor = torch.linalg.eigvalsh(weights)
            return weights / eigenvalues[..., -1, None, None]
        return weights


@dataclass(frozen=True, slots=True)
class Coupling:
    """What each region receives from the others, ``c_i``.

    Diffusive coupling, ``sum_j W_ij (s_j - s_i)``, vanishes where all regions agree: the rest of
    one region is then a rest of the network. Direct coupling is ``sum_j W_ij s_j``.

    Args:
        weights: ``W``, from column to row, shape ``(n_regions, n_regions)`` or one a batch
            member, ``(batch, n_regions, n_regions)``.
        diffusive: Whether the receiver's own value is subtracted.
        delays_ms: Time from region ``j`` to region ``i``, shape ``(n_regions, n_regions)``, or
            none for an instant coupling.
    """

    weights: Tensor
    diffusive: bool = True
    delays_ms: Tensor | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.weights.shape)
        if len(shape) not in (2, 3) or shape[-1] != shape[-2]:
            raise ConfigurationError(
                f"Coupling weights have shape {shape}; give (region, region) or (batch, region, "
                "region)."
            )
        if self.delays_ms is not None:
            if tuple(self.delays_ms.shape) != shape[-2:]:
                raise ConfigurationError(
                    f"Delays have shape {tuple(self.delays_ms.shape)} and weights {shape}; give "
                    f"{shape[-2:]}."
                )
            if not bool((self.delays_ms >= 0).all()):
                raise ConfigurationError(
                    f"The shortest delay is {float(self.delays_ms.min()):g} ms; delays are not "
                    "negative."
                )

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return self.weights.shape[-1]

    def matrix(self) -> Tensor:
        """Return ``A`` with ``c = A s`` while there are no delays; shape of ``weights``."""
        if not self.diffusive:
            return self.weights
        return self.weights - torch.diag_embed(self.weights.sum(-1))

    def instant(self, sent: Tensor) -> Tensor:
        """Return the coupling without delays.

        Args:
            sent: What the regions send, shape ``(batch, region)``.

        Returns:
            Shape ``(batch, region)``.
        """
        return (self.matrix() @ sent.unsqueeze(-1)).squeeze(-1)

    def delay_steps(self, dt_ms: float) -> Tensor:
        """Return the delays as whole steps, rounded to the nearest, ``(region, region)``.

        Connections that are absent count no delay, so that they do not lengthen the history.
        """
        if self.delays_ms is None:
            return torch.zeros(self.weights.shape[-2:], dtype=torch.int64)
        present = (self.weights.detach() != 0).reshape(-1, *self.weights.shape[-2:]).any(0)
        steps = torch.round(self.delays_ms.to(present.device) / dt_ms)
        return torch.where(present, steps, 0.0).to(torch.int64)
