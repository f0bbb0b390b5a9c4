"""What NetPyNE prints: kept off the screen, and read for the failures it only prints."""

import contextlib
import ctypes
import io
import os
import re
from collections.abc import Iterator

from cosim.errors import ConfigurationError

_COMPLAINT = re.compile(r"^error\b[:\s]*", re.IGNORECASE)
_CAUTION = re.compile(r"^warni(?:ng|nig)\b[:\s]*", re.IGNORECASE)  # NetPyNE misspells it once


@contextlib.contextmanager
def quiet(*, errors_too: bool = True) -> Iterator[io.StringIO]:
    """Keep what Python code prints off the screen, and give it to the caller."""
    text = io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(text))
        if errors_too:
            stack.enter_context(contextlib.redirect_stderr(text))
        yield text


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
        with quiet() as text:
            try:
                yield
            except ConfigurationError:
                raise
            except (Exception, SystemExit) as error:
                printed = _matching(text, _COMPLAINT)
                reason = printed[-1] if printed else f"{type(error).__name__}: {one_line(error)}"
                raise ConfigurationError(f"NetPyNE failed while {doing}: {reason}") from error
        printed = _matching(text, _COMPLAINT)
        if printed:
            raise ConfigurationError(f"NetPyNE failed while {doing}: {printed[0]}")
        self.warnings |= dict.fromkeys(_matching(text, _CAUTION))


def printed_lines(text: io.StringIO) -> list[str]:
    """The lines that were printed, white space collapsed."""
    return [" ".join(line.split()) for line in text.getvalue().splitlines() if line.strip()]


def one_line(error: BaseException) -> str:
    """An exception's message on one line."""
    return " ".join(str(error).split()) or "no reason given"


def _matching(text: io.StringIO, pattern: re.Pattern[str]) -> list[str]:
    return [pattern.sub("", line) for line in printed_lines(text) if pattern.match(line)]
