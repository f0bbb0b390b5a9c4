"""A whole experiment in this process: both sides in turn, no threads, no MPI."""

from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path

from cosim.build import build_neuron, build_tvb
from cosim.config import Experiment
from cosim.connectome_file import connectome_dataset, write_connectome
from cosim.errors import ConfigurationError, CosimError, SuspendedError
from cosim.folder_claim import claimed
from cosim.plan import Plan, plan
from cosim.progress import RunProgress
from cosim.provenance import facts
from cosim.ranks import OneRank
from cosim.recorder import Recorder
from cosim.result_sinks import FolderSink, MemorySink
from cosim.results import RunResult
from cosim.run_folder import prepare_output, write_provenance
from cosim.run_keeping import RunKeeping, finished
from cosim.scheduler import Position, Side, run_windows
from cosim.stopwatch import Stopwatch
from cosim.transport.in_process import InProcessTransport, NoPeer, SingleProcessGroup
from cosim.window_hooks import exchange_hook, progress_hook


def run_here(
    experiment: Experiment,
    output: str | Path | None,
    *,
    overwrite: bool,
    quiet: bool,
    resume: bool = False,
) -> RunResult:
    """Run an experiment in this process; see :func:`cosim.runner.run`.

    Args:
        experiment: What to run.
        output: Folder for the results; None keeps them in memory.
        overwrite: Whether results of another run in that folder may be replaced.
        quiet: Show no progress.
        resume: Whether to go on with the run that was interrupted in that folder.
    """
    directory = None if output is None else Path(output)
    stopwatch, planned = Stopwatch(), plan(experiment)
    with claimed(directory, resume):
        return _run(experiment, planned, directory, overwrite, quiet, resume, stopwatch)


def _run(
    experiment: Experiment,
    planned: Plan,
    directory: Path | None,
    overwrite: bool,
    quiet: bool,
    resume: bool,
    stopwatch: Stopwatch,
) -> RunResult:
    started = datetime.now().astimezone()
    if directory is not None and not resume:
        prepare_output(directory, overwrite)
    keeping = RunKeeping(experiment, planned, directory, resume, OneRank(), stopwatch)
    if directory is not None and resume and finished(directory, keeping):
        return RunResult.open(directory)
    memory = MemorySink()
    connectome = connectome_dataset(planned.brain.connectome, experiment.brain.dt_ms)
    recorder = Recorder(
        memory if directory is None else FolderSink(directory, "run", keeping.recorder_state)
    )
    position = Position()
    with ExitStack() as closing:
        try:
            closing.enter_context(keeping.stop_heeded())
            sides = _both_sides(planned, recorder, stopwatch, closing)
            keeper = keeping.keeper(recorder)
            known = partial(facts, planned, started, 1)
            if directory is not None:
                # A killed run still says what it was.
                write_provenance(directory, known(**keeping.facts()))
                write_connectome(directory, connectome)
            with RunProgress(experiment.duration_ms, quiet, begun_ms=keeping.begun_ms) as progress:
                sides[0].after_window = [*sides[0].after_window, progress_hook(progress)]
                stopwatch.switch("record")
                run_windows(planned.clock, sides, stopwatch, position, keeper)
        except (ConfigurationError, SuspendedError):
            raise
        except CosimError as error:
            recorder.flush()
            raise type(error)(f"{position}: {error}") from error
        except BaseException as error:
            # What was recorded so far stays readable; the segments tell that it did not end.
            recorder.flush()
            error.add_note(f"cosim: {position}")
            raise
        participants = {s.participant.name: dict(s.participant.summary()) for s in sides}
        stopwatch.switch("write")
        recorder.complete()
        record = {
            "rank": 0,
            "side": "+".join(participants),
            "participants": participants,
            "seconds": stopwatch.seconds(),
            "cpu_s": stopwatch.cpu_seconds(),
        }
        provenance = known([record], **keeping.facts())
        if directory is None:
            return RunResult.in_memory(memory, provenance=provenance, connectome=connectome)
        write_provenance(directory, provenance)
        recorder.close()
        keeping.remove()  # last: until then the folder can tell what it is of
        return RunResult.open(directory)


def _both_sides(
    planned: Plan, recorder: Recorder, stopwatch: Stopwatch, closing: ExitStack
) -> list[Side]:
    """The sides of a run in one process, joined to each other."""
    tvb = build_tvb(planned, recorder, stopwatch)
    hooks = [exchange_hook(planned, recorder)]
    if planned.circuits is None:
        return [Side(tvb, NoPeer(), hooks)]
    neuron = build_neuron(
        planned, planned.circuits, SingleProcessGroup(), recorder, stopwatch, closing
    )
    one, other = InProcessTransport.pair()
    return [Side(tvb, one, hooks), Side(neuron, other)]
