"""When a run is saved, what is saved of it, and how it is brought back."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from cosim.checkpoint_store import Checkpoint, CheckpointStore, FileRecord
from cosim.clock import SyncClock, SyncWindow
from cosim.config import Checkpointing
from cosim.errors import ResultsError, SimulationError, SuspendedError
from cosim.ranks import Ranks
from cosim.recorder import Recorder
from cosim.saved_state import State, joined, part
from cosim.scheduler import Side, Standing
from cosim.signals import Packet, PacketLayout, Wish
from cosim.stop_signal import StopSignal
from cosim.stopwatch import Stopwatch


@dataclass
class Tally:
    """What saving has cost so far, for the provenance.

    Attributes:
        written: Checkpoints written.
        seconds: Wall time, s, of this rank.
        n_bytes: Size of the last one, over all ranks.
        failed: One line for each that could not be written.
    """

    written: int = 0
    seconds: float = 0.0
    n_bytes: int = 0
    failed: list[str] = field(default_factory=list)


class Checkpointer:
    """Saves a run between windows as its section ``checkpoint`` asks, and on SIGTERM.

    All ranks save after the same window: what simulated time asks for each finds by itself, and
    the wish of a clock or a signal travels with the packets of the window.

    Args:
        settings: When to save.
        clock: Steps and windows.
        store: Where to.
        ranks: Who takes part.
        recorder: This rank's; it is brought to the disk before the run is saved.
        incoming: What each side of this process receives.
        facts: What the manifest says of the run beside time and history.
        stop: Whether SIGTERM came.
        stopwatch: Attributes the time spent.
        warn: Takes one line for a checkpoint that could not be written.
        resumed: Where the run goes on; None for a new one.
        keeps_time: Whether this rank tells all others that wall-clock time is up.
    """

    def __init__(
        self,
        settings: Checkpointing,
        clock: SyncClock,
        store: CheckpointStore,
        ranks: Ranks,
        recorder: Recorder,
        incoming: Sequence[PacketLayout],
        facts: Mapping[str, Any],
        stop: StopSignal,
        stopwatch: Stopwatch,
        warn: Callable[[str], None],
        resumed: Checkpoint | None,
        keeps_time: bool,
    ):
        self._settings, self._clock, self._store = settings, clock, store
        self._ranks, self._recorder, self._incoming = ranks, recorder, incoming
        self._facts, self._stop, self._stopwatch, self._warn = facts, stop, stopwatch, warn
        self._resumed, self._keeps_time = resumed, keeps_time
        self._last_ms = None if resumed is None else resumed.time_ms
        self._saved_s = time.monotonic()
        self.history: list[dict[str, Any]] = []
        if resumed is not None:
            now = datetime.now().astimezone().isoformat(timespec="seconds")
            self.history = [*resumed.facts["history"], {"at_ms": resumed.time_ms, "when": now}]
        self.tally = Tally()

    def begin(self, sides: Sequence[Side]) -> Standing | None:
        """Restore the sides from the checkpoint, if the run goes on from one."""
        if self._resumed is None:
            return None
        state = self._resumed.state(self._ranks.rank)
        index = int(self._resumed.facts["windows"]) - 1
        window = next(self._clock.windows(index))
        packets = []
        for number, (side, layout) in enumerate(zip(sides, self._incoming, strict=True)):
            name = side.participant.name
            side.participant.restore(part(state, name))
            packets.append(_unpacked(layout, index + 1, window, state[f"incoming/{number}"]))
        return Standing(window, tuple(packets))

    def ready(self, sides: Sequence[Side]) -> None:
        """Refuse what cannot be saved before simulation time is spent."""
        for side in sides:
            side.participant.require_savable()
        self._saved_s = time.monotonic()

    def wish(self, window: SyncWindow) -> Wish:
        """What this rank wants after a window: to stop, to save because time is up, or nothing."""
        if self._stop.received:
            return Wish.STOP
        minutes = self._settings.every_minutes
        due = minutes is not None and time.monotonic() - self._saved_s >= 60.0 * minutes
        return Wish.CHECKPOINT if due and self._keeps_time else Wish.NOTHING

    def after(self, sides: Sequence[Side], standing: Standing, wish: Wish) -> None:
        """Save if it is time, unless the run is at its end anyway.

        Raises:
            SuspendedError: If the run was asked to stop and can be resumed.
            ResultsError: If it was asked to stop and no checkpoint could be written.
        """
        window = standing.window
        if window.stop_step >= self._clock.n_steps:
            return
        if wish is Wish.NOTHING and not self._due_by_ms(window):
            return
        begin = time.perf_counter()
        with self._stopwatch.phase("record"):
            problem = self._save(sides, standing)
        self._saved_s = time.monotonic()
        self.tally.seconds += time.perf_counter() - begin
        last = "none was written before"
        if self._last_ms is not None:
            last = f"the last one is of t = {self._last_ms:g} ms"
        if problem:
            line = f"checkpoint at t = {window.stop_ms:g} ms not written ({problem}); {last}"
            self.tally.failed.append(line)
            if wish is not Wish.STOP:
                self._warn(f"{line}. The run goes on.")
            elif self._last_ms is None:
                raise ResultsError(f"asked to end, and {line}.")
        if wish is Wish.STOP:
            raise SuspendedError(
                f"asked to end at t = {window.stop_ms:g} ms; go on from the checkpoint of t = "
                f"{self._last_ms:g} ms with cosim run --resume {self._store.directory}."
            )

    def _due_by_ms(self, window: SyncWindow) -> bool:
        every_ms = self._settings.every_ms
        if every_ms is None:
            return False
        # Times are sums of decimals: a window that ends at a whole multiple reaches it.
        reached, before = (int(t / every_ms + 1e-9) for t in (window.stop_ms, window.start_ms))
        return reached > before

    def _save(self, sides: Sequence[Side], standing: Standing) -> str:
        """Save the run; why it could not be saved, the same on every rank, or nothing."""
        n_windows, root = standing.window.index + 1, self._ranks.rank == 0
        recorder = self._recorder.state()
        problem = self._attempt(lambda: self._store.begin(n_windows)) if root else ""
        problem = self._ranks.share_record({"problem": problem})["problem"]
        if problem:
            return str(problem)
        record: dict[str, Any] = {"problem": ""}

        def write() -> None:
            state = self._state(sides, standing, recorder)
            written = self._store.write(n_windows, self._ranks.rank, state)
            record.update(name=written.name, n_bytes=written.n_bytes, sha256=written.sha256)

        record["problem"] = self._attempt(write)
        records = self._ranks.gather_records(record)
        if records is not None:
            problem = next((str(r["problem"]) for r in records if r["problem"]), "")
            n_bytes = 0
            if not problem:
                files = [FileRecord(r["name"], r["n_bytes"], r["sha256"]) for r in records]
                n_bytes = sum(file.n_bytes for file in files)
                problem = self._attempt(lambda: self._commit(standing.window, files))
            if problem:
                self._attempt(self._store.discard)
            record = {"problem": problem, "n_bytes": n_bytes}
        record = self._ranks.share_record(record)
        if not record["problem"]:
            self._last_ms = standing.window.stop_ms
            self.tally.written += 1
            self.tally.n_bytes = int(record["n_bytes"])
        return str(record["problem"])

    def _state(self, sides: Sequence[Side], standing: Standing, recorder: State) -> State:
        incoming = {
            str(number): layout.pack(packet)
            for number, (layout, packet) in enumerate(
                zip(self._incoming, standing.incoming, strict=True)
            )
        }
        participants = {side.participant.name: side.participant.state() for side in sides}
        return joined(**participants, incoming=incoming, recorder=recorder)

    def _commit(self, window: SyncWindow, files: Sequence[FileRecord]) -> None:
        written = datetime.now().astimezone().isoformat(timespec="seconds")
        facts = {
            **self._facts,
            "windows": window.index + 1,
            "time_ms": window.stop_ms,
            "written": written,
            "history": self.history,
        }
        self._store.commit(window.index + 1, files, facts)

    @staticmethod
    def _attempt(action: Callable[[], object]) -> str:
        """Why an action failed, in one line; empty if it did not."""
        try:
            action()
        except OSError as error:
            return error.strerror or " ".join(str(error).split())
        except SimulationError as error:
            return str(error)
        return ""


def recorder_state(checkpoint: Checkpoint | None, rank: int) -> State | None:
    """Where a rank's recorder stood; None for a new run.

    Args:
        checkpoint: Where the run goes on.
        rank: The rank.
    """
    return None if checkpoint is None else part(checkpoint.state(rank), "recorder")


def _unpacked(layout: PacketLayout, exchange: int, window: SyncWindow, values: Any) -> Packet:
    if not layout.signals:
        return Packet(exchange, layout.sender)
    return layout.unpack(exchange, window, np.array(values))
