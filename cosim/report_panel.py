"""A section of a report: pictures and what lies under the pointer, a table, or why not."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cosim.report_figures import WIDE_IN, png

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of the page.

    Attributes:
        alt: What it shows, for those who cannot see it.
        image: PNG, base64.
        wide: Whether it takes the width of the page; else two stand beside each other.
        height: Height over width.
        spots: What to say under the pointer, see :func:`point_spots` and :func:`grid_spots`.
        viewer: Data of the zoomable drawing that takes its place on screen; empty: none does.
    """

    alt: str
    image: str
    wide: bool
    height: float
    spots: tuple[Mapping[str, Any], ...] = ()
    viewer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Panel:
    """One section of the page.

    Attributes:
        name: Anchor.
        title: Heading.
        caption: What the pictures show, or why there are none.
        pictures: Images, in order.
        table: Rows of cells, the first a heading.
    """

    name: str
    title: str
    caption: str
    pictures: tuple[Picture, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()


def picture(
    figure: Figure,
    alt: str,
    spots: Sequence[Mapping[str, Any]] = (),
    viewer: Mapping[str, Any] | None = None,
) -> Picture:
    """A figure as the page holds it."""
    width_in, height_in = figure.get_size_inches()
    image = base64.b64encode(png(figure)).decode("ascii")
    wide = width_in > 0.75 * WIDE_IN
    return Picture(alt, image, wide, float(height_in / width_in), tuple(spots), viewer or {})


def point_spots(
    axes: Axes, points: NDArray[np.float64], labels: Sequence[str]
) -> Mapping[str, Any]:
    """Words for points of a picture.

    Args:
        axes: Where they are drawn, its limits final.
        points: In data coordinates, shape ``(n, 2)``.
        labels: What to say at each.

    Returns:
        Positions in fractions of the picture from its left and top.
    """
    figure = axes.figure
    pixels = axes.transData.transform(points)
    box = figure.bbox
    x, y = pixels[:, 0] / box.width, 1.0 - pixels[:, 1] / box.height
    places = [[round(float(a), 4), round(float(b), 4)] for a, b in zip(x, y, strict=True)]
    return {"points": places, "labels": list(labels)}


def grid_spots(
    axes: Axes,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Array,
    words: str,
) -> Mapping[str, Any]:
    """Words for the cells of a matrix drawn by ``imshow``.

    Args:
        axes: Where it is drawn; a square matrix in a box that is not square is taken into account.
        rows: Labels of the rows.
        columns: Labels of the columns.
        values: Shape ``(n_rows, n_columns)``.
        words: What a cell says: ``{row}``, ``{column}`` and ``{value}`` are filled in.
    """
    axes.apply_aspect()
    box = axes.get_position()
    return {
        "box": [round(v, 4) for v in (box.x0, 1.0 - box.y1, box.x1, 1.0 - box.y0)],
        "rows": list(rows),
        "columns": list(columns),
        "words": words,
        **quantized(values),
    }


def quantized(values: Array) -> dict[str, Any]:
    """Numbers as 16-bit steps between their extremes, base64; 65535 stands for unknown.

    The error is 1e-5 of the range, less than a thousandth of what a screen resolves.

    Args:
        values: Any shape; written in C order.
    """
    known = np.isfinite(values)
    low = float(values[known].min()) if known.any() else 0.0
    span = (float(values[known].max()) - low if known.any() else 0.0) or 1.0
    steps = np.where(known, np.rint((np.where(known, values, low) - low) / span * 65534.0), 65535.0)
    data = base64.b64encode(steps.astype("<u2").tobytes()).decode("ascii")
    return {"low": low, "span": span, "data": data}
