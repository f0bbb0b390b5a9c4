"""The command line: run, check, calibrate, fit, circuits, report, compare, export."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosim import __version__
from cosim.cli_errors import one_line_errors
from cosim.errors import ConfigurationError, CosimError
from cosim.transport.launcher import launched_rank, launched_size

if TYPE_CHECKING:
    from cosim.config import Experiment

app = typer.Typer(
    name="cosim",
    help="Co-simulate The Virtual Brain with NetPyNE/NEURON.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a key, e.g. brain.parameters.G=0.3."),
]
_Fitted = Annotated[
    Path | None, typer.Option("--fitted", metavar="FIT", help="Take the brain of this fit.nc.")
]
_File = Annotated[Path, typer.Argument(metavar="FILE", help="Experiment file (YAML).")]
_Traceback = Annotated[
    bool, typer.Option("--traceback", help="On failure show where it came from.")
]


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def run(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Experiment file (YAML).")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for results [results/NAME_OF_FILE]."),
    ] = None,
    set_: _Set = None,
    fitted: _Fitted = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the results in that folder.")
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="DIR", help="Go on with the run interrupted in DIR."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Under mpirun: longest wait for the other side, s.")
    ] = 300.0,
    report: Annotated[bool, typer.Option(help="Write report.html and report.png.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    show_traceback: _Traceback = False,
) -> None:
    """Run an experiment: here, or under mpirun with TVB on the last rank."""
    with one_line_errors(show_traceback):
        if not timeout > 0:
            raise ConfigurationError(f"--timeout = {timeout:g}: must be above 0 s.")
        from cosim.experiment_file import load

        changes = _changes(set_, fitted)
        if resume is not None:
            directory = _resumed_folder(resume, output, overwrite)
            experiment = _resumed_experiment(file, resume, changes)
        elif file is None:
            raise ConfigurationError("Name an experiment FILE, or --resume DIR.")
        else:
            directory = Path("results") / file.stem if output is None else output
            experiment = load(file, changes)
        from cosim.runner import run as run_experiment

        result = run_experiment(
            experiment,
            directory,
            overwrite=overwrite,
            resume=resume is not None,
            timeout_s=timeout,
            quiet=quiet,
        )
        if launched_rank() == 0:
            if report:
                from cosim.report import write_report

                write_report(directory)
            if not quiet:
                from cosim.closing_lines import closing_lines

                typer.echo("\n".join(closing_lines(result, directory, report)))
        if launched_size() > 1:
            from cosim.transport.mpi import sleep_until_all_are_here

            # The other ranks would spin in MPI's own end while rank 0 draws, however long that is.
            sleep_until_all_are_here(math.inf)


def _resumed_folder(resume: Path, output: Path | None, overwrite: bool) -> Path:
    if overwrite or (output is not None and output != resume):
        other = "--overwrite" if overwrite else f"--output {output}"
        raise ConfigurationError(f"--resume {resume} goes on in that folder; leave {other} out.")
    return resume


def _changes(set_: list[str] | None, fitted: Path | None) -> list[str]:
    """What the command line replaces in the experiment file."""
    of_a_fit = [] if fitted is None else [f"brain.fitted={json.dumps(str(fitted.resolve()))}"]
    return [*(set_ or ()), *of_a_fit]


def _resumed_experiment(file: Path | None, resume: Path, changes: list[str]) -> "Experiment":
    if file is not None:
        from cosim.experiment_file import load

        return load(file, changes)
    if changes:
        raise ConfigurationError(
            f"--resume {resume} takes the experiment of its checkpoint; leave --set and --fitted "
            f"out, or name the FILE as well."
        )
    from cosim.resuming import interrupted_experiment

    return interrupted_experiment(resume)


@app.command()
def check(
    file: _File,
    set_: _Set = None,
    fitted: _Fitted = None,
    regions: Annotated[
        bool, typer.Option("--regions", help="Only list the regions of its brain, one a line.")
    ] = False,
    show_traceback: _Traceback = False,
) -> None:
    """Find every mistake of an experiment file; nothing is simulated."""
    with one_line_errors(show_traceback):
        from cosim.experiment_file import load
        from cosim.plan import plan, resolved_summary
        from cosim.plan_brain import connectome_of

        experiment = load(file, _changes(set_, fitted))
        if regions:
            for region in connectome_of(experiment.brain, experiment.base).regions:
                typer.echo(region)
            return
        planned = plan(experiment)
        for key, value in resolved_summary(planned).items():
            typer.echo(f"{key}: {value}")
        for line in planned.notices:
            typer.echo(f"Note: {line}")
        typer.echo("No mistake found.")


@app.command()
def calibrate(
    file: _File,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Calibration file [FILE.calibrated.yaml]."),
    ] = None,
    set_: _Set = None,
    range_: Annotated[
        tuple[float, float],
        typer.Option("--range", help="Operating range: sources' rates over those at rest."),
    ] = (0.5, 2.0),
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Largest relative miss of a rate.")
    ] = 0.15,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", help="Time of each measurement, s [2 to 10, as needed]."),
    ] = None,
    check_ms: Annotated[
        float, typer.Option("--check-ms", help="Length of the closed-loop check, ms; 0: none.")
    ] = 3000.0,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Under mpirun: longest wait for other ranks, s.")
    ] = 300.0,
    show_traceback: _Traceback = False,
) -> None:
    """Find the inputs with which circuits do what their mean field does; under mpirun, together."""
    with one_line_errors(show_traceback):
        from cosim.calibration_run import calibrate_file
        from cosim.calibration_settings import Settings

        settings = Settings(*range_, tolerance=tolerance, seconds=seconds)
        target = file.with_suffix(".calibrated.yaml") if output is None else output
        for line in calibrate_file(file, set_ or (), target, settings, check_ms, timeout):
            typer.echo(line)


@app.command()
def fit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Fit file (YAML).")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the fit [results/NAME_OF_FILE]."),
    ] = None,
    set_: _Set = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The same as --set seed=N.")] = None,
    subjects: Annotated[
        Path | None, typer.Option("--subjects", help="A cohort: one folder a subject.")
    ] = None,
    cohort: Annotated[
        bool, typer.Option("--cohort", help="A cohort: the file's subject ends in /*.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes for a cohort.")] = 1,
    dask: Annotated[
        str | None,
        typer.Option("--dask", help="Dask scheduler for a cohort, as tcp://host:8786."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    show_traceback: _Traceback = False,
) -> None:
    """Fit a whole-brain model to a person's BOLD; continues where it was interrupted."""
    with one_line_errors(show_traceback):
        try:
            from cosim.cli_fit import fit_many, fit_one
        except ModuleNotFoundError as error:
            raise CosimError(
                f"Fitting needs {error.name}, which is not installed; install "
                f"'tvb-netpyne-cosim[fit]'."
            ) from None
        overrides = [*(set_ or ()), *([] if seed is None else [f"seed={seed}"])]
        directory = Path("results") / file.stem if output is None else output
        if subjects is not None or cohort:
            fit_many(file, directory, overrides, subjects, jobs, dask)
        elif dask is not None:
            raise ConfigurationError(
                f"--dask {dask} is for a cohort; give --subjects DIR or --cohort as well."
            )
        else:
            fit_one(file, directory, overrides, quiet)


@app.command()
def circuits(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A name, FILE.py:FUNCTION or a network's file."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Its parameters, e.g. order=50."),
    ] = None,
    draw: Annotated[
        Path | None, typer.Option("--draw", metavar="FILE.png", help="Write a picture of it.")
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option("--region", metavar="POP=REGION", help="Draw a population in its region."),
    ] = None,
    mechanisms: Annotated[
        str | None, typer.Option("--mechanisms", help="Folder of .mod files that it needs.")
    ] = None,
    show_traceback: _Traceback = False,
) -> None:
    """List the circuits that can be named in an experiment file, or show one."""
    with one_line_errors(show_traceback):
        from cosim.circuit_view import list_lines, view

        if name is None:
            for option, value in (("--draw", draw), ("--set", set_), ("--region", region)):
                if value:
                    raise ConfigurationError(f"{option} needs the NAME of a circuit before it.")
            for line in list_lines():
                typer.echo(line)
        else:
            typer.echo(view(name, set_ or (), region or (), mechanisms, draw))


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")],
    beside: Annotated[
        Path | None,
        typer.Option(
            "--beside",
            metavar="OTHER",
            help="The same brain without circuits [one in the same folder, if there is one].",
        ),
    ] = None,
    show_traceback: _Traceback = False,
) -> None:
    """Write report.html and report.png from the results in a folder."""
    with one_line_errors(show_traceback):
        from cosim.report import write_report

        typer.echo(f"Report: {write_report(directory, beside)}")


@app.command()
def compare(
    reference: Annotated[
        Path, typer.Argument(metavar="A", help="Folder of a run, or of one run per seed.")
    ],
    others: Annotated[
        list[Path],
        typer.Argument(metavar="B...", help="What is compared with it."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for comparison.json and .png.")
    ] = Path("results/comparison"),
    skip_ms: Annotated[
        float, typer.Option("--skip-ms", help="Time at the start that is left out, ms.")
    ] = 1000.0,
    full: Annotated[bool, typer.Option("--full", help="Print every measure.")] = False,
    show_traceback: _Traceback = False,
) -> None:
    """Set runs side by side: rates, S, connectivity, spectra and BOLD, with intervals."""
    with one_line_errors(show_traceback):
        from cosim.compare import compare as compare_runs
        from cosim.comparison_text import comparison_text

        typer.echo(comparison_text(compare_runs(reference, others, output, skip_ms=skip_ms), full))
        typer.echo(f"Comparison: {output}/comparison.json, {output}/comparison.png")


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")],
    nwb: Annotated[
        Path | None, typer.Option("--nwb", metavar="FILE", help="Write it as NWB (.nwb).")
    ] = None,
    bids: Annotated[
        Path | None,
        typer.Option("--bids", metavar="FOLDER", help="Add its regional series to BIDS."),
    ] = None,
    bin_ms: Annotated[
        float, typer.Option("--bin-ms", help="NWB: width of the bins of the rates, ms.")
    ] = 10.0,
    subject: Annotated[
        str, typer.Option("--subject", help="BIDS: label of the subject.")
    ] = "simulated",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file, or the subject's files.")
    ] = False,
    show_traceback: _Traceback = False,
) -> None:
    """Write the results of a run in the formats of other tools: NWB, BIDS derivatives."""
    with one_line_errors(show_traceback):
        from cosim.export import export_run

        for line in export_run(directory, nwb, bids, bin_ms, subject, overwrite):
            typer.echo(line)
