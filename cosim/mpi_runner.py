"""One rank of an experiment under mpirun: NEURON on ranks 0 to N-2, TVB on the last."""

import os
import sys
import time
import traceback
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from cosim.build import build_neuron, build_tvb, layouts
from cosim.config import Experiment
from cosim.errors import ConfigurationError, CosimError
from cosim.plan import Plan, plan
from cosim.progress import RunProgress
from cosim.provenance import facts
from cosim.recorder import FolderSink, MemorySink, Recorder
from cosim.results import RunResult, prepare_output, write_provenance
from cosim.scheduler import Position, Side, run_windows
from cosim.spiking.engine import load_neuron, split_world
from cosim.stopwatch import Stopwatch
from cosim.transport.in_process import NoPeer
from cosim.transport.mpi import MpiWorld, abort, check_world
from cosim.window_hooks import exchange_hook, flush_hook, progress_hook

# Set to see where an error came from, not only its line.
TRACEBACK = "COSIM_TRACEBACK"

# Ranks that fail for one reason take turns, so that the first one's line is the only one: its
# abort ends the others before they speak.
_TURN_S = 0.2
_LONGEST_TURN_S = 4.0


def run_as_rank(
    experiment: Experiment,
    output: str | Path | None,
    *,
    overwrite: bool,
    timeout_s: float,
    quiet: bool,
    size: int,
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

    Returns:
        The results, on every rank.
    """
    position = Position()
    rank = 0
    recorders: list[Recorder] = []
    try:
        check_world(size)
        world = MpiWorld(timeout_s)
        rank = world.layout.rank
        return _run(world, experiment, output, overwrite, quiet, position, recorders)
    except BaseException as error:  # noqa: BLE001  (sys.exit and Ctrl-C too must end the world)
        _end_world(rank, size, position, error, recorders)


def _run(
    world: MpiWorld,
    experiment: Experiment,
    output: str | Path | None,
    overwrite: bool,
    quiet: bool,
    position: Position,
    recorders: list[Recorder],
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
    directory = Path(output)
    if is_root:
        prepare_output(directory, overwrite)
    world.barrier()
    writer = "brain" if is_tvb else "circuits" if is_root else None
    recorder = Recorder(MemorySink() if writer is None else FolderSink(directory, writer))
    recorders.append(recorder)
    participants: dict[str, Any] = {}
    with ExitStack() as closing:
        side = _side(world, planned, recorder, stopwatch, closing)
        if side is not None:
            with RunProgress(experiment.duration_ms, quiet or not is_tvb) as progress:
                side.after_window = [*side.after_window, progress_hook(progress)]
                stopwatch.switch("record")
                run_windows(planned.clock, [side], stopwatch, position)
            participants = {side.participant.name: dict(side.participant.summary())}
    if writer is not None:
        recorder.close()
    recorders.clear()
    record = {
        "rank": world.layout.rank,
        "side": world.layout.side,
        "participants": participants,
        "seconds": stopwatch.seconds(),
    }
    records = world.gather_records(record)
    if records is not None:
        write_provenance(directory, facts(experiment, planned.clock.window_ms, started, records))
    world.barrier()
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
    neuron, engine = build_neuron(planned, planned.circuits, world.group, recorder, stopwatch)
    closing.callback(engine.close)
    transport = world.transport(both.to_circuits, both.to_brain)
    return Side(neuron, transport, [flush_hook(recorder)])


def _end_world(
    rank: int,
    size: int,
    position: Position,
    error: BaseException,
    recorders: list[Recorder],
) -> NoReturn:
    """Say once, in one line per cause, what failed where; then end every rank."""
    # Ranks fail together when the cause is the same for all, such as a mistake in the file.
    time.sleep(min(rank * _TURN_S, _LONGEST_TURN_S))
    for recorder in recorders:
        try:
            recorder.flush()
        except (CosimError, OSError, ValueError) as second:
            sys.stderr.write(f"cosim: rank {rank}: results not flushed: {second}\n")
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    problems = error.problems if isinstance(error, ConfigurationError) else (_cause(error),)
    for problem in problems:
        sys.stderr.write(f"cosim: rank {rank} of {size}, {position}: {problem}\n")
    abort(_status(error))


def _cause(error: BaseException) -> str:
    if isinstance(error, CosimError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"sys.exit({error.code!r}) was called"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _status(error: BaseException) -> int:
    if isinstance(error, ConfigurationError):
        return 2
    return 130 if isinstance(error, KeyboardInterrupt) else 1
