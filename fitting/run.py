"""From a fit file to a folder: read, check, fit, simulate, write ``fit.nc`` and the report."""

import importlib.metadata
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from fitting.collapse import collapse
from fitting.config import FitFile, read_fit_file
from fitting.dataset import Array, Subject, functional_connectivity, lower_triangle
from fitting.dataset import pattern_correlation as r_of
from fitting.errors import ConfigurationError
from fitting.evaluation import Evaluation, SimulationSettings, evaluate
from fitting.export import write_fit
from fitting.fc_information import loss_gain_sd
from fitting.fit import Outcome, Progress, fit_subject
from fitting.frontier import frontier, log_weight_correlation
from fitting.identifiability import identified
from fitting.loaders import load_subject
from fitting.models.base import complete
from fitting.network import RestingNetwork
from fitting.objective import Target
from fitting.report import write_report
from fitting.result import FitResult, FittedParameter, Identified

# A gain of e^10 either way is no prior.
WIDEST_GAIN_SD = 10.0
FIT_NAME, REPORT_NAME = "fit.nc", "report.html"
_PACKAGES = ("torch", "numpy", "scipy", "numba", "xarray")


def fit_file(
    path: Path,
    output: Path,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
    data_folder: Path | None = None,
) -> Path:
    """Fit what a fit file says.

    An interrupted fit continues from its checkpoint in ``output`` when run again.

    Args:
        path: The fit file.
        output: Folder for ``fit.nc`` and ``report.html``; made if missing.
        overrides: ``key=value`` as on the command line.
        progress: Called after each step of the fit.
        notify: Called with each notice, about the data or a fit that collapsed.
        data_folder: Folder to which a subject's files are relative; by default the fit file's.

    Returns:
        Path of ``fit.nc``.
    """
    settings = read_fit_file(path, overrides)
    subject = load_subject(settings.subject, data_folder or path.parent)
    result = run_fit(settings, subject, output, progress, notify)
    write_fit(result, output / FIT_NAME)
    write_report(result, output / REPORT_NAME)
    return output / FIT_NAME


def run_fit(
    settings: FitFile,
    subject: Subject,
    output: Path | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> FitResult:
    """Fit a subject and simulate the result; ``output`` is where checkpoints are kept."""
    if notify is not None:
        for notice in subject.notices:
            notify(notice)
    subject = subject.select(settings.regions)
    train_part, test_part = settings.split.train, settings.split.test
    train = subject.segment(train_part.scan, train_part.start, train_part.stop)
    test = None
    if test_part is not None:
        test = subject.segment(test_part.scan, test_part.start, test_part.stop)
        _refuse_overlap(settings, subject)
    outcome = fit_subject(settings, subject, train, output, progress)
    sim = settings.simulation
    evaluation = evaluate(
        outcome.network,
        subject.tr_s,
        SimulationSettings(
            minutes=sim.minutes,
            settle_s=sim.settle_s,
            seeds=sim.seeds,
            dt_ms=sim.dt_ms,
            scheme=sim.scheme,
            single_precision=sim.single_precision,
        ),
    )
    result = _result(settings, subject, train, test, outcome, evaluation)
    if notify is not None:
        for notice in result.notices[len(subject.notices) :]:
            notify(notice)
    return result


def _refuse_overlap(settings: FitFile, subject: Subject) -> None:
    train, test = settings.split.train, settings.split.test
    assert test is not None
    if (train.scan or subject.default_scan) != (test.scan or subject.default_scan):
        return
    n_trs = subject.scans[train.scan or subject.default_scan].shape[1]
    start = max(train.start, test.start)
    stop = min(train.stop or n_trs, test.stop or n_trs)
    if start < stop:
        raise ConfigurationError(
            f"split: train and test share the repetitions [{start}, {stop}]; a test on data that "
            "were fitted shows nothing. Separate them."
        )


def _metrics(
    outcome: Outcome, evaluation: Evaluation, fc_train: Array, fc_test: Array | None
) -> dict[str, float]:
    """Every number of the file; NaN where there is no test."""
    network = outcome.network
    nan = float("nan")
    mean, sd = evaluation.mean_and_sd()
    train, prior = lower_triangle(fc_train), network.connectome.prior.numpy()
    with torch.no_grad():
        weights = network.weights().numpy()
    metrics = {
        "train_fc_r": float(evaluation.correlation_with(fc_train).mean()),
        "test_fc_r": nan,
        "ceiling_fc_r": nan,
        "cpu_seconds": outcome.cpu_seconds,
        "fc_mean_simulated": mean,
        "fc_sd_simulated": sd,
        "fc_mean_train": float(train.mean()),
        "fc_sd_train": float(train.std()),
        "connectome_r": r_of(weights, prior),
        "connectome_log_r": log_weight_correlation(weights, prior),
        "mean_E_simulated": float(evaluation.mean_state[0]),
    }
    if fc_test is not None:
        metrics["test_fc_r"] = float(evaluation.correlation_with(fc_test).mean())
        metrics["ceiling_fc_r"] = r_of(fc_train, fc_test)
        metrics["fc_mean_test"] = float(lower_triangle(fc_test).mean())
        metrics["fc_sd_test"] = float(lower_triangle(fc_test).std())
    if "log_gains" in network.free:
        gains = network.free["log_gains"].numpy()
        present = lower_triangle(prior) > 0
        metrics["log_gain_sd"] = float(lower_triangle((gains + gains.T) / 2)[present].std())
    if outcome.prediction is not None:
        with torch.no_grad():
            linear = outcome.prediction().fc.numpy()
        metrics["linear_train_fc_r"] = r_of(linear, fc_train)
        if fc_test is not None:
            metrics["linear_test_fc_r"] = r_of(linear, fc_test)
    return metrics


def _frontier(
    settings: FitFile, subject: Subject, train: Array, fc_test: Array | None, outcome: Outcome
) -> Array:
    section, prediction = settings.linear_noise, outcome.prediction
    if prediction is None or "log_gains" not in outcome.network.free or not section.frontier:
        return np.zeros((0, 4))
    n_effective = section.n_effective or prediction.effective_samples(60 * section.visible_minutes)
    target = Target.of_bold(torch.as_tensor(train), subject.tr_s)
    return frontier(
        prediction, target, fc_test, section.frontier, n_effective, section.frontier_steps
    )


def _gain_sd(settings: FitFile, outcome: Outcome, duration_s: float) -> float | None:
    """Spread of the prior on the log gains that the fit's loss stands for; None without gains."""
    prediction, weight = outcome.prediction, settings.linear_noise.gain_prior
    if prediction is None or "log_gains" not in outcome.network.free:
        return None
    with torch.no_grad():
        entries = lower_triangle(prediction().fc.numpy())
    if not weight:
        return WIDEST_GAIN_SD
    sd = loss_gain_sd(entries, weight, prediction.effective_samples(duration_s))
    return min(sd, WIDEST_GAIN_SD)


def _result(
    settings: FitFile,
    subject: Subject,
    train: Array,
    test: Array | None,
    outcome: Outcome,
    evaluation: Evaluation,
) -> FitResult:
    network, n = outcome.network, subject.n_regions
    fc_train = functional_connectivity(train)
    fc_test = None if test is None else functional_connectivity(test)
    with torch.no_grad():
        given = complete(network.model, network.parameters(), torch.float64)
        rest = network.rest()
        rates = network.model.observables(rest, torch.zeros(n, dtype=torch.float64), given)
        weights = network.weights().numpy().copy()
    parameters = {
        spec.name: FittedParameter(
            spec.name,
            np.broadcast_to(given[spec.name].numpy(), (n,)).copy(),
            spec.unit,
            spec.meaning,
        )
        for spec in network.model.parameters
    }
    known: tuple[Identified, ...] = ()
    if isinstance(network, RestingNetwork):
        gain_sd = _gain_sd(settings, outcome, train.shape[1] * subject.tr_s)
        known = identified(network, train.shape[1] * subject.tr_s, gain_sd=gain_sd)
    metrics = _metrics(outcome, evaluation, fc_train, fc_test)
    collapsed = collapse(
        network.model, evaluation.mean_state, metrics["fc_mean_simulated"], metrics["fc_mean_train"]
    )
    metrics["collapsed"] = float(collapsed is not None)
    names = sorted({key for entry in outcome.history for key in entry})
    history = {
        name: np.array([entry.get(name, np.nan) for entry in outcome.history]) for name in names
    }
    return FitResult(
        subject=subject.name,
        model=settings.model,
        schedule=settings.schedule,
        seed=settings.seed,
        labels=subject.labels,
        parameters=parameters,
        weights=weights,
        prior_weights=network.connectome.prior.numpy().copy(),
        lengths_mm=subject.lengths_mm,
        resting_state={
            name: rest[k].numpy().copy() for k, name in enumerate(network.model.variables)
        },
        resting_rates_hz={
            name: np.broadcast_to(value.numpy(), (n,)).copy() for name, value in rates.items()
        },
        free={name: value.numpy().copy() for name, value in network.free.items()},
        fc_train=fc_train,
        fc_test=fc_test,
        fc_simulated=evaluation.fc,
        bold_simulated=evaluation.bold,
        noise_seeds=evaluation.seeds,
        tr_s=subject.tr_s,
        metrics=metrics,
        history=history,
        scan=np.array([(p.g, p.loss, p.fc_r) for p in outcome.scan]).reshape(-1, 3),
        frontier=_frontier(settings, subject, train, fc_test, outcome),
        identified=known,
        settings=settings.model_dump_json(),
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
        notices=subject.notices + ((collapsed,) if collapsed else ()),
    )
