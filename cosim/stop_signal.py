"""SIGTERM as a wish to stop at the next window, which a cluster sends before its time limit."""

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
