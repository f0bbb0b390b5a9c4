"""Fisher scoring for the coordinates of a brain together with the errors of its connectome.

The data are real periodogram matrices in bins of frequency, or their sum, the covariance. About
the prediction, ``U diag(s) U^T`` with ``U`` the modes of the connectome's Laplacian, the entry
``(k, l)`` in the basis of the modes has variance ``s_k s_l / n`` on the diagonal and half of it
elsewhere, so least squares with these weights, renewed at every step, ends where the score of
Whittle's likelihood is zero; for the sum over frequencies, which is no Wishart matrix, it is the
optimal estimating equation. A connection's derivative is an outer product of one vector with
itself times the divided differences of ``s``, so the information about 658 connections costs one
matrix product.

References:
    Whittle (1953) Ark. Mat. 2:423-434; Brillinger (1981), Time Series, sec. 7.3, for the matrix.
    Godambe (1960) Ann. Math. Stat. 31:1208-1211, for estimating equations.
    Daleckii & Krein (1965), AMS Translations 47:1-30, for the divided differences.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fitting.balloon_response import BalloonResponse
from fitting.errors import ConfigurationError
from fitting.operating_point import OperatingPoint
from fitting.synthetic import (
    REACH,
    Observables,
    bold_spectrum,
    frequency_bins,
    mean_state_moments,
)
from fitting.synthetic_brain import HIGH, LOW, Array, Brain, Recording

# A distribution on an interval has at most half its length as standard deviation, and connections
# are off by up to a fifth of the mean one.
ERROR_SD = 0.1
# A step of the coordinates is held back as by a prior of this width about where the search stands;
# it stands still in the end, so this moves no estimate, but what the data do not set stays put.
STEP_SD = 0.5
SMALL_STEP = 1e-4
AT_BOUND = 1e-3
DIFFERENCE = 1e-4
N_COORDINATES = 4


class UncertainConnectome:
    """A connectome known but for an error of each connection.

    Errors have one size, in units of the mean connection, and an unknown mean: neither their
    direction nor anything of the subject is known beforehand. Absent connections stay absent.

    Args:
        shared: The connectome that is known, ``(n_regions, n_regions)``.
        error_sd: Standard deviation of the errors about their mean.
    """

    def __init__(self, shared: Array, error_sd: float = ERROR_SD):
        symmetric = (shared + shared.T) / 2
        self.rows, self.columns = np.nonzero(np.tril(symmetric, -1) > 0)
        base = symmetric[self.rows, self.columns]
        self.base = base / base.mean()
        self.n_regions = len(shared)
        self._precision = 1 / error_sd**2

    def weights(self, errors: Array) -> Array:
        """Symmetric, zero diagonal, Frobenius norm 1, ``(n_regions, n_regions)``."""
        matrix = np.zeros((self.n_regions, self.n_regions))
        matrix[self.rows, self.columns] = self.base + errors
        matrix = matrix + matrix.T
        return np.asarray(matrix / np.linalg.norm(matrix))

    def slope(self, errors: Array) -> Array:
        """Derivative of the normalised connections to the errors, ``(n_errors, n_errors)``."""
        raw = self.base + errors
        norm = np.sqrt(2) * np.linalg.norm(raw)
        unit = raw / np.linalg.norm(raw)
        return np.asarray((np.eye(len(raw)) - np.outer(unit, unit)) / norm)

    def prior(self, errors: Array) -> tuple[float, Array, Array]:
        """Minus the log prior with its gradient and its second derivative."""
        deviation = errors - errors.mean()
        second = np.eye(len(errors)) - 1 / len(errors)
        value = 0.5 * self._precision * float(deviation @ deviation)
        return value, self._precision * deviation, self._precision * second


@dataclass(frozen=True, slots=True)
class Unknowns:
    """What is estimated.

    Attributes:
        x: Coordinates, shape ``(4,)``, and the log of the signal's scale, shape ``(5,)``. The scale
            is free for FC alone, which has none, and else one.
        errors: Of the connections, in units of the mean one.
    """

    x: Array
    errors: Array


@dataclass(frozen=True, slots=True)
class Prediction:
    """Moments of the data and their slopes, in the basis of the modes.

    Attributes:
        modes: Eigenvalues of the connectome's Laplacian, ``(n_modes,)``.
        vectors: Modes in columns, ``(n_regions, n_modes)``.
        values: Expected diagonals, ``(n_blocks, n_modes)``; other entries are expected zero.
        slopes: Derivative of ``values`` along the Laplacian's eigenvalue, and off the diagonal the
            divided difference, ``(n_blocks, n_modes, n_modes)``.
        weights: Inverse variances, ``(n_blocks, n_modes, n_modes)``.
        means: Expected means, ``(n_means,)``.
        mean_variances: Theirs, ``(n_means,)``.
    """

    modes: Array
    vectors: Array
    values: Array
    slopes: Array
    weights: Array
    means: Array
    mean_variances: Array


@dataclass(frozen=True, slots=True)
class Fit:
    """The end of a search.

    Attributes:
        unknowns: The estimate.
        information: Fisher information with the prior's, coordinates last.
        converged: Whether the search came to rest within its steps.
    """

    unknowns: Unknowns
    information: Array
    converged: bool

    def draw_errors(self, connectome: UncertainConnectome, rng: np.random.Generator) -> Array:
        """Errors of the connectome that are as probable as the estimate, given its coordinates."""
        errors = self.unknowns.errors
        n = len(errors)
        factor = np.linalg.cholesky(self.information[:n, :n])
        drawn = errors + np.linalg.solve(factor.T, rng.standard_normal(n))
        return np.asarray(np.maximum(drawn, -connectome.base))


class JointScoring:
    """Estimate coordinates and connectome of a recording.

    Args:
        brain: Gives model and constants; its own connectome is not looked at.
        connectome: What is known of the connectome.
        recording: The data.
        observables: What of them is seen.
    """

    def __init__(
        self,
        brain: Brain,
        connectome: UncertainConnectome,
        recording: Recording,
        observables: Observables,
    ):
        self._brain, self._connectome, self._observables = brain, connectome, observables
        bold = recording.bold - recording.bold.mean(0)
        n_trs = len(bold)
        frequency, bins, self._count = frequency_bins(n_trs, recording.tr_s)
        transformed = np.fft.rfft(bold, axis=0) * np.sqrt(recording.tr_s / n_trs)
        parts = [transformed[bins == b] for b in range(len(self._count))]
        power = np.array([(part.T @ part.conj()).real / len(part) for part in parts])
        self._frequency = np.array([frequency[bins == b].mean() for b in range(len(parts))])
        # Rows say which bins are summed: each alone, or all to the covariance.
        each = observables == "spectra+mean_state"
        self._sums = np.eye(len(parts)) if each else self._count[None].astype(float)
        self._seen = np.einsum("gb,bij->gij", self._sums, power)
        self._duration_s = n_trs * recording.tr_s
        self._noise = recording.noise_sd**2 * recording.tr_s
        self._seen_means = np.zeros(0)
        if observables == "fc+variance+mean":
            self._seen_means = np.array([recording.bold.mean()])
        elif observables != "fc":
            self._seen_means = recording.mean_state
        self._n_free = N_COORDINATES + (observables == "fc")

    def run(self, start: Array, most_steps: int = 40) -> Fit:
        """Search from coordinates, shape ``(4,)``, and from the connectome without errors.

        Raises:
            ConfigurationError: If no operating point exists at the start.
        """
        now = Unknowns(np.append(start, 0.0), np.zeros(len(self._connectome.base)))
        information = np.zeros((0, 0))
        for _ in range(most_steps):
            here = self.predict(now)
            if here is None:
                raise ConfigurationError(
                    "The search starts where no operating point exists; start it elsewhere."
                )
            gradient, information = self.score(now, here)
            later = self._step(now, here, gradient, information)
            size = float(np.abs(later.x - now.x).max())
            now = later
            if size < SMALL_STEP:
                return Fit(now, information, True)
        return Fit(now, information, False)

    def predict(self, unknowns: Unknowns) -> Prediction | None:
        """Moments at some unknowns, or none where no operating point exists."""
        point = self._point(unknowns.x)
        if point is None:
            return None
        weights = self._connectome.weights(unknowns.errors)
        modes, vectors = np.linalg.eigh(np.diag(weights.sum(1)) - weights)
        modes = np.maximum(modes, 0)
        density, slope = self._density(point, unknowns.x, modes)
        values, slopes = self._sums @ density, self._sums @ slope
        gap = modes[:, None] - modes[None]
        near = np.abs(gap) < 1e-6 * modes.max()
        quotient = (values[:, :, None] - values[:, None]) / np.where(near, 1.0, gap)
        divided = np.where(near, (slopes[:, :, None] + slopes[:, None]) / 2, quotient)
        share = self._sums**2 / self._count
        variances = np.einsum("gb,bk,bl->gkl", share, density, density, optimize=True)
        means, mean_variances = self._means(point, float(density[0, 0]))
        return Prediction(modes, vectors, values, divided, 1 / variances, means, mean_variances)

    def cost(self, unknowns: Unknowns, there: Prediction, frozen: Prediction) -> float:
        """Half the weighted squares of the residuals, with the prior; weights are ``frozen``."""
        turn = frozen.vectors.T @ there.vectors
        predicted = np.einsum("ik,gk,jk->gij", turn, there.values, turn, optimize=True)
        residual = frozen.vectors.T @ self._seen @ frozen.vectors - predicted
        total = 0.5 * float((frozen.weights * residual**2).sum())
        total += 0.5 * float(((self._seen_means - there.means) ** 2 / frozen.mean_variances).sum())
        return total + self._connectome.prior(unknowns.errors)[0]

    def score(self, unknowns: Unknowns, here: Prediction) -> tuple[Array, Array]:
        """Gradient of `cost` at ``here`` and the information; errors first, coordinates last."""
        c = self._connectome
        by_x, means_by_x = self._coordinate_slopes(unknowns.x, here)
        n = np.arange(c.n_regions)
        residual = here.vectors.T @ self._seen @ here.vectors
        residual[:, n, n] -= here.values
        ends = here.vectors[c.rows] - here.vectors[c.columns]
        low = np.tril_indices(c.n_regions)
        twice = np.where(low[0] == low[1], 1.0, 2.0)
        pairs = ends[:, low[0]] * ends[:, low[1]]
        weighted = here.weights * here.slopes
        to_pairs = twice * (weighted * residual).sum(0)[low]
        between = (pairs * (twice * (weighted * here.slopes).sum(0)[low])) @ pairs.T
        slope = c.slope(unknowns.errors)
        _, prior_gradient, prior_second = c.prior(unknowns.errors)
        diagonal = here.weights[:, n, n]
        to_x = np.einsum("gk,gk,gki->i", diagonal, residual[:, n, n], by_x)
        to_x += means_by_x.T @ ((self._seen_means - here.means) / here.mean_variances)
        gradient = np.concatenate([prior_gradient - slope.T @ (pairs @ to_pairs), -to_x])
        across = slope.T @ (ends**2 @ np.einsum("gk,gki->ki", weighted[:, n, n], by_x))
        own = np.einsum("gk,gki,gkj->ij", diagonal, by_x, by_x, optimize=True)
        own += (means_by_x.T / here.mean_variances) @ means_by_x
        return gradient, np.block(
            [[slope.T @ between @ slope + prior_second, across], [across.T, own]]
        )

    def _step(
        self, now: Unknowns, here: Prediction, gradient: Array, information: Array
    ) -> Unknowns:
        """A scoring step within the bounds, halved until it improves."""
        n = len(now.errors)
        value = np.concatenate([now.errors, now.x[: self._n_free]])
        low = np.concatenate([-self._connectome.base, LOW - REACH, [-np.inf]])[: len(value)]
        high = np.concatenate([np.full(n, np.inf), HIGH + REACH, [np.inf]])[: len(value)]
        free = np.ones(len(value), bool)
        held = information + np.diag(np.where(np.arange(len(value)) < n, 0.0, 1 / STEP_SD**2))
        for _ in range(3):
            step = np.zeros(len(value))
            step[free] = -np.linalg.solve(held[np.ix_(free, free)], gradient[free])
            falls, rises = value + step < low, value + step > high
            stuck = (falls & (value < low + AT_BOUND)) | (rises & (value > high - AT_BOUND))
            if not stuck.any():
                break
            free &= ~stuck
        before = self.cost(now, here, here)
        for halvings in range(8):
            moved = np.clip(value + 0.5**halvings * step, low, high)
            later = Unknowns(np.append(moved[n:], 0.0)[: N_COORDINATES + 1], moved[:n])
            there = self.predict(later)
            if there is not None and self.cost(later, there, here) < before:
                return later
        return now

    def _point(self, x: Array) -> OperatingPoint | None:
        try:
            return self._brain.point(x)
        except ConfigurationError:
            return None

    def _density(self, point: OperatingPoint, x: Array, modes: Array) -> tuple[Array, Array]:
        """Density of what is measured in every bin and mode, and its slope along the eigenvalue."""
        signal, slope = bold_spectrum(
            self._brain, point, x, torch.as_tensor(modes), self._frequency
        )
        scale = float(np.exp(x[N_COORDINATES]))
        return scale * signal + self._noise, scale * slope

    def _means(self, point: OperatingPoint, slowest: float) -> tuple[Array, Array]:
        """Expected means and their variances; ``slowest`` is the density of the first mode."""
        if self._observables == "fc":
            return np.zeros(0), np.zeros(0)
        if self._observables == "fc+variance+mean":
            variance = slowest / self._duration_s / self._connectome.n_regions
            return np.array([BalloonResponse(float(point.E)).steady_bold()]), np.array([variance])
        return mean_state_moments(self._brain, point, self._duration_s)

    def _coordinate_slopes(self, x: Array, here: Prediction) -> tuple[Array, Array]:
        """Derivatives of the expected diagonals and means to the free coordinates.

        One-sided differences, backward where forward there is no operating point: they only weigh
        the residuals, so their error of first order does not move a search that ends.
        """
        values, means = [], []
        for i in range(self._n_free):
            for shift in (DIFFERENCE, -DIFFERENCE):
                moved = x.copy()
                moved[i] += shift
                point = self._point(moved)
                if point is not None:
                    break
            else:
                raise ConfigurationError(
                    f"Coordinate {i} = {x[i]:.4g} has no operating point on either side; start "
                    "the search elsewhere."
                )
            density, _ = self._density(point, moved, here.modes)
            values.append((self._sums @ density - here.values) / shift)
            means.append((self._means(point, 1.0)[0] - here.means) / shift)
        return np.stack(values, -1), np.stack(means, -1)
