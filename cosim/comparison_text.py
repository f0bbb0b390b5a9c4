"""A comparison as a table for the terminal."""

from collections.abc import Iterator, Sequence

from cosim.comparison import Comparison
from cosim.measures import Measure


def comparison_text(found: Sequence[Comparison], full: bool = False) -> str:
    """All comparisons, one table each.

    Args:
        found: What was compared.
        full: Every measure; otherwise neighbours and spectra only as far as they are read first.
    """
    return "\n\n".join("\n".join(_lines(one, full)) for one in found)


def _lines(one: Comparison, full: bool) -> Iterator[str]:
    yield f"A {one.reference}   B {one.other}"
    seconds = one.facts["compared_ms"] / 1000.0
    n_pairs = len(one.facts["pairs"])
    runs = "one pair" if n_pairs == 1 else f"{n_pairs} pairs"
    yield f"Replaced: {', '.join(one.replaced) or 'none'}. {seconds:g} s of {runs} of runs."
    yield f"Interval: {one.interval}."
    rows: list[tuple[str, ...]] = [("quantity", "where", "A", "B", "B against A", "interval")]
    rows += [_row(measure) for measure in one.measures if full or _is_shown(measure)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        left = (cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True))
        right = (cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True))
        yield "  ".join((*left, *right)).rstrip()
    for note in one.notes:
        yield f"Note: {note}"


def _is_shown(measure: Measure) -> bool:
    name = measure.quantity
    if measure.role == "neighbour":
        return name in ("mean S_e", "mean S", "mean R_e", "mean R")
    if name.startswith("power"):
        return measure.role == "replaced"
    return True


def _row(one: Measure) -> tuple[str, ...]:
    a, b = ("" if value is None else f"{value:.5g}" for value in (one.a, one.b))
    interval = ""
    if one.low is not None and one.high is not None:
        ends = (_change(one, end) for end in (one.low, one.high))
        interval = " to ".join(ends)
    return one.quantity, one.where, a, b, _change(one, one.change), interval


def _change(one: Measure, value: float | None) -> str:
    if value is None:
        return "-"
    if one.kind == "ratio":
        return f"{100.0 * value:+z.2f} %" if value < 1.0 else f"x {1.0 + value:.3g}"
    return f"{value:+z.4f}" if one.kind == "difference" else f"{value:.4f}"
