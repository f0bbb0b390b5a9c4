"""Run an experiment: in this process, or as one rank of an MPI world."""

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from cosim.build import build_neuron, build_tvb
from cosim.config import Experiment
from cosim.errors import CosimError
from cosim.plan import Plan, plan
from cosim.progress import RunProgress
from cosim.provenance import facts
from cosim.recorder import FolderSink, MemorySink, Recorder
from cosim.results import RunResult, prepare_output, write_provenance
from cosim.scheduler import Position, Side, WindowHook, run_windows
from cosim.stopwatch import Stopwatch
from cosim.transport.in_process import InProcessTransport, NoPeer, SingleProcessGroup
from cosim.transport.launcher import launched_size


def run(
    experiment: Experiment,
    output: str | Path | None = None,
    *,
    overwrite: bool = False,
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
        timeout_s: Under MPI, wall-clock limit for one wait for the peer, s.
        quiet: Show no progress.

    Returns:
        The results.

    Raises:
        ConfigurationError: If the experiment cannot be run as written.
        SimulationError: If the simulation leaves the range of sense (NaN, runaway rates).
        ResultsError: If the results cannot be written.
    """
    size = launched_size()
    if size > 1:
        from cosim.mpi_runner import run_as_rank

        return run_as_rank(
            experiment, output, overwrite=overwrite, timeout_s=timeout_s, quiet=quiet, size=size
        )
    started, stopwatch = datetime.now().astimezone(), Stopwatch()
    planned = plan(experiment)
    directory = None if output is None else prepare_output(Path(output), overwrite)
    memory = MemorySink()
    recorder = Recorder(memory if directory is None else FolderSink(directory, "run"))
    position = Position()
    with ExitStack() as closing:
        try:
            sides = _both_sides(planned, recorder, stopwatch, closing)
            with RunProgress(experiment.duration_ms, quiet) as progress:
                sides[0].after_window = [*sides[0].after_window, progress_hook(progress)]
                stopwatch.switch("record")
                run_windows(planned.clock, sides, stopwatch, position)
        except CosimError as error:
            recorder.flush()
            raise type(error)(f"{position}: {error}") from error
        except BaseException as error:
            # What was recorded so far stays readable; the segments tell that it did not end.
            recorder.flush()
            error.add_note(f"cosim: {position}")
            raise
        participants = {s.participant.name: dict(s.participant.summary()) for s in sides}
    recorder.close()
    record = {
        "rank": 0,
        "side": "+".join(participants),
        "participants": participants,
        "seconds": stopwatch.seconds(),
    }
    provenance = facts(experiment, planned.clock.window_ms, started, [record])
    if directory is None:
        return RunResult.in_memory(memory, provenance=provenance)
    write_provenance(directory, provenance)
    return RunResult.open(directory)


def _both_sides(
    planned: Plan, recorder: Recorder, stopwatch: Stopwatch, closing: ExitStack
) -> list[Side]:
    """The sides of a run in one process, joined to each other."""
    tvb = build_tvb(planned, recorder, stopwatch)
    hooks = [exchange_hook(planned, recorder)]
    if planned.circuits is None:
        return [Side(tvb, NoPeer(), hooks)]
    neuron, engine = build_neuron(
        planned, planned.circuits, SingleProcessGroup(), recorder, stopwatch
    )
    closing.callback(engine.close)
    one, other = InProcessTransport.pair()
    return [Side(tvb, one, hooks), Side(neuron, other)]


def exchange_hook(planned: Plan, recorder: Recorder) -> WindowHook:
    """Records what crossed, and flushes when it is time; for the side of TVB.

    Args:
        planned: The run.
        recorder: Gets the exchanges, which are declared here.
    """
    if planned.circuits is None:
        return lambda *_: _flush(recorder)
    recorder.declare_exchange("to_circuits", planned.circuits.to_circuits)
    recorder.declare_exchange("to_brain", planned.circuits.to_brain)

    def record(window, sent, received):  # type: ignore[no-untyped-def]
        recorder.add_exchange("to_circuits", window, sent)
        recorder.add_exchange("to_brain", window, received)
        recorder.flush_if_due()

    return record


def flush_hook(recorder: Recorder) -> WindowHook:
    """Flushes when it is time; for the side that only records spikes."""
    return lambda *_: _flush(recorder)


def progress_hook(progress: RunProgress) -> WindowHook:
    """Shows how far the run is."""
    return lambda window, *_: progress.update(window.stop_ms)


def _flush(recorder: Recorder) -> None:
    recorder.flush_if_due()
