"""Tables, figures and cost model of docs/scale.md, from docs/scale.json.

    python tests/benchmarks/scale_page.py

The model says what the NEURON side's slowest rank and TVB's rank need for one simulated second, as
a sum of terms whose factors are fitted to the measured cases, none below zero, relative errors
alike. What cannot be measured on one machine, the network between nodes, is an assumption.
"""

import json
import math
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

DOCS = Path(__file__).parents[2] / "docs"
PAGE, FIGURE, MEASURED = DOCS / "scale.md", DOCS / "scale.png", DOCS / "scale.json"
MARKS = "<!-- made by make bench-scale -->", "<!-- end of what make bench-scale made -->"
DT_MS = {"hh": 0.05, "point": 0.1}
BRAIN_DT_MS = 0.1

# Ranks of the run that is foreseen have some 600 cells; many more on one rank overflow its caches.
LARGEST_FITTED = 2000

# The run that is foreseen, and what is assumed of it.
CELLS, NODES, CORES, RATE_HZ, EVENTS_HZ = 200_000, 10, 32, 5.0, 220.0
WINDOW_MS, SHORTEST_DELAY_MS = 2.1, 1.0
GATHER_S = 3e-5  # one exchange among all NEURON ranks on 10 nodes
FOREIGN_SPIKE_S = 1e-7  # each rank looks every spike of every other rank up


def _sides(found):
    """NEURON's entries and TVB's."""
    timing = found["timing"]
    if len(timing) == 1:
        return timing, timing
    return [t for t in timing if t["side"] == "NEURON"], [t for t in timing if t["side"] == "TVB"]


def _coupled(facts, n_ranks):
    return [f for f in facts["cases"] if f["case"] == "coupled" and f["ranks"] == n_ranks]


def _own(entry):
    """What a rank spends on the interface itself."""
    return entry["transform"] + entry["exchange"] + entry["record"]


def _exchange_us(found):
    """Median and 95th percentile of sending and receiving, on the side that waits less, us."""
    each = [of["exchange_us"] for of in found["of_rank"].values() if of["exchange_us"]]
    return min(each) if each else (math.nan, math.nan)


def _fit(columns, wanted):
    """Factors of the columns, none negative, with the least relative error."""
    columns, wanted = np.array(columns, float), np.array(wanted, float)
    return nnls(columns / wanted[:, None], np.ones(wanted.size))[0]


class CostModel:
    """What the ranks of a run need, s per simulated s."""

    def __init__(self, facts):
        every = _coupled(facts, 2)
        runs = [f for f in every if f["cells"] <= LARGEST_FITTED]
        self.neuron, self.build = {}, {}
        for kind, dt_ms in DT_MS.items():
            sized = [f for f in every if f["kind"] == kind]
            mine = [f for f in runs if f["kind"] == kind]
            steps = [f["duration_ms"] / dt_ms for f in mine]
            self.neuron[kind] = _fit(
                [[n, n * f["cells"]] for n, f in zip(steps, mine, strict=True)],
                [_sides(f)[0][0]["compute"] for f in mine],
            )
            self.build[kind] = _fit(
                [[1.0, f["cells"], f["cells"] ** 2] for f in sized], [f["build_s"] for f in sized]
            )
        windows = [f["duration_ms"] / f["window_ms"] for f in runs]
        brain_steps = [f["duration_ms"] / BRAIN_DT_MS for f in runs]
        self.interface = _fit(
            [
                [n, s * f["cells"], f["spikes"]]
                for n, s, f in zip(windows, brain_steps, runs, strict=True)
            ],
            [_own(_sides(f)[0][0]) - _sides(f)[0][0]["record"] for f in runs],
        )
        # Its own spikes cost every rank something, those of all ranks the root, which records them.
        self.record = _fit(
            [[f["duration_ms"] / f["window_ms"], f["spikes"]] for f in every],
            [_sides(f)[0][0]["record"] for f in every],
        )
        self.brain = _fit(
            [[n, s] for n, s in zip(windows, brain_steps, strict=True)],
            [_sides(f)[1][0]["compute"] + _own(_sides(f)[1][0]) for f in runs],
        )
        self.exchange_s = np.median([_exchange_us(f)[0] for f in runs]) * 1e-6
        # Memory: the growth from small to large, beside what the programs themselves take.
        self.memory_kb = {}
        for kind in DT_MS:
            mine = sorted((f for f in every if f["kind"] == kind), key=lambda f: f["cells"])
            first, last = mine[0], mine[-1]
            grown = last["of_rank"]["0"]["mb"] - first["of_rank"]["0"]["mb"]
            self.memory_kb[kind] = 1024 * grown / (last["cells"] - first["cells"])
        self.base_mb = min(f["of_rank"]["0"]["mb"] for f in runs)

    def compute(self, kind, cells):
        """NEURON's own work for the cells of a rank."""
        return float(self.neuron[kind] @ [1.0, cells]) * 1000.0 / DT_MS[kind]

    def terms(self, kind, cells, n_ranks):
        """What one simulated second costs the slowest NEURON rank, and TVB's."""
        mine = math.ceil(cells / n_ranks)
        windows, spikes = 1000.0 / WINDOW_MS, cells * RATE_HZ
        per_window, per_cell, per_spike = self.interface
        among = 1000.0 / SHORTEST_DELAY_MS * GATHER_S if n_ranks > 1 else 0.0
        return {
            "NEURON: integration": self.compute(kind, mine),
            "NEURON: exchange of spikes among its ranks": among,
            "NEURON: looking up foreign spikes": spikes * (1 - 1 / n_ranks) * FOREIGN_SPIKE_S,
            "NEURON: interface, per window": windows
            * (per_window + self.record[0] + self.exchange_s),
            "NEURON: interface, per cell and step": mine * 1000.0 / BRAIN_DT_MS * per_cell,
            "NEURON: interface, per spike of the rank": mine * RATE_HZ * per_spike,
            "NEURON: the root records all spikes": spikes * float(self.record[1]),
            "TVB's rank": float(self.brain @ [windows, 1000.0 / BRAIN_DT_MS]),
        }


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def _phases(facts):
    """What a row shows; of CPU time nobody waits."""
    busy = ("compute", "transform", "exchange", "record")
    return (*busy, "wait") if facts["clock"] == "wall" else busy


def _shares(entry, run_s, phases):
    return [f"{100 * max(entry[phase], 0.0) / run_s:.1f}" for phase in phases]


def _coupled_row(facts, found, model, *first):
    phases = _phases(facts)
    neuron, brain = _sides(found)
    busiest = max(neuron, key=lambda entry: entry["compute"])
    median, high = _exchange_us(found)
    mb = found["of_rank"]["0"]["mb"] - model.base_mb
    return [
        *first,
        f"{found['duration_ms'] / 1000 / found['run_s']:.3g}",
        " / ".join(_shares(busiest, found["run_s"], phases)),
        " / ".join(_shares(brain[0], found["run_s"], phases)),
        "" if math.isnan(median) else f"{median:.0f} / {high:.0f}",
        f"{1024 * mb / found['cells']:.0f}" if found["cells"] >= 2000 else "",
        f"{1000 * found['build_s'] / found['cells']:.2f}",
    ]


def _head(facts):
    of = "the wall" if facts["clock"] == "wall" else "the busier rank's CPU"
    return (
        "real-time factor",
        f"NEURON rank, % of {of}: {' / '.join(_phases(facts))}",
        "TVB's rank, the same",
        "exchange, wall us: median / p95",
        "memory, kB per cell",
        "build, ms per cell",
    )


def tables(facts, model):
    """The tables of the page, as text."""
    sizes = [f for f in _coupled(facts, 2) if f["window_ms"] > 2]
    windows = sorted(
        (f for f in _coupled(facts, 2) if (f["kind"], f["cells"]) == ("hh", 500)),
        key=lambda f: f["window_ms"],
    )
    ranked = sizes[-2]["cells"] if not _coupled(facts, 3) else _coupled(facts, 3)[0]["cells"]
    every = [f for f in facts["cases"] if (f["kind"], f["cells"]) == ("hh", ranked)]
    every = [f for f in every if f["case"] == "netpyne" or f["window_ms"] > 2]
    clock = {
        "wall": "Wall time.",
        "cpu": "The machine had other work: CPU time of each rank's thread, not wall time, so that "
        "nothing is said of waiting, a run takes as long as its busier rank, and only the latency "
        "of exchanges is wall time, too high. `make bench-scale` on an idle machine gives wall "
        "time.",
    }[facts["clock"]]
    unit = "wall" if facts["clock"] == "wall" else "CPU of the busiest rank"
    parts = [
        f"{clock} Measured {facts['date']} on {facts['cores']} cores, load average "
        f"{facts['load_average'][0]:.1f} to {facts['load_average'][1]:.1f}, the shortest of "
        f"{facts['repeats']} runs of each case, {facts['minutes']:.0f} minutes in all.",
        "### Size\n\nTwo ranks, windows of 2.1 ms.\n",
        _table(
            ("cells", *_head(facts)),
            [_coupled_row(facts, f, model, f"{f['cells']} {f['kind']}") for f in sizes],
        ),
        "### Window\n\nTwo ranks, 500 hh cells.\n",
        _table(
            ("window, ms", *_head(facts)),
            [_coupled_row(facts, f, model, f["window_ms"]) for f in windows],
        ),
        f"### Ranks\n\n{ranked} hh cells. NetPyNE alone has as many NEURON ranks, and NetStims that"
        " send as many input spikes; there is no TVB then."
        " CPU time includes polling in MPI.\n",
        _table(
            (
                "",
                "ranks",
                "of them NEURON",
                f"{unit}, s per simulated s",
                "speed-up",
                "spikes per cell and s",
            ),
            [_rank_row(f, every) for f in sorted(every, key=lambda f: (f["case"], f["ranks"]))],
        ),
        _foreseen(model),
    ]
    return "\n\n".join(part.strip("\n") for part in parts)


def _rank_row(found, every):
    first = min((f for f in every if f["case"] == found["case"]), key=lambda f: f["ranks"])
    per_s, first_s = (f["run_s"] / f["duration_ms"] * 1000 for f in (found, first))
    coupled = found["case"] == "coupled"
    return [
        "co-simulation" if coupled else "NetPyNE alone",
        found["ranks"],
        max(found["ranks"] - 1, 1) if coupled else found["ranks"],
        f"{per_s:.2f}",
        f"{first_s / per_s:.2f}",
        f"{found['spikes'] / found['cells'] / found['duration_ms'] * 1000:.1f}",
    ]


def _foreseen(model):
    n_ranks = NODES * CORES - 1
    terms = {kind: model.terms(kind, CELLS, n_ranks) for kind in DT_MS}
    rows = [[name, *(f"{terms[kind][name]:.3f}" for kind in DT_MS)] for name in terms["hh"]]
    totals = {
        kind: max(sum(v for k, v in of.items() if k.startswith("NEURON")), of["TVB's rank"])
        for kind, of in terms.items()
    }
    rows.append(
        ["**slowest rank, s per simulated second**", *(f"**{totals[k]:.2f}**" for k in DT_MS)]
    )
    mine = CELLS / n_ranks
    worst = {kind: max(of, key=of.get) for kind, of in terms.items()}
    per_window, per_cell, per_spike = model.interface
    fitted = [
        f"- NEURON, one step: {1e6 * model.neuron[k][0]:.1f} us and {1e9 * model.neuron[k][1]:.0f} "
        f"ns a cell ({k}, {DT_MS[k]} ms)"
        for k in DT_MS
    ]
    fitted += [
        f"- interface of a NEURON rank: {1e6 * (per_window + model.record[0]):.0f} us a window, "
        f"{1e9 * per_cell:.1f} ns a cell and mean-field step with its share of {EVENTS_HZ:g} input "
        f"spikes a second, {1e6 * per_spike:.2f} us a spike, {1e6 * model.record[1]:.2f} us more "
        f"on the root, which records it; exchange {1e6 * model.exchange_s:.0f} us a window",
        f"- TVB's rank: {1e6 * model.brain[0]:.0f} us a window and {1e6 * model.brain[1]:.1f} us a "
        f"step, 66 regions with noise",
    ]
    build = {k: float(model.build[k] @ [1, mine, 0]) for k in DT_MS}
    pairs = {k: float(model.build[k][2]) * CELLS**2 for k in DT_MS}
    memory = {k: model.base_mb + model.memory_kb[k] * mine / 1024 for k in DT_MS}
    return (
        f"### {CELLS:,} cells on {NODES} nodes\n\n"
        f"Fitted to the cases on two ranks with up to {LARGEST_FITTED} cells:\n\n"
        + "\n".join(fitted)
        + f"\n\nWith {n_ranks} NEURON ranks ({CORES} cores a node, one of all for TVB), "
        f"{mine:.0f} cells a rank, {RATE_HZ:g} Hz, s per simulated second:\n\n"
        + _table(("", *DT_MS), rows)
        + "\n\nThe largest term: "
        + ", ".join(f"{kind}: {name}" for kind, name in worst.items())
        + f". Build: {build['hh']:.0f} s for a rank's own cells, and "
        f"{pairs['hh'] / 60:.0f} minutes for drawing connections, which every rank does for all "
        f"pairs of cells. Memory: {memory['hh']:.0f} MB a rank."
    )


def figure(facts, model):
    """Three panels: size, window, ranks."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (size, window, ranks) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    colors = {"hh": "tab:red", "point": "tab:blue"}
    runs = [f for f in _coupled(facts, 2) if f["window_ms"] > 2]
    for kind, color in colors.items():
        mine = [f for f in runs if f["kind"] == kind]
        cells = np.array([f["cells"] for f in mine])
        per_s = np.array([1000 / f["duration_ms"] for f in mine])
        size.loglog(cells, per_s * [f["run_s"] for f in mine], "o-", color=color, label=kind)
        own = [_own(_sides(f)[0][0]) for f in mine]
        size.loglog(cells, per_s * own, "s:", color=color, label=f"{kind}: interface")
        grid = np.geomspace(20, 20_000)
        size.loglog(grid, [model.compute(kind, n) for n in grid], "-", color=color, alpha=0.3)
    size.axhline(1.0, color="gray", lw=0.8, ls="--")
    size.text(25, 1.1, "real time", color="gray", fontsize=8)
    size.set(
        xlabel="cells", ylabel=f"{facts['clock']}, s per simulated s", title="two ranks, 2.1 ms"
    )
    size.legend(fontsize=8)
    swept = sorted(
        (f for f in _coupled(facts, 2) if (f["kind"], f["cells"]) == ("hh", 500)),
        key=lambda f: f["window_ms"],
    )
    lengths = [f["window_ms"] for f in swept]
    for name, side in (("NEURON", 0), ("TVB", 1)):
        entries = [_sides(f)[side][0] for f in swept]
        shown = (("compute", "-"), ("own", "--"), ("wait", ":"))
        for phase, style in shown if facts["clock"] == "wall" else shown[:2]:
            value = [_own(e) if phase == "own" else max(e[phase], 1e-4) for e in entries]
            per_s = [1000 * v / f["duration_ms"] for v, f in zip(value, swept, strict=True)]
            label = f"{name}: {'interface' if phase == 'own' else phase}"
            window.loglog(lengths, per_s, f"o{style}", color=f"C{side}", label=label, ms=4)
    window.set(xlabel="window, ms", ylabel="s per simulated s", title="500 hh cells, two ranks")
    window.legend(fontsize=7)
    for case, label in (("coupled", "co-simulation"), ("netpyne", "NetPyNE alone")):
        found = [f for f in facts["cases"] if f["case"] == case and f["kind"] == "hh"]
        found = [f for f in found if case == "netpyne" or f["window_ms"] > 2]
        n_cells = next(f["cells"] for f in facts["cases"] if f["case"] == "netpyne")
        found = sorted((f for f in found if f["cells"] == n_cells), key=lambda f: f["ranks"])
        if case == "coupled":
            found = [f for f in found if f["ranks"] > 1]
        x = [f["ranks"] - (case == "coupled") for f in found]
        ranks.plot(x, [1000 * f["run_s"] / f["duration_ms"] for f in found], "o-", label=label)
    ranks.set(
        xlabel="NEURON ranks", ylabel=f"{facts['clock']}, s per simulated s", xticks=(1, 2, 3)
    )
    ranks.set_title(f"{n_cells} hh cells on {facts['cores']} cores")
    ranks.set_ylim(bottom=0)
    ranks.legend(fontsize=8)
    figure.savefig(FIGURE, dpi=110)


def write_page(facts):
    """Write the page's tables and the figure."""
    model = CostModel(facts)
    text = PAGE.read_text()
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    made = f"{MARKS[0]}\n{tables(facts, model)}\n{MARKS[1]}"
    PAGE.write_text(before + made + after)
    figure(facts, model)
    print(tables(facts, model))


if __name__ == "__main__":
    write_page(json.loads(MEASURED.read_text()))
