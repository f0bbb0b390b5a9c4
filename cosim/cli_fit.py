"""``cosim fit``: the command line's way into the other half of the product."""

import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cosim.errors import ConfigurationError, CosimError
from fitting.cohort import fit_cohort
from fitting.errors import ConfigurationError as FitConfigurationError
from fitting.errors import FittingError
from fitting.export import read_fit
from fitting.run import REPORT_NAME, fit_file


class _Bar:
    """The fit's stages and loss terms, on a terminal only."""

    def __init__(self, quiet: bool):
        self._shown = not quiet and sys.stderr.isatty()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[terms]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not self._shown,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "_Bar":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, stage: str, step: int, n_steps: int, terms: dict[str, float]) -> None:
        if not self._shown:
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=n_steps, terms="")
        text = " ".join(f"{name} {value:.3g}" for name, value in terms.items())
        self._bar.update(self._tasks[stage], completed=step, terms=text)


def fit_one(path: Path, output: Path, overrides: Sequence[str], quiet: bool) -> None:
    """Fit what a fit file says and say what came out.

    Raises:
        CosimError: If the file, the data or the fit is at fault; one line each.
    """
    try:
        with _Bar(quiet) as bar:
            notify = None if quiet else lambda text: typer.echo(f"Note: {text}", err=True)
            written = fit_file(path, output, overrides, progress=bar, notify=notify)
    except FitConfigurationError as error:
        raise ConfigurationError(*error.problems) from error
    except FittingError as error:
        raise CosimError(str(error)) from error
    if not quiet:
        metrics = read_fit(written).metrics
        for name in ("train_fc_r", "test_fc_r", "ceiling_fc_r", "cpu_seconds"):
            if name in metrics:
                typer.echo(f"{name}: {metrics[name]:.4g}")
        typer.echo(f"Fit:    {written}\nReport: {output / REPORT_NAME}")


def fit_many(
    path: Path,
    output: Path,
    overrides: Sequence[str],
    subjects: Path | None,
    jobs: int,
    dask_address: str | None = None,
) -> None:
    """Fit a cohort; a subject that fails does not stop the others.

    Raises:
        CosimError: If the file is at fault, or any subject failed.
    """
    try:
        done = fit_cohort(path, output, overrides, subjects, jobs, dask_address)
    except FitConfigurationError as error:
        raise ConfigurationError(*error.problems) from error
    for fit in done:
        if fit.path is not None:
            metrics = read_fit(fit.path).metrics
            r = metrics.get("test_fc_r", float("nan"))
            collapsed = "COLLAPSED, " if metrics.get("collapsed") else ""
            typer.echo(f"{fit.name}: {collapsed}test_fc_r {r:.4g}, {fit.path}")
    failed = [fit for fit in done if fit.path is None]
    if failed:
        lines = "; ".join(f"{fit.name}: {fit.problem}" for fit in failed)
        raise CosimError(f"{len(failed)} of {len(done)} subjects failed: {lines}")
