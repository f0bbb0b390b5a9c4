"""Figure of the regimes of a region: its rests against each parameter, and over planes of two."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from fitting.bifurcation import Boundary, RegimeMap, fixed_points
from fitting.models.base import complete
from fitting.models.reduced_wong_wang import ReducedWongWang

Array = NDArray[np.float64]

_VARIED = {"I_o": (0.0, 1.0), "g_EE": (0.0, 2.0), "g_IE": (0.0, 2.0), "g_EI": (0.0, 1.0)}
# Stable rests to the colour of the contour around them.
_CONTOURS = {0: ("oscillating", "#e0a030"), 2: ("bistable", "#ffffff")}


def plot_regimes(
    model: ReducedWongWang,
    parameters: Mapping[str, Tensor],
    planes: Sequence[RegimeMap],
    boundary: Boundary | None = None,
    n_values: int = 201,
) -> Figure:
    """Draw the rests of a region against each parameter, and its regimes over planes.

    Args:
        model: Either variant of the two-state model.
        parameters: The point about which parameters vary, such as a fit; scalars.
        planes: Regimes, each over two parameters; the first named is drawn across.
        boundary: Edges of the bistable band over ``g_IE`` and ``g_EI``, with their polynomials.
        n_values: Values of each parameter.

    Returns:
        A figure with four panels and one for each plane; the caller saves it.
    """
    p = {name: float(value) for name, value in complete(model, parameters, torch.float64).items()}
    figure = Figure(figsize=(6 + 4.6 * len(planes), 5.2), layout="constrained")
    places = [f"plane {k}" for k in range(len(planes))]
    axes = figure.subplot_mosaic(
        [["I_o", "g_EE", *places], ["g_IE", "g_EI", *places]],
        width_ratios=[1, 1, *(1.7 for _ in planes)],
    )
    for name, (low, high) in _VARIED.items():
        _draw_rests(axes[name], model, p, name, np.linspace(low, high, n_values))
    axes["I_o"].legend(frameon=False, fontsize=8, markerscale=3)
    for place, plane in zip(places, planes, strict=True):
        of_boundary = boundary if list(plane.axes) == ["g_IE", "g_EI"] else None
        _draw_plane(axes[place], plane, of_boundary, p)
    return figure


def _draw_rests(
    ax: Axes, model: ReducedWongWang, p: Mapping[str, float], name: str, values: Array
) -> None:
    varied = {k: torch.tensor(v) for k, v in p.items()} | {name: torch.from_numpy(values)}
    points = fixed_points(model, varied)
    E, stable = points.states[..., 0], points.stable
    x = np.broadcast_to(values[:, None], E.shape)
    ax.plot(x[stable], E[stable], ".", ms=2.5, color="#1f4e79", label="stable")
    saddles = np.isfinite(E) & ~stable
    if saddles.any():
        ax.plot(x[saddles], E[saddles], ".", ms=1.5, color="#c0504d", label="unstable")
    ax.axvline(p[name], color="0.6", lw=0.8, ls="--", label="this fit")
    ax.set(xlabel=f"{name} (nA)", ylabel="E at rest", ylim=(-0.02, 1.02))


def _draw_plane(
    ax: Axes, plane: RegimeMap, boundary: Boundary | None, p: Mapping[str, float]
) -> None:
    """Colours are E of the lowest rest; contours enclose where there are two rests, or none."""
    (across, x), (up, y) = plane.axes.items()
    image = ax.pcolormesh(
        x, y, plane.lowest_E.T, cmap="viridis", vmin=0, vmax=1, shading="nearest", rasterized=True
    )
    ax.figure.colorbar(image, ax=ax, label="E at the lowest stable rest", shrink=0.8)
    stable = np.minimum(plane.n_stable, 2)
    for value, (name, colour) in _CONTOURS.items():
        here = stable == value
        if here.any():
            hatch = ax.contourf(
                x, y, here.T.astype(float), [0.5, 1.5], colors="none", hatches=["//"]
            )
            hatch.set_edgecolor(colour)
            ax.contour(x, y, here.T.astype(float), [0.5], colors=colour, linewidths=1.2)
            ax.plot([], [], "-", color=colour, label=name)
    if boundary is not None:
        for edge, coefficients, name, colour in (
            (boundary.quiet_lost, boundary.quiet_polynomial, "quiet rest lost", "C1"),
            (boundary.active_lost, boundary.active_polynomial, "active rest lost", "C3"),
        ):
            ax.plot(boundary.g_IE, edge, ".", ms=4, color=colour, label=name)
            curve = np.polynomial.polynomial.polyval(boundary.g_IE, coefficients)
            ax.plot(boundary.g_IE, curve, "-", lw=1, color=colour)
    ax.plot(p[across], p[up], "*", color="k", mec="w", ms=14, label="this fit")
    ax.set(xlabel=f"{across} (nA)", ylabel=f"{up} (nA)", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    held = [name for name in ("g_EE", "g_IE", "g_EI", "I_o") if name not in plane.axes]
    regimes = "" if (stable == 2).any() else "; no bistable region"
    ax.set_title(", ".join(f"{n} = {p[n]:.3g}" for n in held) + regimes, fontsize=9)
    ax.legend(frameon=True, fontsize=8, loc="upper right", facecolor="0.75")
