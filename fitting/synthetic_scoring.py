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
from fitting.uncertain_connectome import UncertainConnectome

# A step of the coordinates is held back as by a prior of this width about where the search stands;
# it stands still in the end, so this moves no estimate, but what the data do not set stays put.
STEP_SD = 0.5
SMALL_STEP = 1e-4
AT_BOUND = 1e-3
# Steps smaller than this change the information by a few per cent: it is not computed again.
NEAR = 0.05
DIFFERENCE = 1e-4
N_COORDINATES = 4


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
class Slopes:
    """Derivatives to the free coordinates.

    Attributes:
        values: Of the expected diagonals, ``(n_blocks, n_modes, n_free)``.
        means: Of the expected means, ``(n_means, n_free)``.
    """

    values: Array
    means: Array


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
        information, size = np.zeros((0, 0)), np.inf
        for _ in range(most_steps):
            here = self.predict(now)
            if here is None:
                raise ConfigurationError(
                    "The search starts where no operating point exists; start it elsewhere."
                )
            slopes = self.coordinate_slopes(now.x, here)
            if size > NEAR:
                information = self.information(now, here, slopes)
            later = self._step(now, here, self.gradient(now, here, slopes), information)
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

    def gradient(self, unknowns: Unknowns, here: Prediction, slopes: Slopes) -> Array:
        """Gradient of `cost` with its weights at ``here``; errors first, coordinates last."""
        c = self._connectome
        n = np.arange(c.n_regions)
        residual = here.vectors.T @ self._seen @ here.vectors
        residual[:, n, n] -= here.values
        ends = here.vectors[c.rows] - here.vectors[c.columns]
        to_laplacian = (here.weights * here.slopes * residual).sum(0)
        to_weights = ((ends @ to_laplacian) * ends).sum(1)
        to_errors = c.prior(unknowns.errors)[1] - c.slope(unknowns.errors).T @ to_weights
        to_x = np.einsum("gk,gk,gki->i", here.weights[:, n, n], residual[:, n, n], slopes.values)
        to_x += slopes.means.T @ ((self._seen_means - here.means) / here.mean_variances)
        return np.concatenate([to_errors, -to_x])

    def information(self, unknowns: Unknowns, here: Prediction, slopes: Slopes) -> Array:
        """Fisher information with the prior's; errors first, coordinates last."""
        c = self._connectome
        n = np.arange(c.n_regions)
        ends = here.vectors[c.rows] - here.vectors[c.columns]
        low = np.tril_indices(c.n_regions)
        twice = np.where(low[0] == low[1], 1.0, 2.0)
        pairs = ends[:, low[0]] * ends[:, low[1]]
        pairs *= np.sqrt(twice * (here.weights * here.slopes**2).sum(0)[low])
        slope = c.slope(unknowns.errors)
        half = slope.T @ pairs
        between = half @ half.T + c.prior(unknowns.errors)[2]
        diagonal = here.weights[:, n, n]
        per_mode = np.einsum("gk,gki->ki", diagonal * here.slopes[:, n, n], slopes.values)
        across = slope.T @ (ends**2 @ per_mode)
        own = np.einsum("gk,gki,gkj->ij", diagonal, slopes.values, slopes.values, optimize=True)
        own += (slopes.means.T / here.mean_variances) @ slopes.means
        return np.block([[between, across], [across.T, own]])

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

    def coordinate_slopes(self, x: Array, here: Prediction) -> Slopes:
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
        return Slopes(np.stack(values, -1), np.stack(means, -1))
