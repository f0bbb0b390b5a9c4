"""Pictures of a calibration: mean field and circuit over the operating range, and sweeps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cosim.calibration_file import Curves, RegionCalibration
from cosim.calibration_settings import Sweep

_COLOURS = ("#b2182b", "#2166ac")


def draw_curves(found: Mapping[str, RegionCalibration], path: Path) -> None:
    """One panel per region: rates over the coupling current.

    Args:
        found: What was found.
        path: File to write; its ending is the format.
    """
    figure, axes = _panels(len(found))
    for axis, (region, result) in zip(axes, found.items(), strict=True):
        _curve(axis, region, result.curves)
    _save(figure, path)


def draw_sweeps(sweeps: Sequence[Sweep], curves: Mapping[str, Curves], path: Path) -> None:
    """What was measured of a circuit that cannot be calibrated.

    Args:
        sweeps: Rate against gain of the input.
        curves: The curves of the best inputs found, where it came so far.
        path: File to write.
    """
    figure, axes = _panels(len(sweeps) + len(curves))
    for axis, sweep in zip(axes, sweeps, strict=False):
        axis.plot(sweep.gains, sweep.rates_hz, "o-", color=_COLOURS[0], label="circuit")
        axis.axhspan(
            float(sweep.wanted_hz.min()),
            float(sweep.wanted_hz.max()),
            color="0.85",
            label="mean field's range",
        )
        if sweep.gains.min() > 0:
            axis.set_xscale("log")
        axis.set_xlabel("drive at rest / drive as written")
        axis.set_ylabel(f"{sweep.rate}, Hz")
        axis.set_title(sweep.region)
        axis.legend(frameon=False, fontsize=8)
    for axis, (region, one) in zip(axes[len(sweeps) :], curves.items(), strict=True):
        _curve(axis, region, one)
    _save(figure, path)


def _curve(axis: Any, region: str, curves: Curves) -> None:
    current = np.array(curves.coupling_nA)
    for (rate, wanted), colour in zip(curves.mean_field_hz.items(), _COLOURS, strict=False):
        axis.plot(current, wanted, "-", color=colour, label=f"{rate} mean field")
        axis.errorbar(
            current,
            curves.circuit_hz[rate],
            2 * np.array(curves.standard_error_hz[rate]),
            fmt="o",
            color=colour,
            capsize=2,
            label=f"{rate} circuit (2 standard errors)",
        )
        axis.plot(
            current, curves.before_hz[rate], "x:", color=colour, alpha=0.5, label=f"{rate} before"
        )
    axis.axvline(
        float(np.interp(1.0, curves.source_factor, current)), color="0.8", lw=0.8, zorder=0
    )
    axis.set_xlabel("coupling current, nA")
    axis.locator_params(axis="x", nbins=4)  # weakly driven regions have long numbers
    axis.set_ylabel("rate, Hz")
    axis.set_title(region)
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, fontsize=7)


def _panels(n: int) -> tuple[Any, list[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(max(n, 1), 3)
    rows = -(-max(n, 1) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes[n:]:
        axis.set_axis_off()
    return figure, axes[:n]


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
