"""The picture of a comparison: one row of panels per run that is compared with the reference."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cosim import report_figures as draw
from cosim.comparison import Comparison
from cosim.connectivity import lower

Array = NDArray[np.float64]

_A, _B, _GREY = "#000000", draw.COLOURS[0], "#B8B8B8"
_SHOWN_SECONDS = 5.0


def picture(found: Sequence[Comparison]) -> bytes:
    """A PNG file.

    Args:
        found: What was compared.
    """
    with draw.style():
        figure = draw.new_figure(17.0, 0.4 + 3.6 * len(found))
        rows = figure.subfigures(len(found), 1, squeeze=False)[:, 0]
        for part, one in zip(rows, found, strict=True):
            title = f"{_short(one.other)} (B) against {_short(one.reference)} (A)"
            part.suptitle(title, fontsize=10, x=0.01, ha="left")
            panels = part.subplots(1, 4, gridspec_kw={"width_ratios": (1.25, 1.25, 1.0, 1.1)})
            _draw_course(panels[0], one)
            _draw_changes(panels[1], one)
            _draw_connectivity(panels[2], one)
            _draw_spectra(panels[3], one)
        return draw.png(figure)


def _draw_course(axes: Axes, one: Comparison) -> None:
    """What other regions feel of the replaced region, or of the first region, for a few seconds."""
    pair, name = one.first, (*one.replaced, *one.regions)[0]
    column = one.regions.index(name)
    shown = pair.a.times_ms < pair.a.times_ms[0] + 1000.0 * _SHOWN_SECONDS
    for series, colour, label in ((pair.a, _A, "A"), (pair.b, _B, "B")):
        seconds, values = series.times_ms[shown] / 1000.0, series.values[shown, 0, column]
        axes.plot(seconds, values, color=colour, linewidth=1.0, label=label)
    axes.set(xlabel="time [s]", ylabel=f"{pair.a.variables[0]} [1]")
    axes.set_title(f"{pair.a.variables[0]} of {name}", pad=20.0)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.1)


def _draw_changes(axes: Axes, one: Comparison) -> None:
    """Relative change of means and variances of the replaced regions and their neighbours."""
    felt = one.first.a.variables[0]
    rates = [name for name in one.first.a.variables if name.startswith("R")][:1]
    quantities = [f"mean {name}" for name in (*rates, felt)] + [f"variance {felt}"]
    names = [*one.replaced, *one.neighbours]
    names += sorted({m.where for m in one.measures if m.quantity in quantities} - set(names))
    for number, quantity in enumerate(quantities):
        for row, where in enumerate(names):
            measure = next(
                (m for m in one.measures if (m.quantity, m.where) == (quantity, where)), None
            )
            if measure is None or measure.change is None:
                continue
            y = row + 0.22 * (number - 1)
            colour = draw.COLOURS[number]
            if measure.low is not None and measure.high is not None:
                ends = (100.0 * measure.low, 100.0 * measure.high)
                axes.plot(ends, (y, y), color=colour, linewidth=1.4)
            label = quantity if row == 0 else None
            axes.plot(100.0 * measure.change, y, "o", color=colour, markersize=4, label=label)
    axes.axvline(0.0, color=_GREY, linewidth=0.8)
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.8)
    axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(range(len(names)), names)
    for tick in axes.get_yticklabels()[: len(one.replaced)]:
        tick.set_color(_B)
        tick.set_fontweight("bold")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("B against A [%], linear within 1 %")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.1)
    draw.set_title(axes, "Relative change")


def _draw_connectivity(axes: Axes, one: Comparison) -> None:
    """FC of every pair of regions, one against the other."""
    replaced = np.isin(one.regions, one.replaced)
    touches = lower((replaced[:, None] | replaced).astype(float)) > 0
    a, b = (lower(matrix) for matrix in one.fc)
    axes.plot(a[~touches], b[~touches], ".", color=_GREY, markersize=3, label="others")
    if touches.any():
        axes.plot(a[touches], b[touches], ".", color=_B, markersize=4, label="with a replaced one")
    known = np.concatenate([a, b])[np.isfinite(np.concatenate([a, b]))]
    ends = (known.min(), known.max()) if known.size else (0.0, 1.0)
    axes.plot(ends, ends, color=_A, linewidth=0.6)
    axes.set(xlabel="FC, A", ylabel="FC, B")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.1)
    draw.set_title(axes, "Functional connectivity")


def _draw_spectra(axes: Axes, one: Comparison) -> None:
    """Power spectra of what regions feel: the replaced region, or all others if there is none."""
    felt = one.first.a.variables[0]
    spectra = [s for s in one.spectra if s.variable == felt]
    styles = ("-", "--", ":")
    chosen = [spectra[0], *[s for s in spectra[1:] if s.where not in one.replaced]]
    for spectrum, style in zip(chosen, styles, strict=False):
        for power, colour, label in ((spectrum.a, _A, "A"), (spectrum.b, _B, "B")):
            hz, smooth = _octave_means(spectrum.frequencies_hz[1:], power[1:])
            words = f"{label}, {spectrum.where}"
            axes.loglog(hz, smooth, style, color=colour, linewidth=1.2, label=words)
    axes.set(xlabel="frequency [Hz]", ylabel=f"power of {felt} [1/Hz]")
    axes.legend(fontsize=6, loc="lower left")
    axes.set_title("Power spectra", pad=20.0)


def _octave_means(frequencies_hz: Array, power: Array) -> tuple[Array, Array]:
    """Means over sixths of octaves: a periodogram is as noisy at every frequency as its mean."""
    octave = np.round(6.0 * np.log2(frequencies_hz / frequencies_hz[0])).astype(int)
    counts = np.bincount(octave)
    held = counts > 0
    means = (np.bincount(octave, values)[held] / counts[held] for values in (frequencies_hz, power))
    hz, mean = means
    return hz, mean


def _short(folder: Path) -> str:
    """The last two names of a folder's path: the run's and what it belongs to."""
    return "/".join(folder.resolve().parts[-2:])
