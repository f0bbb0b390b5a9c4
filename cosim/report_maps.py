"""The pictures of a report that have regions on their axes: matrices, the brain, its delays."""

from collections.abc import Collection, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from cosim.report_figures import COLOURS, GREY, draw_colour_bar, plain_powers, region_ticks, short
from cosim.report_findings import Connection, Wiring

Array = NDArray[np.float64]

_MOST_EDGES = 100
_MOST_NAMED, _NAME_APART = 10, 0.25
_EDGE_SHARE = 0.1
_DECADE = 10.0
TISSUE_MM = 13.0  # about half of the distance between neighbouring regions' centres
_LARGEST_PT = 9.0
# Labels of replaced regions: how many, how far above a disc, how wide.
_MOST_LABELS, _LABEL_MM, _LABEL_WIDTH_MM = 8, 8.0, 34.0
_NODE, _EDGE, _REPLACED = "#56708A", "#8A9BAB", COLOURS[0]
# The two columns of each view, and where the eye is: left is always left.
VIEWS = ((0, 1, "from above"), (1, 2, "from the right"), (0, 2, "from behind"))
_ENDS = {"right": ("L", "R"), "anterior": ("P", "A"), "superior": ("I", "S")}


def draw_matrix(
    axes: Axes,
    matrix: Array,
    names: Sequence[str],
    marked: Collection[str],
    label: str,
    limit: float = 1.0,
    most_labels: int = 18,
) -> None:
    """A matrix of regions with values of both signs, such as correlation; grey where unknown."""
    colours = mpl.colormaps["RdBu_r"].with_extremes(bad=GREY)
    image = axes.imshow(matrix, cmap=colours, vmin=-limit, vmax=limit)
    region_ticks(axes, names, marked, most_labels, both=True)
    draw_colour_bar(axes, image, label)


def draw_weights(
    axes: Axes, wiring: Wiring, marked: Collection[str], most_labels: int = 18
) -> None:
    """Weights, on a logarithmic scale where they span more than a decade; white where none is."""
    weights = np.ma.masked_less_equal(wiring.weights, 0.0)
    colours = mpl.colormaps["viridis"].with_extremes(bad="white")
    low, high = _weight_range(wiring)
    wide = spans_decades(wiring)
    norm = LogNorm(low, high) if wide else Normalize(0.0, high)
    image = axes.imshow(weights, cmap=colours, norm=norm)
    region_ticks(axes, wiring.regions, marked, most_labels, both=True)
    axes.set_ylabel("to region (target)")
    axes.set_xlabel("from region (source)")
    for i in (wiring.regions.index(name) for name in marked if name in wiring.regions):
        for line in (axes.axhline, axes.axvline):
            line(i, color=_REPLACED, linewidth=0.6, alpha=0.8)
    draw_colour_bar(axes, image, "weight, before G [1]", "min" if wide else "neither")


def spans_decades(wiring: Wiring) -> bool:
    """Whether the largest weight is more than tenfold a small one."""
    low, high = _weight_range(wiring)
    return high > _DECADE * low


def _weight_range(wiring: Wiring) -> tuple[float, float]:
    low, high = np.percentile(wiring.weights[wiring.weights > 0], (2.0, 100.0))
    return float(low), float(high)


def strongest_edges(weights: Array) -> NDArray[np.int64]:
    """Pairs of regions with the largest weight in either direction, strongest last.

    Args:
        weights: Shape ``(n_regions, n_regions)``.

    Returns:
        Shape ``(n_pairs, 2)``: a tenth of the connected pairs, at most 100. Of pairs as strong as
        the weakest of these an even choice, not those that come last in the file.
    """
    either = np.triu(np.maximum(weights, weights.T), 1)
    rows, columns = np.nonzero(either)
    n_shown = min(_MOST_EDGES, int(np.ceil(_EDGE_SHARE * len(rows))))
    if not n_shown:
        return np.empty((0, 2), dtype=np.int64)
    strength = either[rows, columns]
    weakest = np.sort(strength)[len(rows) - n_shown]
    sure, tied = np.flatnonzero(strength > weakest), np.flatnonzero(strength == weakest)
    left = n_shown - len(sure)
    chosen = tied[np.linspace(0, len(tied) - 1, left).round().astype(int)]
    order = np.concatenate([chosen, sure[np.argsort(strength[sure], kind="stable")]])
    return np.stack([rows[order], columns[order]], axis=1)


def draw_brain(
    frame: Axes, wiring: Wiring, centres_mm: Array, marked: Collection[str]
) -> list[Axes]:
    """A glass brain: three projections at one scale, discs sized by strength, strongest edges.

    Args:
        frame: What the views fill, two above one; nothing else is drawn into it.
        wiring: What connects the regions.
        centres_mm: Shape ``(n_regions, 3)``, mm.
        marked: Replaced regions.

    Returns:
        The axes of the views from above, from the right and from behind.
    """
    low, high = centres_mm.min(axis=0) - TISSUE_MM - 4, centres_mm.max(axis=0) + TISSUE_MM + 4
    size_mm = high - low
    # Above: x by y. Beside it, y by z; below it, x by z: one scale for all.
    columns, rows = (size_mm[0], size_mm[1]), (size_mm[1], size_mm[2])
    frame.set_axis_off()
    figure, place = frame.figure, frame.get_position()
    assert isinstance(figure, Figure)
    box_in = figure.get_size_inches() * (place.width, place.height)
    title_in = 0.25
    scale = min(box_in[0] / sum(columns), (box_in[1] - 2 * title_in) / sum(rows))
    width, height = scale / figure.get_size_inches()
    title = title_in / figure.get_size_inches()[1]
    middle = place.y1 - title - rows[0] * height
    corners = (
        (place.x0, middle),
        (place.x0 + columns[0] * width, middle),
        (place.x0, middle - title - rows[1] * height),
    )
    views = []
    for (across, up, eye), (left, bottom) in zip(VIEWS, corners, strict=True):
        axes = figure.add_axes((left, bottom, size_mm[across] * width, size_mm[up] * height))
        axes.set(xlim=(low[across], high[across]), ylim=(low[up], high[up]))
        axes.set_axis_off()
        _draw_view(axes, wiring, centres_mm[:, [across, up]], marked)
        _name_ends(axes, wiring.axes[across], wiring.axes[up], eye)
        views.append(axes)
    # The fourth quarter is free.
    left, bottom = place.x0 + columns[0] * width, middle - title - rows[1] * height
    _draw_key(figure.add_axes((left, bottom, columns[1] * width, rows[1] * height)), wiring, marked)
    return views


def node_strength(weights: Array) -> Array:
    """Sum of the weights into and out of each region."""
    return np.asarray(weights.sum(axis=0) + weights.sum(axis=1))


def _disc_pt(strength: Array, largest: float) -> Array:
    """Widths of discs whose area, not width, goes with the strength, in points."""
    return np.asarray(_LARGEST_PT * np.sqrt(np.maximum(strength / largest, 0.03)))


def _draw_key(axes: Axes, wiring: Wiring, marked: Collection[str]) -> None:
    axes.set_axis_off()
    strength = node_strength(wiring.weights)
    shown = np.array([0.1, 0.4, 1.0]) * strength.max()
    sizes = _disc_pt(shown, strength.max()) ** 2
    for value, size in zip(shown, sizes, strict=True):
        axes.scatter([], [], s=size, color=_NODE, label=f"strength {value:.2g}")
    if marked:
        axes.scatter([], [], s=sizes[1], color=_REPLACED, label="replaced region")
    for share in (0.3, 1.0):
        value = share * np.maximum(wiring.weights, wiring.weights.T).max()
        axes.plot([], [], color=_EDGE, linewidth=_edge_pt(share), label=f"weight {value:.2g}")
    axes.legend(loc="center", fontsize=7.5, labelspacing=0.5, handlelength=1.6)


def _edge_pt(share: Any) -> Any:
    """Width of a line by its weight over the largest, in points."""
    return 0.3 + 1.3 * share


def _draw_view(axes: Axes, wiring: Wiring, places_mm: Array, marked: Collection[str]) -> None:
    discs = [Circle((x, y), TISSUE_MM) for x, y in places_mm]
    axes.add_collection(PatchCollection(discs, facecolor="#EFEFEF", linewidth=0, zorder=0))
    chosen = np.array([name in marked for name in wiring.regions])
    pairs = strongest_edges(wiring.weights)
    weight = np.maximum(wiring.weights, wiring.weights.T)[pairs[:, 0], pairs[:, 1]]
    touched = chosen[pairs].any(axis=1)
    widths = _edge_pt(weight / weight.max(initial=1e-300))
    for group, colour, order in ((~touched, _EDGE, 1), (touched, _REPLACED, 2)):
        axes.add_collection(
            LineCollection(
                list(places_mm[pairs[group]]),
                linewidths=widths[group],
                colors=colour,
                alpha=0.6,
                zorder=order,
            )
        )
    strength = node_strength(wiring.weights)
    size_pt = _disc_pt(strength, strength.max())
    colours = np.where(chosen, _REPLACED, _NODE)
    x_mm, y_mm = places_mm.T
    axes.scatter(
        x_mm, y_mm, size_pt**2, list(colours), linewidths=0.4, edgecolors="white", zorder=3
    )
    _name_replaced(axes, wiring.regions, places_mm, np.flatnonzero(chosen)[:_MOST_LABELS])


def _name_replaced(
    axes: Axes, regions: Sequence[str], places_mm: Array, which: NDArray[np.int64]
) -> None:
    """Labels above their discs, or below where another is in the way; else none."""
    taken: list[tuple[float, float]] = []
    for i in which:
        x, y = places_mm[i]
        for place_mm, offset_pt in ((y + _LABEL_MM, 6), (y - _LABEL_MM, -12)):
            if all(
                abs(place_mm - other) > _LABEL_MM or abs(x - across) > _LABEL_WIDTH_MM
                for across, other in taken
            ):
                taken.append((x, place_mm))
                axes.annotate(
                    short(regions[i]), (x, y), (0, offset_pt), textcoords="offset points",
                    ha="center", fontsize=7, fontweight="bold", color=_REPLACED, zorder=4,
                    path_effects=[withStroke(linewidth=2.0, foreground="white")],
                )  # fmt: skip
                break


def _name_ends(axes: Axes, across: str, up: str, eye: str) -> None:
    known = across in _ENDS
    axes.set_title(eye if known else f"{across} and {up} of the file", fontsize=8, loc="center")
    left, right = _ENDS[across] if known else ("", f"{across} →")
    for x, text, align in ((0.03, left, "left"), (0.97, right, "right")):
        axes.text(
            x, 0.03, text, transform=axes.transAxes, ha=align, va="bottom", color="#555555",
            fontsize=8,
        )  # fmt: skip
    if not known:
        axes.text(0.0, 1.0, f"↑ {up}", transform=axes.transAxes, va="top", color="#666666")


def draw_delays(
    axes: Axes,
    groups: Sequence[tuple[str, Sequence[Connection]]],
    into: bool,
    window_ms: float | None,
) -> None:
    """What each connection carries at which delay, by replaced region.

    Args:
        axes: Where to draw.
        groups: Replaced regions, each with its connections.
        into: Whether they lead into the circuits; else out of them.
        window_ms: Synchronization window, which no delay may be below, ms; None if not known.
    """
    for number, (name, connections) in enumerate(groups):
        axes.scatter(
            [one.delay_ms for one in connections],
            [one.carried for one in connections],
            s=16,
            color=COLOURS[number % len(COLOURS)],
            alpha=0.75,
            linewidths=0,
            label=short(name) if number < len(COLOURS) else "_",
        )
    every = [one for _, connections in groups for one in connections]
    rates = all(one.is_rate for one in every)
    axes.set_yscale("log")
    plain_powers(axes.yaxis)
    axes.set_xlim(0.0, max(one.delay_ms for one in every) * 1.08 + 1e-3)
    axes.set_xlabel("delay as simulated [ms]")
    axes.set_ylabel(f"weight x mean {'rate [Hz]' if rates else 'of what is sent'}")
    if window_ms:
        axes.axvline(window_ms, color="black", linestyle="--", linewidth=0.9)
        axes.text(
            window_ms, 0.02, f" window {window_ms:g} ms", transform=axes.get_xaxis_transform(),
            fontsize=8, va="bottom", ha="left", zorder=4,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip
    named: list[float] = []
    for one in sorted(every, key=lambda one: -one.carried)[:_MOST_NAMED]:
        if not one.carried > 0:
            break
        height = float(np.log(one.carried))
        # Not where two names would lie on each other.
        if all(abs(height - other) > _NAME_APART for other in named):
            named.append(height)
            axes.annotate(
                short(one.source if into else one.target), (one.delay_ms, one.carried), (4, 0),
                textcoords="offset points", fontsize=7, va="center",
            )  # fmt: skip


def draw_histogram(axes: Axes, groups: Sequence[tuple[str, Array, str]], label: str) -> None:
    """Densities of correlations, one outline per group.

    Args:
        axes: Where to draw.
        groups: Name, values and colour of each.
        label: What the values are.
    """
    edges = np.linspace(-1.0, 1.0, 21)
    for name, values, colour in groups:
        known = values[np.isfinite(values)]
        if known.size:
            density, _ = np.histogram(known, edges, density=True)
            axes.stairs(density, edges, color=colour, label=f"{name} ({known.size})", linewidth=1.3)
    axes.set_xlim(-1.0, 1.0)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(label)
    axes.set_ylabel("density [1]")
