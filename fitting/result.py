"""What a fit gives: plain arrays and numbers, ready for a file, a report or a simulation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FittedParameter:
    """One parameter of the model at the end of a fit.

    Attributes:
        name: The symbol of the paper.
        values: One value a region, ``(n_regions,)``.
        unit: Unit, empty where there is none.
        meaning: In a few words.
    """

    name: str
    values: Array
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Identified:
    """One combination of parameters that the data speak of, or do not.

    Attributes:
        name: Such as ``"g b / kappa"``.
        value: At the fit.
        low: Lower end of the 95 % interval.
        high: Upper end; infinite where the data set no limit.
        is_identified: Whether the interval is narrower than a factor of two either way.
    """

    name: str
    value: float
    low: float
    high: float
    is_identified: bool


@dataclass(frozen=True, slots=True)
class FitResult:
    """A fitted network, what it was fitted to, and how well it does.

    Attributes:
        subject: Name of the subject.
        model: Name of the model.
        schedule: Name of the schedule.
        seed: Seed of the fit.
        labels: Region names.
        parameters: Parameters by name.
        weights: Fitted connectome, ``(n_regions, n_regions)``.
        prior_weights: Measured connectome in the same normalisation.
        lengths_mm: Tract lengths, or None.
        resting_state: Fixed point or start by variable name, ``(n_regions,)`` each.
        resting_rates_hz: Rates there by population, where the model knows any.
        free: What was varied, at its end, by name.
        fc_train: Empirical FC fitted.
        fc_test: Empirical FC kept aside, or None.
        fc_simulated: Simulated FC, ``(n_seeds, n_regions, n_regions)``.
        bold_simulated: First run's BOLD, ``(n_regions, n_trs)``.
        noise_seeds: Noise seeds of the runs.
        tr_s: Repetition time.
        metrics: Numbers by name; they become attributes of the file.
        history: Loss terms and trajectories by name, one value a step.
        scan: Global coupling, loss and correlation of the first scan, ``(n, 3)``.
        frontier: Weight of the gain prior, correlation of fitted and measured log
            weights, and linear FC r in training and test (NaN without one), ``(n, 4)``.
        identified: What the data identify.
        settings: The fit file, complete, as JSON text.
        versions: Version of each package used.
        notices: What was changed in the data on reading, and whether the fit collapsed.
        truth: True values of a made-up subject by parameter or identified quantity.
    """

    subject: str
    model: str
    schedule: str
    seed: int
    labels: tuple[str, ...]
    parameters: Mapping[str, FittedParameter]
    weights: Array
    prior_weights: Array
    lengths_mm: Array | None
    resting_state: Mapping[str, Array]
    resting_rates_hz: Mapping[str, Array]
    free: Mapping[str, Array]
    fc_train: Array
    fc_test: Array | None
    fc_simulated: Array
    bold_simulated: Array
    noise_seeds: tuple[int, ...]
    tr_s: float
    metrics: Mapping[str, float]
    history: Mapping[str, Array]
    scan: Array
    frontier: Array
    identified: tuple[Identified, ...]
    settings: str
    versions: Mapping[str, str]
    notices: tuple[str, ...] = ()
    truth: Mapping[str, float] = field(default_factory=dict)
