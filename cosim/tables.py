"""What is recorded, as tables in memory or in closed files: labels, rows and how to read them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cosim.signals import PacketLayout

# What circuits record beside their spikes, by kind.
RECORDING_FILES = {"traces": "traces.nc", "lfp": "lfp.nc", "concentrations": "concentrations.nc"}

Schema = Mapping[str, tuple[type[np.generic], tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class SeriesLabels:
    """What the axes of one monitor mean.

    Attributes:
        name: Monitor name.
        variables: Variable labels, in order.
        regions: Labels of the last axis, in order.
        period_ms: Sampling period, ms.
        units: Unit of each variable.
        axis: What the last axis is: ``region``, or ``sensor``.
    """

    name: str
    variables: tuple[str, ...]
    regions: tuple[str, ...]
    period_ms: float
    units: tuple[str, ...]
    axis: str = "region"

    @property
    def schema(self) -> Schema:
        """Data type and shape of one row of each field."""
        return {
            "time": (np.float64, ()),
            "values": (np.float64, (len(self.variables), len(self.regions))),
        }


@dataclass(frozen=True, slots=True)
class PopulationLabels:
    """What the spikes of one population belong to.

    Attributes:
        name: ``REGION.POP``.
        n_cells: Cells in the population, silent ones included.
    """

    name: str
    n_cells: int

    @property
    def schema(self) -> Schema:
        """Data type and shape of one row of each field."""
        return {"time": (np.float64, ()), "node_ids": (np.int64, ())}


@dataclass(frozen=True, slots=True)
class ExchangeLabels:
    """What one direction of the exchange carries.

    Attributes:
        name: ``to_circuits`` or ``to_brain``.
        layout: What every packet of the direction contains.
    """

    name: str
    layout: PacketLayout

    @property
    def schema(self) -> Schema:
        """Data type and shape of one row of each field."""
        return {
            "time": (np.float64, ()),
            "window": (np.int64, ()),
            "values": (np.float64, (self.layout.n_columns,)),
        }


@dataclass(frozen=True, slots=True)
class RecordingLabels:
    """What a circuit recorded beside its spikes.

    Attributes:
        name: Name in the file of its kind.
        kind: Key of :data:`RECORDING_FILES`.
        columns: Index of each cell within its population, or of each electrode.
        period_ms: Sampling period, ms.
        unit: Unit of the values.
        electrodes_um: Position of each electrode, um; none for cells.
    """

    name: str
    kind: str
    columns: tuple[int, ...]
    period_ms: float
    unit: str
    electrodes_um: tuple[tuple[float, float, float], ...] = ()

    @property
    def schema(self) -> Schema:
        """Data type and shape of one row of each field."""
        return {"time": (np.float64, ()), "values": (np.float64, (len(self.columns),))}


Labels = RecordingLabels | SeriesLabels | PopulationLabels | ExchangeLabels


class Chunk(Protocol):
    """Rows that were recorded together, in memory or in a closed file."""

    def read(self, field: str) -> NDArray[Any]:
        """One field of all its rows, shape ``(n_rows, ...)``."""


@dataclass(frozen=True, slots=True)
class MemoryChunk:
    """Rows held in memory.

    Attributes:
        fields: Arrays with the same number of rows, by field name.
    """

    fields: Mapping[str, NDArray[Any]]

    def read(self, field: str) -> NDArray[Any]:
        """One field of all its rows."""
        return self.fields[field]


@dataclass(frozen=True, slots=True)
class Table:
    """All that was recorded of one monitor, population or direction, in recording order.

    Attributes:
        labels: What the columns mean.
        chunks: The rows; none if nothing was recorded.
    """

    labels: Labels
    chunks: Sequence[Chunk] = ()

    def blocks(self, field: str) -> Iterator[NDArray[Any]]:
        """One field, chunk by chunk."""
        for chunk in self.chunks:
            yield chunk.read(field)

    def read(self, field: str) -> NDArray[Any]:
        """One field of all rows, with its type and shape even when there are none."""
        dtype, row = self.labels.schema[field]
        return np.concatenate([np.empty((0, *row), dtype), *self.blocks(field)])
