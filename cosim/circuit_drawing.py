"""A circuit's card as a picture: populations, connections, what comes in and goes out."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch
from matplotlib.path import Path as Path2D

from cosim.circuit_card import CircuitCard, ConnectionCard
from cosim.errors import ConfigurationError
from cosim.report_figures import new_figure, style
from cosim.spiking.receptor_sign import Sign

# Okabe & Ito (2008): told apart with any colour vision.
_COLOURS: dict[Sign, str] = {
    "excitatory": "#D55E00",
    "inhibitory": "#0072B2",
    "undetermined": "#808080",
}
_HEADS: dict[Sign, str] = {
    "excitatory": "-|>,head_width=3.2,head_length=5",
    "inhibitory": "|-|,widthA=0,widthB=3.2",
    "undetermined": "->,head_width=2.6,head_length=4",
}
_REGIONS = ("#EAF3FA", "#FBEFE6", "#E8F5F0", "#F8EEF4", "#FCF4E2", "#F0F0F0")
_WIDEST, _THINNEST = 4.0, 0.7
_SPAN = 2.0  # decades of strength between the thinnest and the widest line


def draw(card: CircuitCard, path: Path) -> None:
    """Write a picture of a circuit.

    Populations lie on a circle in their order, with an area that grows with their cells; lines
    are as wide as the logarithm of weight times synapses, over two decades.

    Args:
        card: The circuit.
        path: A file that ends in .png, .pdf or .svg.

    Raises:
        ConfigurationError: If the picture cannot be written there.
    """
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise ConfigurationError(
            f"--draw {path}: a picture ends in .png, .pdf or .svg, not {path.suffix!r}; rename it."
        )
    with style():
        n = len(card.populations)
        side = 5.2 + 0.28 * max(n - 4, 0)
        figure = new_figure(side + 1.2, 3.0 if n <= 2 else side)
        axes = figure.add_subplot()
        _draw_into(axes, card)
        try:
            figure.savefig(path, dpi=150)
        except OSError as error:
            raise ConfigurationError(
                f"--draw {path} cannot be written ({error.strerror}); name a folder that is there."
            ) from error


def _draw_into(axes: Axes, card: CircuitCard) -> None:
    places = _places(card)
    radii = _radii(card)
    if any(population.region for population in card.populations):
        _draw_regions(axes, card, places, radii)
    widths = _widths(card)
    _draw_connections(axes, card, places, radii, widths)
    for population in card.populations:
        x, y = places[population.name]
        radius = radii[population.name]
        axes.add_patch(Circle((x, y), radius, fc="white", ec="black", lw=1.2, zorder=3))
        axes.text(x, y, population.name, ha="center", va="bottom", weight="bold", zorder=4)
        axes.text(x, y - 0.01, population.size, ha="center", va="top", size=8, zorder=4)
    _draw_ends(axes, card, places, radii)
    signs = [s for s in _COLOURS if any(c.sign == s for c in card.connections)]
    handles = [Line2D([], [], color=_COLOURS[sign], lw=2.0, label=sign) for sign in signs]
    if card.inputs or card.outputs:
        handles.append(Line2D([], [], color="black", lw=1.2, ls=":", label="mean field"))
    if any(c.strength is None for c in card.connections):
        handles.append(Line2D([], [], color="black", lw=0.7, ls="--", label="by an expression"))
    if handles:
        axes.figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    cells = "" if card.n_cells is None else f": {card.n_cells} cells"
    axes.set_title(f"{Path(card.name).name}{cells}", pad=14.0)
    axes.set_aspect("equal")
    axes.autoscale_view()
    axes.set_axis_off()


def _places(card: CircuitCard) -> dict[str, tuple[float, float]]:
    """Populations on a circle, those of one region together; two side by side."""
    regions = list(dict.fromkeys(p.region for p in card.populations))
    ordered = [p.name for r in regions for p in card.populations if p.region == r]
    n = len(ordered)
    if n == 1:
        return {ordered[0]: (0.0, 0.0)}
    start = math.pi if n == 2 else math.pi / 2 + math.pi / n
    return {
        name: (math.cos(start - 2 * math.pi * i / n), math.sin(start - 2 * math.pi * i / n))
        for i, name in enumerate(ordered)
    }


def _radii(card: CircuitCard) -> dict[str, float]:
    n = len(card.populations)
    # Neighbours on the circle never touch, and the smallest still holds its name.
    largest = 0.28 if n <= 2 else min(0.26, 0.36 * math.sin(math.pi / n) + 0.02)
    most = max((p.cells or 1) for p in card.populations)
    return {
        p.name: largest * max(math.sqrt((p.cells or most) / most), 0.55) for p in card.populations
    }


def _widths(card: CircuitCard) -> dict[ConnectionCard, float]:
    known = [c.strength for c in card.connections if c.strength]
    strongest = max(known, default=1.0)
    widths = {}
    for connection in card.connections:
        strength = connection.strength
        decades = _SPAN if not strength else math.log10(strongest / strength)
        share = 1.0 - min(decades / _SPAN, 1.0)
        widths[connection] = _THINNEST + share * (_WIDEST - _THINNEST)
    return widths


def _draw_connections(
    axes: Axes,
    card: CircuitCard,
    places: Mapping[str, tuple[float, float]],
    radii: Mapping[str, float],
    widths: Mapping[ConnectionCard, float],
) -> None:
    drawn: dict[tuple[str, str], int] = {}
    for connection in card.connections:
        pair = (connection.pre, connection.post)
        repeat = drawn[pair] = drawn.get(pair, -1) + 1
        options: dict[str, Any] = {
            "arrowstyle": _HEADS[connection.sign],
            "color": _COLOURS[connection.sign],
            "lw": widths[connection],
            "ls": "-" if connection.strength is not None else "--",
            "zorder": 2,
        }
        if connection.pre == connection.post:
            _draw_loop(axes, places[connection.pre], radii[connection.pre], repeat, options)
            continue
        bend = 0.16 + 0.09 * repeat
        start, stop = _between(pair, places, radii, bend)
        curve = f"arc3,rad={bend}"
        axes.add_patch(FancyArrowPatch(start, stop, connectionstyle=curve, **options))


def _between(
    pair: tuple[str, str],
    places: Mapping[str, tuple[float, float]],
    radii: Mapping[str, float],
    bend: float,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where a bent line leaves one circle and reaches the other."""
    (x0, y0), (x1, y1) = places[pair[0]], places[pair[1]]
    angle = math.atan2(y1 - y0, x1 - x0)
    turn = math.atan(2 * bend)  # of arc3 at its ends
    r0, r1 = radii[pair[0]] + 0.015, radii[pair[1]] + 0.03
    return (
        (x0 + r0 * math.cos(angle - turn), y0 + r0 * math.sin(angle - turn)),
        (x1 - r1 * math.cos(angle + turn), y1 - r1 * math.sin(angle + turn)),
    )


def _draw_loop(
    axes: Axes, place: tuple[float, float], radius: float, repeat: int, options: dict[str, Any]
) -> None:
    """An arc outside the circle of populations, from a node back to itself."""
    x, y = place
    outward = math.atan2(y, x) if (x or y) else math.pi / 2
    near, far = radius + 0.02, radius + 0.30 + 0.12 * repeat
    # A cubic curve: leaves and arrives at right angles to the circle, 0.9 rad apart.
    corners = [(near, 0.45), (far, 0.62), (far, -0.62), (near, -0.45)]
    path = Path2D(
        [(x + d * math.cos(outward + a), y + d * math.sin(outward + a)) for d, a in corners],
        [Path2D.MOVETO, Path2D.CURVE4, Path2D.CURVE4, Path2D.CURVE4],
    )
    axes.add_patch(FancyArrowPatch(path=path, shrinkA=0, shrinkB=0, **options))


def _draw_regions(
    axes: Axes,
    card: CircuitCard,
    places: Mapping[str, tuple[float, float]],
    radii: Mapping[str, float],
) -> None:
    for number, region in enumerate(dict.fromkeys(p.region for p in card.populations)):
        if not region:
            continue
        members = [p.name for p in card.populations if p.region == region]
        colour = _REGIONS[number % len(_REGIONS)]
        for name in members:
            axes.add_patch(Circle(places[name], radii[name] + 0.16, fc=colour, ec="none", zorder=0))
        x, y = places[members[0]]
        top = y + radii[members[0]] + 0.17
        axes.text(x, top, region, ha="center", va="bottom", size=8, style="italic", zorder=4)


def _draw_ends(
    axes: Axes,
    card: CircuitCard,
    places: Mapping[str, tuple[float, float]],
    radii: Mapping[str, float],
) -> None:
    """Inputs and outputs as dotted arrows from and to the mean field, beside their population."""
    ends = [(str(i.get("to", "E")), str(i.get("from", "R_e")), True) for i in card.inputs]
    for item in card.outputs or ():
        source = item.get("from")
        for name in [source] if isinstance(source, str) else list(source or ()):
            ends.append((str(name), str(item.get("to")), False))
    placed: dict[str, int] = {}
    for name, label, inward in dict.fromkeys(ends):
        if name not in places:
            continue
        number = placed[name] = placed.get(name, -1) + 1
        x, y = places[name]
        outward = math.atan2(y, x) if (x or y) else math.pi / 2
        # To either side of the loop that points straight outward.
        angle = outward + (1 if number % 2 else -1) * (0.95 + 0.4 * (number // 2))
        near = (radii[name] + 0.02, radii[name] + 0.26)
        tip, tail = ((x + d * math.cos(angle), y + d * math.sin(angle)) for d in near)
        start, stop = (tail, tip) if inward else (tip, tail)
        axes.add_patch(
            FancyArrowPatch(
                start, stop, arrowstyle="-|>,head_width=2.4,head_length=4", color="black",
                lw=1.0, ls=":", shrinkA=0, shrinkB=0, zorder=2,
            )
        )  # fmt: skip
        far = radii[name] + 0.29
        axes.text(
            x + far * math.cos(angle), y + far * math.sin(angle), label,
            ha=_beyond(math.cos(angle), "left", "right"),
            va=_beyond(math.sin(angle), "bottom", "top"), size=8, zorder=4,
        )  # fmt: skip


def _beyond(direction: float, after: str, before: str) -> str:
    """Alignment of a label that stands at the far end of an arrow, clear of its head."""
    if abs(direction) < 0.35:
        return "center"
    return after if direction > 0 else before
