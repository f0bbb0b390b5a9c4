"""The end of an MPI world: one rank says why, then every rank ends."""

import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

from cosim.errors import ConfigurationError, CosimError
from cosim.transport.launcher import TRACEBACK, launched_rank, launched_size

# What a rank wrote just before an abort is lost when the launcher is slow to pass it on.
_DELIVERY_S = 0.5

# For the one that speaks to end the world; then a silent rank does it.
_PATIENCE_S = 5.0


def end_world(
    error: BaseException, where: str, save: Callable[[], object] = lambda: None
) -> NoReturn:
    """Say once, in one line per cause, what failed where; then end every rank.

    Args:
        error: What went wrong on this rank.
        where: Where this rank stands: side, window, simulated time.
        save: Keeps what can be kept.
    """
    from cosim.transport.mpi import abort, claim_last_word

    try:
        unsaved = ""
        try:
            save()
        except Exception as second:  # noqa: BLE001  (the cause must be said, the world must end)
            unsaved = f" (results not flushed: {_cause(second)})"
        if claim_last_word():
            _speak(error, where, unsaved)
            time.sleep(_DELIVERY_S)
        else:
            time.sleep(_PATIENCE_S)
    finally:
        abort(_status(error))


def _speak(error: BaseException, where: str, unsaved: str) -> None:
    # Not sys.stderr: it may be redirected where the error came from.
    stream = sys.__stderr__ or sys.stderr
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error, file=stream)
    rank, size = launched_rank(), launched_size()
    for problem in error.problems if isinstance(error, ConfigurationError) else (_cause(error),):
        stream.write(f"cosim: rank {rank} of {size}, {where}: {problem}{unsaved}\n")
    stream.flush()
    sys.stdout.flush()


def _cause(error: BaseException) -> str:
    if isinstance(error, CosimError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"the program was ended by sys.exit({error.code!r})."
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _status(error: BaseException) -> int:
    if isinstance(error, ConfigurationError):
        return 2
    return 130 if isinstance(error, KeyboardInterrupt) else 1
