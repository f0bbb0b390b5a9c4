"""What a run recorded as series with labelled columns, in the terms that other formats share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

# A monitor's times are sums of steps; two times closer than this are the same sample.
_SAME_TIME_MS = 1e-6


@dataclass(frozen=True, slots=True)
class LabelledSeries:
    """Samples of one variable, one column per region or sensor.

    Attributes:
        source: Monitor, or direction of the exchange.
        variable: Name of the variable.
        times_ms: Sample times, shape ``(n_samples,)``, ms.
        values: Samples, shape ``(n_samples, n_columns)``.
        columns: Labels of the columns.
        axis: What the columns are: ``region`` or ``sensor``.
        unit: Unit of the values; ``1`` without one.
    """

    source: str
    variable: str
    times_ms: NDArray[np.float64]
    values: NDArray[np.float64]
    columns: tuple[str, ...]
    axis: str
    unit: str

    @property
    def name(self) -> str:
        """``SOURCE_VARIABLE``."""
        return f"{self.source}_{self.variable}"


def regular_period_ms(times_ms: NDArray[np.float64]) -> float | None:
    """Sampling period of evenly spaced times, ms; None if they are not, or fewer than two."""
    if times_ms.size < 2:
        return None
    period_ms = float(times_ms[-1] - times_ms[0]) / (times_ms.size - 1)
    grid_ms = times_ms[0] + period_ms * np.arange(times_ms.size)
    even = period_ms > 0 and np.abs(times_ms - grid_ms).max() < _SAME_TIME_MS
    # A running sum leaves digits behind that no one asked for.
    return float(f"{period_ms:.9g}") if even else None


def monitor_series(mean_field: xr.Dataset) -> Iterator[LabelledSeries]:
    """Every variable of every monitor.

    Args:
        mean_field: :attr:`cosim.RunResult.mean_field`.
    """
    for source, monitor in mean_field.items():
        time, variable, columns = (str(dim) for dim in monitor.dims)
        names = [str(name) for name in monitor[variable].values]
        units = _units(str(monitor.attrs.get("units", "1")), names)
        for index, name in enumerate(names):
            yield LabelledSeries(
                str(source),
                name,
                np.asarray(monitor[time].values, np.float64),
                np.asarray(monitor.values[:, index], np.float64),
                tuple(str(label) for label in monitor[columns].values),
                "sensor" if columns.startswith("sensor") else "region",
                units[name],
            )


def exchange_series(exchange: xr.Dataset) -> Iterator[LabelledSeries]:
    """Every signal that crossed, per step of the mean field; times are the steps' starts.

    Args:
        exchange: :attr:`cosim.RunResult.exchange`.
    """
    for name, signal in exchange.items():
        time, columns = (str(dim) for dim in signal.dims)
        source = next(d for d in ("to_circuits", "to_brain") if str(name).startswith(f"{d}_"))
        yield LabelledSeries(
            source,
            str(name).removeprefix(f"{source}_"),
            np.asarray(exchange[time].values, np.float64),
            np.asarray(signal.values, np.float64),
            tuple(str(label) for label in exchange[columns].values),
            "region",
            str(signal.attrs.get("units", "1")),
        )


def region_of(population: str, regions: Sequence[str]) -> str:
    """Region of a population ``REGION.POP``; labels of regions may hold dots themselves.

    Args:
        population: Its label.
        regions: Regions of the brain; where none fits, what stands before the first dot.
    """
    fitting = [region for region in regions if population.startswith(f"{region}.")]
    return max(fitting, key=len) if fitting else population.partition(".")[0]


def _units(text: str, names: Sequence[str]) -> Mapping[str, str]:
    """Unit of each variable, from ``Hz`` or from ``S_e: 1; R_e: Hz``."""
    if ": " not in text:
        return dict.fromkeys(names, text)
    pairs = (one.partition(": ") for one in text.split("; "))
    found = {name: unit for name, _, unit in pairs}
    return {name: found.get(name, "1") for name in names}
