"""The sections of a report about regional signals: series, connectivity, spectra, BOLD."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim import report_courses as courses
from cosim import report_figures as draw
from cosim import report_maps as maps
from cosim import report_spectra as spectra
from cosim.report_beside import Beside
from cosim.report_findings import MIN_CORRELATION_SAMPLES, Findings, RegionSeries
from cosim.report_panel import Panel, Picture, grid_spots, picture, point_spots
from cosim.report_viewers import lines_viewer

Array = NDArray[np.float64]

_MEAN, _DIFFERENCE = "mean of the others", "Difference: with minus without"
_WITHOUT = "#7A4FA3"  # the run beside, in every picture
_MOST_POINTS_SCATTERED = 4000


def series_panel(findings: Findings) -> Panel:
    """Every region in time, as a heat map and as lines."""
    name, title = "regions", "Regional time series"
    if not findings.series:
        return Panel(name, title, "No regional samples were recorded.")
    pictures = [_heat(one, findings) for one in findings.series]
    pictures += [_lines(one, findings) for one in findings.series]
    first = findings.series[0]
    caption = (
        f"{first.monitor.replace('_', ' ').capitalize()} of TVB, every {first.period_ms:g} ms. "
        f"Colour spans the 0.5th to the 99.5th percentile."
    )
    if findings.replaced:
        caption += (
            " Of replaced regions, in colour, the rates are those of the circuit's spikes, with "
            "the shot noise of a finite number of cells, and the gating is what these rates drive."
        )
    if any(np.isnan(one.values).any() for one in findings.series):
        caption += " Grey rows: the circuit does not provide the variable."
    return Panel(name, title, caption, tuple(pictures))


def _heat(one: RegionSeries, findings: Findings) -> Picture:
    height_in = float(np.clip(0.5 + 0.055 * len(one.regions), 2.4, 8.0)) + 0.75
    room_in = draw.label_width_in(one.regions)
    figure, axes = draw.new_tile(draw.HALF_IN, height_in, room_in, 0.85, 0.3)
    most = max(int(height_in / 0.22), 2)
    courses.draw_heat(
        axes, one.times_ms, one.values, one.regions, findings.replaced, one.label,
        findings.duration_ms, most,
    )  # fmt: skip
    axes.set_title(one.title)
    means = one.values.mean(axis=0)[:, None]
    words = "{row}: mean {value}" + (" Hz" if one.is_rate else "")
    spots = grid_spots(axes, one.regions, [""], means, words)
    return picture(figure, f"{one.title} of every region in time", [spots])


def _lines(one: RegionSeries, findings: Findings) -> Picture:
    figure, axes = draw.new_tile(draw.WIDE_IN, 2.7)
    n_most = courses.RATE_POINTS if one.is_rate else courses.LINE_POINTS
    courses.draw_lines(
        axes, one.times_ms, one.values, one.regions, findings.replaced, one.label,
        findings.duration_ms, n_most=n_most,
    )  # fmt: skip
    draw.set_title(axes, one.title)
    return picture(figure, f"{one.title} of every region", viewer=_viewer(one, one.title, findings))


def _viewer(one: RegionSeries, title: str, findings: Findings) -> dict[str, Any]:
    others = [i for i, region in enumerate(one.regions) if region not in findings.replaced]
    names, values = list(one.regions), one.values
    if others:
        names.append(_MEAN)
        values = np.column_stack([values, values[:, others].mean(axis=1)])
    return lines_viewer(
        title, one.times_ms, values, names, one.label, findings.duration_ms,
        {**replaced_colours(findings.replaced), _MEAN: "#000000"}, "region", one.is_rate,
    )  # fmt: skip


def replaced_colours(replaced: tuple[str, ...]) -> dict[str, str]:
    """A colour per replaced region; one for all where there are more than colours."""
    many = len(replaced) > draw.MAX_LINES - 1
    return {name: draw.COLOURS[0 if many else i] for i, name in enumerate(replaced)}


def connectivity_panel(findings: Findings, beside: Beside | None) -> Panel:
    """Functional connectivity, with and without the replaced regions, with and without circuits."""
    name, title = "connectivity", "Functional connectivity"
    matrix = findings.connectivity
    if matrix is None:
        n_samples = len(findings.series[0].times_ms) if findings.series else 0
        return Panel(
            name,
            title,
            f"Not computed: {n_samples} samples of the mean field, at least "
            f"{MIN_CORRELATION_SAMPLES} are needed.",
        )
    one = findings.series[0]
    pictures = [_matrix(matrix, one, findings, "With circuits" if beside else "Correlation")]
    kept = np.array([region not in findings.replaced for region in one.regions])
    ours = _groups(matrix, kept)
    chance = draw.chance_correlation(one.values)
    limit = float(np.nanpercentile(np.abs(chance), 95)) if np.isfinite(chance).any() else np.nan
    caption = f"Pearson correlation of {one.coverage}, the start included. "
    if np.isfinite(limit):
        caption += (
            f"By chance alone 95 % of pairs would lie within ±{limit:.2f} (one of two series "
            f"turned round by half of the run, which keeps the memory of both). "
        )
    if np.isnan(matrix).any():
        caption += "Grey: the region did not vary. "
    if beside is None:
        pictures.append(_distribution(ours, chance))
        rows = _group_rows([("this run", ours)])
        return Panel(name, title, caption.strip(), tuple(pictures), rows)
    a, b = beside.pairs(findings)[0]
    with_circuits, without = draw.correlation(a.values), draw.correlation(b.values)
    pictures.append(_matrix(without, one, findings, "Without circuits"))
    change = with_circuits - without
    np.fill_diagonal(change, 0.0)
    pictures.append(_matrix(change, one, findings, _DIFFERENCE))
    pictures.append(_scatter(with_circuits, without, one.regions, kept))
    theirs = _groups(without, kept)
    rows = _group_rows([("with circuits", _groups(with_circuits, kept)), ("without", theirs)])
    caption += (
        f"Without circuits: the run {beside.name}, "
        f"{'found beside this one, ' if beside.found else ''}"
        f"over the {len(a.times_ms) * a.period_ms:g} ms that both have. "
    )
    caption += "".join(f"Mind that {note}. " for note in beside.notes)
    caption += "For intervals see cosim compare."
    return Panel(name, title, caption, tuple(pictures), rows)


def _groups(matrix: Array, kept: NDArray[np.bool_]) -> dict[str, Array]:
    """Correlations of all pairs, of pairs without a replaced region, and of pairs with one."""
    below = np.tril(np.ones(matrix.shape, dtype=bool), -1)
    among = below & kept[:, None] & kept[None, :]
    groups = {"all pairs": matrix[below]}
    if not kept.all():
        groups["without the replaced regions"] = matrix[among]
        groups["with a replaced region"] = matrix[below & ~among]
    return groups


def _group_rows(runs: list[tuple[str, dict[str, Array]]]) -> tuple[tuple[str, ...], ...]:
    header = ["pairs", "number"]
    for run, _ in runs:
        header += [f"mean, {run}", f"SD, {run}"]
    if len(runs) == 2:
        header.append("correlation of both")
    rows = [tuple(header)]
    for group in runs[0][1]:
        values = [groups[group] for _, groups in runs]
        known = np.all([np.isfinite(one) for one in values], axis=0)
        cells = [group, str(values[0].size)]
        for one in values:
            cells += (
                [f"{one[known].mean():.3f}", f"{one[known].std():.3f}"]
                if known.any()
                else ["-"] * 2
            )
        if len(values) == 2:
            varied = known.sum() > 2 and all(np.ptp(one[known]) > 0 for one in values)
            likeness = np.corrcoef(values[0][known], values[1][known])[0, 1] if varied else np.nan
            cells.append(f"{likeness:.3f}" if varied else "-")
        rows.append(tuple(cells))
    return tuple(rows)


def _matrix(matrix: Array, one: RegionSeries, findings: Findings, title: str) -> Picture:
    room_in = draw.label_width_in(one.regions)
    figure, axes = draw.new_tile(
        draw.HALF_IN, draw.HALF_IN - 0.2, 0.05 + room_in, 0.85, 0.3, 0.05 + room_in
    )
    label, limit = "correlation [1]", 1.0
    if title == _DIFFERENCE:
        label = "difference [1]"
        # In tenths, the next above the largest; two like runs have none that would be seen.
        limit = max(float(np.ceil(10.0 * np.nanmax(np.abs(matrix), initial=0.0)) / 10.0), 0.1)
    maps.draw_matrix(axes, matrix, one.regions, findings.replaced, label, limit)
    axes.set_title(title)
    words = "{row} with {column}: {value}"
    spots = grid_spots(axes, one.regions, one.regions, matrix, words)
    return picture(figure, f"{title}: matrix of correlations", [spots])


def _distribution(groups: dict[str, Array], chance: Array) -> Picture:
    figure, axes = draw.new_tile(draw.HALF_IN, draw.HALF_IN - 0.2, 0.6, 0.2, 1.0)
    colours = ("#000000", draw.COLOURS[1], draw.COLOURS[0])
    shown = [
        (name, values, colour)
        for (name, values), colour in zip(groups.items(), colours, strict=False)
        if name != "all pairs" or len(groups) == 1
    ]
    maps.draw_histogram(axes, [*shown, ("chance", chance, "#999999")], "correlation [1]")
    draw.draw_legend(axes, 1)
    axes.set_title("Pairs of regions", pad=8.0 + 13.5 * (len(shown) + 1))
    return picture(figure, "Distribution of the correlations of pairs of regions")


def _scatter(a: Array, b: Array, regions: tuple[str, ...], kept: NDArray[np.bool_]) -> Picture:
    figure, axes = draw.new_tile(draw.HALF_IN, draw.HALF_IN - 0.2, 0.65, 0.25, 0.6)
    rows, columns = np.tril_indices(len(a), -1)
    among = kept[rows] & kept[columns]
    for group, colour, words in (
        (among, "#6E6E6E", "among the others"), (~among, draw.COLOURS[0], "with a replaced region"),
    ):  # fmt: skip
        if group.any():
            x, y = b[rows[group], columns[group]], a[rows[group], columns[group]]
            axes.scatter(x, y, s=5, color=colour, alpha=0.5, linewidths=0, label=words)
    axes.axline((0.0, 0.0), slope=1.0, color="black", linewidth=0.7)
    axes.set(xlim=(-1, 1), ylim=(-1, 1), xlabel="without circuits [1]", ylabel="with circuits [1]")
    draw.draw_legend(axes, 2, 3.0)
    draw.set_title(axes, "Each pair of regions")
    every = -(-len(rows) // _MOST_POINTS_SCATTERED)
    points = np.column_stack([b[rows, columns], a[rows, columns]])[::every]
    known = np.isfinite(points).all(axis=1)
    labels = [
        f"{regions[i]}, {regions[j]}: {y:.2f} with, {x:.2f} without"
        for i, j, (x, y) in zip(rows[::every][known], columns[::every][known], points[known],
                                strict=True)
    ]  # fmt: skip
    spots = point_spots(axes, points[known], labels)
    return picture(figure, "Correlation of each pair with circuits, against without", [spots])


def spectra_panel(findings: Findings, beside: Beside | None) -> Panel:
    """Power spectra of the variables shown."""
    name, title = "spectra", "Power spectra"
    n_samples = len(findings.series[0].times_ms) if findings.series else 0
    if n_samples < spectra.FEWEST_SAMPLES:
        return Panel(
            name,
            title,
            f"Not computed: {n_samples} samples of the mean field, at least "
            f"{spectra.FEWEST_SAMPLES} are needed.",
        )
    varying = [one for one in findings.series if np.ptp(one.values, axis=0).any()]
    if not varying:
        return Panel(name, title, "Not computed: no region varies.")
    pictures = [_spectrum(one, findings, beside) for one in varying]
    one = varying[0]
    segment_s = spectra.segment_length(n_samples) * one.period_ms / 1000.0
    caption = (
        f"Welch's method, half-overlapping Hann segments of {segment_s:.3g} s, means removed; the "
        f"spectra of regions are averaged, not their series."
    )
    if findings.replaced:
        caption += (
            " Spikes of few cells give the rate of a replaced region a floor of white noise, "
            "which its gating filters."
        )
    if beside is not None:
        caption += f" Dashed: the same region in the run without circuits ({beside.name})."
    return Panel(name, title, caption, tuple(pictures))


def _spectrum(one: RegionSeries, findings: Findings, beside: Beside | None) -> Picture:
    figure, axes = draw.new_tile(draw.HALF_IN, 3.5, 0.8, 0.2, 0.75)
    frequencies_hz, density = spectra.power_density(one.values, one.period_ms)
    others = [i for i, region in enumerate(one.regions) if region not in findings.replaced]
    curves = []
    if others:
        words = f"mean of {len(others)} regions"
        curves.append((words, frequencies_hz, density[:, others].mean(axis=1), "#000000", "-"))
    colours = replaced_colours(findings.replaced)
    for region in findings.replaced[: draw.MAX_LINES - 1]:
        column = density[:, one.regions.index(region)]
        curves.append(
            (f"{draw.short(region)} (replaced)", frequencies_hz, column, colours[region], "-")
        )
    if beside is not None:
        for ours, theirs in beside.pairs(findings):
            if ours.variable != one.variable or len(theirs.times_ms) < spectra.FEWEST_SAMPLES:
                continue
            hz, power = spectra.power_density(theirs.values, theirs.period_ms)
            for region in findings.replaced[:2]:
                column = power[:, one.regions.index(region)]
                curves.append((f"{draw.short(region)}, without", hz, column, _WITHOUT, "--"))
    varying = [curve for curve in curves if (curve[2] > 0).all()]
    unit = "Hz²/Hz" if one.is_rate else "1/Hz"
    spectra.draw_spectra(axes, varying, f"power density of {one.variable} [{unit}]")
    axes.set_title(one.title, pad=8.0 + 13.0 * -(-len(varying) // 2))
    return picture(figure, f"Power spectrum of {one.title}")


def bold_panel(findings: Findings) -> Panel:
    """What a scanner would see, by each BOLD monitor."""
    name, title = "bold", "BOLD"
    if not findings.bold:
        return Panel(name, title, "No BOLD monitor was asked for (brain.monitors).")
    shown = [(one, made) for one, made in findings.bold if len(one.times_ms) > 1]
    if not shown:
        n_samples = len(findings.bold[0][0].times_ms)
        return Panel(
            name,
            title,
            f"Not shown: {n_samples} sample{'' if n_samples == 1 else 's'} every "
            f"{findings.bold[0][0].period_ms:g} ms, at least 2 are needed.",
        )
    pictures, words = [], []
    for one, made in shown:
        figure, axes = draw.new_tile(draw.WIDE_IN, 3.0)
        courses.draw_lines(
            axes, one.times_ms, one.values, one.regions, findings.replaced, one.label,
            findings.duration_ms,
        )  # fmt: skip
        draw.set_title(axes, f"{one.variable}, {one.monitor}")
        viewer = _viewer(one, f"{one.variable}, {one.monitor}", findings)
        pictures.append(picture(figure, f"{one.variable} by {made}", viewer=viewer))
        words.append(f"{len(one.times_ms)} samples of {made}, every {one.period_ms:g} ms")
    caption = f"{'; '.join(words)}."
    if any(one.monitor == "bold" for one, _ in shown):
        caption += (
            " TVB's monitor convolves with a kernel of 20 s, which is filled first: until then it "
            "is no BOLD yet."
        )
    return Panel(name, title, caption, tuple(pictures))
