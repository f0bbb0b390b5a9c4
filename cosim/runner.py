"""Run an experiment: in this process, or as one rank of an MPI world."""

from pathlib import Path

from cosim.config import Experiment
from cosim.results import RunResult
from cosim.transport.launcher import launched_size


def run(
    experiment: Experiment,
    output: str | Path | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    timeout_s: float = 300.0,
    quiet: bool = True,
) -> RunResult:
    """Run an experiment.

    In one process, or, if mpirun started this program on N >= 2 ranks, with NEURON on ranks
    0 to N-2 and TVB on the last; then every rank calls this and gets the same results.

    Args:
        experiment: What to run.
        output: Folder for the results; None keeps them in memory (one process only).
        overwrite: Whether results of another run in that folder may be replaced.
        resume: Whether to go on with the run that was interrupted in that folder, from its newest
            checkpoint; the results are those of a run that never stopped.
        timeout_s: Under MPI, wall-clock limit for one wait for the peer, s.
        quiet: Show no progress.

    Returns:
        The results.

    Raises:
        ConfigurationError: If the experiment cannot be run as written.
        SimulationError: If the simulation leaves the range of sense (NaN, runaway rates).
        SuspendedError: If SIGTERM came and the experiment has a section ``checkpoint``.
        ResultsError: If the results cannot be written.
    """
    size = launched_size()
    if size == 1:
        from cosim.local_runner import run_here

        return run_here(experiment, output, overwrite=overwrite, quiet=quiet, resume=resume)
    # Only here is MPI loaded.
    from cosim.mpi_runner import run_as_rank

    return run_as_rank(
        experiment,
        output,
        overwrite=overwrite,
        timeout_s=timeout_s,
        quiet=quiet,
        size=size,
        resume=resume,
    )
