"""How a command ends: one line per cause, an exit status, and no rank left waiting."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

from cosim.errors import ConfigurationError, CosimError, SuspendedError
from cosim.transport.launcher import TRACEBACK, launched_rank, launched_size

# For the ranks of a run that was asked to end, to end together.
_END_S = 60.0


@contextmanager
def one_line_errors(show_traceback: bool) -> Iterator[None]:
    """One line per cause and an exit status.

    2 for a mistake in the file, 75 (EX_TEMPFAIL) for a run that was asked to end and can be
    resumed, 1 for any other failure.
    """
    if show_traceback:
        os.environ[TRACEBACK] = "1"  # for the ranks of an MPI world, which end elsewhere
    try:
        yield
    except SuspendedError as suspended:
        # All is saved: SIGTERM again, as batch systems send it, must not change the status.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if launched_rank() == 0:
            typer.echo(f"cosim: {suspended}", err=True)
        if launched_size() > 1:
            from cosim.transport.mpi import sleep_until_all_are_here

            # A launcher that sees one rank end like this kills those that are still about to.
            with suppress(CosimError):  # saved it is, whether or not the others come
                sleep_until_all_are_here(_END_S)
        raise typer.Exit(os.EX_TEMPFAIL) from None
    except CosimError as error:
        if show_traceback:
            traceback.print_exc()
        _end_all_ranks(error)
        problems = error.problems if isinstance(error, ConfigurationError) else (str(error),)
        for problem in problems:
            typer.echo(f"cosim: {problem}", err=True)
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from None
    except KeyboardInterrupt as stopped:
        raise _interrupted(stopped) from None
    except BrokenPipeError:
        # Whoever read the output has had enough (`cosim circuits | head`): Python must not try
        # again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except (typer.Exit, typer.Abort):
        raise
    except SystemExit as error:
        _end_all_ranks(error)
        raise
    except Exception as error:
        if _was_interrupted(error):
            raise _interrupted(error) from None
        _end_all_ranks(error)
        if show_traceback:
            raise
        notes = " ".join(getattr(error, "__notes__", []))
        text = " ".join(str(error).split())
        where = notes.removeprefix("cosim: ")
        typer.echo(
            f"cosim: {where + ': ' if where else ''}{type(error).__name__}: {text} "
            f"(--traceback shows where)",
            err=True,
        )
        raise typer.Exit(1) from None


def _was_interrupted(error: BaseException) -> bool:
    """Whether a Ctrl-C is behind an error: in a compiled function it becomes a SystemError."""
    behind: BaseException | None = error
    while isinstance(behind, SystemError):
        behind = behind.__cause__ or behind.__context__
    return isinstance(behind, KeyboardInterrupt)


def _interrupted(error: BaseException) -> typer.Exit:
    where = " ".join(getattr(error, "__notes__", [])).removeprefix("cosim: ")
    typer.echo(f"cosim: interrupted{': ' + where if where else ''}", err=True)
    return typer.Exit(130)


def _end_all_ranks(error: BaseException) -> None:
    """Under MPI say what went wrong and end the world; alone do nothing.

    Another rank may have found nothing wrong, and wait for this one: while the experiment is read,
    or while rank 0 draws the report.
    """
    if launched_size() > 1:
        from cosim.transport.failure import end_world

        end_world(error, "before or after the run")
