"""The files of a run, written from tables of samples that need not fit in memory.

One description of each file serves both the writer, which streams chunk by chunk, and the
in-memory result, so that the two cannot differ.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.errors import ResultsError
from cosim.patient_file import patient_file
from cosim.tables import RECORDING_FILES as RECORDING_FILES
from cosim.tables import Chunk as Chunk
from cosim.tables import ExchangeLabels as ExchangeLabels
from cosim.tables import Labels as Labels
from cosim.tables import MemoryChunk as MemoryChunk
from cosim.tables import PopulationLabels as PopulationLabels
from cosim.tables import RecordingLabels as RecordingLabels
from cosim.tables import Schema as Schema
from cosim.tables import SeriesLabels as SeriesLabels
from cosim.tables import Table as Table

MEAN_FIELD_FILE, EXCHANGE_FILE, SPIKES_FILE = "mean_field.nc", "exchange.nc", "spikes.h5"
# SONATA data format, "File format for spike trains": how a reader knows the file and its order.
_SONATA_MAGIC, _SONATA_VERSION = 0x0A7A, (0, 1)
_SONATA_SORTING = {"none": 0, "by_id": 1, "by_time": 2}


_ERRNO = re.compile(r"\berrno = (\d+)")


@dataclass(frozen=True, slots=True)
class _NetcdfVariable:
    """One variable of a netCDF file: where its rows come from and what they mean."""

    dims: tuple[str, ...]
    row: tuple[int, ...]
    dtype: Any
    attrs: dict[str, Any]
    table: Table | None = None
    source: str = ""
    columns: slice | None = None
    labels: tuple[Any, ...] = ()
    auxiliary: str = ""  # a coordinate of the rows other than the time

    def blocks(self) -> Iterator[NDArray[Any]]:
        if self.table is None:
            text = self.dtype not in (np.int64, np.float64)
            yield np.array(self.labels, dtype=object if text else self.dtype)
            return
        for block in self.table.blocks(self.source):
            yield block if self.columns is None else block[:, self.columns]

    def read(self) -> NDArray[Any]:
        if self.table is None:
            text = self.dtype not in (np.int64, np.float64)
            return np.array(self.labels, dtype=np.str_ if text else self.dtype)
        return np.concatenate([np.empty((0, *self.row), self.dtype), *self.blocks()])


_Variables = dict[str, _NetcdfVariable]


def _label_axis(
    found: _Variables, name: str, suffix: str, labels: tuple[Any, ...], dtype: Any = None
) -> str:
    """Dimension for these labels: the first set keeps the short name, another gets its own."""
    if name in found and found[name].labels != labels:
        name = f"{name}_{suffix}"
    found[name] = _NetcdfVariable((name,), (), dtype or h5py.string_dtype(), {}, labels=labels)
    return name


def _mean_field_variables(tables: Sequence[Table]) -> _Variables:
    found: _Variables = {}
    for table in tables:
        labels = table.labels
        if not isinstance(labels, SeriesLabels):
            continue
        time = f"time_{labels.name}"
        # The short names are for what all monitors of regions share.
        own = "" if labels.axis == "region" else f"_{labels.name}"
        dims = (
            time,
            _label_axis(found, f"variable{own}", labels.name, labels.variables),
            _label_axis(found, f"{labels.axis}{own}", labels.name, labels.regions),
        )
        found[time] = _NetcdfVariable((time,), (), np.float64, {"units": "ms"}, table, "time")
        units = labels.units
        mixed = "; ".join(f"{v}: {u}" for v, u in zip(labels.variables, units, strict=True))
        attrs = {
            "units": units[0] if len(set(units)) == 1 else mixed,
            "period_ms": labels.period_ms,
        }
        row = (len(labels.variables), len(labels.regions))
        found[labels.name] = _NetcdfVariable(dims, row, np.float64, attrs, table, "values")
    return found


def _exchange_variables(tables: Sequence[Table]) -> _Variables:
    found: _Variables = {}
    first: Table | None = None
    for table in tables:
        labels = table.labels
        if not isinstance(labels, ExchangeLabels):
            continue
        first = first or table
        shared = table is first or np.array_equal(first.read("time"), table.read("time"))
        suffix = "" if shared else f"_{labels.name}"
        time, window = f"time{suffix}", f"window{suffix}"
        if time not in found:
            attrs = {"units": "ms", "long_name": "start of the mean-field step"}
            found[time] = _NetcdfVariable((time,), (), np.float64, attrs, table, "time")
            attrs = {"long_name": "number of the synchronization window"}
            found[window] = _NetcdfVariable((time,), (), np.int64, attrs, table, "window")
        start = 0
        for signal in labels.layout.signals:
            region = _label_axis(found, f"region_{labels.name}", signal.variable, signal.regions)
            columns = slice(start, start + len(signal.regions))
            start = columns.stop
            found[f"{labels.name}_{signal.variable}"] = _NetcdfVariable(
                (time, region),
                (len(signal.regions),),
                np.float64,
                {"units": "Hz" if signal.is_rate else "1", "sender": labels.layout.sender},
                table,
                "values",
                columns,
                auxiliary=window,
            )
    return found


def _recording_variables(tables: Sequence[Table], kind: str) -> _Variables:
    found: _Variables = {}
    for table in tables:
        labels = table.labels
        if not isinstance(labels, RecordingLabels) or labels.kind != kind:
            continue
        # All are sampled from 0 on and handed over together: one time for each period.
        time = "time"
        if time in found and found[time].attrs["period_ms"] != labels.period_ms:
            time = f"time_{labels.period_ms:g}ms"
        attrs: dict[str, Any] = {"units": "ms", "period_ms": labels.period_ms}
        found.setdefault(time, _NetcdfVariable((time,), (), np.float64, attrs, table, "time"))
        axis = "electrode" if labels.electrodes_um else "cell"
        column = _label_axis(found, axis, labels.name, labels.columns, np.int64)
        attrs = {"units": labels.unit, "period_ms": labels.period_ms}
        for number, letter in enumerate("xyz" if labels.electrodes_um else ""):
            # Three scalars of every electrode; copies of a circuit have them in common.
            attrs[f"{letter}_um"] = [position[number] for position in labels.electrodes_um]
        row = (len(labels.columns),)
        found[labels.name] = _NetcdfVariable(
            (time, column), row, np.float64, attrs, table, "values"
        )
    return found


def _write_netcdf(path: Path, variables: _Variables) -> None:
    with patient_file(path) as opened, h5netcdf.File(opened, "w") as file:
        for variable in variables.values():
            if len(variable.dims) == 1:
                n_rows = sum(len(block) for block in variable.blocks())
                file.dimensions.setdefault(variable.dims[0], n_rows)
        for name, variable in variables.items():
            stored = file.create_variable(name, variable.dims, dtype=variable.dtype)
            row = 0
            for block in variable.blocks():
                stored[row : row + len(block)] = block
                row += len(block)
            stored.attrs.update(variable.attrs)
            if variable.auxiliary:
                stored.attrs["coordinates"] = variable.auxiliary


def _dataset(variables: _Variables) -> xr.Dataset:
    auxiliary = {variable.auxiliary for variable in variables.values()} - {""}
    return xr.Dataset(
        {name: (v.dims, v.read(), v.attrs) for name, v in variables.items()}
    ).set_coords(list(auxiliary))


def mean_field_dataset(tables: Sequence[Table]) -> xr.Dataset:
    """What ``mean_field.nc`` holds: per monitor a variable ``(time_MONITOR, variable, region)``.

    Monitors with sensors have the dimensions ``(time_MONITOR, variable_MONITOR, sensor_MONITOR)``.
    """
    return _dataset(_mean_field_variables(tables))


def exchange_dataset(tables: Sequence[Table]) -> xr.Dataset:
    """What ``exchange.nc`` holds: one variable per direction and signal, ``(time, region)``."""
    return _dataset(_exchange_variables(tables))


def recording_dataset(tables: Sequence[Table], kind: str) -> xr.Dataset:
    """What one of :data:`RECORDING_FILES` holds: variables ``(time, cell)`` or electrodes."""
    return _dataset(_recording_variables(tables, kind))


def sort_spikes(
    times_ms: NDArray[np.float64], node_ids: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Spikes by time, then by cell: one order, however many ranks they came from."""
    order = np.lexsort((node_ids, times_ms))
    return times_ms[order], node_ids[order]


def _sorted_spikes(table: Table) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Spikes of all chunks in order, holding back only those that a later chunk may precede."""
    earliest = [block.min() if block.size else np.inf for block in table.blocks("time")]
    later = np.minimum.accumulate([*earliest, np.inf][::-1])[::-1][1:]
    times_ms, node_ids = np.empty(0), np.empty(0, np.int64)
    for chunk, limit_ms in zip(table.chunks, later, strict=True):
        times_ms, node_ids = sort_spikes(
            np.concatenate([times_ms, chunk.read("time")]),
            np.concatenate([node_ids, chunk.read("node_ids")]),
        )
        # At equal times the order is by cell, so a spike at the limit itself must wait too.
        n_ready = int(np.searchsorted(times_ms, limit_ms, side="left"))
        yield times_ms[:n_ready], node_ids[:n_ready]
        times_ms, node_ids = times_ms[n_ready:], node_ids[n_ready:]


def _write_spikes(path: Path, tables: Sequence[Table]) -> None:
    with patient_file(path) as opened, h5py.File(opened, "w") as file:
        file.attrs["magic"] = np.uint32(_SONATA_MAGIC)
        file.attrs["version"] = np.array(_SONATA_VERSION, np.uint32)
        # In the order of declaration, or HDF5 lists them by the alphabet.
        spikes = file.create_group("spikes", track_order=True)
        for table in tables:
            labels = table.labels
            if not isinstance(labels, PopulationLabels):
                continue
            n_spikes = sum(len(block) for block in table.blocks("time"))
            population = spikes.create_group(labels.name)
            sorting = h5py.enum_dtype(_SONATA_SORTING, basetype=np.uint8)
            population.attrs.create("sorting", _SONATA_SORTING["by_time"], dtype=sorting)
            population.attrs["n_cells"] = labels.n_cells
            times = population.create_dataset("timestamps", (n_spikes,), np.float64)
            times.attrs["units"] = "ms"
            nodes = population.create_dataset("node_ids", (n_spikes,), np.uint64)
            row = 0
            for times_ms, node_ids in _sorted_spikes(table):
                times[row : row + len(times_ms)] = times_ms
                nodes[row : row + len(times_ms)] = node_ids
                row += len(times_ms)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path that takes the final name only when the block succeeds.

    Args:
        path: Final name; its folder exists.

    Raises:
        ResultsError: If the file system refuses (full, read-only, gone).
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        # HDF5 words its errors over several lines, with pointers in them, not all as OSError.
        code = getattr(error, "errno", None)
        if code is None and (told := _ERRNO.search(str(error))):
            code = int(told[1])
        if code is None and isinstance(error, RuntimeError):
            raise
        cause = os.strerror(code) if code else str(error).partition("\n")[0]
        raise ResultsError(
            f"Cannot write {path}: {cause}; free space or choose another output folder. What was "
            f"flushed before stays readable."
        ) from error


def write_result_files(directory: Path, tables: Sequence[Table]) -> None:
    """Write the final files of every kind of table that was declared, each atomically.

    Args:
        directory: Existing folder.
        tables: What was recorded; read chunk by chunk.

    Raises:
        ResultsError: If a file cannot be written; none is left half-written.
    """
    kinds = {type(table.labels) for table in tables}
    for kind, name in RECORDING_FILES.items():
        found = _recording_variables(tables, kind)
        if found:
            with atomic_file(directory / name) as path:
                _write_netcdf(path, found)
    if SeriesLabels in kinds:
        with atomic_file(directory / MEAN_FIELD_FILE) as path:
            _write_netcdf(path, _mean_field_variables(tables))
    if ExchangeLabels in kinds:
        with atomic_file(directory / EXCHANGE_FILE) as path:
            _write_netcdf(path, _exchange_variables(tables))
    if PopulationLabels in kinds:
        with atomic_file(directory / SPIKES_FILE) as path:
            _write_spikes(path, tables)
