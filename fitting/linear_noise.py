"""Functional connectivity and spectra of a network about a fixed point: linear noise approximation.

Any model qualifies that gives the Jacobian of one node at a fixed point common to all regions and
couples diffusively through one scalar per region,

    dx_i = A x_i dt + p sum_j W_ij q.(x_j - x_i) dt + noise,      seen through c.x_i,

with a symmetric ``W``. In the eigenmodes of the Laplacian ``L = diag(W 1) - W = U diag(l) U^T`` the
regions separate, and with ``R = (i w - A)^-1`` the transfer row of mode ``l`` is, by the
Sherman-Morrison formula,

    y = c R - [l (c R p) / (1 + l (q R p))] q R,

so its spectrum is ``sum_k Q_k |y_k|^2`` times that of any filter behind it (the
haemodynamics), and the covariance is ``U diag(f(l)) U^T``, ``f`` the spectrum summed over
frequency. Its derivative with respect to ``L`` is that of Daleckii and Krein: divided differences
of ``f``, which stay finite where eigenvalues meet and the derivative of an eigenvector would not.

:func:`network_covariance` needs no common fixed point and no symmetry, and costs a dense solve per
frequency.

References:
    Deco et al. (2014) J. Neurosci. 34(23):7886-7898, for the moments of the same model.
    Daleckii & Krein (1965), AMS Translations 47:1-30; Higham (2008), Functions of Matrices,
    theorem 3.11.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fitting.errors import DivergenceError
from fitting.models.base import MeanFieldModel, Parameters, complete

Filter = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class LinearNode:
    """One region, linearised: everything that the prediction asks of a model.

    Attributes:
        jacobian: ``A``, shape ``(n_variables, n_variables)``, 1/ms.
        coupling_in: ``p``, derivative of the drift to the coupling, the global factor ``g``
            included, shape ``(n_variables,)``.
        coupling_out: ``q``, derivative of what is sent to the state, shape ``(n_variables,)``.
        noise_variance: ``Q``, variance per ms of each variable's noise, shape ``(n_variables,)``.
        observed: ``c``, derivative of the observable to the state, shape ``(n_variables,)``.
    """

    jacobian: Tensor
    coupling_in: Tensor
    coupling_out: Tensor
    noise_variance: Tensor
    observed: Tensor

    def __post_init__(self) -> None:
        n = self.jacobian.shape[-1]
        for name in ("coupling_in", "coupling_out", "noise_variance", "observed"):
            shape = tuple(getattr(self, name).shape)
            if shape != (n,):
                raise ValueError(
                    f"LinearNode.{name} has shape {shape}, but the Jacobian has {n} variables: "
                    f"give shape ({n},)."
                )


def linear_node(model: MeanFieldModel, state: Tensor, parameters: Parameters) -> LinearNode:
    """Linearise a model about a fixed point that all regions share.

    Args:
        model: Any model that gives its Jacobian.
        state: The fixed point of one region, shape ``(n_variables,)``.
        parameters: Scalars, among them the global coupling and the noise amplitude.
    """
    at_rest = torch.zeros(1, dtype=state.dtype)  # diffusive coupling vanishes where all agree
    parameters = complete(model, parameters, state.dtype)
    local, coupled = model.jacobian(state[:, None], at_rest, parameters)
    sent = torch.zeros(state.shape[0], dtype=state.dtype)
    sent[model.sent_variable] = 1.0
    sigma = torch.as_tensor(parameters[model.noise_parameter], dtype=state.dtype)
    return LinearNode(
        jacobian=local[0],
        coupling_in=coupled[0],
        coupling_out=sent,
        noise_variance=(sigma**2).expand(state.shape[0]),
        observed=sent,
    )


@dataclass(frozen=True, slots=True)
class Band:
    """The frequencies over which a spectrum is summed to a covariance.

    Attributes:
        frequency_hz: Sample points, increasing, shape ``(n_frequencies,)``.
        weight_hz: Width of each point, Hz, doubled for the negative frequencies.
        gain: Squared gain of the filter behind the model at each point.
    """

    frequency_hz: NDArray[np.float64]
    weight_hz: NDArray[np.float64]
    gain: NDArray[np.float64]

    @classmethod
    def of_scan(
        cls, duration_s: float, filter_gain: Filter | None = None, n: int = 24, top_hz: float = 0.7
    ) -> "Band":
        """Logarithmic grid from one cycle per scan, what a mean-free scan can show, to ``top_hz``.

        Args:
            duration_s: Length of the scan that is compared with.
            filter_gain: Squared gain of the observation at frequencies in Hz; 1 when absent.
            n: Number of points; the trapezoidal rule on 24 is good to 1 % in FC.
            top_hz: Highest frequency; the haemodynamics pass nothing above .7 Hz.
        """
        frequency_hz = np.geomspace(1.0 / duration_s, top_hz, n)
        gain = np.ones(n) if filter_gain is None else np.asarray(filter_gain(frequency_hz))
        return cls(frequency_hz, 2.0 * np.gradient(frequency_hz), gain)


def mode_spectrum(
    node: LinearNode, modes: Tensor, frequency_hz: NDArray[np.float64]
) -> tuple[Tensor, Tensor]:
    """Spectral density of the observable in Laplacian modes, and its slope along the eigenvalue.

    Args:
        node: The linearised region.
        modes: Laplacian eigenvalues ``l``, shape ``(n_modes,)``.
        frequency_hz: Shape ``(n_frequencies,)``.

    Returns:
        Two-sided density per Hz and its derivative to ``l``, shape ``(n_frequencies, n_modes)``.
    """
    omega_per_ms = torch.as_tensor(2e-3 * np.pi * frequency_hz)
    eye = torch.eye(node.jacobian.shape[0], dtype=torch.complex128)
    shifted = 1j * omega_per_ms[:, None, None] * eye - node.jacobian.to(torch.complex128)
    rows = torch.stack([node.observed, node.coupling_out]).to(torch.complex128)
    rows = rows.expand(len(omega_per_ms), -1, -1)
    c_R, q_R = torch.linalg.solve(shifted, rows, left=False).unbind(1)
    p = node.coupling_in.to(torch.complex128)
    alpha, beta = (c_R @ p)[:, None], (q_R @ p)[:, None]
    feedback = 1.0 / (1.0 + modes * beta)
    y = c_R[:, None] - (modes * alpha * feedback)[..., None] * q_R[:, None]
    slope = -(alpha * feedback**2)[..., None] * q_R[:, None]
    # Variance per ms to density per Hz: time in seconds makes x^2/ms times 1 ms^2 worth 1e-3 s.
    density = (node.noise_variance * y.abs() ** 2).sum(-1) * 1e-3
    density_slope = 2.0 * (node.noise_variance * (y.conj() * slope).real).sum(-1) * 1e-3
    return density, density_slope


class SpectralFunction(torch.autograd.Function):
    """``U diag(f) U^T`` of a symmetric matrix with the Daleckii-Krein derivative.

    ``f`` keeps its own gradient, so parameters inside ``f`` are differentiated as well.
    """

    @staticmethod
    def forward(
        ctx: Any, matrix: Tensor, values: Tensor, slopes: Tensor, modes: Tensor, vectors: Tensor
    ) -> Tensor:
        """Args: the matrix, ``f`` and ``f'`` at its eigenvalues, the eigenvalues and vectors."""
        ctx.save_for_backward(values, slopes, modes, vectors)
        return (vectors * values) @ vectors.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Divided differences, with the mean slope where two eigenvalues nearly meet."""
        values, slopes, modes, vectors = ctx.saved_tensors
        inner = vectors.T @ ((gradients[0] + gradients[0].T) / 2) @ vectors
        gap = modes[:, None] - modes[None, :]
        # Below this gap the difference quotient loses more digits than the mean slope leaves out.
        near = gap.abs() < 1e-6 * modes.abs().max()
        quotient = (values[:, None] - values[None, :]) / torch.where(near, 1.0, gap)
        divided = torch.where(near, (slopes[:, None] + slopes[None, :]) / 2, quotient)
        return vectors @ (divided * inner) @ vectors.T, torch.diagonal(inner), None, None, None


def effective_samples(density: Tensor, band: Band, duration_s: float) -> float:
    """Independent samples in a scan of coloured noise: what its correlations are averaged over.

    For two series of the same spectrum ``S`` the variance of their correlation is that of
    ``T (int S)^2 / int S^2`` independent samples (Bartlett's formula); the haemodynamics make
    about 240 of 14.4 minutes.

    Args:
        density: Spectrum with the filter behind it, shape ``(n_frequencies,)``.
        band: Where it was taken.
        duration_s: Length of the scan.
    """
    weight = torch.as_tensor(band.weight_hz)
    return duration_s * float((weight @ density) ** 2 / (weight @ density**2))


def laplacian(weights: Tensor) -> Tensor:
    """``diag(W 1) - W`` of a symmetric connectome, shape ``(n_regions, n_regions)``."""
    return torch.diag(weights.sum(1)) - weights


def _eigenmodes(graph_laplacian: Tensor) -> tuple[Tensor, Tensor]:
    try:
        modes, vectors = torch.linalg.eigh(graph_laplacian)
    except RuntimeError as problem:  # torch.linalg.LinAlgError, which torch does not export
        raise DivergenceError(
            f"The connectome has no eigenmodes: its weights reach {float(graph_laplacian.max()):g}."
        ) from problem
    return modes, vectors


def covariance(node: LinearNode, graph_laplacian: Tensor, band: Band) -> Tensor:
    """Covariance of the observable between regions, within a band.

    Args:
        node: The linearised region.
        graph_laplacian: Symmetric, shape ``(n_regions, n_regions)``.
        band: Frequencies, widths and the filter behind the model.

    Returns:
        Shape ``(n_regions, n_regions)``, differentiable in the Laplacian and the node.
    """
    modes, vectors = _eigenmodes(graph_laplacian.detach())
    weight = torch.as_tensor(band.weight_hz * band.gain)[:, None]
    density, slope = mode_spectrum(node, modes, band.frequency_hz)
    values = (weight * density).sum(0)
    slopes = (weight * slope).sum(0).detach()
    out: Tensor = SpectralFunction.apply(graph_laplacian, values, slopes, modes, vectors)  # type: ignore[no-untyped-call]
    return out


def correlation(covariance_matrix: Tensor) -> Tensor:
    """Functional connectivity: the covariance scaled to a unit diagonal."""
    scale = torch.rsqrt(torch.diagonal(covariance_matrix))
    return covariance_matrix * scale[:, None] * scale[None, :]


def network_covariance(
    jacobian: Tensor, noise_variance: Tensor, observed: Tensor, band: Band
) -> Tensor:
    """Covariance within a band for any stable network, by a dense solve at every frequency.

    Args:
        jacobian: Of the whole network, shape ``(n_states, n_states)``, 1/ms.
        noise_variance: Variance per ms of each state's noise, shape ``(n_states,)``.
        observed: Linear observation, shape ``(n_observed, n_states)``.
        band: Frequencies, widths and the filter behind the model.
    """
    omega_per_ms = torch.as_tensor(2e-3 * np.pi * band.frequency_hz)
    eye = torch.eye(jacobian.shape[0], dtype=torch.complex128)
    shifted = 1j * omega_per_ms[:, None, None] * eye - jacobian.to(torch.complex128)
    rows = observed.to(torch.complex128).expand(len(omega_per_ms), -1, -1)
    transfer = torch.linalg.solve(shifted, rows, left=False)
    density = (transfer * noise_variance) @ transfer.conj().transpose(1, 2)
    weight = torch.as_tensor(band.weight_hz * band.gain) * 1e-3
    total: Tensor = (weight[:, None, None] * density.real).sum(0)
    return total
