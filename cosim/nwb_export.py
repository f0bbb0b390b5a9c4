"""A run as Neurodata Without Borders (NWB 2), for tools that read recordings.

Spikes of all cells stand in the units table, membrane potentials and other variables of cells in
``acquisition``, field potentials in ``processing/ecephys``, population rates in
``processing/rates``, regions and sensors in ``processing/mean_field``, and what crossed between
the simulators in ``processing/exchange``. Times are in seconds. Values keep the run's own numbers,
to the bit; ``conversion`` takes them to the SI unit that ``unit`` names, as NWB defines both.

References:
    Rubel et al. (2022), eLife 11:e78362, doi:10.7554/eLife.78362.
"""

import importlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.errors import ResultsError
from cosim.labelled_series import (
    LabelledSeries,
    exchange_series,
    monitor_series,
    region_of,
    regular_period_ms,
)
from cosim.results import RunResult

# NEURON's units: the unit of NWB, and what one of NEURON's is in it. Densities stay as they are:
# Neo 0.14 takes conversions by powers of a thousand alone.
_SI = {
    "mV": ("volts", 1e-3),
    "nA": ("amperes", 1e-9),
    "uS": ("siemens", 1e-6),
    "mM": ("molar", 1e-3),
    "mA/cm2": ("mA/cm^2", 1.0),
    "S/cm2": ("S/cm^2", 1.0),
    "": ("1", 1.0),
}
_SIMULATED = "Simulated by TVB x NetPyNE co-simulation; nothing in this file was measured."


def write_nwb(result: RunResult, path: str | Path, *, bin_ms: float = 10.0) -> Path:
    """Write a run as an NWB file.

    Args:
        result: The run.
        path: The file, ``.nwb``.
        bin_ms: Width of the bins of the population rates, ms.

    Returns:
        The file.

    Raises:
        ResultsError: If pynwb is missing, the name does not end in ``.nwb``, or the file cannot
            be written.
    """
    target = Path(path)
    if target.suffix != ".nwb":
        raise ResultsError(f"--nwb {target}: the name must end in .nwb; rename it.")
    try:
        pynwb: Any = importlib.import_module("pynwb")
    except ModuleNotFoundError as error:
        raise ResultsError(
            f"NWB needs {error.name}, which is not installed; install 'tvb-netpyne-cosim[nwb]'."
        ) from None
    file = _Writer(pynwb, result).file(bin_ms)
    # pynwb wants the ending, so the temporary name keeps it.
    temporary = target.with_name(f".{target.stem}.tmp.nwb")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with pynwb.NWBHDF5IO(str(temporary), "w") as io:
                io.write(file)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        cause = error.strerror or str(error).partition("\n")[0]
        raise ResultsError(f"Cannot write {target}: {cause}; choose another file.") from error
    return target


class _Writer:
    """Fills one NWB file from one run."""

    def __init__(self, pynwb: Any, result: RunResult):
        self._pynwb, self._result = pynwb, result
        self._table = importlib.import_module("hdmf.common")
        mean_field = result.mean_field
        self._regions = (
            [str(label) for label in mean_field["region"].values] if "region" in mean_field else []
        )
        neuron = result.provenance.get("participants", {}).get("NEURON", {})
        self._first_gids: Mapping[str, int] = neuron.get("first_gids", {})
        self._file: Any = None

    def file(self, bin_ms: float) -> Any:
        """The whole file, in memory; lazily read arrays of the run are loaded."""
        self._file = self._pynwb.NWBFile(**self._header())
        if self._result.spikes:
            self._add_units()
            self._add_rates(bin_ms)
        self._add_traces(self._result.traces)
        self._add_concentrations(self._result.concentrations)
        self._add_field_potentials(self._result.lfp)
        self._add_series(
            "mean_field",
            "Monitors of the brain: one series per monitor and variable.",
            monitor_series(self._result.mean_field),
        )
        self._add_series(
            "exchange",
            "What crossed between TVB and NEURON, per step of the mean field; the time is the "
            "step's start.",
            exchange_series(self._result.exchange),
        )
        return self._file

    def _header(self) -> dict[str, Any]:
        facts = self._result.provenance
        text = json.dumps(facts, ensure_ascii=False, sort_keys=True)
        versions: Mapping[str, str] = facts.get("versions", {})
        return {
            "session_description": f"{self._result.duration_ms:g} ms of co-simulation. {_SIMULATED}"
            + ("" if self._result.complete else " The run did not reach its end."),
            # The same run has the same identifier, however often it is exported.
            "identifier": str(uuid.uuid5(uuid.NAMESPACE_URL, text)),
            "session_start_time": self._started(facts),
            "experiment_description": "Regions of a whole-brain mean field (The Virtual Brain) "
            "replaced by spiking circuits (NetPyNE, NEURON). `notes` holds the provenance of the "
            "run as JSON: the resolved experiment, seed, versions and timing.",
            # No keywords: Neo 0.14 cannot read a file that has them.
            "notes": text,
            **({"was_generated_by": [[k, v] for k, v in versions.items()]} if versions else {}),
        }

    def _started(self, facts: Mapping[str, Any]) -> datetime:
        if "started" in facts:
            return datetime.fromisoformat(str(facts["started"])).astimezone()
        folder = self._result.directory
        # Without provenance the folder's own time is the nearest that is known.
        seconds = folder.stat().st_mtime if folder is not None else 0.0
        return datetime.fromtimestamp(seconds).astimezone()

    @property
    def _spikes_end_ms(self) -> float:
        """Up to when spikes are known, ms; of a run that did not end they stop before the brain."""
        if self._result.complete:
            return self._result.duration_ms
        last = [s.times_ms[-1] for s in self._result.spikes.values() if s.times_ms.size]
        return float(max(last, default=self._result.duration_ms))

    def _add_units(self) -> None:
        """One row per cell, silent ones included, population after population."""
        times, counts, index, labels, gids = [], [], [], [], []
        for label, spikes in self._result.spikes.items():
            order = np.lexsort((spikes.times_ms, spikes.node_ids))
            times.append(spikes.times_ms[order] / 1000.0)
            counts.append(np.bincount(spikes.node_ids, minlength=spikes.n_cells))
            index.append(np.arange(spikes.n_cells))
            labels += [label] * spikes.n_cells
            if label in self._first_gids:
                gids.append(self._first_gids[label] + np.arange(spikes.n_cells))
        n_cells = len(labels)
        spike_times = self._column("spike_times", "Spike times, s.", np.concatenate(times))
        observed = np.tile([0.0, self._spikes_end_ms / 1000.0], (n_cells, 1))
        intervals = self._column("obs_intervals", "While spikes are known, s.", observed)
        columns = [
            spike_times,
            self._index("spike_times_index", spike_times, np.cumsum(np.concatenate(counts))),
            intervals,
            self._index("obs_intervals_index", intervals, np.arange(1, n_cells + 1)),
            self._column("population", "REGION.POP of the cell.", labels),
            self._column(
                "region",
                "Region of the brain that its circuit replaces.",
                [region_of(label, self._regions) for label in labels],
            ),
            self._column("cell", "Index within its population.", np.concatenate(index)),
        ]
        if len(gids) == len(self._result.spikes):
            columns.append(self._column("gid", "Global id in NEURON.", np.concatenate(gids)))
        self._file.units = self._pynwb.misc.Units(
            name="units", description="Cells of all circuits.", columns=columns
        )

    def _add_rates(self, bin_ms: float) -> None:
        rates = self._result.rates(bin_ms)
        if not self._result.complete:
            # What follows is not silence.
            ends_ms = np.arange(1, len(rates) + 1) * bin_ms
            ends_ms = np.minimum(ends_ms, self._result.duration_ms)
            rates = rates[ends_ms <= self._spikes_end_ms]
        module = self._file.create_processing_module(
            "rates", f"Spikes per cell and second in bins of {bin_ms:g} ms."
        )
        populations = tuple(str(label) for label in rates["population"].values)
        module.add(self._labels("populations", "population", populations))
        times_ms = np.asarray(rates["time"].values, np.float64)
        module.add(
            self._time_series(
                "population_rates", rates.values, times_ms, "Hz",
                "Mean rate of the cells of each population; the time is the middle of the bin.",
                "Columns are the rows of the table populations.",
            )
        )  # fmt: skip

    def _add_traces(self, traces: xr.Dataset) -> None:
        """Potentials of single cells as current clamp without a current; others as they are."""
        for name, one in traces.items():
            population, variable = self._parts(str(name))
            times_ms = np.asarray(one[one.dims[0]].values, np.float64)
            cells = [int(cell) for cell in one[one.dims[1]].values]
            if variable == "v" or variable.startswith("v."):
                for column, cell in enumerate(cells):
                    self._add_potential(
                        f"{name} cell {cell}", population, variable, cell,
                        one.values[:, column], times_ms,
                    )  # fmt: skip
            else:
                self._add_cell_series(one, times_ms, variable, population, cells)

    def _add_potential(
        self,
        name: str,
        population: str,
        variable: str,
        cell: int,
        values_mV: NDArray[np.float64],
        times_ms: NDArray[np.float64],
    ) -> None:
        gid = self._first_gids.get(population)
        place = variable.partition(".")[2] or "soma(0.5)"
        electrode = self._file.create_icephys_electrode(
            name=name,
            description=f"Where NEURON's v was read: {place} of cell {cell} of {population}.",
            device=self._device(),
            location=f"{region_of(population, self._regions)}, {place}",
            cell_id=f"{population} {cell}" if gid is None else f"gid {gid + cell}",
        )
        self._file.add_acquisition(
            self._pynwb.icephys.CurrentClampSeries(
                name=name,
                data=values_mV,
                electrode=electrode,
                conversion=1e-3,
                stimulus_description="none",
                description="Membrane potential.",
                **_timing(times_ms),
            )
        )

    def _add_concentrations(self, concentrations: xr.Dataset) -> None:
        for name, one in concentrations.items():
            population, species = self._parts(str(name))
            times_ms = np.asarray(one[one.dims[0]].values, np.float64)
            cells = [int(cell) for cell in one[one.dims[1]].values]
            self._add_cell_series(one, times_ms, f"Concentration of {species}", population, cells)

    def _add_cell_series(
        self,
        one: xr.DataArray,
        times_ms: NDArray[np.float64],
        what: str,
        population: str,
        cells: Sequence[int],
    ) -> None:
        listed = ", ".join(str(cell) for cell in cells)
        self._file.add_acquisition(
            self._time_series(
                str(one.name), one.values, times_ms, str(one.attrs.get("units", "")),
                f"{what} in cells of {population}.",
                f"Columns are the cells {listed} of {population}.",
            )
        )  # fmt: skip

    def _add_field_potentials(self, lfp: xr.Dataset) -> None:
        if not len(lfp):
            return
        series, row = [], 0
        for name, one in lfp.items():
            group = self._file.create_electrode_group(
                f"{name}_electrodes",
                description="Point electrodes; rel_x, rel_y, rel_z are NetPyNE's coordinates of "
                "the circuit, y its depth.",
                location=str(name),
                device=self._device(),
            )
            n_electrodes = one.shape[1]
            for x, y, z in zip(*(one.attrs[f"{axis}_um"] for axis in "xyz"), strict=True):
                self._file.add_electrode(
                    group=group, location=str(name), filtering="none",
                    rel_x=float(x), rel_y=float(y), rel_z=float(z),
                )  # fmt: skip
            rows = list(range(row, row + n_electrodes))
            row += n_electrodes
            series.append((str(name), one, rows))
        field = self._pynwb.ecephys.LFP(name="LFP")
        self._file.create_processing_module("ecephys", "Local field potentials.").add(field)
        # The table must be complete before a region of it is made.
        for name, one, rows in series:
            field.add_electrical_series(
                self._pynwb.ecephys.ElectricalSeries(
                    name=name,
                    data=one.values,
                    electrodes=self._file.create_electrode_table_region(
                        rows, f"Electrodes in {name}."
                    ),
                    conversion=1e-3,
                    description="Local field potential of all cells of the circuit.",
                    **_timing(np.asarray(one[one.dims[0]].values, np.float64)),
                )
            )

    def _add_series(self, module: str, description: str, series: Iterable[LabelledSeries]) -> None:
        """Series of regions or sensors, with a table of what the columns are."""
        home: Any = None
        tables: dict[tuple[str, ...], str] = {}
        for one in series:
            if home is None:
                home = self._file.create_processing_module(module, description)
            if one.columns not in tables:
                # The brain's regions are what all monitors share; sensors are a monitor's own.
                first = one.axis == "region" and module == "mean_field"
                name = f"{one.axis}s" if first else f"{one.axis}s_{one.source}"
                while name in tables.values():
                    name += f"_{one.variable}"
                tables[one.columns] = name
                home.add(self._labels(name, one.axis, one.columns))
            home.add(
                self._time_series(
                    one.name, one.values, one.times_ms, one.unit,
                    f"{one.variable} of {one.source}.",
                    f"Columns are the rows of the table {tables[one.columns]}.",
                )
            )  # fmt: skip

    def _time_series(
        self,
        name: str,
        values: NDArray[np.float64],
        times_ms: NDArray[np.float64],
        unit: str,
        description: str,
        comments: str,
    ) -> Any:
        si, conversion = _SI.get(unit, (unit, 1.0))
        return self._pynwb.TimeSeries(
            name=name, data=values, unit=si, conversion=conversion, description=description,
            comments=comments, **_timing(times_ms),
        )  # fmt: skip

    def _labels(self, name: str, axis: str, labels: Sequence[str]) -> Any:
        column = self._column("label", f"Label of the {axis}.", list(labels))
        return self._table.DynamicTable(
            name=name, description=f"Columns of series: one {axis} each.", columns=[column]
        )

    def _column(self, name: str, description: str, data: Any) -> Any:
        return self._table.VectorData(name=name, description=description, data=data)

    def _index(self, name: str, target: Any, ends: NDArray[np.int64]) -> Any:
        return self._table.VectorIndex(name=name, target=target, data=ends.astype(np.uint64))

    def _device(self) -> Any:
        if "NEURON" not in self._file.devices:
            self._file.create_device("NEURON", description=_SIMULATED)
        return self._file.devices["NEURON"]

    def _parts(self, name: str) -> tuple[str, str]:
        """Population and variable of ``REGION.POP.VARIABLE``."""
        label = max(
            (label for label in self._result.spikes if name.startswith(f"{label}.")),
            key=len,
            default=".".join(name.split(".")[:2]),
        )
        return label, name.removeprefix(f"{label}.")


def _timing(times_ms: NDArray[np.float64]) -> dict[str, Any]:
    """Start and rate of evenly spaced samples, else each one's time; s and Hz."""
    period_ms = regular_period_ms(times_ms)
    if period_ms is None:
        return {"timestamps": times_ms / 1000.0}
    return {"starting_time": float(times_ms[0]) / 1000.0, "rate": 1000.0 / period_ms}
