"""How far a run is: a bar on a terminal, plain lines in a batch log, nothing when quiet."""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

# A batch log gets a line at every tenth of the run, but not more often than this.
_LINE_EVERY_S = 2.0
# A long run says at least this often that it is alive.
_LINE_AT_LEAST_EVERY_S = 60.0


class RunProgress:
    """Report simulated time, real-time factor and time left.

    Args:
        duration_ms: Simulated time of the whole run, ms.
        quiet: Report nothing.
        stream: Where to report; stderr, so that stdout stays for results.
        begun_ms: Simulated time at which this process took the run up, ms.
    """

    def __init__(
        self,
        duration_ms: float,
        quiet: bool,
        stream: TextIO | None = None,
        begun_ms: float = 0.0,
    ):
        self._duration_ms, self._quiet, self._begun_ms = duration_ms, quiet, begun_ms
        self._stream = stream or sys.stderr
        self._bar: Progress | None = None
        self._begin = self._last_line = time.monotonic()
        self._next_tenth = 1

    def __enter__(self) -> Self:
        self._begin = self._last_line = time.monotonic()
        if not self._quiet and self._stream.isatty():
            self._bar = Progress(
                TextColumn("{task.completed:.0f} of {task.total:.0f} ms"),
                BarColumn(),
                TextColumn("{task.fields[factor]}"),
                TimeRemainingColumn(),
                console=Console(file=self._stream),
            )
            self._bar.start()
            self._task = self._bar.add_task("run", total=self._duration_ms, factor="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, now_ms: float) -> None:
        """Report that the run has reached ``now_ms``."""
        if self._quiet:
            return
        now = time.monotonic()
        elapsed = max(now - self._begin, 1e-9)
        done_ms = now_ms - self._begun_ms
        factor = f"real-time factor {done_ms / 1000.0 / elapsed:.3g}"
        if self._bar is not None:
            self._bar.update(self._task, completed=now_ms, factor=factor)
            return
        tenth = int(10 * now_ms / self._duration_ms)
        since = now - self._last_line
        is_due = tenth >= self._next_tenth and (tenth >= 10 or since >= _LINE_EVERY_S)
        if not is_due and since < _LINE_AT_LEAST_EVERY_S:
            return
        self._next_tenth, self._last_line = tenth + 1, now
        left_s = elapsed * (self._duration_ms - now_ms) / done_ms
        self._stream.write(
            f"{now_ms:.0f} of {self._duration_ms:.0f} ms, {factor}, {left_s:.0f} s left\n"
        )
        self._stream.flush()
