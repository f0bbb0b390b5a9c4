"""Compose a fit of a subject: target, network, objective and the schedule's stages."""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fitting.config import FitFile, RefinementSection, WindowsSection
from fitting.coupling import Connectome
from fitting.dataset import Array, Subject
from fitting.descent import Descent, DescentSettings
from fitting.errors import ConfigurationError
from fitting.linear_noise_schedule import (
    LinearNoiseLoss,
    LinearPrediction,
    ScanPoint,
    scan_coupling,
)
from fitting.models import named_model
from fitting.models.reduced_wong_wang import ReducedWongWang
from fitting.network import FreeNetwork, Network, RestingNetwork, jittered
from fitting.objective import (
    BoldAmplitude,
    FCCorrelation,
    FCMean,
    FCVariance,
    LossTerm,
    Objective,
    Target,
)
from fitting.parameters import Interval
from fitting.priors import GainPrior
from fitting.signals import lower, pearson
from fitting.time_grid import TimeGrid
from fitting.windows_objective import window_terms
from fitting.windows_schedule import WindowLoss

# Called with the stage, the step, the steps in all and the loss terms.
Progress = Callable[[str, int, int, dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished fit, before it is simulated.

    Attributes:
        network: At its end.
        prediction: The linear prediction, where the schedule has one.
        history: Loss terms of every step, with the stage in ``stage`` (0, 1).
        scan: The scan of the global coupling.
        cpu_seconds: CPU time of the fit, all threads, without reading and evaluation.
    """

    network: Network
    prediction: LinearPrediction | None
    history: list[dict[str, float]]
    scan: list[ScanPoint]
    cpu_seconds: float


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Matrices of 100 regions are too small for threads, which would cost more than they give."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def floored(weights: Array, floor: float) -> Array:
    """Weights in which no pair of regions is quite absent, so that the fit may strengthen it.

    Args:
        weights: Shape ``(n_regions, n_regions)``.
        floor: Smallest ``log(1 + weight)`` as a share of the mean of the positive ones.
    """
    logs = np.log1p(weights)
    lowest = floor * logs[logs > 0].mean()
    raised = np.where(logs < lowest, np.expm1(lowest), weights)
    np.fill_diagonal(raised, 0.0)
    return np.asarray(raised, dtype=np.float64)


def fingerprint(settings: FitFile, subject: Subject, bold: Array) -> str:
    """Identify a fit by its settings and its data, not by how its result is looked at."""
    looked_at: dict[str, bool | set[str]] = {"simulation": True, "split": {"test"}}
    digest = hashlib.sha256(settings.model_dump_json(exclude=looked_at).encode())
    digest.update(np.ascontiguousarray(subject.weights).tobytes())
    digest.update(np.ascontiguousarray(bold).tobytes())
    return digest.hexdigest()


def fit_subject(
    settings: FitFile,
    subject: Subject,
    bold: Array,
    folder: Path | None = None,
    progress: Progress | None = None,
    stop_after: int | None = None,
) -> Outcome:
    """Fit a network to one range of BOLD.

    Args:
        settings: The fit file.
        subject: Its regions already selected.
        bold: The training range, ``(n_regions, n_trs)``.
        folder: Where checkpoints are kept and found again; None keeps none.
        progress: Called after each step.
        stop_after: End the first stage before this step, to be continued from its checkpoint.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    job = _Job(settings, subject, bold, folder, progress, stop_after, [])
    with one_thread():
        started = time.process_time()
        outcome = job.run()
        spent = time.process_time() - started + sum(job.earlier_cpu_seconds)
    return Outcome(outcome.network, outcome.prediction, outcome.history, outcome.scan, spent)


@dataclass(frozen=True, slots=True)
class _Job:
    """The arguments of :func:`fit_subject`, and the steps that share them."""

    settings: FitFile
    subject: Subject
    bold: Array
    folder: Path | None
    progress: Progress | None
    stop_after: int | None
    earlier_cpu_seconds: list[float]

    def run(self) -> Outcome:
        schedule = self.settings.schedule
        if schedule == "windows":
            network = self.free_network()
            history = self.windows(network)
            return Outcome(network, None, history, [], 0.0)
        resting = self.resting_network()
        prediction, history, scan = self.linear_noise(resting)
        if schedule == "linear_noise_then_windows":
            history = history + self.refine(resting)
            prediction = LinearPrediction(resting, self.duration_s)
        return Outcome(resting, prediction, history, scan, 0.0)

    @property
    def duration_s(self) -> float:
        return float(self.bold.shape[1] * self.subject.tr_s)

    def held_out_split(self, share: float) -> tuple[Tensor, Tensor | None]:
        """The part that is fitted, and the part that early stopping looks at."""
        n_trs = self.bold.shape[1]
        n_fit = n_trs - round(share * n_trs)
        series = torch.as_tensor(self.bold)
        return series[:, :n_fit], series[:, n_fit:] if n_fit < n_trs else None

    def connectome(self) -> Connectome:
        section, weights = self.settings.connectome, self.subject.weights
        if section.scale == "largest":
            weights = weights / weights.max()
        # A connection that is absent can only grow where the fit may vary it.
        if section.floor and self.settings.fit.connectome:
            weights = floored(weights, section.floor)
        return Connectome(torch.as_tensor(weights))

    def gains(self, sd: float) -> dict[str, Tensor]:
        if not self.settings.fit.connectome:
            return {}
        rng = np.random.default_rng(self.settings.seed)
        n = self.subject.n_regions
        return {"log_gains": jittered((n, n), sd, rng)}

    def resting_network(self) -> RestingNetwork:
        model, point = named_model(self.settings.model), self.settings.operating_point
        if not isinstance(model, ReducedWongWang):
            raise ConfigurationError(
                f"schedule: {self.settings.schedule} needs an operating point in closed form, "
                f"which {self.settings.model} has not; use a reduced_wong_wang model, or "
                "schedule: windows."
            )
        section = self.settings.linear_noise
        free = {
            "log_g": torch.zeros((), dtype=torch.float64),
            "log_kappa": torch.tensor(np.log(point.kappa_per_ms), dtype=torch.float64),
        } | self.gains(section.start_jitter)
        return RestingNetwork(
            model=model,
            connectome=self.connectome(),
            free=free,
            rate_hz=point.rate_hz,
            g_EI=point.g_EI,
            I_o=point.I_o,
            sigma=point.sigma,
        )

    def free_network(self) -> FreeNetwork:
        model = named_model(self.settings.model)
        specs = {spec.name: spec for spec in model.parameters}
        section = self.settings.windows
        intervals: dict[str, Interval] = {}
        free: dict[str, Tensor] = {}
        rng = np.random.default_rng(self.settings.seed + 1)
        for name in section.free:
            if name not in specs:
                raise ConfigurationError(
                    f"windows.free names {name!r}; {model.name} has {', '.join(specs)}."
                )
            intervals[name] = Interval.of(specs[name])
            start = intervals[name].free(torch.tensor(specs[name].default, dtype=torch.float64))
            free[name] = start + 0.1 * rng.standard_normal()
        return FreeNetwork(model, self.connectome(), free | self.gains(0.0), intervals, fixed={})

    def linear_noise(
        self, network: RestingNetwork
    ) -> tuple[LinearPrediction, list[dict[str, float]], list[ScanPoint]]:
        section = self.settings.linear_noise
        fitted, aside = self.held_out_split(section.held_out)
        target = Target.of_bold(fitted, self.subject.tr_s)
        prediction = LinearPrediction(network, fitted.shape[1] * self.subject.tr_s)
        fits_gains = self.settings.fit.connectome
        n_effective = section.n_effective or prediction.effective_samples(
            60 * section.visible_minutes
        )
        terms: dict[str, tuple[float, LossTerm]] = {
            # Only gains can trade the variance of FC for its pattern. With g alone to vary, the
            # reward for FC that stands out of noise is a bias of g, of 4 to 11 %.
            "fc_correlation": (1.0, FCCorrelation(n_effective if fits_gains else None)),
            "fc_mean": (section.fc_mean, FCMean()),
            "fc_variance": (section.fc_variance, FCVariance()),
            "bold_amplitude": (section.bold_amplitude, BoldAmplitude()),
        }
        if fits_gains:
            terms["gain_prior"] = (section.gain_prior, GainPrior(network.connectome.prior > 0))
        loss = LinearNoiseLoss(prediction, Objective(terms), target)
        scan = []
        if section.scan > 1:
            scan = scan_coupling(loss, network, section.scan_low, section.scan_high, section.scan)
        held_out = None
        if aside is not None:
            fc_aside = lower(torch.corrcoef(aside))
            held_out = lambda: float(pearson(lower(prediction().fc), fc_aside))  # noqa: E731
        leaves = {k: v for k, v in network.free.items() if k != "log_kappa"}
        rule = DescentSettings(
            steps=section.steps,
            learning_rate=section.learning_rate,
            optimiser=section.optimiser,
            patience=section.patience,
        )
        descent = self.descend("linear_noise", leaves, loss, rule, held_out)
        return prediction, descent.history, scan

    def windows(self, network: FreeNetwork) -> list[dict[str, float]]:
        section = self.settings.windows
        loss, rule = self.window_loss(section, network)
        # Fresh noise makes the recent simulation a measure that the last update did not see.
        fc = torch.corrcoef(torch.as_tensor(self.bold))
        held_out = (lambda: loss.correlation_with(fc)) if section.patience else None
        return self.descend("windows", network.free, loss, rule, held_out).history

    def refine(self, network: RestingNetwork) -> list[dict[str, float]]:
        """Descend on the simulation from where the linear prediction ended, and keep the best.

        The measure is the objective on noise that the descent never draws, the same noise at every
        look, so that looks differ by the network alone. The start is looked at too: what is
        returned is never worse by it.
        """
        section = self.settings.refinement
        loss, rule = self.window_loss(section, network)
        rule = replace(rule, look_first=True, smoothing=0.0)
        leaves = {k: v for k, v in network.free.items() if k != "log_kappa"}
        return self.descend("windows", leaves, loss, rule, loss.held_out).history

    def window_loss(
        self, section: WindowsSection | RefinementSection, network: Network
    ) -> tuple[WindowLoss, DescentSettings]:
        tr_s = self.subject.tr_s
        target = Target.of_bold(torch.as_tensor(self.bold), tr_s)
        window_trs = max(2, round(section.window_s / tr_s))
        n_windows = max(1, self.bold.shape[1] // window_trs)
        loss = WindowLoss(
            network,
            Objective(window_terms(section, network)),
            target,
            TimeGrid(dt_ms=section.dt_ms, tr_ms=1000 * tr_s),
            window_trs,
            recent_trs=self.bold.shape[1],
            seed=self.settings.seed,
            whole_scan=isinstance(section, RefinementSection),
        )
        rule = DescentSettings(
            steps=section.epochs * n_windows,
            learning_rate=section.learning_rate,
            last_learning_rate=0.1 * section.learning_rate,
            optimiser=section.optimiser,
            clip_norm=section.clip_norm,
            checkpoint_every=n_windows,
            held_out_every=n_windows,
            patience=section.patience,
        )
        return loss, rule

    def descend(
        self,
        name: str,
        leaves: dict[str, Tensor],
        loss: LinearNoiseLoss | WindowLoss,
        rule: DescentSettings,
        held_out: Callable[[], float] | None,
    ) -> Descent:
        path = None if self.folder is None else self.folder / f"{name}.checkpoint.npz"
        mark = fingerprint(self.settings, self.subject, self.bold) if path else ""
        descent = Descent(leaves, loss, rule, held_out, path, mark)
        descent.resume()
        self.earlier_cpu_seconds.append(descent.earlier_cpu_seconds)
        report = self.progress
        monitor = None
        if report is not None:
            monitor = lambda step, terms: report(name, step, rule.steps, terms)  # noqa: E731
        try:
            descent.run(monitor, self.stop_after)
        finally:
            for leaf in leaves.values():
                leaf.requires_grad_(False)
        return descent
