"""Which MPI library this process runs, so that NEURON can be given the same one."""

import re
from pathlib import Path

_MAPS = Path("/proc/self/maps")
_LIBMPI = re.compile(r"libmpi(?:ch)?(?:_abi)?\.so[^\s/]*")


def loaded_mpi_library(maps: Path = _MAPS) -> str | None:
    """Path of the libmpi that is mapped into this process, None when there is none.

    NEURON's wheel looks for libmpi by name on the library path and, when it finds none, runs
    every rank alone without an error. mpi4py has already found the right one.

    Args:
        maps: The kernel's list of what is mapped, one region a line, the path last.
    """
    try:
        lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        # Range, permissions, offset, device and inode; the path may have spaces in it.
        *_, path = line.split(maxsplit=5)
        if _LIBMPI.fullmatch(path.rpartition("/")[2]):
            return path
    return None
