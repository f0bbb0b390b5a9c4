"""One run at a time writes into a folder: a lock that the kernel gives back however a run ends."""

import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cosim.errors import ResultsError

CLAIM_FILE = ".cosim-lock"

# After a node was lost, servers of a network's files (NFS) keep its locks for up to 90 s, while a
# batch system starts the job again at once.
_LEASE_S = 100.0
_POLL_S = 0.5
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES)


@contextmanager
def claimed(directory: Path | None, resume: bool) -> Iterator[None]:
    """While it is entered no other run writes into a folder.

    Two runs in one folder would mix their segments and remove each other's checkpoints. Where the
    file system has no locks the folder is not claimed.

    Args:
        directory: Folder of the run; None for one that is kept in memory.
        resume: Whether a run goes on, which waits for its predecessor's end; else the folder is
            made.

    Raises:
        ResultsError: If another run writes into it.
    """
    if directory is None:
        yield
        return
    if not resume:
        with suppress(OSError):  # whoever prepares the folder says what is wrong with it
            directory.mkdir(parents=True, exist_ok=True)
    path = directory / CLAIM_FILE
    descriptor = _locked(path, _LEASE_S if resume else 0.0)
    try:
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                path.unlink()
            os.close(descriptor)


def _locked(path: Path, patience_s: float) -> int | None:
    """The open file that holds the lock; None where nothing can be locked."""
    deadline = time.monotonic() + patience_s
    is_told = False
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError:
            return None  # no such folder, or read-only: said when it is written to
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            os.close(descriptor)
            if error.errno not in _TAKEN:
                return None
            said = f"{path.parent}: another run writes into it ({holder or 'it just began'})"
            if time.monotonic() >= deadline:
                raise ResultsError(f"{said}; wait for its end, or choose another folder.") from None
            if not is_told:
                sys.stderr.write(f"cosim: {said}; waiting up to {patience_s:g} s for its end.\n")
                sys.stderr.flush()
                is_told = True
            time.sleep(_POLL_S)
            continue
        if _is_there(path, descriptor):
            with suppress(OSError):  # a full disk must not keep a run from going on
                os.ftruncate(descriptor, 0)
                os.pwrite(
                    descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0
                )
            return descriptor
        os.close(descriptor)  # its last holder has just removed it


def _is_there(path: Path, descriptor: int) -> bool:
    """Whether an open file still has its name; network file systems keep a removed one as another.

    So the number of its links would not tell.
    """
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
