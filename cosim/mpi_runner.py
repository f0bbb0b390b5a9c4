"""One rank of an experiment under mpirun: NEURON on ranks 0 to N-2, TVB on the last."""

import atexit
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from cosim.build import build_neuron, build_tvb, layouts
from cosim.config import Experiment
from cosim.connectome_file import connectome_dataset, write_connectome
from cosim.errors import ConfigurationError, CosimError, SuspendedError
from cosim.folder_claim import claimed
from cosim.plan import Plan, plan
from cosim.progress import RunProgress
from cosim.provenance import facts
from cosim.recorder import Recorder
from cosim.result_sinks import FolderSink, MemorySink
from cosim.results import RunResult
from cosim.run_folder import prepare_output, write_provenance
from cosim.run_keeping import RunKeeping, check_ranks, finished
from cosim.scheduler import Position, Side, run_windows
from cosim.spiking.interpreter import load_neuron, split_world
from cosim.stopwatch import Stopwatch
from cosim.transport.failure import end_world
from cosim.transport.in_process import NoPeer
from cosim.transport.launcher import crowding
from cosim.transport.mpi import MpiWorld, check_world
from cosim.window_hooks import exchange_hook, flush_hook, progress_hook


def run_as_rank(
    experiment: Experiment,
    output: str | Path | None,
    *,
    overwrite: bool,
    timeout_s: float,
    quiet: bool,
    size: int,
    resume: bool = False,
) -> RunResult:
    """Run this rank's share of an experiment; see :func:`cosim.runner.run`.

    Whatever goes wrong on one rank ends every rank: a rank that only raised would leave the
    others waiting for ever.

    Args:
        experiment: What to run.
        output: Folder for the results, on a file system that all ranks see.
        overwrite: Whether results of another run in that folder may be replaced.
        timeout_s: Wall-clock limit for one wait for the peer, s.
        quiet: Show no progress.
        size: Ranks that the launcher started.
        resume: Whether to go on with the run that was interrupted in that folder.

    Returns:
        The results, on every rank.
    """
    position = Position()
    recorders: list[Recorder] = []

    def fail(error: BaseException) -> NoReturn:
        end_world(error, str(position), lambda: _flush(recorders))

    def left_from_within() -> None:
        fail(CosimError("the program was ended from within, as by sys.exit in a NEURON callback."))

    # sys.exit inside a callback of NEURON never comes back as an exception: NEURON's call into
    # Python ends the process there and then, and MPI would wait for the others at its exit.
    atexit.register(left_from_within)
    try:
        check_world(size)
        world = MpiWorld(timeout_s)
        with ExitStack() as held:
            result = _run(
                world, experiment, output, overwrite, resume, quiet, position, recorders, held
            )
    except SuspendedError:
        # Every rank has saved its part and ends by itself.
        atexit.unregister(left_from_within)
        raise
    except BaseException as error:  # noqa: BLE001  (sys.exit and Ctrl-C too must end the world)
        fail(error)
    atexit.unregister(left_from_within)
    return result


def _run(
    world: MpiWorld,
    experiment: Experiment,
    output: str | Path | None,
    overwrite: bool,
    resume: bool,
    quiet: bool,
    position: Position,
    recorders: list[Recorder],
    held: ExitStack,
) -> RunResult:
    started, stopwatch = datetime.now().astimezone(), Stopwatch()
    is_tvb, is_root = world.layout.is_tvb, world.layout.rank == 0
    position.side = world.layout.side
    if output is None:
        raise ConfigurationError(
            "Under mpirun the results go to a folder: give output=... (--output DIR)."
        )
    load_neuron(world.layout.size)
    split_world(world.layout.n_neuron)
    planned = plan(experiment)
    check_ranks(planned, resume, world.layout.size)
    directory = Path(output)
    if is_root:
        held.enter_context(claimed(directory, resume))
        if not resume:
            prepare_output(directory, overwrite)
    world.barrier(patient=True)  # rank 0 may wait for the folder longer than for a peer
    keeping = RunKeeping(experiment, planned, directory, resume, world, stopwatch, position.side)
    world.barrier()  # before anything that all have looked at is removed
    if resume and keeping.is_finished:
        if is_root:
            finished(directory, keeping)
        world.barrier()
        return RunResult.open(directory)
    writer = "brain" if is_tvb else "circuits" if is_root else None
    recorder = Recorder(
        MemorySink() if writer is None else FolderSink(directory, writer, keeping.recorder_state)
    )
    recorders.append(recorder)
    participants: dict[str, Any] = {}
    with ExitStack() as closing:
        closing.enter_context(keeping.stop_heeded())
        side = _side(world, planned, recorder, stopwatch, closing)
        keeper = keeping.keeper(recorder)
        known = partial(facts, planned, started, world.layout.size, crowding=crowding())
        if is_root:
            # A killed run still says what it was.
            write_provenance(directory, known(**keeping.facts()))
            connectome = connectome_dataset(planned.brain.connectome, experiment.brain.dt_ms)
            write_connectome(directory, connectome)
        if side is not None:
            silent = quiet or not is_tvb
            with RunProgress(experiment.duration_ms, silent, begun_ms=keeping.begun_ms) as progress:
                side.after_window = [*side.after_window, progress_hook(progress)]
                stopwatch.switch("record")
                run_windows(planned.clock, [side], stopwatch, position, keeper)
            participants = {side.participant.name: dict(side.participant.summary())}
        stopwatch.switch("write")
        if writer is not None:
            recorder.complete()
        recorders.clear()
        # So that the seconds of every rank reach the end of the last one. Without a limit: merging
        # what a run of days has flushed takes longer than any window, and nobody is stuck.
        world.barrier(patient=True)
        record = {
            "rank": world.layout.rank,
            "side": world.layout.side,
            "participants": participants,
            "seconds": stopwatch.seconds(),
            "cpu_s": stopwatch.cpu_seconds(),
        }
        records = world.gather_records(record)
        if records is not None:
            write_provenance(directory, known(records, **keeping.facts()))
        world.barrier()
        if writer is not None:
            recorder.close()
        world.barrier(patient=True)
        keeping.remove()  # last: until then the folder can tell what it is of
        world.barrier(patient=True)
    return RunResult.open(directory)


def _side(
    world: MpiWorld,
    planned: Plan,
    recorder: Recorder,
    stopwatch: Stopwatch,
    closing: ExitStack,
) -> Side | None:
    """What this rank runs; None for a rank that a run without circuits does not need."""
    both = layouts(planned)
    if world.layout.is_tvb:
        tvb = build_tvb(planned, recorder, stopwatch)
        hooks = [exchange_hook(planned, recorder)]
        if planned.circuits is None:
            return Side(tvb, NoPeer(), hooks)
        return Side(tvb, world.transport(both.to_brain, both.to_circuits), hooks)
    if planned.circuits is None:
        return None
    neuron = build_neuron(planned, planned.circuits, world.group, recorder, stopwatch, closing)
    transport = world.transport(both.to_circuits, both.to_brain)
    return Side(neuron, transport, [flush_hook(recorder)])


def _flush(recorders: list[Recorder]) -> None:
    for recorder in recorders:
        recorder.flush()
