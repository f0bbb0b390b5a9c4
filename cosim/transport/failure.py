"""The end of an MPI world: one rank says why, then every rank ends."""

import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

from cosim.errors import ConfigurationError, CosimError
from cosim.transport.launcher import launched_rank, launched_size

# Set to see where an error came from, not only its line.
TRACEBACK = "COSIM_TRACEBACK"

# Ranks that fail for one reason take turns, so that the first one's line is the only one: its
# abort ends the others before they speak.
_TURN_S = 0.2
_LONGEST_TURN_S = 4.0


def end_world(
    error: BaseException, where: str, save: Callable[[], str | None] = lambda: None
) -> NoReturn:
    """Say once, in one line per cause, what failed where; then end every rank.

    Args:
        error: What went wrong on this rank.
        where: Where this rank stands: side, window, simulated time.
        save: Keeps what can be kept; returns what went wrong with that, if anything.
    """
    from cosim.transport.mpi import abort

    rank, size = launched_rank(), launched_size()
    # Ranks fail together when the cause is the same for all, such as a mistake in the file.
    time.sleep(min(rank * _TURN_S, _LONGEST_TURN_S))
    unsaved = save()
    # Not sys.stderr: it may be redirected where the error came from.
    stream = sys.__stderr__ or sys.stderr
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error, file=stream)
    problems = error.problems if isinstance(error, ConfigurationError) else (_cause(error),)
    for problem in problems:
        stream.write(
            f"cosim: rank {rank} of {size}, {where}: {problem}"
            f"{f' ({unsaved})' if unsaved else ''}\n"
        )
    stream.flush()
    sys.stdout.flush()
    abort(_status(error))


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
