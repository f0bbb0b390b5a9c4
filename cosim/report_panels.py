"""The sections of a report and its overview: each shows something or says why it cannot."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cosim import report_figures as draw
from cosim.report_observables import (
    WIDTH_IN,
    Panel,
    encoded,
    has_sensors,
    observable_panels,
)
from cosim.results import RunResult
from cosim.stopwatch import PHASES

_MAIN_SERIES, _BOLD = "temporal_average", "bold"
# The excitatory pair of the two-state model, or the pair of the one-state model.
_SHOWN_VARIABLES = ("S_e", "R_e", "S", "R")
_MIN_CORRELATION_SAMPLES = 10
_DIRECTIONS = {"to_circuits": "TVB to circuits", "to_brain": "circuits to TVB"}


@dataclass(frozen=True)
class _Series:
    """One variable of one monitor, read into memory."""

    label: str
    regions: list[str]
    times_ms: NDArray[np.float64]
    values: NDArray[np.float64]  # (n_samples, n_regions)
    period_ms: float

    @property
    def name(self) -> str:
        return self.label.partition(" [")[0]

    @property
    def coverage(self) -> str:
        n_samples = len(self.times_ms)
        return f"{self.name}, {n_samples} samples over {n_samples * self.period_ms:g} ms"


class Findings:
    """What the panels draw, taken from a result once."""

    def __init__(self, result: RunResult) -> None:
        self.result = result
        self.duration_ms = result.duration_ms
        signals = [result.exchange[name] for name in result.exchange.data_vars]
        self.crossed: dict[str, list[xr.DataArray]] = {
            direction: [one for one in signals if str(one.name).startswith(f"{direction}_")]
            for direction in _DIRECTIONS
        }
        axes = (signal[signal.dims[1]].values for signal in self.crossed["to_brain"])
        self.replaced = tuple(dict.fromkeys(str(name) for axis in axes for name in axis))
        # What was declared and never crossed names the regions, but cannot be drawn.
        for direction, found in self.crossed.items():
            self.crossed[direction] = [signal for signal in found if signal.size]

    @cached_property
    def rates(self) -> xr.DataArray:
        """Population rates in about 200 bins of a round width, none shorter than 1 ms."""
        magnitude = 10.0 ** np.floor(np.log10(max(self.duration_ms / 200.0, 1.0)))
        ratio = max(self.duration_ms / 200.0, 1.0) / magnitude
        return self.result.rates(magnitude * next(n for n in (1, 2, 5, 10) if ratio <= n + 1e-9))

    @cached_property
    def n_spikes(self) -> int:
        """Spikes of all populations."""
        return sum(one.times_ms.size for one in self.result.spikes.values())

    @cached_property
    def series(self) -> list[_Series]:
        """The variables to show: of the temporal average, or of the first monitor but BOLD."""
        names = [
            str(name)
            for name, monitor in self.result.mean_field.items()
            if name != _BOLD and not has_sensors(monitor)
        ]
        if not names:
            return []
        monitor = self.result.mean_field[_MAIN_SERIES if _MAIN_SERIES in names else names[0]]
        variables = [str(label) for label in monitor[monitor.dims[1]].values]
        shown = [label for label in _SHOWN_VARIABLES if label in variables] or variables[:2]
        return [self._read(monitor, variables.index(label), label) for label in shown]

    @cached_property
    def bold(self) -> _Series | None:
        """First variable of the BOLD monitor, if there is one."""
        if _BOLD not in self.result.mean_field:
            return None
        monitor = self.result.mean_field[_BOLD]
        return self._read(monitor, 0, f"BOLD of {monitor[monitor.dims[1]].values[0]} [a.u.]")

    @cached_property
    def connectivity(self) -> NDArray[np.float64] | None:
        """Correlation of the first variable shown, the one that couples; None if too short."""
        if not self.series or len(self.series[0].times_ms) < _MIN_CORRELATION_SAMPLES:
            return None
        return draw.correlation(self.series[0].values)

    @staticmethod
    def _read(monitor: xr.DataArray, index: int, label: str) -> _Series:
        regions = [str(name) for name in monitor[monitor.dims[2]].values]
        if "[" not in label:
            label += " [Hz]" if label.startswith("R") else " [1]"
        times_ms = monitor[monitor.dims[0]].values
        period_ms = float(monitor.attrs["period_ms"])
        return _Series(label, regions, times_ms, monitor[:, index].values, period_ms)


def make_panels(findings: Findings) -> list[Panel]:
    """Every section of the page, in order; always all of them."""
    return [
        _timing_panel(findings.result.provenance),
        _raster_panel(findings),
        _rates_panel(findings),
        _exchange_panel(findings),
        _series_panel(findings),
        _connectivity_panel(findings),
        _bold_panel(findings),
        *observable_panels(findings.result, findings.duration_ms),
    ]


def make_overview(findings: Findings, summary: str) -> Figure:
    """The picture of a run on one page: only what it has, each row filled."""
    series = [one for one in findings.series if len(one.times_ms)][:2]
    activity: list[Any] = []
    if findings.rates.size:
        activity.append(lambda axes: _rates(axes, findings))
    for found in findings.crossed.values():
        activity += [lambda axes, one=one: _exchange(axes, one, findings) for one in found[:1]]
    maps: list[Any] = [lambda axes, one=one: _heat(axes, one, findings, 22) for one in series]
    if findings.connectivity is not None:
        maps[1:] = [lambda axes: _connectivity(axes, findings, 22)]
    rows = [
        [lambda axes: _raster(axes, findings)] if findings.n_spikes else [],
        activity,
        [lambda axes, one=one: _lines(axes, one, findings) for one in series],
        maps,
    ]
    rows = [row for row in rows if row]
    heights = [4.8 if row is maps else 3.0 for row in rows] or [1.0]
    figure = draw.new_figure(14.0, 0.6 + sum(heights))
    figure.suptitle(summary, fontsize=11, ha="left", x=0.01)
    # A subfigure per row: the colour bars of one row do not push the columns of another.
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, row in zip(parts, rows, strict=False):
        for column, panel in enumerate(row, 1):
            panel(part.add_subplot(1, len(row), column))
    return figure


def _timing_panel(provenance: Mapping[str, Any]) -> Panel:
    name, title = "timing", "Where the time went"
    timing = provenance.get("timing") or []
    if not timing:
        return Panel(name, title, "No timing was recorded.")
    figure = draw.new_figure(WIDTH_IN, 1.6 + 0.35 * len(timing))
    draw.draw_timing(figure.add_subplot(), timing)
    rows = [("rank", *(f"{phase} [s]" for phase in PHASES), "total [s]", "interface")]
    for rank in timing:
        seconds = [float(rank.get(phase) or 0.0) for phase in PHASES]
        by_phase = dict(zip(PHASES, seconds, strict=True))
        running = sum(seconds) - by_phase["build"] - by_phase["write"]
        share = 1.0 - by_phase["compute"] / running if running > 0 else 0.0
        cells = [f"{value:.2f}" for value in (*seconds, float(rank.get("total") or sum(seconds)))]
        rows.append((f"{rank.get('rank', '?')} {rank.get('side', '')}", *cells, f"{share:.0%}"))
    caption = "Interface: the share of the time between build and write that is not compute."
    return Panel(name, title, caption, encoded(figure), tuple(rows))


def _raster_panel(findings: Findings) -> Panel:
    name, title = "raster", "Spikes"
    spikes = findings.result.spikes
    if not spikes:
        return Panel(name, title, "The run has no spiking population.")
    if not findings.n_spikes:
        return Panel(name, title, f"No cell fired in {findings.duration_ms:g} ms.")
    n_cells = sum(one.n_cells for one in spikes.values())
    figure = draw.new_figure(WIDTH_IN, float(np.clip(1.5 + 0.025 * n_cells, 3.0, 9.0)))
    remark = draw.draw_raster(figure.add_subplot(), spikes, findings.duration_ms)
    caption = f"One mark per spike; one row per cell, populations from the top. {remark}"
    return Panel(name, title, caption, encoded(figure))


def _raster(axes: Any, findings: Findings) -> None:
    draw.draw_raster(axes, findings.result.spikes, findings.duration_ms)
    draw.set_title(axes, "Spikes")


def _rates_panel(findings: Findings) -> Panel:
    name, title = "rates", "Population rates"
    rates = findings.rates
    if not rates.size:
        why = (
            "Nothing has been simulated yet"
            if rates.shape[1]
            else "It has no population that spikes"
        )
        return Panel(name, title, f"No rates of this run. {why}.")
    figure = draw.new_figure(WIDTH_IN, 3.0 if rates.shape[1] < 8 else 2.0 + 0.15 * rates.shape[1])
    _rates(figure.add_subplot(), findings)
    rows = [("population", "cells", "spikes", "mean rate [Hz]")]
    for population, one in findings.result.spikes.items():
        hz = one.times_ms.size / one.n_cells / findings.duration_ms * 1000.0
        rows.append((population, str(one.n_cells), str(one.times_ms.size), f"{hz:.2f}"))
    caption = "Spikes per cell and second, from the recorded spikes."
    return Panel(name, title, caption, encoded(figure), tuple(rows))


def _rates(axes: Any, findings: Findings) -> None:
    draw.draw_rates(axes, findings.rates, findings.duration_ms)
    draw.set_title(axes, f"Population rates in bins of {findings.rates.attrs['bin_ms']:g} ms")


def _exchange_panel(findings: Findings) -> Panel:
    name, title = "exchange", "What crossed between the simulators"
    signals = [signal for found in findings.crossed.values() for signal in found]
    if not signals:
        why = "no window was completed" if findings.replaced else "no region is replaced"
        return Panel(name, title, f"Nothing crossed: {why}.")
    figure = draw.new_figure(WIDTH_IN, 2.5 * len(signals))
    for row, signal in enumerate(signals, 1):
        _exchange(figure.add_subplot(len(signals), 1, row), signal, findings)
    caption = (
        "Against the start of the mean-field step; long runs are averaged over blocks of steps. "
        "The strongest region is the one with the highest mean."
    )
    return Panel(name, title, caption, encoded(figure))


def _exchange(axes: Any, signal: xr.DataArray, findings: Findings) -> None:
    draw.draw_exchange(axes, signal, findings.duration_ms)
    name = str(signal.name)
    direction = next(one for one in _DIRECTIONS if name.startswith(one))
    heading = f"{_DIRECTIONS[direction]}: {name.removeprefix(direction + '_')}"
    draw.set_title(axes, heading)


def _series_panel(findings: Findings) -> Panel:
    name, title = "regions", "Regional time series"
    series = [one for one in findings.series if len(one.times_ms)]
    if not series:
        return Panel(name, title, "No regional samples were recorded.")
    n_regions = len(series[0].regions)
    heat_in = float(np.clip(0.125 * n_regions, 2.0, 14.0))
    figure = draw.new_figure(WIDTH_IN, heat_in + 2.4 * len(series) + 0.6)
    heights = [heat_in + 0.6, *[2.4] * len(series)]
    grid = figure.add_gridspec(1 + len(series), len(series), height_ratios=heights)
    for column, one in enumerate(series):
        axes = figure.add_subplot(grid[0, column])
        _heat(axes, one, findings)
        lines = figure.add_subplot(grid[1 + column, :])
        _lines(lines, one, findings)
    caption = "Colour spans the 0.5th to the 99.5th percentile."
    if findings.replaced:
        caption += " Replaced regions are labelled in colour."
    return Panel(name, title, caption, encoded(figure))


def _heat(axes: Any, one: _Series, findings: Findings, most_labels: int = 100) -> None:
    draw.draw_heat(
        axes, one.times_ms, one.values, one.regions, findings.replaced, one.label,
        findings.duration_ms, most_labels,
    )  # fmt: skip
    draw.set_title(axes, one.name)


def _lines(axes: Any, one: _Series, findings: Findings) -> None:
    draw.draw_lines(
        axes, one.times_ms, one.values, one.regions, findings.replaced, one.label,
        findings.duration_ms,
    )  # fmt: skip
    draw.set_title(axes, one.name)


def _connectivity_panel(findings: Findings) -> Panel:
    name, title = "connectivity", "Functional connectivity"
    matrix = findings.connectivity
    if matrix is None:
        n_samples = len(findings.series[0].times_ms) if findings.series else 0
        return Panel(
            name,
            title,
            f"Not computed: {n_samples} samples of the mean field, at least "
            f"{_MIN_CORRELATION_SAMPLES} are needed.",
        )
    size_in = float(np.clip(0.12 * len(matrix), 4.0, 11.0))
    figure = draw.new_figure(size_in + 1.5, size_in)
    _connectivity(figure.add_subplot(), findings, 100)
    off_diagonal = matrix[~np.eye(len(matrix), dtype=bool)]
    caption = f"Pearson correlation of {findings.series[0].coverage}, the start included. "
    if np.isfinite(off_diagonal).any():
        caption += f"Mean off the diagonal {np.nanmean(off_diagonal):.3f}."
    if np.isnan(matrix).any():
        caption += " Grey: the region did not vary."
    return Panel(name, title, caption, encoded(figure))


def _connectivity(axes: Any, findings: Findings, most_labels: int) -> None:
    one, matrix = findings.series[0], findings.connectivity
    if matrix is not None:
        draw.draw_connectivity(axes, matrix, one.regions, findings.replaced, most_labels)
        draw.set_title(axes, f"Correlation of {one.coverage}")


def _bold_panel(findings: Findings) -> Panel:
    name, title = "bold", "BOLD"
    bold = findings.bold
    if bold is None:
        return Panel(name, title, "No BOLD monitor was asked for.")
    if len(bold.times_ms) < 2:
        return Panel(name, title, f"Not shown: {len(bold.times_ms)} sample, at least 2 are needed.")
    figure = draw.new_figure(WIDTH_IN, 3.2)
    _lines(figure.add_subplot(), bold, findings)
    return Panel(
        name, title, f"{len(bold.times_ms)} samples of TVB's BOLD monitor.", encoded(figure)
    )
