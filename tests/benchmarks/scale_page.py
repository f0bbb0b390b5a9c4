"""Tables, figure and cost model of docs/scale.md, from docs/scale.json.

python tests/benchmarks/scale_page.py
"""

import json
import math
from pathlib import Path

from scale_figure import draw
from scale_model import (
    CELLS,
    CORES,
    DT_MS,
    EVENTS_HZ,
    LARGEST_FITTED,
    NODES,
    RATE_HZ,
    CostModel,
    coupled,
    exchange_us,
    sides,
)

DOCS = Path(__file__).parents[2] / "docs"
PAGE, FIGURE, MEASURED = DOCS / "scale.md", DOCS / "scale.png", DOCS / "scale.json"
MARKS = "<!-- made by make bench-scale -->", "<!-- end of what make bench-scale made -->"
FACTOR, EXCHANGE = "real-time factor", "exchange, us: median / 95th percentile"


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def _phases(facts):
    """What a row shows; of CPU time nobody waits."""
    busy = ("compute", "transform", "exchange", "record")
    return (*busy, "wait") if facts["clock"] == "wall" else busy


def _shares(entry, run_s, phases):
    return [f"{100 * max(entry[phase], 0.0) / run_s:.1f}" for phase in phases]


def _size_row(found, model, *first):
    mb = found["of_rank"]["0"]["mb"] - model.base_mb
    return [
        *_window_row(found, *first),
        f"{1024 * mb / found['cells']:.0f}" if found["cells"] >= 2000 else "",
        f"{1000 * found['build_s'] / found['cells']:.2f}",
    ]


def _window_row(found, *first):
    median, high = exchange_us(found)
    return [
        *first,
        f"{found['duration_ms'] / 1000 / found['run_s']:.3g}",
        "" if math.isnan(median) else f"{median:.0f} / {high:.0f}",
    ]


def _share_row(facts, found, *first):
    phases = _phases(facts)
    neuron, brain = sides(found)
    busiest = max(neuron, key=lambda entry: entry["compute"])
    return [
        *first,
        *_shares(busiest, found["run_s"], phases),
        *_shares(brain[0], found["run_s"], phases),
    ]


def _share_head(facts, first):
    phases = _phases(facts)
    return (first, f"NEURON: {phases[0]}", *phases[1:], f"TVB: {phases[0]}", *phases[1:])


def tables(facts, model):
    """The tables of the page, as text."""
    sizes = [f for f in coupled(facts, 2) if f["window_ms"] > 2]
    windows = sorted(
        (f for f in coupled(facts, 2) if (f["kind"], f["cells"]) == ("hh", 500)),
        key=lambda f: f["window_ms"],
    )
    ranked = sizes[-2]["cells"] if not coupled(facts, 3) else coupled(facts, 3)[0]["cells"]
    every = [f for f in facts["cases"] if (f["kind"], f["cells"]) == ("hh", ranked)]
    every = [f for f in every if f["case"] == "netpyne" or f["window_ms"] > 2]
    clock = {
        "wall": "Wall time.",
        "cpu": "The machine had other work: CPU time of each rank's thread, not wall time, so that "
        "nothing is said of waiting, a run takes as long as its busier rank, and only the latency "
        "of exchanges is wall time, too high. `make bench-scale` on an idle machine gives wall "
        "time.",
    }[facts["clock"]]
    of = "the wall time" if facts["clock"] == "wall" else "the busier rank's CPU time"
    unit = "wall" if facts["clock"] == "wall" else "CPU of the busiest rank"
    parts = [
        f"{clock} Measured {facts['date']} on {facts['cores']} cores, load average "
        f"{facts['load_average'][0]:.1f} to {facts['load_average'][1]:.1f}, the shortest of "
        f"{facts['repeats']} runs of each case, {facts['minutes']:.0f} minutes in all.",
        "### Size\n\nTwo ranks, windows of 2.1 ms.\n",
        _table(
            ("cells", FACTOR, EXCHANGE, "memory, kB per cell", "build, ms per cell"),
            [_size_row(f, model, f"{f['cells']}\u00a0{f['kind']}") for f in sizes],
        ),
        f"Where the time of both ranks goes, % of {of}:\n",
        _table(
            _share_head(facts, "cells"),
            [_share_row(facts, f, f"{f['cells']}\u00a0{f['kind']}") for f in sizes],
        ),
        "### Window\n\nTwo ranks, 500 hh cells.\n",
        _table(("window, ms", FACTOR, EXCHANGE), [_window_row(f, f["window_ms"]) for f in windows]),
        f"Where the time of both ranks goes, % of {of}:\n",
        _table(
            _share_head(facts, "window, ms"),
            [_share_row(facts, f, f["window_ms"]) for f in windows],
        ),
        f"### Ranks\n\n{ranked} hh cells. NetPyNE alone has as many NEURON ranks, and NetStims that"
        " send as many input spikes; there is no TVB then."
        + (" CPU time includes polling in MPI.\n" if facts["clock"] == "cpu" else "\n"),
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
        _foreseen(facts, model),
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


def _foreseen(facts, model):
    n_ranks = NODES * CORES - 1
    terms = {kind: model.terms(kind, CELLS, n_ranks) for kind in DT_MS}
    rows = [[name, *(f"{terms[kind][name]:.3f}" for kind in DT_MS)] for name in terms["hh"]]
    totals = {kind: model.wall(kind, CELLS, n_ranks) for kind in terms}
    rows.append(
        ["**slowest rank, s per simulated second**", *(f"**{totals[k]:.2f}**" for k in DT_MS)]
    )
    mine = CELLS / n_ranks
    worst = {kind: max(of, key=of.get) for kind, of in terms.items()}
    names = dict.fromkeys(worst.values())
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
    missed = sorted(model.misses(facts), key=lambda of: -abs(of[1]))
    worst_case, worst_miss = missed[0]
    memory = {k: model.base_mb + model.memory_kb[k] * mine / 1024 for k in DT_MS}
    return (
        f"## {CELLS:,} cells on {NODES} nodes\n\n"
        f"Fitted to the cases on two ranks with up to {LARGEST_FITTED} cells:\n\n"
        + "\n".join(fitted)
        + f"\n\nThe wall time of {worst_case['cells']} {worst_case['kind']} cells is missed most, "
        f"by {100 * worst_miss:+.0f} %, those of the other {len(missed) - 1} cases by at most "
        f"{100 * abs(missed[1][1]):.0f} %.\n\nWith {n_ranks} NEURON ranks ({CORES} cores a node, "
        f"one of all for TVB), {mine:.0f} cells a rank, {RATE_HZ:g} Hz, s per simulated second:\n\n"
        + _table(("", *DT_MS), rows)
        + "\n\nThe largest term: "
        + ", ".join(f"{name} ({', '.join(k for k in worst if worst[k] == name)})" for name in names)
        + f". Build: {build['hh']:.0f} s for a rank's own cells, and "
        f"{pairs['hh'] / 60:.0f} minutes for drawing connections, which every rank does for all "
        f"pairs of cells. Memory: {memory['hh']:.0f} MB a rank."
    )


def write_page(facts):
    """Write the page's tables and the figure."""
    model = CostModel(facts)
    text = PAGE.read_text()
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    made = f"{MARKS[0]}\n{tables(facts, model)}\n{MARKS[1]}"
    PAGE.write_text(before + made + after)
    draw(facts, model, FIGURE)
    print(tables(facts, model))


if __name__ == "__main__":
    write_page(json.loads(MEASURED.read_text()))
