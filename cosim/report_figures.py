"""The pictures of a report, each drawn into an axes that it is given."""

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cosim.results import Spikes
from cosim.stopwatch import PHASES

# Okabe & Ito (2008): told apart with any colour vision; their yellow is left out, as it
# vanishes on white paper.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_GREY = "#B8B8B8"
_MAX_LINES = len(COLOURS)
_MAX_POINTS = 1500  # more than a printed line resolves
_MAX_DOTS = 100_000
_PIECE_ROWS = 20_000  # rows read at a time
_RC: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.dpi": 130,
    "savefig.facecolor": "white",
    "image.interpolation": "nearest",
}


def style() -> AbstractContextManager[None]:
    """The report's look, for the block in which figures are made and saved."""
    return mpl.rc_context(_RC)


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure, in inches, outside pyplot's global list of open ones."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def set_title(axes: Axes, title: str) -> None:
    """Title an axes, above its legend if it has one."""
    axes.set_title(title, pad=20.0 if axes.get_legend() else 6.0)


def block_mean(values: NDArray[np.float64], n_most: int = _MAX_POINTS) -> NDArray[np.float64]:
    """Means over equal blocks of the first axis, so that at most ``n_most`` rows remain.

    Means, not every n-th row: a peak between two kept rows still counts. The last block may
    be shorter.

    Args:
        values: Shape ``(n, ...)``.
        n_most: Most rows to return.
    """
    return _means(values, -(-len(values) // n_most))


def read_block_means(array: xr.DataArray, n_most: int = _MAX_POINTS) -> NDArray[np.float64]:
    """What :func:`block_mean` gives, without holding the whole array: hours of steps are large.

    Args:
        array: Shape ``(n, ...)``, read from its file piece by piece.
        n_most: Most rows to return.
    """
    size = max(-(-len(array) // n_most), 1)
    piece = size * max(_PIECE_ROWS // size, 1)
    return np.concatenate(
        [_means(array[i : i + piece].values, size) for i in range(0, len(array), piece)]
    )


def _means(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    if size <= 1:
        return values
    starts = np.arange(0, len(values), size)
    counts = np.diff(np.append(starts, len(values)))
    sums: NDArray[np.float64] = np.add.reduceat(values, starts, axis=0)
    return sums / counts.reshape(-1, *[1] * (values.ndim - 1))


def correlation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson correlation between columns; NaN where a column does not vary.

    Args:
        values: Shape ``(n_samples, n_regions)``.
    """
    deviation = values - values.mean(axis=0)
    norm = np.sqrt((deviation**2).sum(axis=0))
    # A constant column has a norm of rounding, not of signal.
    norm[norm <= 1e-12 * np.abs(values).max(initial=0.0) * np.sqrt(len(values))] = np.nan
    scaled = deviation / norm
    return np.asarray(scaled.T @ scaled)


def _time_axis(axes: Axes, duration_ms: float) -> None:
    axes.set_xlabel("time [ms]")
    axes.set_xlim(0.0, max(duration_ms, 1e-3))


def _region_ticks(axes: Axes, regions: Sequence[str], marked: Collection[str], most: int) -> None:
    """Label the regions that there is room for, the marked ones first."""
    apart = -(-len(regions) // most)
    shown: list[int] = []
    for i in sorted(range(len(regions)), key=lambda i: (regions[i] not in marked, i)):
        if all(abs(i - other) >= apart for other in shown):
            shown.append(i)
    shown.sort()
    axes.set_yticks(shown, [regions[i] for i in shown], fontsize=7 if len(shown) < 45 else 6)
    for tick, i in zip(axes.get_yticklabels(), shown, strict=True):
        if regions[i] in marked:
            tick.set_color(COLOURS[0])
            tick.set_fontweight("bold")


def draw_raster(axes: Axes, spikes: Mapping[str, Spikes], duration_ms: float) -> str:
    """One dot per spike, populations stacked with the first at the top.

    Returns:
        A remark for the caption: empty unless only some of the spikes are drawn.
    """
    total = sum(one.times_ms.size for one in spikes.values())
    every = -(-total // _MAX_DOTS) or 1
    n_rows = sum(one.n_cells for one in spikes.values())
    offset, ticks = 0, []
    for number, one in enumerate(spikes.values()):
        axes.plot(
            one.times_ms[::every],
            offset + one.node_ids[::every] + 0.5,
            "|",
            color=COLOURS[number % 2 if len(spikes) > _MAX_LINES else number],
            markersize=max(2.0, min(8.0, 400.0 / n_rows)),
            markeredgewidth=0.8,
        )
        if offset:
            axes.axhline(offset, color=_GREY, linewidth=0.6)
        ticks.append(offset + one.n_cells / 2)
        offset += one.n_cells
    step = -(-len(spikes) // 24)
    roomy = len(spikes) <= 6
    labels = [f"{name}\n{one.n_cells} cells" if roomy else name for name, one in spikes.items()]
    axes.set_yticks(ticks[::step], labels[::step], fontsize=8 if roomy else 6)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(offset, 0)
    _time_axis(axes, duration_ms)
    return f"One spike in {every} is drawn, {total} fired." if every > 1 else ""


def draw_rates(axes: Axes, rates: xr.DataArray, duration_ms: float) -> None:
    """Population rates: lines, or a heat map if there are more than can be told apart."""
    names = [str(name) for name in rates["population"].values]
    if len(names) > _MAX_LINES:
        draw_heat(axes, rates["time"].values, rates.values, names, (), "rate [Hz]", duration_ms)
    else:
        _lines(axes, rates["time"].values, rates.values, names)
        axes.set_ylabel("rate per cell [Hz]")
        axes.set_ylim(0.0, max(axes.get_ylim()[1], 1.0))
        _time_axis(axes, duration_ms)


def draw_exchange(axes: Axes, signal: xr.DataArray, duration_ms: float) -> None:
    """What crossed: every region, or mean, strongest and range if there are too many."""
    times_ms = block_mean(signal[signal.dims[0]].values)
    values = read_block_means(signal)
    names = [str(name) for name in signal[signal.dims[1]].values]
    if len(names) <= min(4, _MAX_LINES):
        _lines(axes, times_ms, values, names)
    else:
        strongest = int(values.mean(axis=0).argmax())
        axes.fill_between(
            times_ms, values.min(axis=1), values.max(axis=1), color="#DDDDDD", label="range"
        )
        shown = np.stack([values[:, strongest], values.mean(axis=1)], axis=1)
        labels = [f"{names[strongest]} (strongest)", f"mean of {len(names)} regions"]
        _lines(axes, times_ms, shown, labels)
    axes.set_ylabel("rate [Hz]" if signal.attrs["units"] == "Hz" else "gating [1]")
    _time_axis(axes, duration_ms)


def draw_heat(
    axes: Axes,
    times_ms: NDArray[np.float64],
    values: NDArray[np.float64],
    names: Sequence[str],
    marked: Collection[str],
    label: str,
    duration_ms: float,
    most_labels: int = 100,
) -> None:
    """One row per region, colour for the value, replaced regions' labels in colour.

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
    times_ms, values = block_mean(times_ms), block_mean(values)
    half_ms = (times_ms[-1] - times_ms[0]) / max(len(times_ms) - 1, 1) / 2
    edges_ms = (times_ms[0] - half_ms, times_ms[-1] + half_ms) if half_ms else (0.0, duration_ms)
    low, high = np.percentile(values, (0.5, 99.5))
    image = axes.imshow(
        values.T,
        aspect="auto",
        cmap="viridis",
        vmin=low,
        vmax=max(high, low + 1e-12),
        extent=(*edges_ms, len(names) - 0.5, -0.5),
    )
    _region_ticks(axes, names, marked, most_labels)
    _time_axis(axes, duration_ms)
    bar = axes.figure.colorbar(image, ax=axes, extend="both", extendfrac=0.02, pad=0.01, aspect=40)
    bar.set_label(label)


def draw_lines(
    axes: Axes,
    times_ms: NDArray[np.float64],
    values: NDArray[np.float64],
    names: Sequence[str],
    marked: Collection[str],
    label: str,
    duration_ms: float,
    kind: str = "regions",
) -> None:
    """All regions in grey and their mean in black, the replaced ones in colour on top."""
    times_ms, values = block_mean(times_ms), block_mean(values)
    few = len(times_ms) < 30
    others = [i for i, name in enumerate(names) if name not in marked]
    chosen = [i for i, name in enumerate(names) if name in marked]
    style: dict[str, Any] = {"marker": "." if few else None, "clip_on": not few}
    for i in others:
        axes.plot(times_ms, values[:, i], color=_GREY, linewidth=0.5, alpha=0.7, **style)
    if others:
        mean = values[:, others].mean(axis=1)
        words = f"mean of the {'other ' if chosen else ''}{len(others)} {kind}"
        axes.plot(times_ms, mean, color="black", linewidth=1.2, label=words, **style)
    # More lines than colours: the colour then says only that a region is replaced.
    many = len(chosen) > _MAX_LINES - 1
    for number, i in enumerate(chosen):
        colour = COLOURS[0 if many else number]
        words = "_" if many and number else "replaced regions" if many else f"{names[i]} (replaced)"
        axes.plot(times_ms, values[:, i], color=colour, linewidth=1.0, label=words, **style)
    axes.set_ylabel(label)
    _time_axis(axes, duration_ms)
    _legend(axes)


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
    named = min(len(names), _MAX_LINES)
    for column in range(named, len(names)):
        axes.plot(times_ms, values[:, column], color=_GREY, linewidth=0.5, zorder=1)
    _lines(axes, times_ms, values, names[:named])
    axes.set_ylabel(label)
    _time_axis(axes, duration_ms)


def extremes(
    times_ms: NDArray[np.float64], values: NDArray[np.float64], n_most: int = _MAX_POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smallest and largest value of equal blocks: a spike is not averaged away.

    Args:
        times_ms: Shape ``(n,)``.
        values: Shape ``(n, n_columns)``.
        n_most: Most rows to return.

    Returns:
        Times and values, two rows for each block where there are more rows than asked for.
    """
    size = -(-2 * len(values) // n_most)
    if len(values) <= n_most:
        return times_ms, values
    starts = np.arange(0, len(values), size)
    low = np.minimum.reduceat(values, starts, axis=0)
    high = np.maximum.reduceat(values, starts, axis=0)
    return np.repeat(times_ms[starts], 2), np.stack([low, high], axis=1).reshape(-1, len(low[0]))


def draw_connectivity(
    axes: Axes,
    matrix: NDArray[np.float64],
    names: Sequence[str],
    marked: Collection[str],
    most_labels: int = 100,
) -> None:
    """Correlation between regions; grey where a region did not vary."""
    colours = mpl.colormaps["RdBu_r"].with_extremes(bad=_GREY)
    image = axes.imshow(matrix, cmap=colours, vmin=-1.0, vmax=1.0)
    _region_ticks(axes, names, marked, most_labels)
    axes.set_xticks(axes.get_yticks(), [t.get_text() for t in axes.get_yticklabels()], rotation=90)
    for x_label, y_label in zip(axes.get_xticklabels(), axes.get_yticklabels(), strict=True):
        x_label.set(
            color=y_label.get_color(),
            fontweight=y_label.get_fontweight(),
            fontsize=y_label.get_fontsize(),
        )
    axes.figure.colorbar(image, ax=axes, label="correlation [1]", pad=0.01, aspect=40)


def draw_timing(axes: Axes, timing: Sequence[Mapping[str, Any]]) -> None:
    """Wall time per rank, stacked by phase."""
    left = np.zeros(len(timing))
    rows = np.arange(len(timing))
    for phase, colour in zip(PHASES, COLOURS, strict=False):
        seconds = np.array([float(rank.get(phase) or 0.0) for rank in timing])
        axes.barh(rows, seconds, left=left, color=colour, label=phase, edgecolor="white")
        left += seconds
    for row, total in enumerate(left):
        axes.text(total, row, f" {total:.2f} s", va="center", fontsize=8)
    axes.set_yticks(rows, [f"rank {r.get('rank', '?')} {r.get('side', '')}" for r in timing])
    axes.set_ylim(len(timing) - 0.4, -0.6)
    axes.set_xlim(0.0, max(left.max(initial=0.0), 1e-9) * 1.1)
    axes.set_xlabel("wall time [s]")
    _legend(axes, len(PHASES))


def _lines(
    axes: Axes, times_ms: NDArray[np.float64], values: NDArray[np.float64], names: Iterable[str]
) -> None:
    marker = "." if len(times_ms) < 30 else None
    for number, name in enumerate(names):
        axes.plot(
            times_ms, values[:, number], color=COLOURS[number], lw=1.0, marker=marker, label=name
        )
    _legend(axes)


def _legend(axes: Axes, n_columns: int = 4) -> None:
    # Above the data, never on it.
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=n_columns, borderaxespad=0.1,
        handlelength=1.4, columnspacing=1.2,
    )  # fmt: skip
