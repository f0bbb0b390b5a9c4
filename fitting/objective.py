"""What a fit minimises: terms that stand alone, are weighted, summed, and logged one by one.

A term sees a `Prediction` and a `Target` and knows nothing of the model or of the schedule, so the
same term serves the linear noise approximation, which predicts a covariance, and the simulation,
which gives BOLD. What a prediction lacks, a term cannot use, and says so.

References:
    Griffiths, Wang et al. (2022), doi:10.1101/2022.05.19.492664, eqs 38-41.
    Hansen et al. (2015) NeuroImage 105:525-535, doi:10.1016/j.neuroimage.2014.11.001, for FCD.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from fitting.errors import ConfigurationError
from fitting.signals import (
    fcd_lower,
    fractional_change,
    lagged_correlation,
    lower,
    pearson,
    region_mean_log_spectrum,
)


@dataclass(frozen=True, slots=True)
class Target:
    """What the data say.

    Attributes:
        fc: Functional connectivity, shape ``(n_regions, n_regions)``.
        bold: The series it came from, fractional change, ``(n_regions, n_trs)``.
        tr_s: Repetition time.
        mean_state: Mean of each state variable over time and regions where it is known, as for
            synthetic data, ``(n_variables,)``.
    """

    fc: Tensor
    bold: Tensor
    tr_s: float
    mean_state: Tensor | None = None

    @classmethod
    def of_bold(cls, bold: Tensor, tr_s: float, mean_state: Tensor | None = None) -> "Target":
        """Build it from a scan, shape ``(n_regions, n_trs)``."""
        return cls(torch.corrcoef(bold), fractional_change(bold), tr_s, mean_state)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says; what a schedule cannot give is None.

    Attributes:
        fc: Functional connectivity, shape ``(n_regions, n_regions)``.
        bold: Simulated series, a fraction, ``(n_regions, n_trs)``.
        bold_variance: Variance of each region's BOLD, ``(n_regions,)``.
        states: State variables averaged over each TR, ``(n_trs, n_variables, n_regions)``.
        mean_state: Mean of each variable over time and regions, ``(n_variables,)``.
        parameters: The fitted quantities by name, for priors.
    """

    fc: Tensor
    bold: Tensor | None = None
    bold_variance: Tensor | None = None
    states: Tensor | None = None
    mean_state: Tensor | None = None
    parameters: Mapping[str, Tensor] = field(default_factory=dict)


class LossTerm(Protocol):
    """One number to be made small."""

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return a scalar."""
        ...


def _needed(value: Tensor | None, term: str, what: str) -> Tensor:
    if value is None:
        raise ConfigurationError(
            f"The loss term {term} needs {what}, which this schedule does not predict; use "
            "schedule: windows or leave the term out."
        )
    return value


def detectable_correlation(fc: Tensor, target: Tensor, n_effective: float) -> Tensor:
    """Correlation that a finite scan of this FC would reach, ``r sqrt(v / (v + noise))``.

    Over ``n`` independent samples a correlation ``f`` is uncertain by ``(1 - f^2) / sqrt(n)``, and
    that noise dilutes the pattern of variance ``v``. A prediction whose differences would drown
    must not look good: without this, one subject's FC of r = .97 gave .46 when simulated.

    Args:
        fc: Entries of the predicted FC.
        target: Entries of the empirical FC.
        n_effective: Independent samples in the scan that is to be simulated.
    """
    variance = fc.var()
    noise = ((1 - fc**2) ** 2).mean() / n_effective
    return pearson(fc, target) * torch.sqrt(variance / (variance + noise))


@dataclass(frozen=True, slots=True)
class FCCorrelation:
    """``-log(.5 + .5 r)`` of the lower triangles of FC (eq. 38).

    Attributes:
        n_effective: Independent samples of the scan to be simulated; None where the prediction
            already carries its sampling noise, as a simulation does.
    """

    n_effective: float | None = None

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost."""
        f, t = lower(prediction.fc), lower(target.fc)
        if self.n_effective is None:
            r = pearson(f, t)
        else:
            r = detectable_correlation(f, t, self.n_effective)
        return -torch.log(0.5 + 0.5 * r)


@dataclass(frozen=True, slots=True)
class FCMean:
    """Squared difference of the mean FC."""

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost."""
        return (lower(prediction.fc).mean() - lower(target.fc).mean()) ** 2


@dataclass(frozen=True, slots=True)
class FCVariance:
    """Squared difference of the standard deviation of FC over pairs."""

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost."""
        return (lower(prediction.fc).std() - lower(target.fc).std()) ** 2


@dataclass(frozen=True, slots=True)
class FCDDistribution:
    """Mean and spread of functional connectivity dynamics.

    The usual Kolmogorov-Smirnov distance has no gradient; two moments have.

    Attributes:
        window_s: Length of the sliding window.
        step_s: Shift between windows.
    """

    window_s: float = 60.0
    step_s: float = 10.0

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost."""
        bold = _needed(prediction.bold, "fcd", "simulated BOLD")
        length, step = (max(2, round(s / target.tr_s)) for s in (self.window_s, self.step_s))
        ours = fcd_lower(bold, length, step)
        theirs = fcd_lower(target.bold, length, step)
        return (ours.mean() - theirs.mean()) ** 2 + (ours.std() - theirs.std()) ** 2


@dataclass(frozen=True, slots=True)
class BoldAmplitude:
    """Squared log ratio of BOLD variance, averaged over regions, as a fraction of its mean."""

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost."""
        if prediction.bold is not None:
            ours = prediction.bold.var(-1)
        else:
            ours = _needed(prediction.bold_variance, "bold_amplitude", "the variance of BOLD")
        return (torch.log(ours).mean() - torch.log(target.bold.var(-1)).mean()) ** 2


@dataclass(frozen=True, slots=True)
class PowerSpectrum:
    """Mean squared difference of the log power spectrum, averaged over regions.

    Attributes:
        low_hz: Lowest frequency compared.
        high_hz: Highest frequency compared.
        n_bins: Logarithmic bins between them.
        shape_only: Whether total power is divided out; empirical BOLD has no absolute scale.
    """

    low_hz: float = 0.01
    high_hz: float = 0.2
    n_bins: int = 8
    shape_only: bool = True

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost."""
        bold = _needed(prediction.bold, "power_spectrum", "simulated BOLD")
        band = (self.low_hz, self.high_hz, self.n_bins)
        ours = region_mean_log_spectrum(bold, target.tr_s, *band)
        theirs = region_mean_log_spectrum(target.bold, target.tr_s, *band)
        shared = torch.isfinite(ours.detach()) & torch.isfinite(theirs)
        ours, theirs = ours[shared], theirs[shared]
        if self.shape_only:
            ours, theirs = ours - ours.mean(), theirs - theirs.mean()
        return ((ours - theirs) ** 2).mean()


@dataclass(frozen=True, slots=True)
class LaggedCovariance:
    """Mean squared difference of the normalised covariance between regions at a lag.

    Attributes:
        lag_s: The lag, rounded to whole TRs.
    """

    lag_s: float = 2.0

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost."""
        bold = _needed(prediction.bold, "lagged_covariance", "simulated BOLD")
        lag = max(1, round(self.lag_s / target.tr_s))
        difference = lagged_correlation(bold, lag) - lagged_correlation(target.bold, lag)
        return (difference**2).mean()


@dataclass(frozen=True, slots=True)
class StateEntropy:
    """Negative entropy of the gating variables, which keeps them off 0 and 1 (eq. 40).

    The paper's ``p(x) = x^x (1 - x)^(1 - x)`` has ``log p = -H``, H the entropy of a coin with
    probability x. Its text maximises H; its formula, ``-log p``, would minimise it. Minimised here
    is ``log p = x log x + (1 - x) log(1 - x)``. Its slope ``log(x / (1 - x))`` is negative below
    one half and positive above, so descent moves states to one half, hardest near 0 and 1.

    Attributes:
        shares: Weight of each state variable; 1 for E and .5 for I in the code published with the
            paper.
    """

    shares: tuple[float, ...] = (1.0, 0.5)

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost, averaged over time and regions, summed over variables."""
        x = _needed(prediction.states, "state_entropy", "simulated states").clamp(1e-6, 1 - 1e-6)
        if x.shape[1] != len(self.shares):
            raise ConfigurationError(
                f"The loss term state_entropy weighs {len(self.shares)} variables and the model "
                f"has {x.shape[1]}; it is for the two gatings of reduced_wong_wang, set it to 0."
            )
        each = (x * torch.log(x) + (1 - x) * torch.log1p(-x)).mean(dim=(0, 2))
        return each @ torch.tensor(self.shares, dtype=x.dtype)


@dataclass(frozen=True, slots=True)
class RestingState:
    """Squared relative distance of the mean excitatory gating from its operating point.

    Attributes:
        E: Gating at the chosen resting rate.
    """

    E: float

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost."""
        mean = _needed(prediction.mean_state, "resting_state", "mean states")
        return ((mean[0] - self.E) / self.E) ** 2


@dataclass(frozen=True, slots=True)
class MeanState:
    """Squared relative distance of every mean state from the measured one, where one exists."""

    def __call__(self, prediction: Prediction, target: Target) -> Tensor:
        """Return the cost."""
        ours = _needed(prediction.mean_state, "mean_state", "mean states")
        theirs = _needed(target.mean_state, "mean_state", "measured mean states")
        return (((ours - theirs) / theirs) ** 2).mean()


@dataclass(frozen=True, slots=True)
class Objective:
    """A weighted sum of terms, and the value of each.

    Attributes:
        terms: Term and weight by name.
    """

    terms: Mapping[str, tuple[float, LossTerm]]

    def __call__(self, prediction: Prediction, target: Target) -> tuple[Tensor, dict[str, float]]:
        """Return the total and every weighted term; with ``total`` and ``fc_r`` for the log."""
        values = {
            name: weight * term(prediction, target)
            for name, (weight, term) in self.terms.items()
            if weight != 0
        }
        if not values:
            raise ConfigurationError("The objective has no term with a weight; give one.")
        total = torch.stack(list(values.values())).sum()
        logged = {name: float(value.detach()) for name, value in values.items()}
        logged["total"] = float(total.detach())
        with torch.no_grad():
            logged["fc_r"] = float(pearson(lower(prediction.fc), lower(target.fc)))
        return total, logged
