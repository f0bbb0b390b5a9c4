"""The figure of docs/scale.md: size, window, ranks."""

import matplotlib
import numpy as np
from scale_model import LARGEST_FITTED, coupled, own, sides

# Okabe and Ito's: told apart by the colour-blind, and by their markers in grey.
HH, POINT, NEURON, TVB = "#D55E00", "#0072B2", "#0072B2", "#D55E00"
BELOW = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2), "frameon": False}


def draw(facts, model, path):
    """Write the three panels."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context({"font.size": 9, "legend.fontsize": 8, "axes.titlesize": 10}):
        figure, panels = plt.subplots(1, 3, figsize=(10, 4.4), layout="constrained")
        for panel, part in zip(panels, (_size, _window, _ranks), strict=True):
            part(panel, facts, model)
            panel.grid(color="0.9", lw=0.6)
            panel.set_axisbelow(True)
        figure.savefig(path, dpi=150)
        plt.close(figure)


def _per_s(found, seconds):
    return 1000.0 * seconds / found["duration_ms"]


def _plain(axis, values):
    """A logarithmic axis whose ticks are the measured values, as they are written."""
    axis.set_ticks(values, [f"{value:,g}" for value in values])
    axis.set_ticks([], minor=True)


def _size(axes, facts, model):
    runs = [f for f in coupled(facts, 2) if f["window_ms"] > 2]
    for kind, color, marker in (("hh", HH, "o"), ("point", POINT, "s")):
        mine = [f for f in runs if f["kind"] == kind]
        cells = [f["cells"] for f in mine]
        wall = [_per_s(f, f["run_s"]) for f in mine]
        interface = [_per_s(f, own(sides(f)[0][0])) for f in mine]
        axes.loglog(cells, wall, marker, color=color, label=f"{kind} cells", ms=5)
        axes.loglog(
            cells, interface, marker, color=color, mfc="none", ms=5, label=f"{kind}: interface"
        )
        rate_hz = mine[-1]["spikes"] / mine[-1]["cells"] / mine[-1]["duration_ms"] * 1000.0
        for grid, style in (
            (np.geomspace(cells[0], LARGEST_FITTED), "-"),
            (np.geomspace(LARGEST_FITTED, cells[-1]), ":"),
        ):
            modelled = [model.wall(kind, n, rate_hz=rate_hz) for n in grid]
            axes.loglog(grid, modelled, style, color=color, lw=1)
    axes.plot([], [], "-", color="0.3", lw=1, label="cost model")
    axes.plot([], [], ":", color="0.3", lw=1, label="beyond its fit")
    axes.axhline(1.0, color="0.5", lw=0.8, ls="--")
    axes.text(22, 1.1, "real time", color="0.4", fontsize=8)
    axes.set(xlabel="cells", ylabel=f"{facts['clock']} time, s per simulated s")
    axes.set_title("Size: two ranks, 2.1 ms")
    _plain(axes.xaxis, cells)
    axes.tick_params(axis="x", labelsize=8)
    axes.legend(ncols=2, columnspacing=1.0, handletextpad=0.4, **BELOW)


def _window(axes, facts, model):
    del model
    swept = sorted(
        (f for f in coupled(facts, 2) if (f["kind"], f["cells"]) == ("hh", 500)),
        key=lambda f: f["window_ms"],
    )
    lengths = [f["window_ms"] for f in swept]
    phases = [("compute", "o-"), ("interface", "s--"), ("wait", "^:")]
    for side, (name, color) in enumerate((("NEURON", NEURON), ("TVB", TVB))):
        entries = [sides(f)[side][0] for f in swept]
        for phase, style in phases if facts["clock"] == "wall" else phases[:2]:
            spent = [own(e) if phase == "interface" else max(e[phase], 1e-4) for e in entries]
            value = [_per_s(f, s) for f, s in zip(swept, spent, strict=True)]
            axes.loglog(lengths, value, style, color=color, label=f"{name}: {phase}", ms=4, lw=1.2)
    axes.set(xlabel="window, ms", ylabel=f"{facts['clock']} time, s per simulated s")
    axes.set_title("Window: 500 hh cells, two ranks")
    _plain(axes.xaxis, lengths)
    axes.legend(ncols=2, columnspacing=1.0, handletextpad=0.4, **BELOW)


def _ranks(axes, facts, model):
    del model
    n_cells = next(f["cells"] for f in facts["cases"] if f["case"] == "netpyne")
    for case, label, color, style in (
        ("coupled", "co-simulation (TVB on one more)", HH, "o-"),
        ("netpyne", "NetPyNE alone", POINT, "s--"),
    ):
        found = [
            f
            for f in facts["cases"]
            if (f["case"], f["kind"], f["cells"]) == (case, "hh", n_cells)
            and (case == "netpyne" or (f["window_ms"] > 2 and f["ranks"] > 1))
        ]
        found.sort(key=lambda f: f["ranks"])
        ranks = [f["ranks"] - (case == "coupled") for f in found]
        value = [_per_s(f, f["run_s"]) for f in found]
        axes.plot(ranks, value, style, color=color, label=label, ms=5, lw=1.2)
    axes.set(xlabel="NEURON ranks", ylabel=f"{facts['clock']} time, s per simulated s")
    axes.set(xticks=(1, 2, 3), ylim=(0, None))
    axes.set_title(f"Ranks: {n_cells:,} hh cells on {facts['cores']} cores")
    axes.legend(**BELOW)
