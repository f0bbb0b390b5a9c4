"""The data of a report's zoomable drawings: spikes and time courses, small enough to inline."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.report_courses import MAX_DOTS, RATE_POINTS, population_colour
from cosim.report_figures import COLOURS, MAX_LINES, block_mean
from cosim.report_panel import quantized
from cosim.results import Spikes

Array = NDArray[np.float64]

# Two bytes each, and a third more as text: 0.4 MB for each drawing of regions.
_MOST_NUMBERS = 150_000
_MOST_ROWS = 6000
_TWO_BYTES = 2**16
PALE = "#C4C4C4"


def raster_viewer(title: str, spikes: Mapping[str, Spikes], duration_ms: float) -> dict[str, Any]:
    """Spikes as the page draws them, every n-th of more than 100,000 as in the picture."""
    total = sum(one.times_ms.size for one in spikes.values())
    every = -(-total // MAX_DOTS) or 1
    populations, times_ms, rows, offset = [], [], [], 0
    for number, (name, one) in enumerate(spikes.items()):
        times_ms.append(one.times_ms[::every])
        rows.append(offset + one.node_ids[::every])
        colour = population_colour(number, len(spikes))
        populations.append(
            {"name": name, "cells": one.n_cells, "count": len(times_ms[-1]), "colour": colour}
        )
        offset += one.n_cells
    return {
        "kind": "raster",
        "title": title,
        "duration": duration_ms,
        "populations": populations,
        "key": len(spikes) <= MAX_LINES,
        "times": _text(np.concatenate(times_ms), "<f4"),
        "rows": _text(np.concatenate(rows), "<u2" if offset < _TWO_BYTES else "<u4"),
        "wide": offset >= _TWO_BYTES,
    }


def lines_viewer(
    title: str,
    times_ms: Array,
    values: Array,
    names: Sequence[str],
    label: str,
    duration_ms: float,
    colours: Mapping[str, str] | None = None,
    pick: str = "",
    smooth: bool = False,
) -> dict[str, Any]:
    """Time courses as the page draws them, as means over blocks where there are too many numbers.

    Args:
        title: Heading.
        times_ms: Sample times, shape ``(n_samples,)``, ms.
        values: Samples, shape ``(n_samples, n_lines)``.
        names: Of the lines.
        label: What is drawn, with its unit.
        duration_ms: Simulated time, ms.
        colours: Of lines that stand out, by name, the others are pale; None: all do, in turn.
        pick: What the lines are, if the reader can make one of them stand out.
        smooth: Draw means over so many samples that 400 remain in sight, as the pictures do.
    """
    n_most = max(min(_MOST_ROWS, _MOST_NUMBERS // len(names)), 2)
    styles = [COLOURS[i % MAX_LINES] for i in range(len(names))]
    if colours is not None:
        styles = [colours.get(name, PALE) for name in names]
    size = -(-len(times_ms) // n_most)
    step_ms = times_ms[1] - times_ms[0] if len(times_ms) > 1 else 0.0
    return {
        "kind": "lines",
        "title": title,
        "smooth": RATE_POINTS if smooth else 0,
        "duration": duration_ms,
        "label": label,
        "names": list(names),
        "colours": styles,
        "pick": pick,
        "times": _text(block_mean(times_ms, n_most), "<f4"),
        "block_ms": float(size * step_ms) if size > 1 else 0.0,
        **quantized(block_mean(values, n_most).T),
    }


def _text(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(values.astype(kind).tobytes()).decode("ascii")
