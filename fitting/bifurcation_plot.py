"""Figure of the regimes of a region: its rests against each parameter, and the critical plane."""

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from fitting.bifurcation import Boundary, RegimeMap, fixed_points
from fitting.models.base import complete
from fitting.models.reduced_wong_wang import ReducedWongWang

_VARIED = {"I_o": (0.0, 1.0), "g_EE": (0.0, 2.0), "g_IE": (0.0, 2.0), "g_EI": (0.0, 1.0)}
_REGIMES = {0: ("oscillating", "#c7a76c"), 1: ("monostable", "#e8eef2"), 2: ("bistable", "#7fa8c9")}


def plot_regimes(
    model: ReducedWongWang,
    parameters: Mapping[str, Tensor],
    plane: RegimeMap,
    boundary: Boundary | None = None,
    n_values: int = 201,
) -> Figure:
    """Draw the rests of a region against each parameter, and its regimes over g_IE and g_EI.

    Args:
        model: Either variant of the two-state model.
        parameters: The point about which parameters vary, such as a fit; scalars.
        plane: Regimes over ``g_IE`` and ``g_EI``, in this order.
        boundary: Edges of the bistable band, drawn with their polynomials.
        n_values: Values of each parameter.

    Returns:
        A figure with five panels; the caller saves it.
    """
    p = {name: float(value) for name, value in complete(model, parameters, torch.float64).items()}
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    axes = figure.subplot_mosaic(
        [["I_o", "g_EE", "plane"], ["g_IE", "g_EI", "plane"]], width_ratios=[1, 1, 1.6]
    )
    for name, (low, high) in _VARIED.items():
        values = np.linspace(low, high, n_values)
        varied = {k: torch.tensor(v) for k, v in p.items()} | {name: torch.from_numpy(values)}
        points = fixed_points(model, varied)
        E, stable = points.states[..., 0], points.stable
        x = np.broadcast_to(values[:, None], E.shape)
        ax = axes[name]
        ax.plot(x[stable], E[stable], ".", ms=2.5, color="#1f4e79", label="stable")
        saddles = np.isfinite(E) & ~stable
        ax.plot(x[saddles], E[saddles], ".", ms=1.5, color="#c0504d", label="unstable")
        ax.axvline(p[name], color="0.6", lw=0.8, ls="--")
        ax.set(xlabel=f"{name} (nA)", ylabel="E at rest", ylim=(-0.02, 1.02))
    axes["I_o"].legend(frameon=False, fontsize=8, markerscale=3)
    _draw_plane(axes["plane"], plane, boundary, p)
    return figure


def _draw_plane(
    ax: Axes, plane: RegimeMap, boundary: Boundary | None, p: Mapping[str, float]
) -> None:
    x, y = plane.axes["g_IE"], plane.axes["g_EI"]
    shown = np.minimum(plane.n_stable, 2)
    colours = ListedColormap([colour for _, colour in _REGIMES.values()])
    ax.pcolormesh(x, y, shown.T, cmap=colours, vmin=-0.5, vmax=2.5, shading="nearest")
    for value, (name, colour) in _REGIMES.items():
        if (shown == value).any():
            ax.plot([], [], "s", color=colour, ms=9, label=name)
    if boundary is not None:
        for edge, coefficients, name in (
            (boundary.quiet_lost, boundary.quiet_polynomial, "quiet rest lost"),
            (boundary.active_lost, boundary.active_polynomial, "active rest lost"),
        ):
            (line,) = ax.plot(boundary.g_IE, edge, ".", ms=4, label=name)
            curve = np.polynomial.polynomial.polyval(boundary.g_IE, coefficients)
            ax.plot(boundary.g_IE, curve, "-", lw=1, color=line.get_color())
    ax.plot(p["g_IE"], p["g_EI"], "k*", ms=11, label="this region")
    ax.set(xlabel="g_IE (nA)", ylabel="g_EI (nA)", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    ax.set_title(f"g_EE = {p['g_EE']:.3g}, I_o = {p['I_o']:.3g}", fontsize=10)
    ax.legend(frameon=True, fontsize=8, loc="upper right")
