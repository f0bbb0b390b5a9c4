"""Where the wall time of one rank goes; the phases add up to the whole by construction."""

import time
from collections.abc import Callable
from typing import ClassVar

PHASES = ("build", "compute", "transform", "exchange", "wait", "record", "write")


class _Phase:
    """A block of a phase; a class of its own, as a generator costs four times as much."""

    __slots__ = ("_before", "_name", "_stopwatch")

    def __init__(self, stopwatch: "Stopwatch", name: str):
        self._stopwatch, self._name = stopwatch, name
        self._before = ""

    def __enter__(self) -> None:
        self._before = self._stopwatch.now
        self._stopwatch.switch(self._name)

    def __exit__(self, *failure: object) -> None:
        self._stopwatch.switch(self._before)


class Stopwatch:
    """Attribute every moment since creation to exactly one phase.

    ``build`` until the run starts, NEURON's initialisation with it, ``compute`` inside TVB's step
    or NEURON's ``psolve``, ``transform`` between rates and spikes, ``exchange`` packing and
    sending, ``wait`` for the peer, ``record`` keeping and flushing samples and everything else in
    the loop, ``write`` the final files.

    Attributes:
        clock: Seconds since some moment. On a busy machine a benchmark may count CPU seconds.
    """

    clock: ClassVar[Callable[[], float]] = staticmethod(lambda: time.perf_counter())

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._phase = "build"
        self._since = Stopwatch.clock()
        self._cpu_before_run: float | None = None
        self._cpu_after_run: float | None = None

    @property
    def now(self) -> str:
        """The present phase."""
        return self._phase

    def phase(self, name: str) -> _Phase:
        """Attribute a ``with`` block to ``name``; nested blocks belong to the inner phase."""
        return _Phase(self, name)

    def switch(self, name: str) -> None:
        """End the current phase and begin another."""
        if self._phase == "build" and name != "build":
            self._cpu_before_run = time.process_time()
        if self._cpu_after_run is None and name == "write":
            self._cpu_after_run = time.process_time()
        now = Stopwatch.clock()
        self._seconds[self._phase] += now - self._since
        self._phase, self._since = name, now

    def cpu_seconds(self) -> float:
        """CPU time of this process between build and write, s; above wall time with threads."""
        if self._cpu_before_run is None:
            return 0.0
        after = time.process_time() if self._cpu_after_run is None else self._cpu_after_run
        return after - self._cpu_before_run

    def seconds(self) -> dict[str, float]:
        """Seconds per phase so far, s; their sum is the wall time since creation."""
        self.switch(self._phase)
        return dict(self._seconds)
