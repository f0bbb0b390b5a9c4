"""Where what a run records goes: into memory, or into files that survive a kill."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from cosim.checkpoint_store import fsync_folder
from cosim.errors import ResultsError
from cosim.result_files import (
    RECORDING_FILES,
    Chunk,
    ExchangeLabels,
    Labels,
    PopulationLabels,
    RecordingLabels,
    SeriesLabels,
    Table,
    atomic_file,
    write_result_files,
)
from cosim.saved_state import State
from cosim.signals import PacketLayout, SignalLayout

SEGMENTS_FOLDER = "segments"


class Sink(Protocol):
    """Where a recorder puts what it has collected."""

    def state(self) -> State:
        """What is kept so far, on the disk for good, as :class:`FolderSink` takes it again."""

    def write(self, tables: Mapping[str, Table]) -> None:
        """Take over what was collected since the last call.

        Args:
            tables: By key ``KIND/NAME``; every declared one, with one chunk or none.
        """

    def close(self) -> None:
        """Complete the results; nothing is written afterwards."""

    def clean(self) -> None:
        """Remove what was only needed until the results of all writers were complete."""


class MemorySink:
    """Keep everything in memory, for a run without an output folder."""

    def __init__(self) -> None:
        self._labels: dict[str, Labels] = {}
        self._chunks: dict[str, list[Chunk]] = {}

    @property
    def tables(self) -> tuple[Table, ...]:
        """All that was written, in the order of declaration."""
        return tuple(Table(self._labels[key], chunks) for key, chunks in self._chunks.items())

    def write(self, tables: Mapping[str, Table]) -> None:
        """Keep the chunks."""
        for key, table in tables.items():
            self._labels[key] = table.labels
            self._chunks.setdefault(key, []).extend(table.chunks)

    def close(self) -> None:
        """Nothing is left to do."""

    def clean(self) -> None:
        """Nothing is left over."""

    def state(self) -> State:
        """Nothing: what is in memory goes with the process."""
        return {}


class FolderSink:
    """Write closed segment files, and merge them into the final files at the end.

    An open HDF5 file promises nothing when its process is killed; a closed one does. Each
    writer has its own folder of segments, so that ranks on different nodes never meet.

    Args:
        directory: Folder of the run.
        writer: Name of this writer, unique among the ranks that record, such as ``brain``.
        resumed: What :meth:`state` gave at a checkpoint: its segments are kept and continued, and
            later ones removed. None for a new run.

    Raises:
        ResultsError: If the segments' folder cannot be made, or holds another run's segments, or
            not those of the checkpoint.
    """

    def __init__(self, directory: Path, writer: str, resumed: State | None = None) -> None:
        self._directory = directory
        self._folder = directory / SEGMENTS_FOLDER / writer
        self._sizes: list[int] = []  # of the segments so far, bytes
        if resumed is not None:
            self._continue(resumed["n_bytes"].tolist())
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(
                f"Cannot create {self._folder}: {error.strerror}; choose another output folder."
            ) from error
        if any(self._folder.glob("*.h5")):
            raise ResultsError(
                f"{self._folder} holds the segments of another run; choose another output folder "
                f"or allow overwriting it."
            )

    def write(self, tables: Mapping[str, Table]) -> None:
        """Write one segment; it exists under its name only once it is complete."""
        # One that failed or was interrupted is written anew under the same number.
        number = len(self._sizes) + 1
        # In memory first: HDF5 that meets a full disk complains in hundreds of lines, and for ever.
        with h5py.File("segment", "w", driver="core", backing_store=False) as file:
            file["labels"] = json.dumps({key: asdict(t.labels) for key, t in tables.items()})
            for key, table in tables.items():
                for chunk in table.chunks:
                    for name in table.labels.schema:
                        file[f"{key}/{name}"] = chunk.read(name)
            file.flush()
            image = file.id.get_file_image()
        with atomic_file(self._segment(number)) as path:
            path.write_bytes(image)
        self._sizes.append(len(image))

    def close(self) -> None:
        """Merge this writer's segments into the final files."""
        write_result_files(self._directory, list(_read_tables([self._folder]).values()))

    def clean(self) -> None:
        """Remove this writer's segments."""
        remove_segments(self._folder)

    def state(self) -> State:
        """Sizes of the segments so far, bytes."""
        for folder in (self._folder, self._folder.parent, self._directory):
            fsync_folder(folder)
        return {"n_bytes": np.array(self._sizes, dtype=np.int64)}

    def _segment(self, number: int) -> Path:
        return self._folder / f"{number:08d}.h5"

    def _continue(self, sizes: list[int]) -> None:
        """Keep the segments of a checkpoint, and remove those that came after it."""
        self._sizes = sizes
        kept = [self._segment(number + 1) for number in range(len(sizes))]
        for path, n_bytes in zip(kept, sizes, strict=True):
            if not path.is_file() or path.stat().st_size != n_bytes:
                raise ResultsError(
                    f"{path} is missing or is not what it was at the checkpoint; what was recorded "
                    f"before it is lost, start the run anew."
                )
        for path in {*self._folder.glob("*.h5"), *self._folder.glob(".*.tmp")} - {*kept}:
            path.unlink()


def remove_segments(folder: Path) -> None:
    """Remove one writer's segments, and the folder of all segments if it was the last.

    Args:
        folder: Folder of one writer.
    """
    for path in [*folder.glob("*.h5"), *folder.glob(".*.tmp")]:
        path.unlink()
    folder.rmdir()
    # Another writer may be about to do the same.
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


def remove_all_segments(directory: Path) -> None:
    """Remove the segments of all writers; none may be at work.

    Args:
        directory: Folder of the run.
    """
    for writer in (directory / SEGMENTS_FOLDER).glob("*/"):
        remove_segments(writer)
    if (directory / SEGMENTS_FOLDER).is_dir():  # a kill may have left it empty
        (directory / SEGMENTS_FOLDER).rmdir()


@dataclass(frozen=True, slots=True)
class _SegmentChunk:
    """Rows in a closed segment, opened per read: segments may outnumber the open files allowed."""

    path: Path
    key: str

    def read(self, field: str) -> NDArray[Any]:
        with h5py.File(self.path) as file:
            values: NDArray[Any] = file[f"{self.key}/{field}"][...]
        return values


def _labels(key: str, stored: dict[str, Any]) -> Labels:
    kind, _, name = key.partition("/")
    if kind == "spikes":
        return PopulationLabels(name, stored["n_cells"])
    if kind == "series":
        variables, regions, units = (tuple(stored[k]) for k in ("variables", "regions", "units"))
        return SeriesLabels(name, variables, regions, stored["period_ms"], units, stored["axis"])
    if kind in RECORDING_FILES:
        positions = tuple(tuple(one) for one in stored["electrodes_um"])
        columns = tuple(stored["columns"])
        return RecordingLabels(name, kind, columns, stored["period_ms"], stored["unit"], positions)
    signals = tuple(
        SignalLayout(signal["variable"], tuple(signal["regions"]), signal["is_rate"])
        for signal in stored["layout"]["signals"]
    )
    return ExchangeLabels(name, PacketLayout(stored["layout"]["sender"], signals))


def _read_tables(folders: Sequence[Path]) -> dict[str, Table]:
    labels: dict[str, Labels] = {}
    chunks: dict[str, list[Chunk]] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.h5")):
            with h5py.File(path) as file:
                for key, stored in json.loads(file["labels"][()]).items():
                    labels[key] = _labels(key, stored)
                    chunks.setdefault(key, [])
                    if key in file:
                        chunks[key].append(_SegmentChunk(path, key))
    return {key: Table(labels[key], chunks[key]) for key in labels}


def read_segments(directory: Path) -> tuple[Table, ...]:
    """What an unfinished run has flushed, of all writers.

    Args:
        directory: Folder of the run.
    """
    folders = sorted((directory / SEGMENTS_FOLDER).glob("*/"))
    return tuple(_read_tables(folders).values())
