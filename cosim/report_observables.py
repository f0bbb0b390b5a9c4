"""The sections of a report about what devices would see: sensors, electrodes, traces, molecules."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from cosim import report_figures as draw
from cosim.results import RunResult

WIDTH_IN = 10.0
_MOST_ROWS = 12
_SENSORS = {"eeg": "EEG", "meg": "MEG", "seeg": "sEEG"}
_RECORDED = {
    "traces": ("Traces of cells", "circuits[].record.traces"),
    "lfp": ("Local field potential", "circuits[].record.lfp"),
    "concentrations": ("Concentrations", "circuits[].record.concentrations"),
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One section of the page.

    Attributes:
        name: Anchor.
        title: Heading.
        caption: What the picture shows, or why there is none.
        image: PNG, base64; empty if there is none.
        table: Rows of cells, the first a heading.
    """

    name: str
    title: str
    caption: str
    image: str = ""
    table: tuple[tuple[str, ...], ...] = ()


def encoded(figure: Figure) -> str:
    """The figure as a page holds it."""
    return base64.b64encode(draw.png(figure)).decode("ascii")


def has_sensors(monitor: xr.DataArray) -> bool:
    """Whether a monitor's samples are of sensors, not of regions."""
    return str(monitor.dims[-1]).startswith("sensor")


def observable_panels(result: RunResult, duration_ms: float) -> list[Panel]:
    """One section each for sensors, traces, field potential and concentrations.

    Args:
        result: The run.
        duration_ms: Simulated time, ms.
    """
    recorded: Mapping[str, xr.Dataset] = {
        "traces": result.traces,
        "lfp": result.lfp,
        "concentrations": result.concentrations,
    }
    return [
        _sensor_panel(result.mean_field, duration_ms),
        *(_recorded_panel(kind, dataset, duration_ms) for kind, dataset in recorded.items()),
    ]


def _sensor_panel(mean_field: xr.Dataset, duration_ms: float) -> Panel:
    name, title = "sensors", "EEG, MEG and sEEG"
    shown = {
        str(key): monitor
        for key, monitor in mean_field.items()
        if has_sensors(monitor) and monitor.shape[0] > 1
    }
    if not shown:
        asked = any(has_sensors(monitor) for monitor in mean_field.values())
        why = "fewer than 2 samples were taken" if asked else "no such monitor was asked for"
        return Panel(name, title, f"Not shown: {why}.")
    figure = draw.new_figure(WIDTH_IN, 3.4 * len(shown))
    for row, (key, monitor) in enumerate(shown.items()):
        times_ms = monitor[monitor.dims[0]].values
        # A lead field gives every sensor its own constant; what changes is the signal.
        values = monitor.values[:, 0] - monitor.values[:, 0].mean(axis=0)
        labels = [str(label) for label in monitor[monitor.dims[2]].values]
        heading = f"{_SENSORS.get(key, key)}, {len(labels)} sensors"
        lines = figure.add_subplot(len(shown), 2, 2 * row + 1)
        unit = str(monitor.attrs["units"])
        draw.draw_lines(
            lines, times_ms, values, labels, (), f"deviation [{unit}]", duration_ms, "sensors"
        )
        draw.set_title(lines, heading)
        heat = figure.add_subplot(len(shown), 2, 2 * row + 2)
        draw.draw_heat(heat, times_ms, values, labels, (), f"deviation [{unit}]", duration_ms, 16)
        draw.set_title(heat, heading)
    caption = (
        "Deviation of each sensor from its mean over the run, from TVB's monitors; arbitrary units "
        "(lead field times gating variable), no observation noise, no reference subtracted."
    )
    return Panel(name, title, caption, encoded(figure))


def _recorded_panel(kind: str, dataset: xr.Dataset, duration_ms: float) -> Panel:
    title, key = _RECORDED[kind]
    shown = {str(name): one for name, one in dataset.items() if one.shape[0]}
    if not shown:
        why = "nothing was flushed yet" if len(dataset) else f"none asked for ({key})"
        return Panel(kind, title, f"Not shown: {why}.")
    rows = list(shown.items())[:_MOST_ROWS]
    figure = draw.new_figure(WIDTH_IN, 0.4 + 2.1 * len(rows))
    for number, (name, one) in enumerate(rows, 1):
        axes = figure.add_subplot(len(rows), 1, number)
        axis = str(one.dims[1])
        word = axis.partition("_")[0]
        labels = [f"{word} {int(index)}" for index in one[axis].values]
        draw.draw_recording(
            axes, one[one.dims[0]].values, one.values, labels, _axis_label(kind, one), duration_ms
        )
        draw.set_title(axes, name)
    caption = "Long recordings are drawn as smallest and largest value of each stretch."
    if len(shown) > len(rows):
        caption += f" The first {len(rows)} of {len(shown)} are drawn."
    return Panel(kind, title, caption, encoded(figure))


def _axis_label(kind: str, one: xr.DataArray) -> str:
    unit = str(one.attrs["units"]) or "1"
    what: dict[str, Any] = {"lfp": "potential", "concentrations": "concentration"}
    return f"{what.get(kind, str(one.name).split('.', 2)[-1])} [{unit}]"
