"""The pictures of a report that have time on their axis, and where the wall time went."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from cosim.report_figures import (
    COLOURS,
    GREY,
    MAX_LINES,
    block_mean,
    draw_colour_bar,
    draw_legend,
    extremes,
    region_ticks,
    short,
)
from cosim.report_findings import Crossing
from cosim.results import Spikes
from cosim.stopwatch import PHASES

MAX_DOTS = 100_000
# Signals of more regions are drawn as their mean, their range and the strongest.
MAX_SINGLE = 4
# Rates from spikes are ragged: fewer points, each a mean over more spikes, can be read.
RATE_POINTS = 400
LINE_POINTS = 800


def _time_axis(axes: Axes, duration_ms: float) -> None:
    axes.set_xlabel("time [ms]")
    axes.set_xlim(0.0, max(duration_ms, 1e-3))


def draw_raster(axes: Axes, spikes: Mapping[str, Spikes], duration_ms: float) -> str:
    """One dot per spike, populations stacked with the first at the top.

    Returns:
        A remark for the caption: empty unless only some of the spikes are drawn.
    """
    total = sum(one.times_ms.size for one in spikes.values())
    every = -(-total // MAX_DOTS) or 1
    n_rows = sum(one.n_cells for one in spikes.values())
    offset, ticks = 0, []
    for number, one in enumerate(spikes.values()):
        axes.plot(
            one.times_ms[::every],
            offset + one.node_ids[::every] + 0.5,
            "|",
            color=population_colour(number, len(spikes)),
            markersize=max(2.0, min(8.0, 400.0 / n_rows)),
            markeredgewidth=0.8,
        )
        if offset:
            axes.axhline(offset, color=GREY, linewidth=0.6)
        ticks.append(offset + one.n_cells / 2)
        offset += one.n_cells
    step = -(-len(spikes) // 24)
    roomy = len(spikes) <= 6
    labels = [
        f"{short(name)}\n{one.n_cells} cells" if roomy else short(name)
        for name, one in spikes.items()
    ]
    axes.set_yticks(ticks[::step], labels[::step], fontsize=8 if roomy else 6)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(offset, 0)
    _time_axis(axes, duration_ms)
    return f"One spike in {every} is drawn, {total} fired." if every > 1 else ""


def population_colour(number: int, of: int) -> str:
    """A colour per population; two in turn where there are more than colours."""
    return COLOURS[number % 2 if of > MAX_LINES else number]


def draw_rates(axes: Axes, rates: xr.DataArray, duration_ms: float) -> None:
    """Population rates: lines, or a heat map if there are more than can be told apart."""
    names = [str(name) for name in rates["population"].values]
    if len(names) > MAX_LINES:
        draw_heat(axes, rates["time"].values, rates.values, names, (), "rate [Hz]", duration_ms)
    else:
        draw_named(axes, rates["time"].values, rates.values, names)
        axes.set_ylabel("rate per cell [Hz]")
        axes.set_ylim(0.0, max(axes.get_ylim()[1], 1.0))
        _time_axis(axes, duration_ms)


def draw_crossing(axes: Axes, crossing: Crossing, duration_ms: float) -> None:
    """What crossed: every region, or mean, strongest and range if there are too many."""
    values = block_mean(crossing.values, RATE_POINTS)
    times_ms = block_mean(crossing.times_ms, RATE_POINTS)
    if len(crossing.regions) > MAX_SINGLE:
        axes.fill_between(
            times_ms, values.min(axis=1), values.max(axis=1), color="#DDDDDD", label="range"
        )
    draw_named(axes, times_ms, *named_courses(crossing, values))
    axes.set_ylabel(crossing.label)
    _time_axis(axes, duration_ms)


def named_courses(
    crossing: Crossing, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[str]]:
    """Every region of a signal, or of many the strongest and the mean, and what to call them.

    Args:
        crossing: The signal.
        values: Its values, or means of them over blocks, shape ``(n, n_regions)``.
    """
    names = crossing.regions
    if len(names) <= MAX_SINGLE:
        return values, list(names)
    strongest = int(values.mean(axis=0).argmax())
    shown = np.stack([values[:, strongest], values.mean(axis=1)], axis=1)
    return shown, [f"{names[strongest]} (highest mean)", f"mean of {len(names)} regions"]


def draw_heat(
    axes: Axes,
    times_ms: NDArray[np.float64],
    values: NDArray[np.float64],
    names: Sequence[str],
    marked: Collection[str],
    label: str,
    duration_ms: float,
    most_labels: int = 45,
) -> None:
    """One row per region, colour for the value, grey where unknown; replaced ones in colour.

    Args:
        axes: Where to draw.
        times_ms: Sample times, shape ``(n_samples,)``, ms.
        values: Samples, shape ``(n_samples, n_regions)``.
        names: Region labels.
        marked: Regions to emphasize.
        label: What the colour means, with its unit.
        duration_ms: Simulated time, ms.
        most_labels: Most regions to label.
    """
    times_ms, values = block_mean(times_ms, RATE_POINTS), block_mean(values, RATE_POINTS)
    half_ms = (times_ms[-1] - times_ms[0]) / max(len(times_ms) - 1, 1) / 2
    edges_ms = (times_ms[0] - half_ms, times_ms[-1] + half_ms) if half_ms else (0.0, duration_ms)
    # Of a replaced region a variable that its circuit does not provide is not a number.
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (0.5, 99.5)) if known.size else (0.0, 1.0)
    image = axes.imshow(
        values.T,
        aspect="auto",
        cmap=mpl.colormaps["viridis"].with_extremes(bad=GREY),
        vmin=low,
        vmax=max(high, low + 1e-12),
        extent=(*edges_ms, len(names) - 0.5, -0.5),
    )
    region_ticks(axes, names, marked, most_labels)
    _time_axis(axes, duration_ms)
    draw_colour_bar(axes, image, label, "both")


def draw_lines(
    axes: Axes,
    times_ms: NDArray[np.float64],
    values: NDArray[np.float64],
    names: Sequence[str],
    marked: Collection[str],
    label: str,
    duration_ms: float,
    kind: str = "regions",
    n_most: int = LINE_POINTS,
) -> None:
    """All regions in grey and their mean in black, the replaced ones in colour on top."""
    times_ms, values = block_mean(times_ms, n_most), block_mean(values, n_most)
    few = len(times_ms) < 30
    others = [i for i, name in enumerate(names) if name not in marked]
    chosen = [i for i, name in enumerate(names) if name in marked]
    style: dict[str, Any] = {"marker": "." if few else None, "clip_on": not few}
    if others:
        # One collection: a line of its own for each region takes four times as long.
        points = np.stack(np.broadcast_arrays(times_ms[:, None], values[:, others]), axis=2)
        axes.add_collection(
            LineCollection(list(points.swapaxes(0, 1)), colors=GREY, linewidths=0.5, alpha=0.7)
        )
        if few:
            axes.plot(times_ms, values[:, others], ".", color=GREY, markersize=2, clip_on=False)
        axes.autoscale_view()
        mean = values[:, others].mean(axis=1)
        words = f"mean of the {'other ' if chosen else ''}{len(others)} {kind}"
        axes.plot(times_ms, mean, color="black", linewidth=1.2, label=words, **style)
    # More lines than colours: the colour then says only that a region is replaced.
    many = len(chosen) > MAX_LINES - 1
    for number, i in enumerate(chosen):
        colour = COLOURS[0 if many else number]
        words = (
            "_"
            if many and number
            else "replaced regions"
            if many
            else f"{short(names[i])} (replaced)"
        )
        axes.plot(times_ms, values[:, i], color=colour, linewidth=1.0, label=words, **style)
    axes.set_ylabel(label)
    _time_axis(axes, duration_ms)
    draw_legend(axes)


def draw_recording(
    axes: Axes,
    times_ms: NDArray[np.float64],
    values: NDArray[np.float64],
    names: Sequence[str],
    label: str,
    duration_ms: float,
) -> None:
    """A line per cell or electrode; of more than can be told apart, the others in grey.

    Args:
        axes: Where to draw.
        times_ms: Sample times, shape ``(n_samples,)``, ms.
        values: Samples, shape ``(n_samples, n_lines)``.
        names: Of the lines.
        label: What is drawn, with its unit.
        duration_ms: Simulated time, ms.
    """
    times_ms, values = extremes(times_ms, values)
    named = min(len(names), MAX_LINES)
    for column in range(named, len(names)):
        axes.plot(times_ms, values[:, column], color=GREY, linewidth=0.5, zorder=1)
    draw_named(axes, times_ms, values, names[:named])
    axes.set_ylabel(label)
    _time_axis(axes, duration_ms)


def draw_timing(axes: Axes, timing: Sequence[Mapping[str, Any]]) -> None:
    """Wall time per rank, stacked by phase."""
    left = np.zeros(len(timing))
    rows = np.arange(len(timing))
    for phase, colour in zip(PHASES, COLOURS, strict=False):
        seconds = np.array([float(rank.get(phase) or 0.0) for rank in timing])
        axes.barh(rows, seconds, left=left, color=colour, label=phase, edgecolor="white")
        left += seconds
    for row, total in enumerate(left):
        axes.text(total, row, f" {total:.1f} s", va="center", fontsize=8)
    axes.set_yticks(rows, [f"rank {r.get('rank', '?')} {r.get('side', '')}" for r in timing])
    axes.set_ylim(len(timing) - 0.4, -0.6)
    axes.set_xlim(0.0, max(left.max(initial=0.0), 1e-9) * 1.15)
    axes.set_xlabel("wall time [s]")
    draw_legend(axes, 4)


def draw_named(
    axes: Axes, times_ms: NDArray[np.float64], values: NDArray[np.float64], names: Iterable[str]
) -> None:
    """A line and an entry of the legend each, marked where there are few points."""
    marker = "." if len(times_ms) < 30 else None
    for number, name in enumerate(names):
        axes.plot(
            times_ms,
            values[:, number],
            color=COLOURS[number],
            lw=1.0,
            marker=marker,
            label=short(name),
        )
    draw_legend(axes)
