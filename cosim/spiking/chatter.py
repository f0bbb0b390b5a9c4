"""What NetPyNE prints: kept off the screen, and read for the failures it only prints."""

import contextlib
import ctypes
import io
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO

from cosim.errors import ConfigurationError

# NEURON's interpreter, told to run a statement that fails, only prints "NEURON: cause".
_COMPLAINT = re.compile(r"^(?:error\b[:\s]*|NEURON: )", re.IGNORECASE)
_CAUTION = re.compile(r"^warni(?:ng|nig)\b[:\s]*", re.IGNORECASE)  # NetPyNE misspells it once


@dataclass(frozen=True)
class Printed:
    """What was printed meanwhile; apart, as NetPyNE's progress bars on stderr end no line."""

    out: io.StringIO = field(default_factory=io.StringIO)
    err: io.StringIO = field(default_factory=io.StringIO)

    def lines(self) -> list[str]:
        """The lines of standard output, then of standard error, white space collapsed."""
        text = [*self.out.getvalue().splitlines(), *self.err.getvalue().splitlines()]
        return [" ".join(line.split()) for line in text if line.strip()]


@contextlib.contextmanager
def quiet(*, errors_too: bool = True) -> Iterator[Printed]:
    """Keep what Python code prints off the screen, and give it to the caller."""
    printed = Printed()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(printed.out))
        if errors_too:
            stack.enter_context(contextlib.redirect_stderr(printed.err))
        yield printed


@contextlib.contextmanager
def quiet_library() -> Iterator[None]:
    """Keep what compiled code prints off the screen, for the few calls that greet.

    C's own buffer is emptied before and after, so that nothing else is lost or let through.
    """
    c_library = ctypes.CDLL(None)
    c_library.fflush(None)
    screen = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        c_library.fflush(None)
        os.dup2(screen, 1)
        os.close(nowhere)
        os.close(screen)


class Hush:
    """What Python code prints is dropped, for blocks that are entered thousands of times a second.

    :func:`quiet` costs 8 us a block, this .5.
    """

    def __init__(self) -> None:
        self._nowhere = io.StringIO()
        self._screen: tuple[TextIO, TextIO] | None = None

    def __enter__(self) -> None:
        self._screen = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = self._nowhere

    def __exit__(self, *failure: object) -> None:
        assert self._screen is not None
        sys.stdout, sys.stderr = self._screen
        if self._nowhere.tell():
            self._nowhere.seek(0)
            self._nowhere.truncate()


class Chatter:
    """Runs NetPyNE's stages; its ways to fail, printing and exiting among them, become one line.

    Attributes:
        warnings: Distinct warnings that it printed.
    """

    def __init__(self) -> None:
        self.warnings: dict[str, None] = {}

    @contextlib.contextmanager
    def stage(self, doing: str) -> Iterator[None]:
        """Run a stage silently.

        Args:
            doing: What is being done, for the message.

        Raises:
            ConfigurationError: If it raises, exits, or prints an error.
        """
        with quiet() as printed:
            try:
                yield
            except ConfigurationError:
                raise
            except (Exception, SystemExit) as error:
                said = _matching(printed, _COMPLAINT)
                reason = said[-1] if said else f"{type(error).__name__}: {one_line(error)}"
                raise ConfigurationError(f"NetPyNE failed while {doing}: {reason}") from error
        said = _matching(printed, _COMPLAINT)
        if said:
            raise ConfigurationError(f"NetPyNE failed while {doing}: {said[0]}")
        self.warnings |= dict.fromkeys(_matching(printed, _CAUTION))


def one_line(error: BaseException) -> str:
    """An exception's message on one line.

    NEURON's contains the traceback of a Python function that it called; of that, the last line.
    """
    text = str(error)
    if "Traceback (most recent call last):" in text:
        before, _, traceback = text.partition("Traceback (most recent call last):")
        text = f"{before} {traceback.strip().splitlines()[-1]}"
    text = re.sub(r"^(?:\w+ error: )?(?:hoc_execerror: )?", "", text)
    return " ".join(text.split()) or "no reason given"


def _matching(printed: Printed, pattern: re.Pattern[str]) -> list[str]:
    return [pattern.sub("", line) for line in printed.lines() if pattern.match(line)]
