"""``report.png``: a run on one picture."""

from collections.abc import Callable
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cosim import report_courses as courses
from cosim import report_figures as draw
from cosim import report_maps as maps
from cosim.report_findings import DIRECTIONS, Crossing, Findings, RegionSeries

_WIDTH_IN, _DPI = 14.0, 110
_LEFT_IN, _RIGHT_IN, _TOP_IN, _BOTTOM_IN, _BETWEEN_IN = 0.85, 0.2, 0.55, 0.5, 0.75
_BRAIN_SHARE = 1.35  # of a map's width
_BAR_IN = 0.6  # a colour bar and its label, beside a map

Drawing = Callable[[Axes], object]


def make_overview(findings: Findings, summary: str) -> Figure:
    """The picture of a run on one page: only what it has, each row filled.

    Args:
        findings: The run.
        summary: One line about it.
    """
    series = findings.series[:2]
    brain = _brain(findings)
    activity: list[Drawing] = []
    if findings.rates.size:
        activity.append(partial(_rates, findings=findings))
    for direction in DIRECTIONS:
        found = [one for one in findings.crossings if one.direction == direction]
        activity += [partial(_crossing, one=one, findings=findings) for one in found[:1]]
    rows: list[tuple[float, list[Drawing]]] = [
        (2.8, [partial(_raster, findings=findings)] if findings.n_spikes else []),
        (2.6, activity),
        (2.8, [partial(_lines, one=one, findings=findings) for one in series]),
        (4.4, [*([brain] if brain else []), *_maps(findings, series)]),
    ]
    rows = [(height_in, row) for height_in, row in rows if row]
    # The title takes a line of its own above the first row.
    heights_in = [height_in + _TOP_IN + _BOTTOM_IN for height_in, _ in rows]
    total_in = 0.35 + (sum(heights_in) or 0.6)
    figure = draw.bare_figure(_WIDTH_IN, total_in, _DPI)
    figure.text(0.01, 1.0 - 0.1 / total_in, summary, fontsize=11, va="top", ha="left")
    top_in = total_in - 0.35
    of_maps = _BETWEEN_IN + _BAR_IN
    for number, ((height_in, row), taken_in) in enumerate(zip(rows, heights_in, strict=True)):
        last = number == len(rows) - 1
        between_in = of_maps if last else _BETWEEN_IN
        shares = [_BRAIN_SHARE if draws is brain else 1.0 for draws in row]
        _draw_row(figure, row, shares, top_in - _TOP_IN - height_in, height_in, between_in)
        top_in -= taken_in
    return figure


def _draw_row(
    figure: Figure,
    row: list[Drawing],
    shares: list[float],
    bottom_in: float,
    height_in: float,
    between_in: float,
) -> None:
    width_in, total_in = figure.get_size_inches()
    right_in = _RIGHT_IN + between_in - _BETWEEN_IN
    free_in = width_in - _LEFT_IN - right_in - between_in * (len(row) - 1)
    left_in = _LEFT_IN
    for draw_into, share in zip(row, shares, strict=True):
        each_in = free_in * share / sum(shares)
        box = (left_in / width_in, bottom_in / total_in, each_in / width_in, height_in / total_in)
        draw_into(figure.add_axes(box))
        left_in += each_in + between_in


def _maps(findings: Findings, series: list[RegionSeries]) -> list[Drawing]:
    found: list[Drawing] = [partial(_heat, one=one, findings=findings) for one in series[:1]]
    if findings.connectivity is not None:
        found.append(partial(_connectivity, findings=findings))
    return found


def _brain(findings: Findings) -> Drawing | None:
    """The glass brain, where the regions have places."""
    wiring = findings.wiring
    if wiring is None or wiring.centres_mm is None:
        return None
    return partial(
        maps.draw_brain, wiring=wiring, centres_mm=wiring.centres_mm, marked=findings.replaced
    )


def _raster(axes: Axes, findings: Findings) -> None:
    courses.draw_raster(axes, findings.result.spikes, findings.duration_ms)
    draw.set_title(axes, "Spikes")


def _rates(axes: Axes, findings: Findings) -> None:
    courses.draw_rates(axes, findings.rates, findings.duration_ms)
    draw.set_title(axes, f"Population rates in bins of {findings.rates.attrs['bin_ms']:g} ms")


def _crossing(axes: Axes, one: Crossing, findings: Findings) -> None:
    courses.draw_crossing(axes, one, findings.duration_ms)
    draw.set_title(axes, f"{DIRECTIONS[one.direction]}: {one.variable}")


def _heat(axes: Axes, one: RegionSeries, findings: Findings) -> None:
    courses.draw_heat(
        axes, one.times_ms, one.values, one.regions, findings.replaced, one.label,
        findings.duration_ms, 18,
    )  # fmt: skip
    draw.set_title(axes, one.title)


def _lines(axes: Axes, one: RegionSeries, findings: Findings) -> None:
    courses.draw_lines(
        axes, one.times_ms, one.values, one.regions, findings.replaced, one.label,
        findings.duration_ms, n_most=courses.RATE_POINTS if one.is_rate else courses.LINE_POINTS,
    )  # fmt: skip
    draw.set_title(axes, one.title)


def _connectivity(axes: Axes, findings: Findings) -> None:
    one, matrix = findings.series[0], findings.connectivity
    if matrix is not None:
        maps.draw_matrix(axes, matrix, one.regions, findings.replaced, "correlation [1]")
        draw.set_title(axes, f"Correlation of {one.variable}")
