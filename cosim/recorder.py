"""What a run records: collected window by window, flushed into files that survive a kill."""

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.checkpoint_store import fsync_folder
from cosim.clock import SyncWindow
from cosim.errors import ResultsError
from cosim.result_files import (
    RECORDING_FILES,
    Chunk,
    ExchangeLabels,
    Labels,
    MemoryChunk,
    PopulationLabels,
    RecordingLabels,
    Schema,
    SeriesLabels,
    Table,
    atomic_file,
    write_result_files,
)
from cosim.saved_state import State
from cosim.signals import Packet, PacketLayout, SignalLayout

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
        self._n_segments = 0
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
        self._n_segments += 1
        with (
            atomic_file(self._segment(self._n_segments)) as path,
            h5py.File(path, "w") as file,
        ):
            file["labels"] = json.dumps({key: asdict(t.labels) for key, t in tables.items()})
            for key, table in tables.items():
                for chunk in table.chunks:
                    for name in table.labels.schema:
                        file[f"{key}/{name}"] = chunk.read(name)

    def close(self) -> None:
        """Merge this writer's segments into the final files."""
        write_result_files(self._directory, list(_read_tables([self._folder]).values()))

    def clean(self) -> None:
        """Remove this writer's segments."""
        remove_segments(self._folder)

    def state(self) -> State:
        """Sizes of the segments so far, bytes."""
        fsync_folder(self._folder)
        paths = [self._segment(number + 1) for number in range(self._n_segments)]
        return {"n_bytes": np.array([path.stat().st_size for path in paths], dtype=np.int64)}

    def _segment(self, number: int) -> Path:
        return self._folder / f"{number:08d}.h5"

    def _continue(self, sizes: list[int]) -> None:
        """Keep the segments of a checkpoint, and remove those that came after it."""
        self._n_segments = len(sizes)
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


class Recorder:
    """Collect the samples, spikes and exchanges of one rank, and hand them to a sink.

    Everything is declared before it is added, so that what stays empty appears in the results
    with its labels. Arrays are copied: a simulator may reuse its buffers.

    After a failure call :meth:`flush`, not :meth:`close`: the segments stay, and whoever opens
    the folder sees that the run did not end.

    Args:
        sink: Where the samples go.
        flush_every_s: Wall time between flushes, s.
        flush_every_mb: Size of the collected samples that causes a flush, 10^6 bytes.
    """

    def __init__(
        self, sink: Sink, *, flush_every_s: float = 5.0, flush_every_mb: float = 64.0
    ) -> None:
        self._sink = sink
        self._flush_every_s = flush_every_s
        self._flush_every_bytes = flush_every_mb * 1e6
        self._labels: dict[str, Labels] = {}
        self._schemas: dict[str, Schema] = {}
        self._rows: dict[str, list[dict[str, NDArray[Any]]]] = {}
        self._n_bytes = 0
        self._flushed_s = time.monotonic()
        self._completed = self._closed = False

    @property
    def n_bytes(self) -> int:
        """Size of what is collected and not yet flushed, bytes."""
        return self._n_bytes

    def declare_series(
        self,
        name: str,
        variables: Sequence[str],
        regions: Sequence[str],
        period_ms: float,
        units: Sequence[str] | None = None,
        axis: str = "region",
    ) -> None:
        """Announce a monitor.

        Args:
            name: Monitor name.
            variables: Variable labels.
            regions: Labels of the last axis of its samples.
            period_ms: Sampling period, ms.
            units: Unit of each variable; if omitted, Hz for names that begin with R, else 1.
            axis: What the last axis is: ``region``, or ``sensor``.
        """
        if units is None:
            units = ["Hz" if variable.startswith("R") else "1" for variable in variables]
        labels = SeriesLabels(name, tuple(variables), tuple(regions), period_ms, tuple(units), axis)
        for other in self._labels.values():
            if (
                isinstance(other, SeriesLabels)
                and other.axis == axis == "region"
                and other.regions != labels.regions
            ):
                raise ResultsError(
                    f"Monitor {name!r} has {len(labels.regions)} regions and other monitors have "
                    f"{len(other.regions)}, or others; all monitors share the regions of the brain."
                )
        self._declare("series", labels)

    def declare_population(self, population: str, n_cells: int) -> None:
        """Announce a population ``REGION.POP`` of ``n_cells`` cells."""
        if n_cells < 1:
            raise ResultsError(f"{population}: n_cells = {n_cells} is below 1; give it cells.")
        self._declare("spikes", PopulationLabels(population, n_cells))

    def declare_exchange(self, direction: str, layout: PacketLayout) -> None:
        """Announce a direction, ``to_circuits`` or ``to_brain``, and what its packets contain."""
        self._declare("exchange", ExchangeLabels(direction, layout))

    def declare_recording(self, labels: RecordingLabels) -> None:
        """Announce what a circuit records beside its spikes."""
        self._declare(labels.kind, labels)

    def add_recording(self, kind: str, name: str, times_ms: ArrayLike, values: ArrayLike) -> None:
        """Append samples of what a circuit records.

        Args:
            kind: ``traces``, ``lfp`` or ``concentrations``.
            name: Its name among those.
            times_ms: Sample times, shape ``(n_samples,)``, ms.
            values: Samples, shape ``(n_samples, n_columns)``.
        """
        self._add(f"{kind}/{name}", time=times_ms, values=values)

    def add_series(self, name: str, times_ms: ArrayLike, values: ArrayLike) -> None:
        """Append samples of one monitor.

        Args:
            name: Monitor name.
            times_ms: Sample times, shape ``(n_samples,)``, ms.
            values: Samples, shape ``(n_samples, n_variables, n_regions)``.
        """
        self._add(f"series/{name}", time=times_ms, values=values)

    def add_spikes(self, population: str, times_ms: ArrayLike, node_ids: ArrayLike) -> None:
        """Append spikes of one population, in any order.

        Args:
            population: ``REGION.POP``.
            times_ms: Spike times, shape ``(n_spikes,)``, ms.
            node_ids: Index of the cell within its population, shape ``(n_spikes,)``.
        """
        self._add(f"spikes/{population}", time=times_ms, node_ids=node_ids)

    def add_exchange(self, direction: str, window: SyncWindow, packet: Packet) -> None:
        """Append what crossed in one direction, one row per mean-field step.

        Args:
            direction: ``to_circuits`` or ``to_brain``.
            window: The window that the packet covers.
            packet: What was sent after it.
        """
        key = f"exchange/{direction}"
        steps = np.arange(window.start_step, window.stop_step)
        values = [signal.values for signal in packet.signals]
        self._add(
            key,
            time=steps * window.dt_ms,
            window=np.full(window.n_steps, window.index),
            values=np.concatenate(values, axis=1) if values else np.empty((window.n_steps, 0)),
        )

    def flush(self) -> None:
        """Hand everything collected to the sink, which leaves the buffers empty."""
        tables = {}
        for key, labels in self._labels.items():
            rows = self._rows[key]
            chunk = {f: np.concatenate([row[f] for row in rows]) for f in labels.schema if rows}
            tables[key] = Table(labels, [MemoryChunk(chunk)] if rows else [])
        self._sink.write(tables)
        self._rows = {key: [] for key in self._labels}
        self._n_bytes = 0
        self._flushed_s = time.monotonic()

    def flush_if_due(self) -> bool:
        """Flush if enough time has passed or enough is collected; whether it was so."""
        due = (
            self._n_bytes >= self._flush_every_bytes
            or time.monotonic() - self._flushed_s >= self._flush_every_s
        )
        if due:
            self.flush()
        return due

    def state(self) -> State:
        """Flush; where the recorder stands, for the sink of a resumed run."""
        self.flush()
        return self._sink.state()

    def complete(self) -> None:
        """Flush, and complete the results; a resumed run may still begin from what is kept."""
        if self._completed:
            return
        self.flush()
        self._sink.close()
        self._completed = True

    def close(self) -> None:
        """Complete the results and remove what only led there. Closing twice does nothing."""
        if self._closed:
            return
        self.complete()
        self._sink.clean()
        self._closed = True

    def _declare(self, kind: str, labels: Labels) -> None:
        key = f"{kind}/{labels.name}"
        # A slash would be a group of its own in HDF5 and is refused by netCDF.
        if not labels.name or "/" in labels.name:
            raise ResultsError(f"{kind} name {labels.name!r} is empty or has a '/'; rename it.")
        if key in self._labels:
            raise ResultsError(f"{key} is declared twice; names are unique, rename one of them.")
        self._labels[key] = labels
        self._schemas[key] = labels.schema
        self._rows[key] = []

    def _add(self, key: str, **fields: ArrayLike) -> None:
        if key not in self._labels:
            raise ResultsError(
                f"{key} was never declared (declared: {', '.join(self._labels) or 'none'}); "
                f"declare it before the first window."
            )
        if self._completed:
            raise ResultsError(f"{key} has samples after the recorder was closed; add them before.")
        row = {}
        n_rows = None
        for name, (dtype, shape) in self._schemas[key].items():
            row[name] = np.array(fields[name], dtype)
            n_rows = row[name].shape[0] if n_rows is None else n_rows
            if row[name].shape != (n_rows, *shape):
                raise ResultsError(
                    f"{name} of {key} has shape {row[name].shape}, expected {(n_rows, *shape)} as "
                    f"declared; check the declaration."
                )
        if n_rows:
            self._rows[key].append(row)
            self._n_bytes += sum(values.nbytes for values in row.values())
