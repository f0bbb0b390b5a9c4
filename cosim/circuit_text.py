"""A circuit's card as text for a terminal."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cosim.circuit_card import CircuitCard, ConnectionCard

_SIGNS = {"excitatory": "+", "inhibitory": "-", "undetermined": "?"}
# A row of the drawing stays within a terminal.
_MOST_COLUMNS = 14


def one_line(name: str, card: CircuitCard) -> str:
    """A circuit in a list: name, cells, paper.

    Args:
        name: What an experiment file calls it.
        card: The circuit with its defaults.
    """
    cells = "? cells" if card.n_cells is None else f"{card.n_cells} cells"
    inside = ", ".join(f"{population.size} {population.name}" for population in card.populations)
    return f"{name}: {cells} ({inside}). {card.paper or 'No paper given.'}"


def card_text(card: CircuitCard) -> str:
    """Everything on the card, and the drawing.

    Args:
        card: The circuit.
    """
    return "\n".join(_lines(card))


def _lines(card: CircuitCard) -> Iterator[str]:
    yield card.name
    if card.summary:
        yield from ("", *card.summary.splitlines())
    if card.paper:
        yield from ("", f"Paper: {card.paper}")
    yield from ("", "Populations")
    rows = [
        [p.name, p.size, p.cell, ", ".join(p.receptors) or "none", p.region]
        for p in card.populations
    ]
    yield from _table(["name", "cells", "cell", "receptors", "region"], rows)
    yield from ("", "Connections")
    yield from _table(
        ["from", "to", "receptor", "", "which pairs", "synapses", "weight", "delay, ms"],
        [_row(group) for group in _groups(card.connections)],
    )
    if card.stimuli:
        yield from ("", "Stimuli of its own", *(f"  {line}" for line in card.stimuli))
    if card.parameters:
        yield from ("", "Parameters")
        for name, (value, text) in card.parameters.items():
            yield f"  {name} = {value!r}{f': {text}' if text else ''}"
    yield from ("", "Inputs of an experiment that names none")
    yield from (f"  {_keys(item)}" for item in card.inputs)
    if not card.inputs:
        yield "  none: name them under inputs"
    yield "Outputs of an experiment that names none"
    if card.outputs is None:
        yield "  E to the excitatory rate, I to the inhibitory one, where both have them"
    yield from (f"  {_keys(item)}" for item in card.outputs or ())
    yield ""
    yield f"Mechanisms compiled for it: {', '.join(card.mechanisms) or 'none'}"
    yield f"Mechanisms that it uses besides: {', '.join(card.uses) or 'none'}"
    cost = "not measured" if card.cpu_s_per_s is None else f"{card.cpu_s_per_s:g} s of CPU"
    yield f"Cost of a simulated second, at rest, with the defaults: {cost}"
    yield from ("", *drawing(card))


def drawing(card: CircuitCard) -> list[str]:
    """Populations as rows and columns; a sign for each decade of strength above the weakest.

    Args:
        card: The circuit.
    """
    names = [population.name for population in card.populations]
    if not card.connections:
        return ["Drawing: no connections between cells."]
    cells = {(c.pre, c.post): "" for c in card.connections}
    known = [c.strength for c in card.connections if c.strength]
    weakest = min(known, default=1.0)
    for connection in card.connections:
        strength = connection.strength or 0.0
        times = 1 + min(int(math.log10(strength / weakest) + 1e-9), 3) if strength else 1
        cells[connection.pre, connection.post] += _SIGNS[connection.sign] * times
    lines = [
        "Drawing: from row to column; + excites, - inhibits, ? undetermined; each further sign is "
        "ten times",
        "the weight times synapses of the weakest.",
    ]
    for start in range(0, len(names), _MOST_COLUMNS):
        columns = names[start : start + _MOST_COLUMNS]
        sending = [n for n in names if any((n, column) in cells for column in columns)]
        table = [[name, *(cells.get((name, c), ".") for c in columns)] for name in sending]
        lines += _table(["", *columns], table)
    lines += [f"  {_keys(item, short=True)} ==> {item.get('to', 'E')}" for item in card.inputs]
    lines += [f"  {_sources(item.get('from'))} ==> {item.get('to')}" for item in card.outputs or ()]
    return lines


def _groups(connections: Sequence[ConnectionCard]) -> list[list[ConnectionCard]]:
    """Connections that one rule makes alike, together."""
    groups: dict[tuple[str, ...], list[ConnectionCard]] = {}
    for c in connections:
        key = (c.rule, c.receptor, c.sign, str(c.weight), str(c.delay))
        groups.setdefault(key, []).append(c)
    return list(groups.values())


def _row(group: Sequence[ConnectionCard]) -> list[str]:
    first = group[0]
    known = [c.synapses for c in group if c.synapses is not None]
    return [
        ", ".join(dict.fromkeys(c.pre for c in group)),
        ", ".join(dict.fromkeys(c.post for c in group)),
        first.receptor or "-",
        first.sign,
        first.how,
        f"{sum(known):.4g}" if len(known) == len(group) else "?",
        _value(first.weight),
        _value(first.delay),
    ]


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def _keys(item: Mapping[str, Any], *, short: bool = False) -> str:
    if short:
        return _sources(item.get("from", "R_e"))
    return ", ".join(f"{key}: {value}" for key, value in item.items())


def _sources(source: Any) -> str:
    if isinstance(source, Mapping):
        return " + ".join(f"{weight} {name}" for name, weight in source.items())
    return " + ".join(source) if isinstance(source, list | tuple) else str(source)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of even width; one that is empty in all rows is left out."""
    if not rows:
        return ["  none"]
    keep = [i for i in range(len(head)) if any(row[i] for row in rows)]
    table = [[row[i] for i in keep] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in table) for i in range(len(keep))]
    return [
        "  "
        + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
