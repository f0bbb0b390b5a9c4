"""A file for HDF5 that tells of a full disk only once HDF5 has closed it.

HDF5 cannot close a file of which it could not write a part: it complains in hundreds of lines,
keeps the file, and may crash when the process ends. So what it writes after the first failure is
dropped.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class _PatientFile(io.FileIO):
    """A file whose writes never fail; the first error is kept."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of the data, or nothing from the first failure on."""
        view = memoryview(data).cast("B")
        try:
            done = 0
            while self.error is None and done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Cut or lengthen the file."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


@contextmanager
def patient_file(path: Path) -> Iterator[io.FileIO]:
    """A new file to hand to HDF5.

    Args:
        path: Its name.

    Raises:
        OSError: At the end, if the disk refused something.
    """
    with _PatientFile(path, "w+") as file:
        try:
            yield file
        except Exception:
            # Whatever HDF5 stumbles over after a refused write, it is that write that is told: h5py
            # raises OSError, RuntimeError, KeyError, by where it read back what is not there.
            if file.error is not None:
                raise file.error from None
            raise
        if file.error is not None:
            raise file.error
