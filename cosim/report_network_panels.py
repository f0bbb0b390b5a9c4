"""The sections of a report about what connects: the connectome, and what crossed at which delay."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cosim import report_courses as courses
from cosim import report_figures as draw
from cosim import report_maps as maps
from cosim.report_findings import DIRECTIONS, Connection, Crossing, Findings, Wiring
from cosim.report_panel import Panel, Picture, grid_spots, picture, point_spots
from cosim.report_viewers import lines_viewer

_MOST_ROWS, _MOST_CONNECTIONS = 12, 4
_NO_WIRING = "The folder holds no connectome.nc, as a run of an earlier version leaves it."


def connectome_panel(findings: Findings) -> Panel:
    """Weights, and the brain where its regions have places."""
    name, title = "connectome", "Connectome and replaced regions"
    wiring = findings.wiring
    if wiring is None:
        return Panel(name, title, _NO_WIRING)
    pictures = [_weights(wiring, findings.replaced)]
    n = len(wiring.regions)
    n_connections = int((wiring.weights > 0).sum())
    delays_ms = wiring.delays_ms[wiring.weights > 0]
    caption = (
        f"{wiring.name}: {n} regions, {n_connections} connections "
        f"({n_connections / n / (n - 1):.0%} of the possible), delays {delays_ms.min():.3g} to "
        f"{delays_ms.max():.3g} ms. Weights: white where there is no connection"
        f"{', darkest at the 2nd percentile and below' if maps.spans_decades(wiring) else ''}. "
    )
    if wiring.centres_mm is None:
        caption += "The connectome holds no coordinates, so no brain is drawn. "
    else:
        pictures.append(_brain(wiring, wiring.centres_mm, findings.replaced))
        n_edges = len(maps.strongest_edges(wiring.weights))
        caption += (
            f"Brain: three projections of the regions' centres; the area of a disc is the "
            f"region's strength (the sum of its weights), lines are the {n_edges} strongest "
            f"connections, grey is what lies within {maps.TISSUE_MM:g} mm of a centre. "
        )
        if "right" not in wiring.axes:
            caption += "The file does not say where its axes point. "
    if findings.replaced:
        caption += "Orange: replaced regions and their connections."
    return Panel(name, title, caption.strip(), tuple(pictures), _strength_table(findings, wiring))


def _weights(wiring: Wiring, replaced: tuple[str, ...]) -> Picture:
    room_in = draw.label_width_in(wiring.regions)
    figure, axes = draw.new_tile(
        draw.HALF_IN, draw.HALF_IN - 0.1, 0.25 + room_in, 0.8, 0.3, 0.25 + room_in
    )
    maps.draw_weights(axes, wiring, replaced)
    axes.set_title("Weights")
    words = "{row} hears {column}: {value}"
    spots = grid_spots(axes, wiring.regions, wiring.regions, wiring.weights, words)
    return picture(figure, "Matrix of connection weights", [spots])


def _brain(wiring: Wiring, centres_mm: NDArray[np.float64], replaced: tuple[str, ...]) -> Picture:
    figure, axes = draw.new_tile(draw.HALF_IN, draw.HALF_IN - 0.1, 0.0, 0.0, 0.0, 0.0)
    views = maps.draw_brain(axes, wiring, centres_mm, replaced)
    strength = maps.node_strength(wiring.weights)
    labels = [
        f"{region}: strength {value:.3g}{', replaced' if region in replaced else ''}"
        for region, value in zip(wiring.regions, strength, strict=True)
    ]
    spots = [
        point_spots(axes, centres_mm[:, [across, up]], labels)
        for axes, (across, up, _) in zip(views, maps.VIEWS, strict=True)
    ]
    return picture(figure, "Three projections of the brain with its strongest connections", spots)


def _strength_table(findings: Findings, wiring: Wiring) -> tuple[tuple[str, ...], ...]:
    """Replaced regions: how they are connected."""
    if not findings.replaced:
        return ()
    rows = [
        ("replaced region", "hears", "heard by", "weights in", "weights out", "rank in strength")
    ]
    strength = maps.node_strength(wiring.weights)
    for region in findings.replaced[:_MOST_ROWS]:
        i = wiring.regions.index(region)
        into, out = wiring.weights[i], wiring.weights[:, i]
        rank = int((strength > strength[i]).sum()) + 1
        cells = (
            f"{(into > 0).sum()}",
            f"{(out > 0).sum()}",
            f"{into.sum():.3g}",
            f"{out.sum():.3g}",
        )
        rows.append((region, *cells, f"{rank} of {len(strength)}"))
    return tuple(rows)


def exchange_panel(findings: Findings) -> Panel:
    """The rates that crossed, and the delays of the connections that carry them."""
    name, title = "exchange", "What crossed between the simulators"
    if not findings.crossings:
        why = "no window was completed" if findings.replaced else "no region is replaced"
        return Panel(name, title, f"Nothing crossed: {why}.")
    pictures = [_course(one, findings) for one in findings.crossings]
    caption = (
        "Time courses: what each side sent, at the time it was sent, as means over blocks of "
        "steps. "
    )
    rows: list[tuple[str, ...]] = []
    for into in (True, False):
        connections = _connections(findings, into)
        if connections:
            pictures.append(_delays(connections, into, findings))
            rows += _connection_rows(connections[:_MOST_CONNECTIONS])
    if rows:
        rows.insert(0, ("from", "to", "weight", "tract [mm]", "delay [ms]", "sent", "mean sent"))
        caption += (
            "Below: what each connection carries on average, its weight (before G) times what is "
            "sent, at the delay after which it arrives. No delay is shorter than the window "
            "(dashed), so both sides can simulate a window at once without changing any result. "
            "The table has the connections that carry most, into and out of the circuits."
        )
    return Panel(name, title, caption.strip(), tuple(pictures), tuple(rows))


def _course(crossing: Crossing, findings: Findings) -> Picture:
    figure, axes = draw.new_tile(draw.WIDE_IN, 2.5)
    courses.draw_crossing(axes, crossing, findings.duration_ms)
    title = f"{DIRECTIONS[crossing.direction]}: {crossing.variable}"
    draw.set_title(axes, title)
    values, names = courses.named_courses(crossing, crossing.values)
    colours = dict(zip(names, draw.COLOURS, strict=False))
    if len(crossing.regions) > courses.MAX_SINGLE:
        values = np.column_stack([values, crossing.values.min(axis=1), crossing.values.max(axis=1)])
        names = [*names, "lowest and highest", "highest"]
        colours["lowest and highest"] = "#8C8C8C"
        colours["highest"] = "#8C8C8C"
    viewer = lines_viewer(
        title, crossing.times_ms, values, names, crossing.label, findings.duration_ms, colours,
        smooth=crossing.is_rate,
    )  # fmt: skip
    return picture(figure, title, viewer=viewer)


def _connections(findings: Findings, into: bool) -> list[Connection]:
    """Connections between the sides, into circuits or out of them; those that carry most first."""
    wiring = findings.wiring
    if wiring is None:
        return []
    direction = "to_circuits" if into else "to_brain"
    sent: dict[str, tuple[Crossing, float]] = {}
    for one in findings.crossings:
        if one.direction == direction:
            for region, mean in zip(one.regions, one.means, strict=True):
                sent.setdefault(region, (one, float(mean)))
    places = {name: i for i, name in enumerate(wiring.regions)}
    found = []
    for source, (signal, mean) in sent.items():
        for target in wiring.regions:
            at = places.get(target), places.get(source)
            if at[1] is None or (target in findings.replaced) != into or not wiring.weights[at] > 0:
                continue
            found.append(
                Connection(
                    source,
                    target,
                    float(wiring.weights[at]),
                    float(wiring.lengths_mm[at]),
                    float(wiring.delays_ms[at]),
                    signal.variable,
                    mean,
                    signal.is_rate,
                )
            )
    return sorted(found, key=lambda one: -one.carried)


def _delays(connections: list[Connection], into: bool, findings: Findings) -> Picture:
    whose = findings.replaced[0] if len(findings.replaced) == 1 else "the replaced regions"
    title = f"{'Into' if into else 'Out of'} {whose}"
    figure, axes = draw.new_tile(draw.HALF_IN, 3.2)
    ends = [one.target if into else one.source for one in connections]
    groups = [
        (name, [one for one, end in zip(connections, ends, strict=True) if end == name])
        for name in dict.fromkeys(ends)
    ]
    maps.draw_delays(axes, groups, into, findings.result.provenance.get("window_ms"))
    if len(groups) > 1:
        draw.draw_legend(axes, 4)
    draw.set_title(axes, title)
    labels = [
        f"{one.source} to {one.target}: {one.delay_ms:.2f} ms, weight {one.weight:.3g}, "
        f"mean {one.variable} {one.mean:.3g}{' Hz' if one.is_rate else ''}"
        for one in connections
    ]
    points = np.array([[one.delay_ms, max(one.carried, 1e-300)] for one in connections])
    return picture(figure, f"{title}: what connections carry, by delay", [
        point_spots(axes, points, labels)
    ])  # fmt: skip


def _connection_rows(connections: list[Connection]) -> Iterator[tuple[str, ...]]:
    for one in connections:
        yield (
            one.source,
            one.target,
            f"{one.weight:.3g}",
            f"{one.length_mm:.1f}",
            f"{one.delay_ms:.1f}",
            one.variable,
            f"{one.mean:.3g}{' Hz' if one.is_rate else ''}",
        )
