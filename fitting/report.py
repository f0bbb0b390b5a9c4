"""One HTML file that shows a fit: what was fitted, how it went, what is known and what is not."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path

import jinja2
import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from fitting.bifurcation import bistable_boundary, regime_map
from fitting.bifurcation_plot import plot_regimes
from fitting.dataset import Array, lower_triangle
from fitting.errors import ConfigurationError
from fitting.models import named_model
from fitting.models.reduced_wong_wang import ReducedWongWang
from fitting.report_text import TEMPLATE
from fitting.result import FitResult

matplotlib.use("Agg")

# A region's seed map says little for all of them; those with the strongest FC say most.
N_SEED_REGIONS = 4
_NOT_TERMS = ("fc_r", "held_out", "total")


def write_report(result: FitResult, path: Path) -> None:
    """Write the report of a fit; it needs no other file."""
    panels = [
        ("Loss terms at each step", _losses),
        ("Parameters at each step", _trajectories),
        ("True parameters and estimates", _truth),
        ("Structural connectivity: measured, fitted", _connectomes),
        ("Functional connectivity: data and simulation", _fc_matrices),
        ("Functional connectivity, pair by pair", _fc_scatter),
        ("Functional connectivity of single regions", _seed_maps),
        ("Simulated BOLD of some regions", _bold),
        ("Fixed points of one region, and where the fit rests", _regime),
        ("What fidelity to the measured connectome costs", _frontier),
    ]
    figures = []
    for title, draw in panels:
        figure = draw(result)
        if figure is not None:
            figures.append({"title": title, "image": _encoded(figure)})
    environment = jinja2.Environment(autoescape=True)
    html = environment.from_string(TEMPLATE).render(
        result=result,
        figures=figures,
        metrics=dict(result.metrics),
        parameters=[
            {
                "name": p.name,
                "unit": p.unit,
                "meaning": p.meaning,
                "value": _range(p.values),
                "known": _known(result, p.name),
            }
            for p in result.parameters.values()
        ],
        identified=result.identified,
        connectome_free="log_gains" in result.free,
        settings=json.dumps(json.loads(result.settings), indent=2),
        versions=result.versions,
        has_test=result.fc_test is not None,
    )
    path.write_text(html, encoding="utf-8")


def _encoded(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _range(values: Array) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.4g}" if high - low <= 1e-9 * abs(high) else f"{low:.4g} to {high:.4g}"


def _known(result: FitResult, name: str) -> str:
    """How a parameter may be quoted: fixed, identified with its interval, or not identified."""
    for one in result.identified:
        if one.name == name:
            if one.is_identified:
                return f"{one.low:.3g} to {one.high:.3g} (95 %)"
            return "not identified by FC"
    return "not varied"


def _axes(n: int, width: float = 3.6, height: float = 3.2) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(width * n, height), layout="constrained")
    grid = figure.subplots(1, n, squeeze=False)
    return figure, list(grid[0])


def _losses(result: FitResult) -> Figure | None:
    if not result.history:
        return None
    figure, (left, right) = _axes(2, 5.0)
    names = set(result.history) - {*_NOT_TERMS, "g"} - set(result.parameters)
    for name in sorted(names):
        left.plot(np.abs(result.history[name]), label=name, lw=1)
    left.plot(np.abs(result.history["total"]), "k--", label="total", lw=1)
    left.set(yscale="log", xlabel="step", ylabel="size of the weighted term")
    left.legend(fontsize=7)
    right.plot(result.history["fc_r"], label="training", lw=1.2)
    if "held_out" in result.history:
        held = result.history["held_out"]
        right.plot(np.flatnonzero(~np.isnan(held)), held[~np.isnan(held)], label="held out")
    right.set(xlabel="step", ylabel="r of predicted and training FC")
    right.ticklabel_format(axis="y", useOffset=False)
    right.legend(fontsize=7)
    return figure


def _trajectories(result: FitResult) -> Figure | None:
    names = [name for name in (*result.parameters,) if name in result.history]
    moving = [n for n in names if np.ptp(result.history[n]) > 0]
    if not moving:
        return None
    figure, axes = _axes(len(moving), 3.0, 2.6)
    for axis, name in zip(axes, moving, strict=True):
        axis.plot(result.history[name], lw=1)
        unit = result.parameters[name].unit
        axis.set(xlabel="step", ylabel=f"{name} ({unit})" if unit else name)
    return figure


def _truth(result: FitResult) -> Figure | None:
    """Estimates over true values; with the interval, and filled, where the data identify one."""
    if not result.truth:
        return None
    figure, (axis,) = _axes(1, 7.0, 3.2)
    known = {one.name: one for one in result.identified}
    for k, (name, true) in enumerate(result.truth.items()):
        one = known.get(name)
        value = one.value if one else float(result.parameters[name].values.mean())
        if one is not None and one.is_identified:
            reach = np.array([[value - one.low], [one.high - value]]) / true
            axis.errorbar(k, value / true, reach, fmt="o", color="C0", capsize=4)
        else:
            axis.plot(k, value / true, "o", color="C3", mfc="none")
        axis.annotate(
            f"true {true:.3g}\nfit {value:.3g}",
            (k, value / true),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axis.axhline(1.0, color="k", lw=0.8, ls=":")
    axis.plot([], [], "o", color="C0", label="identified, 95 % interval")
    axis.plot([], [], "o", color="C3", mfc="none", label="not identified: value used")
    axis.set_xticks(range(len(result.truth)), list(result.truth))
    axis.set(ylabel="estimate / true value", xlim=(-0.5, len(result.truth)))
    axis.margins(y=0.15)
    axis.legend(fontsize=8, loc="best")
    return figure


def _matrix(axis: Axes, matrix: Array, title: str, label: str, norm: Normalize, map_: str) -> None:
    image = axis.imshow(matrix, norm=norm, cmap=map_, interpolation="nearest")
    axis.set_facecolor("0.9")
    axis.set_title(title, fontsize=9)
    axis.set(xlabel="region", ylabel="region")
    axis.locator_params(integer=True)  # there is no region 2.5
    axis.figure.colorbar(image, ax=axis, shrink=0.8, label=label)


def _connectomes(result: FitResult) -> Figure:
    figure, axes = _axes(3, 3.9)
    shown = {"measured": result.prior_weights, "fitted": result.weights}
    positive = [weights[weights > 0] for weights in shown.values()]
    faintest = min(float(np.percentile(weights, 5)) for weights in positive)
    norm = LogNorm(faintest, max(float(weights.max()) for weights in positive), clip=True)
    for axis, (title, weights) in zip(axes, shown.items(), strict=False):
        _matrix(axis, np.ma.masked_equal(weights, 0), title, "weight", norm, "viridis")
    before, after = lower_triangle(result.prior_weights), lower_triangle(result.weights)
    both = (before > 0) & (after > 0)
    axes[2].loglog(before[both], after[both], ".", ms=2, alpha=0.4)
    axes[2].axline((1e-3, 1e-3), (1e-2, 1e-2), color="k", lw=0.8)
    axes[2].set(xlabel="measured weight", ylabel="fitted weight")
    r = float(np.corrcoef(np.log(before[both]), np.log(after[both]))[0, 1])
    axes[2].set_title(f"r of log weights = {r:.2f}", fontsize=9)
    return figure


def _fc_matrices(result: FitResult) -> Figure:
    shown = [("data, training", result.fc_train)]
    if result.fc_test is not None:
        shown.append(("data, test", result.fc_test))
    shown.append(("simulated (first noise seed)", result.fc_simulated[0]))
    figure, axes = _axes(len(shown), 3.9)
    for axis, (title, fc) in zip(axes, shown, strict=True):
        off_diagonal = np.ma.masked_array(fc, np.eye(len(fc), dtype=bool))
        _matrix(axis, off_diagonal, title, "FC (r)", Normalize(-1, 1), "RdBu_r")
    return figure


def _fc_scatter(result: FitResult) -> Figure:
    simulated = lower_triangle(result.fc_simulated[0])
    shown = [("training", result.fc_train)]
    if result.fc_test is not None:
        shown.append(("test", result.fc_test))
    figure, axes = _axes(len(shown))
    for axis, (name, fc) in zip(axes, shown, strict=True):
        entries = lower_triangle(fc)
        axis.plot(entries, simulated, ".", ms=2, alpha=0.3)
        axis.axline((0, 0), slope=1, color="k", lw=0.8)
        r = float(np.corrcoef(entries, simulated)[0, 1])
        low = min(0.0, float(min(entries.min(), simulated.min()))) - 0.05
        limits = (low, 1.0)
        axis.set(xlabel=f"FC of data, {name}", ylabel="simulated FC", xlim=limits, ylim=limits)
        axis.set_aspect("equal")
        axis.set_title(f"r = {r:.3f}", fontsize=9)
    return figure


def _seed_maps(result: FitResult) -> Figure:
    """Strips of regions, as no positions are known; the seeds have the strongest FC."""
    data = result.fc_train if result.fc_test is None else result.fc_test
    strength = (data - np.eye(len(data))).sum(0)
    seeds = np.argsort(strength)[::-1][:N_SEED_REGIONS]
    figure = Figure(figsize=(11, 1.3 + 0.85 * len(seeds)), layout="constrained")
    axes = figure.subplots(len(seeds), 1, sharex=True, squeeze=False)[:, 0]
    for axis, seed in zip(axes, seeds, strict=True):
        others = np.arange(len(data)) != seed
        both = np.stack([data[seed], result.fc_simulated[0][seed]])
        r = float(np.corrcoef(both[:, others])[0, 1])
        shown = np.ma.masked_array(both, np.tile(~others, (2, 1)))
        image = axis.imshow(
            shown, norm=Normalize(-1, 1), cmap="RdBu_r", aspect="auto", interpolation="nearest"
        )
        axis.set_yticks([0, 1], ["data", "simulated"], fontsize=8)
        axis.set_title(f"seed {result.labels[seed]}: r = {r:.2f}", fontsize=8)
    figure.colorbar(image, ax=list(axes), label="FC with the seed (r)", shrink=0.8)
    ticks = np.arange(0, len(data), max(1, len(data) // 40))
    axes[-1].set_xticks(ticks, [result.labels[i] for i in ticks], rotation=90, fontsize=6)
    return figure


def _bold(result: FitResult) -> Figure:
    figure, (axis,) = _axes(1, 10.0, 2.6)
    n_shown = min(result.bold_simulated.shape[1], round(300 / result.tr_s))
    times_s = np.arange(n_shown) * result.tr_s
    for row in result.bold_simulated[:: max(1, len(result.labels) // 8)]:
        axis.plot(times_s, 100 * (row - row.mean())[:n_shown], lw=0.7)
    axis.set(xlabel="time (s)", ylabel="BOLD change (%)", xlim=(0, times_s[-1]))
    return figure


def _regime(result: FitResult) -> Figure | None:
    """The figure of the regimes, about the fit's mean parameters, for models that have one."""
    if "g_IE" not in result.parameters:
        return None
    model = named_model(result.model)
    if not isinstance(model, ReducedWongWang):
        return None
    point = {
        name: torch.tensor(float(p.values.mean()), dtype=torch.float64)
        for name, p in result.parameters.items()
    }
    inhibition = {
        "g_IE": np.linspace(0, max(2.0, 1.5 * float(point["g_IE"])), 81),
        "g_EI": np.linspace(0, max(0.6, 1.5 * float(point["g_EI"])), 81),
    }
    excitation = {
        "g_EE": np.linspace(0, max(1.0, 1.5 * float(point["g_EE"])), 161),
        "g_IE": inhibition["g_IE"],
    }
    planes = [
        regime_map(model, axes, {k: v for k, v in point.items() if k not in axes})
        for axes in (inhibition, excitation)
    ]
    others = {k: v for k, v in point.items() if k not in inhibition}
    try:
        boundary = bistable_boundary(model, others, inhibition["g_IE"], inhibition["g_EI"])
    except ConfigurationError:  # at this g_EE no region is bistable
        boundary = None
    return plot_regimes(model, point, planes, boundary)


def _frontier(result: FitResult) -> Figure | None:
    if not result.frontier.size:
        return None
    figure, (axis,) = _axes(1, 5.0)
    weight, fidelity, train, test = result.frontier.T
    axis.plot(fidelity, train, "o-", label="training", ms=4)
    if result.fc_test is not None:
        axis.plot(fidelity, test, "o-", label="test", ms=4)
        axis.axhline(result.metrics["ceiling_fc_r"], color="k", ls=":", label="ceiling")
    for x, y, w in zip(fidelity, train, weight, strict=True):
        name = "this fit" if w == 0 else f"{w:g}"
        axis.annotate(name, (x, y), (4, 5), textcoords="offset points", fontsize=7)
    axis.set(
        xlabel="correlation of log weights, fitted and measured",
        ylabel="FC r (linear prediction)",
        title="points: weight of the prior on the gains",
    )
    axis.margins(0.12)
    axis.legend(fontsize=7)
    return figure
