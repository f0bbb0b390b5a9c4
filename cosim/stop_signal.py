"""Signals that end a run, heeded where nothing is cut in two: SIGTERM, and Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopSignal:
    """Whether the process was asked to end.

    Attributes:
        received: True once SIGTERM came.
    """

    def __init__(self) -> None:
        self.received = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Note SIGTERM instead of ending by it; only the main thread of Python can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Keep a Ctrl-C back until the block ends; then it does what it would have done.

    NEURON calls Python while it solves (samples, reaction-diffusion) and drops what those calls
    raise. A KeyboardInterrupt in one of them would be lost, and with it the sample or the step
    that it cut short. It costs no patience: Python heeds no signal in NEURON's own code.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    noted: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: noted.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if noted:
        before(*noted[0])
