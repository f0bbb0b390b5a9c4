"""The checkpoints of one run, from its beginning or resumption to its end."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from cosim.build import layouts
from cosim.checkpoint_store import CheckpointStore
from cosim.checkpointing import Checkpointer, recorder_state
from cosim.config import Checkpointing, Experiment
from cosim.errors import ConfigurationError
from cosim.plan import Plan
from cosim.ranks import Ranks
from cosim.recorder import Recorder
from cosim.result_sinks import remove_all_segments
from cosim.resuming import facts_of, newest, same_finished, same_run
from cosim.run_folder import reached_end
from cosim.saved_state import State
from cosim.stop_signal import StopSignal
from cosim.stopwatch import Stopwatch


class RunKeeping:
    """What a runner needs to know of checkpoints.

    Args:
        experiment: As the user gave it.
        planned: What is run.
        directory: Folder of the run; None for one that is kept in memory.
        resume: Whether it goes on from the newest checkpoint in the folder.
        ranks: Who takes part.
        stopwatch: Attributes the time spent.
        side: What this rank runs; None for all.

    Raises:
        ConfigurationError: If there is nothing to resume, or another run, or nowhere to save.
        ResultsError: If all checkpoints are damaged.
    """

    def __init__(
        self,
        experiment: Experiment,
        planned: Plan,
        directory: Path | None,
        resume: bool,
        ranks: Ranks,
        stopwatch: Stopwatch,
        side: str | None = None,
    ):
        self._planned, self._ranks, self._stopwatch = planned, ranks, stopwatch
        self._side, self._stop = side, StopSignal()
        self._checkpointer: Checkpointer | None = None
        asked = planned.experiment.checkpoint
        self._settings = asked or (Checkpointing() if resume else None)
        # Rank 0's word: the ranks must not part here.
        ended = resume and directory is not None and reached_end(directory)
        self._is_finished = bool(ranks.share_record({"ended": ended})["ended"])
        self._resumed = None
        self._store: CheckpointStore | None = None
        if self._settings is None:
            return
        if directory is None:
            raise ConfigurationError(
                "checkpoint: a run that is kept in memory cannot be saved; give output=... "
                "(--output DIR), or remove checkpoint."
            )
        self._store = CheckpointStore(directory, self._settings.keep)
        if self._is_finished:
            same_finished(directory, planned)
        elif resume:
            self._resumed = newest(directory, ranks)
            same_run(self._resumed, planned, ranks.size)
        self._facts = facts_of(experiment, planned, ranks.size)

    @property
    def is_finished(self) -> bool:
        """Whether the run that is to be resumed has reached its end already."""
        return self._is_finished

    @property
    def begun_ms(self) -> float:
        """Simulated time at which this process takes the run up, ms."""
        return 0.0 if self._resumed is None else self._resumed.time_ms

    @property
    def recorder_state(self) -> State | None:
        """Where this rank's recorder goes on; None for a new run."""
        return recorder_state(self._resumed, self._ranks.rank)

    def stop_heeded(self) -> AbstractContextManager[None]:
        """While it is entered SIGTERM saves the run and ends it, if the run is to be saved."""
        return nullcontext() if self._settings is None else self._stop.heeded()

    def keeper(self, recorder: Recorder) -> Checkpointer | None:
        """What watches over the windows of this rank; None if nothing is to be saved.

        Args:
            recorder: This rank's.
        """
        if self._settings is None or self._store is None:
            return None
        if self._resumed is not None and self._ranks.rank == 0:
            for line in self._resumed.damaged:
                _say(f"{line}; the run goes on from {self._resumed.folder.name}.")
            self._store.forget_after(self._resumed)
        both = layouts(self._planned)
        incoming = {"TVB": both.to_brain, "NEURON": both.to_circuits}
        if self._planned.circuits is None:
            del incoming["NEURON"]
        self._checkpointer = Checkpointer(
            self._settings,
            self._planned.clock,
            self._store,
            self._ranks,
            recorder,
            [layout for name, layout in incoming.items() if self._side in (None, name)],
            self._facts,
            self._stop,
            self._stopwatch,
            _say if self._ranks.rank == 0 else _say_nothing,
            self._resumed,
            keeps_time=self._side in (None, "TVB"),
        )
        return self._checkpointer

    def facts(self) -> dict[str, Any]:
        """What the provenance says of checkpoints and resumptions."""
        if self._checkpointer is None:
            return {}
        tally = self._checkpointer.tally
        return {
            "begun_ms": self.begun_ms,
            "resumed": self._checkpointer.history,
            "checkpoints": {
                "written": tally.written,
                "seconds": tally.seconds,
                "bytes": tally.n_bytes,
                "failed": tally.failed,
            },
        }

    def remove(self) -> None:
        """Remove the checkpoints of a run that has reached its end, unless they are to stay."""
        keep = self._settings is not None and self._settings.keep_when_done
        if self._store is not None and not keep and self._ranks.rank == 0:
            self._store.remove_all()


def check_ranks(planned: Plan, resume: bool, n_ranks: int) -> None:
    """Refuse ranks on which a run cannot be saved, before anything in its folder is touched.

    Args:
        planned: What would be run.
        resume: Whether it would go on.
        n_ranks: Ranks of the run.

    Raises:
        ConfigurationError: If it is to be saved, and cannot.
    """
    is_saved = resume or planned.experiment.checkpoint is not None
    if is_saved and planned.circuits is None and n_ranks > 1:
        raise ConfigurationError(
            f"checkpoint: a run without circuits needs one process, and {n_ranks} were "
            f"started; leave mpirun out."
        )


def finished(directory: Path, keeping: RunKeeping) -> bool:
    """Whether a run to be resumed was at its end; then what a kill there left over is removed.

    It is told, so that nobody takes the results for new ones.

    Args:
        directory: Folder of the run.
        keeping: Its checkpoints.
    """
    if not keeping.is_finished:
        return False
    _say(f"{directory} holds this run already, up to its end; nothing is simulated.")
    keeping.remove()
    remove_all_segments(directory)
    return True


def _say(line: str) -> None:
    sys.stderr.write(f"cosim: {line}\n")
    sys.stderr.flush()


def _say_nothing(line: str) -> None:
    """Rank 0 says it for all."""
