"""What a run records, collected window by window and handed to a sink."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.clock import SyncWindow
from cosim.errors import ResultsError
from cosim.result_files import (
    ExchangeLabels,
    Labels,
    MemoryChunk,
    PopulationLabels,
    RecordingLabels,
    Schema,
    SeriesLabels,
    Table,
)
from cosim.result_sinks import Sink
from cosim.saved_state import State
from cosim.signals import Packet, PacketLayout


class Recorder:
    """Collect the samples, spikes and exchanges of one rank, and hand them to a sink.

    Everything is declared before it is added, so that what stays empty appears in the results
    with its labels. Arrays are copied: a simulator may reuse its buffers.

    After a failure call :meth:`flush`, not :meth:`close`: the segments stay, and whoever opens
    the folder sees that the run did not end.

    Args:
        sink: Where the samples go.
        flush_every_s: Wall time between flushes, s.
        flush_every_mb: Size of the collected samples that causes a flush, 10^6 bytes. A flush takes
            three times as much for a moment.
    """

    def __init__(
        self, sink: Sink, *, flush_every_s: float = 5.0, flush_every_mb: float = 4.0
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
