"""One process at a time compiles, so that numba's cache holds what belongs together."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from cosim.errors import CosimError

_LONGEST_COMPILATION_S = 600.0


@contextlib.contextmanager
def compiling_alone(name: str) -> Iterator[None]:
    """Hold the lock of one cache while its functions are compiled or loaded.

    Numba stores a ufunc as two files, the function and its wrapper, which calls the function by a
    name that the compiling process made. Two ranks that compile at the same time can leave the
    function of one beside the wrapper of the other, and every process that loads the pair
    afterwards ends in a segmentation fault.

    Args:
        name: Name of what is compiled.

    Raises:
        CosimError: If another process holds the lock for longer than any compilation takes.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base / "tvb-netpyne-cosim" / f"{name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=_LONGEST_COMPILATION_S)
        lock.acquire()
    except Timeout:
        raise CosimError(
            f"Another process has been compiling for {_LONGEST_COMPILATION_S:g} s (lock {path}); "
            f"end it or remove the lock."
        ) from None
    except OSError:
        # Where nothing can be written nothing is cached, and there is nothing to keep apart.
        yield
        return
    try:
        yield
    finally:
        lock.release()
