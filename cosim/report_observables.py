"""The sections of a report about what devices would see: sensors, electrodes, traces, molecules."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim import report_courses as courses
from cosim import report_figures as draw
from cosim.report_findings import has_sensors
from cosim.report_panel import Panel, Picture, picture
from cosim.report_viewers import lines_viewer
from cosim.results import RunResult

_MOST_ROWS = 12
_VIEWER_POINTS = 3000
_SENSORS = {"eeg": "EEG", "meg": "MEG", "seeg": "sEEG"}
_RECORDED = {
    "traces": ("Traces of cells", "circuits[].record.traces"),
    "lfp": ("Local field potential", "circuits[].record.lfp"),
    "concentrations": ("Concentrations", "circuits[].record.concentrations"),
}


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
    pictures: list[Picture] = []
    for key, monitor in shown.items():
        times_ms = monitor[monitor.dims[0]].values
        # A lead field gives every sensor its own constant; what changes is the signal.
        values = monitor.values[:, 0] - monitor.values[:, 0].mean(axis=0)
        labels = [str(label) for label in monitor[monitor.dims[2]].values]
        heading = f"{_SENSORS.get(key, key)}, {len(labels)} sensors"
        label = f"deviation [{monitor.attrs['units']}]"
        figure, axes = draw.new_tile(draw.HALF_IN, 3.4)
        courses.draw_lines(axes, times_ms, values, labels, (), label, duration_ms, "sensors")
        draw.set_title(axes, heading)
        pictures.append(picture(figure, f"{heading}, as lines"))
        figure, axes = draw.new_tile(draw.HALF_IN, 3.4, draw.label_width_in(labels), 0.85)
        courses.draw_heat(axes, times_ms, values, labels, (), label, duration_ms, 16)
        draw.set_title(axes, heading)
        pictures.append(picture(figure, f"{heading}, one row each"))
    caption = (
        "Deviation of each sensor from its mean over the run, from TVB's monitors; arbitrary units "
        "(lead field times gating variable), no observation noise, no reference subtracted."
    )
    return Panel(name, title, caption, tuple(pictures))


def _recorded_panel(kind: str, dataset: xr.Dataset, duration_ms: float) -> Panel:
    title, key = _RECORDED[kind]
    shown = {str(name): one for name, one in dataset.items() if one.shape[0]}
    if not shown:
        why = "nothing was flushed yet" if len(dataset) else f"none asked for ({key})"
        return Panel(kind, title, f"Not shown: {why}.")
    rows = list(shown.items())[:_MOST_ROWS]
    pictures = []
    for name, one in rows:
        figure, axes = draw.new_tile(draw.WIDE_IN, 2.3)
        axis = str(one.dims[1])
        word = axis.partition("_")[0]
        labels = [f"{word} {int(index)}" for index in one[axis].values]
        times_ms, values = one[one.dims[0]].values, one.values
        label = _axis_label(kind, one)
        courses.draw_recording(axes, times_ms, values, labels, label, duration_ms)
        draw.set_title(axes, name)
        pictures.append(
            picture(
                figure, name, viewer=_viewer(name, times_ms, values, labels, label, duration_ms)
            )
        )
    caption = "Long recordings are drawn as smallest and largest value of each stretch."
    if len(shown) > len(rows):
        caption += f" The first {len(rows)} of {len(shown)} are drawn."
    return Panel(kind, title, caption, tuple(pictures))


def _viewer(
    name: str,
    times_ms: NDArray[np.float64],
    values: NDArray[np.float64],
    labels: list[str],
    label: str,
    duration_ms: float,
) -> dict[str, Any]:
    few = len(labels) <= draw.MAX_LINES
    return lines_viewer(
        name, *draw.extremes(times_ms, values, _VIEWER_POINTS), labels, label, duration_ms,
        None if few else {}, "" if few else labels[0].partition(" ")[0],
    )  # fmt: skip


def _axis_label(kind: str, one: xr.DataArray) -> str:
    unit = str(one.attrs["units"]) or "1"
    what: dict[str, Any] = {"lfp": "potential", "concentrations": "concentration"}
    return f"{what.get(kind, str(one.name).split('.', 2)[-1])} [{unit}]"
