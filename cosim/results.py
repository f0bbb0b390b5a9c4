"""What a run returns: its series, exchanges, spikes and provenance, from a folder or memory."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.connectome_file import CONNECTOME_FILE, write_connectome
from cosim.errors import ResultsError
from cosim.result_files import (
    EXCHANGE_FILE,
    MEAN_FIELD_FILE,
    RECORDING_FILES,
    SPIKES_FILE,
    PopulationLabels,
    Table,
    exchange_dataset,
    mean_field_dataset,
    recording_dataset,
    sort_spikes,
    write_result_files,
)
from cosim.result_sinks import SEGMENTS_FOLDER, MemorySink, read_segments
from cosim.run_folder import (
    PROVENANCE_FILE,
    held_results,
    prepare_output,
    reached_end,
    write_provenance,
)


@dataclass(frozen=True, slots=True)
class Spikes:
    """Spikes of one population, by time and then by cell.

    Attributes:
        times_ms: Spike times, shape ``(n_spikes,)``, ms.
        node_ids: Index of the cell within its population, shape ``(n_spikes,)``.
        n_cells: Cells in the population, silent ones included.
    """

    times_ms: NDArray[np.float64]
    node_ids: NDArray[np.int64]
    n_cells: int


class RunResult:
    """All that one run produced, read when first asked for.

    Made by :meth:`open` or :meth:`in_memory`.

    Args:
        directory: Folder of the run; None for one that was kept in memory.
        tables: What is not in final files: all of an in-memory run, the segments of an
            unfinished one.
        provenance: Facts of the run; None reads them from the folder.
        complete: Whether the run reached its end.
    """

    def __init__(
        self,
        directory: Path | None,
        tables: Sequence[Table],
        provenance: Mapping[str, Any] | None,
        complete: bool,
    ) -> None:
        self.directory = directory
        self.complete = complete
        self._tables = tables
        self._provenance = provenance
        self._connectome: xr.Dataset | None = None

    @classmethod
    def open(cls, directory: str | os.PathLike[str]) -> "RunResult":
        """The results in a folder, also of a run that was killed or still runs.

        Raises:
            ResultsError: If there is no such folder or it holds no results.
        """
        path = Path(directory)
        if not path.is_dir():
            raise ResultsError(f"{path} is not a folder; give the folder of a run (--output).")
        if not held_results(path):
            raise ResultsError(
                f"{path} holds no results ({MEAN_FIELD_FILE}, {SPIKES_FILE} or "
                f"{SEGMENTS_FOLDER}/ expected); give the folder of a run (--output)."
            )
        # A kill after the end of a run may have left segments beside the final files.
        complete = not (path / SEGMENTS_FOLDER).exists() or reached_end(path)
        return cls(path, () if complete else read_segments(path), None, complete)

    @classmethod
    def in_memory(
        cls,
        *sinks: MemorySink,
        provenance: Mapping[str, Any] | None = None,
        connectome: xr.Dataset | None = None,
    ) -> "RunResult":
        """The results of a run that was recorded in memory.

        Args:
            sinks: Where its recorders wrote; the recorders are closed.
            provenance: Facts of the run.
            connectome: What connected the regions.
        """
        tables = [table for sink in sinks for table in sink.tables]
        result = cls(None, tables, provenance or {}, True)
        result._connectome = connectome
        return result

    @cached_property
    def mean_field(self) -> xr.Dataset:
        """One variable per monitor, dimensions ``(time_MONITOR, variable, region)``."""
        stored = self._netcdf(MEAN_FIELD_FILE)
        return mean_field_dataset(self._tables) if stored is None else stored

    @cached_property
    def exchange(self) -> xr.Dataset:
        """One variable per direction and signal, dimensions ``(time, region_DIRECTION)``.

        A row is a mean-field step; ``time`` is its start, ms, ``window`` its window.
        """
        stored = self._netcdf(EXCHANGE_FILE)
        return exchange_dataset(self._tables) if stored is None else stored

    @cached_property
    def connectome(self) -> xr.Dataset:
        """``weight``, ``length_mm`` and ``delay_ms`` of ``[target, source]``, ``centre_mm``.

        Empty for a run that kept none.
        """
        stored = self._connectome if self.directory is None else self._netcdf(CONNECTOME_FILE)
        return xr.Dataset() if stored is None else stored

    @cached_property
    def traces(self) -> xr.Dataset:
        """Variables of cells, each named ``REGION.POP.VARIABLE``, dimensions ``(time, cell)``."""
        return self._recording("traces")

    @cached_property
    def lfp(self) -> xr.Dataset:
        """Local field potentials, mV, per circuit copy, dimensions ``(time, electrode)``."""
        return self._recording("lfp")

    @cached_property
    def concentrations(self) -> xr.Dataset:
        """Concentrations, mM, each named ``REGION.POP.SPECIES``, dimensions ``(time, cell)``."""
        return self._recording("concentrations")

    @cached_property
    def spikes(self) -> dict[str, Spikes]:
        """Spikes by population, ``REGION.POP``."""
        stored = self._file(SPIKES_FILE)
        if stored is not None:
            with h5py.File(stored) as file:
                return {
                    name: Spikes(
                        group["timestamps"][...],
                        group["node_ids"][...].astype(np.int64),
                        int(group.attrs["n_cells"]),
                    )
                    for name, group in file["spikes"].items()
                }
        return {
            table.labels.name: Spikes(
                *sort_spikes(table.read("time"), table.read("node_ids")), table.labels.n_cells
            )
            for table in self._tables
            if isinstance(table.labels, PopulationLabels)
        }

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Facts of the run: experiment, seed, versions, timing; empty if it never got there."""
        if self._provenance is not None:
            return dict(self._provenance)
        stored = self._file(PROVENANCE_FILE)
        facts: dict[str, Any] = {}
        if stored is not None:
            try:
                facts = json.loads(stored.read_text(encoding="utf-8"))
            except ValueError as error:
                raise ResultsError(
                    f"{stored} is damaged ({error}); the run's other files can be read without it, "
                    f"a report or an export cannot be made. Run again."
                ) from error
        return facts

    @property
    def duration_ms(self) -> float:
        """Simulated time, ms: as the provenance says, else up to the last thing recorded."""
        if "duration_ms" in self.provenance and self.complete:
            return float(self.provenance["duration_ms"])
        times = [self.mean_field[name] for name in self.mean_field.coords if "time" in str(name)]
        times += [self.exchange[name] for name in self.exchange.coords if "time" in str(name)]
        last = [float(time[-1]) for time in times if time.size]
        last += [float(s.times_ms[-1]) for s in self.spikes.values() if s.times_ms.size]
        return max(last, default=0.0)

    def rates(self, bin_ms: float = 10.0) -> xr.DataArray:
        """Population rates from the spikes, per cell.

        Args:
            bin_ms: Width of a bin, ms; the last bin ends with the run and may be shorter.

        Returns:
            Rates, Hz, dimensions ``(time, population)``; ``time`` is the middle of the bin, ms.

        Raises:
            ResultsError: If the bin is not a positive width.
        """
        if not bin_ms > 0:
            raise ResultsError(f"bin_ms = {bin_ms:g} is not above 0; give a width in ms.")
        duration_ms = self.duration_ms
        n_bins = max(math.ceil(duration_ms / bin_ms - 1e-9), 0)
        edges = np.append(np.arange(n_bins) * bin_ms, duration_ms) if n_bins else np.zeros(1)
        rates_hz = np.zeros((n_bins, len(self.spikes)))
        for column, spikes in enumerate(self.spikes.values()):
            if n_bins:
                counts, _ = np.histogram(spikes.times_ms, edges)
                rates_hz[:, column] = counts / spikes.n_cells / np.diff(edges) * 1000.0
        middles_ms = ("time", (edges[1:] + edges[:-1]) / 2, {"units": "ms"})
        return xr.DataArray(
            rates_hz,
            {"time": middles_ms, "population": list(self.spikes)},
            ("time", "population"),
            "rate",
            {"units": "Hz", "bin_ms": bin_ms},
        )

    def save(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> "RunResult":
        """Write an in-memory result into a folder, as a run with an output folder does.

        Returns:
            The result in its folder.

        Raises:
            ResultsError: If the folder is refused (see :func:`prepare_output`).
        """
        path = prepare_output(Path(directory), overwrite)
        write_result_files(path, self._tables)
        if self.connectome:
            write_connectome(path, self.connectome)
        write_provenance(path, self.provenance)
        return RunResult.open(path)

    def close(self) -> None:
        """Close the files that lazy reading holds open."""
        for name in ("mean_field", "exchange", "connectome", *RECORDING_FILES):
            if name in self.__dict__:
                self.__dict__.pop(name).close()

    def __repr__(self) -> str:
        where = self.directory if self.directory is not None else "in memory"
        state = "" if self.complete else ", unfinished"
        sizes = [f"{k} {v.sizes[v.dims[0]]} samples" for k, v in self.mean_field.items()]
        for name, spikes in self.spikes.items():
            sizes.append(f"{name} {spikes.times_ms.size} spikes of {spikes.n_cells} cells")
        what = "; ".join(sizes) or "nothing recorded"
        return f"<RunResult {where}: {self.duration_ms:g} ms{state}; {what}>"

    def _file(self, name: str) -> Path | None:
        """A final file of the run, if it is there."""
        if self.directory is None or not (self.directory / name).is_file():
            return None
        return self.directory / name

    def _recording(self, kind: str) -> xr.Dataset:
        stored = self._netcdf(RECORDING_FILES[kind])
        return recording_dataset(self._tables, kind) if stored is None else stored

    def _netcdf(self, name: str) -> xr.Dataset | None:
        stored = self._file(name)
        return None if stored is None else xr.open_dataset(stored, engine="h5netcdf")
