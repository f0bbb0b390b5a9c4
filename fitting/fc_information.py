"""What the FC of one scan says about parameters, the connectome known or as uncertain as fitted.

The likelihood is that of a Gaussian scan of finite length under the linear noise approximation. In
the modes of the Laplacian the covariances estimated from Fourier components are uncorrelated,

    var(C_mn) = sum_f P_m(f) P_n(f)  (m = n),  one half of that  (m != n),

with ``P`` the power of a mode at each of the scan's frequencies: coloured noise counts as few
samples (a mode of variance v has ``n_eff = 2 v^2 / sum P^2``), and neighbouring entries of FC err
together, both without a number to be chosen. FC has no scale, so the scale of every region is a
parameter of its own and integrated out, as are, where the connectome is fitted, the log gains under
their normal prior (Laplace's method; the Hessian is that of Gauss and Newton). What remains is the
Schur complement. The fit's own loss weighs entries equally, so it reaches this at best.

References:
    Whittle (1953) Ark. Mat. 2:423-434; MacKay (1992) Neural Computation 4:415-447, for the
    evidence framework's Gauss-Newton Hessian.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Modes:
    """A network's modes and their power, all that FC depends on.

    Attributes:
        eigenvalues: Of the Laplacian, ascending, ``(n_modes,)``.
        vectors: In columns, ``(n_regions, n_modes)``.
        power: Of BOLD at each Fourier frequency of the scan, ``(n_frequencies, n_modes)``.
        power_slope: Its derivative to the eigenvalue, same shape.
    """

    eigenvalues: Array
    vectors: Array
    power: Array
    power_slope: Array

    def divided_differences(self) -> Array:
        """Of a mode's variance as a function of its eigenvalue, ``(n_modes, n_modes)``."""
        variance, slope = self.power.sum(0), self.power_slope.sum(0)
        gap = self.eigenvalues[:, None] - self.eigenvalues
        near = np.abs(gap) < 1e-6 * np.abs(self.eigenvalues).max()
        quotient = (variance[:, None] - variance) / np.where(near, 1.0, gap)
        return np.asarray(np.where(near, (slope[:, None] + slope) / 2, quotient))


@dataclass(frozen=True, slots=True)
class _Whitened:
    """Changes of the modes' covariance as rows, scaled so that its sampling noise is one."""

    rows: tuple[NDArray[np.int64], NDArray[np.int64]]
    scale: Array

    @classmethod
    def of(cls, power: Array) -> "_Whitened":
        first, second = (k.astype(np.int64) for k in np.triu_indices(power.shape[1]))
        information = 1 / (power.T @ power)[first, second]
        return cls((first, second), np.sqrt(np.where(first == second, 1.0, 2.0) * information))

    def diagonal(self, changes: Array) -> Array:
        """Changes of the variances alone, ``(..., n_modes)``."""
        first, second = self.rows
        return np.where(first == second, changes[..., first], 0.0) * self.scale

    def products(self, vectors: Array, factor: Array) -> Array:
        """Changes ``factor_mn u_m u_n`` of many ``u``, ``(n_changes, n_modes)``."""
        first, second = self.rows
        rows: Array = vectors[:, first]
        rows *= vectors[:, second]
        rows *= factor[first, second] * self.scale
        return rows


def fc_information(
    modes: Modes, log_power_slopes: Array, weights: Array, gain_sd: float | None = None
) -> Array:
    """Fisher information of one scan's FC about parameters common to all regions.

    Args:
        modes: Of the network.
        log_power_slopes: Derivative of the log power to each parameter,
            ``(n_parameters, n_frequencies, n_modes)``.
        weights: The connectome, Frobenius norm 1, ``(n_regions, n_regions)``.
        gain_sd: Standard deviation of the normal prior on every log gain; None where the
            connectome is known.

    Returns:
        Shape ``(n_parameters, n_parameters)``.
    """
    whitened = _Whitened.of(modes.power)
    variance = modes.power.sum(0)
    wanted = whitened.diagonal((log_power_slopes * modes.power).sum(1))
    # Scaling region i by 1 + s changes C by s (e_i e_i' C + C e_i e_i').
    nuisance = [whitened.products(modes.vectors.copy(), variance[:, None] + variance)]
    precision = np.zeros(len(variance))
    if gain_sd is not None:
        gains = _gain_rows(modes, weights, whitened)
        nuisance.append(gains)
        precision = np.append(precision, np.full(len(gains), 1 / gain_sd**2))
    rows = np.concatenate(nuisance)
    among = rows @ rows.T
    among[np.diag_indices_from(among)] += precision
    across = rows @ wanted.T
    explained = across.T @ cho_solve(cho_factor(among, overwrite_a=True), across)
    return np.asarray(wanted @ wanted.T - explained)


def _gain_rows(modes: Modes, weights: Array, whitened: _Whitened) -> Array:
    """Change of the covariance with the log gain of each connection, ``(n_connections, n_rows)``.

    The gain of (i, j) adds ``w (e_i - e_j)(e_i - e_j)'`` to the Laplacian, and the normalisation
    takes ``2 w^2`` of the whole away.
    """
    i, j = np.tril_indices(len(weights), -1)
    present = weights[i, j] > 0
    i, j = i[present], j[present]
    weight = weights[i, j]
    divided = modes.divided_differences()
    contrast = np.sqrt(weight)[:, None] * (modes.vectors[i] - modes.vectors[j])
    rows = whitened.products(contrast, divided)
    shrink = whitened.diagonal(modes.eigenvalues * np.diag(divided))
    return np.asarray(rows - 2 * weight[:, None] ** 2 * shrink)


def loss_gain_sd(fc_entries: Array, gain_prior: float, n_effective: float) -> float:
    """Standard deviation of the prior on the log gains that a fit's loss stands for.

    Near its minimum ``-log(.5 + .5 r)`` is ``sum df^2 / (4 n var(f))`` over n pairs, and the log
    likelihood of independent entries is ``sum df^2 / (2 s^2)``, ``s^2 = mean (1 - f^2)^2 /
    n_effective``; the factor between them, ``2 n var(f) / s^2``, turns the loss's
    ``gain_prior mean w^2`` into ``sum w^2 / (2 sd^2)`` with ``sd^2 = s^2 / (4 var(f) gain_prior)``.

    Args:
        fc_entries: FC of the pairs.
        gain_prior: Weight of the mean squared log gain in the loss.
        n_effective: Independent samples of the scan.
    """
    noise = float(((1 - fc_entries**2) ** 2).mean()) / n_effective
    return float(np.sqrt(noise / (4 * fc_entries.var() * gain_prior)))
