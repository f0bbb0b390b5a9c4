"""What the pictures of a report have in common: look, sizes, and long series made short."""

import io
import math
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

# Okabe & Ito (2008): told apart with any colour vision; their yellow is left out, as it
# vanishes on white paper.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#B8B8B8"
MAX_LINES = len(COLOURS)
MAX_POINTS = 1500  # more than a printed line resolves
# Of a picture as wide as the page, and of one of two beside each other.
WIDE_IN, HALF_IN = 10.0, 4.9
_LONGEST_LABEL = 24
_PIECE_ROWS = 20_000  # rows read at a time
_RC: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    # Left to itself, Matplotlib looks for it above every tick label: a fifth of a report's time.
    "axes.titley": 1.0,
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


def bare_figure(width_in: float, height_in: float, dpi: float | None = None) -> Figure:
    """An empty figure, in inches, whose axes are placed by hand."""
    return Figure(figsize=(width_in, height_in), dpi=dpi)


def new_tile(
    width_in: float,
    height_in: float,
    left_in: float = 0.75,
    right_in: float = 0.15,
    top_in: float = 0.5,
    bottom_in: float = 0.45,
) -> tuple[Figure, Axes]:
    """A figure with one axes at known margins, in inches.

    Matplotlib's own layout measures every label twice, which is half of the time of a report.
    """
    figure = bare_figure(width_in, height_in)
    axes = figure.add_axes(
        (
            left_in / width_in,
            bottom_in / height_in,
            1.0 - (left_in + right_in) / width_in,
            1.0 - (top_in + bottom_in) / height_in,
        )
    )
    return figure, axes


def label_width_in(names: Sequence[str], font_pt: float = 7.0) -> float:
    """Room that labels take, in inches: of its size, a bold capital of DejaVu Sans takes 0.77."""
    return 0.77 * font_pt / 72.0 * max((len(short(name)) for name in names), default=0) + 0.1


def short(name: str) -> str:
    """A label that leaves room for the picture."""
    return name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    stream = io.BytesIO()
    # Level 3 takes a third less time than zlib's usual 6 and makes the files as small.
    figure.savefig(stream, format="png", pil_kwargs={"compress_level": 3})
    return stream.getvalue()


def set_title(axes: Axes, title: str) -> None:
    """Title an axes, above its legend if it has one."""
    axes.set_title(title, pad=20.0 if axes.get_legend() else 6.0)


def draw_legend(axes: Axes, n_columns: int = 4, marker_scale: float = 1.0) -> None:
    """A legend above the data, never on it, of what there is."""
    if not axes.get_legend_handles_labels()[0]:
        return
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=n_columns, borderaxespad=0.1,
        handlelength=1.4, columnspacing=1.2, markerscale=marker_scale,
    )  # fmt: skip


def plain_powers(axis: Axis) -> None:
    """Powers of ten alone, in plain text: mathematical type takes a tenth of a second."""
    exponents = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

    def words(value: float, _: int) -> str:
        exponent = round(math.log10(value)) if value > 0 else 0
        known = value > 0 and math.isclose(value, 10.0**exponent, rel_tol=1e-6)
        return f"10{str(exponent).translate(exponents)}" if known else f"{value:g}"

    axis.set_major_formatter(FuncFormatter(words))
    axis.set_minor_locator(NullLocator())


def draw_colour_bar(axes: Axes, image: Any, label: str, extend: str = "neither") -> None:
    """A colour bar of the height of the picture, also where the picture keeps its proportions.

    It and its label take 0.75 in to the right of the axes.
    """
    width_in = axes.get_position().width * axes.figure.get_figure(root=True).get_size_inches()[0]
    place = axes.inset_axes((1.0 + 0.06 / width_in, 0.0, 0.12 / width_in, 1.0))
    bar = axes.figure.colorbar(image, cax=place, extend=extend, extendfrac=0.02)
    bar.set_label(label, fontsize=8)
    if isinstance(image.norm, LogNorm):
        plain_powers(bar.ax.yaxis)
    bar.ax.tick_params(labelsize=8)


def shown_labels(regions: Sequence[str], marked: Collection[str], most: int) -> list[int]:
    """Which regions there is room to label, the marked ones first."""
    apart = -(-len(regions) // most)
    shown: list[int] = []
    for i in sorted(range(len(regions)), key=lambda i: (regions[i] not in marked, i)):
        if all(abs(i - other) >= apart for other in shown):
            shown.append(i)
    return sorted(shown)


def region_ticks(
    axes: Axes, regions: Sequence[str], marked: Collection[str], most: int, both: bool = False
) -> None:
    """Label the rows, or rows and columns, of regions; the marked ones in colour."""
    shown = shown_labels(regions, marked, most)
    labels = [short(regions[i]) for i in shown]
    size = 7 if len(shown) < 45 else 6
    axes.set_yticks(shown, labels, fontsize=size)
    ticks = [axes.get_yticklabels()]
    if both:
        axes.set_xticks(shown, labels, fontsize=size, rotation=90)
        ticks.append(axes.get_xticklabels())
    for axis in ticks:
        for tick, i in zip(axis, shown, strict=True):
            if regions[i] in marked:
                tick.set_color(COLOURS[0])
                tick.set_fontweight("bold")


def block_mean(values: NDArray[np.float64], n_most: int = MAX_POINTS) -> NDArray[np.float64]:
    """Means over equal blocks of the first axis, so that at most ``n_most`` rows remain.

    Means, not every n-th row: a peak between two kept rows still counts. The last block may
    be shorter.

    Args:
        values: Shape ``(n, ...)``.
        n_most: Most rows to return.
    """
    return _means(values, -(-len(values) // n_most))


def read_block_means(array: xr.DataArray, n_most: int = MAX_POINTS) -> NDArray[np.float64]:
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


def extremes(
    times_ms: NDArray[np.float64], values: NDArray[np.float64], n_most: int = MAX_POINTS
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


def correlation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson correlation between columns; NaN where a column does not vary.

    Args:
        values: Shape ``(n_samples, n_regions)``.
    """
    scaled = _standardized(values)
    return np.asarray(scaled.T @ scaled)


def chance_correlation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What correlation of every two columns is left when one is turned round by half the run.

    Both keep their memory, which is what makes correlations of slow series large by chance.

    Args:
        values: Shape ``(n_samples, n_regions)``.

    Returns:
        One number per pair of different columns, shape ``(n (n - 1),)``.
    """
    scaled = _standardized(values)
    matrix = scaled.T @ np.roll(scaled, len(scaled) // 2, axis=0)
    return np.asarray(matrix[~np.eye(len(matrix), dtype=bool)])


def _standardized(values: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation = values - values.mean(axis=0)
    norm = np.sqrt((deviation**2).sum(axis=0))
    # A constant column has a norm of rounding, not of signal.
    norm[norm <= 1e-12 * np.abs(values).max(initial=0.0) * np.sqrt(len(values))] = np.nan
    return np.asarray(deviation / norm)
