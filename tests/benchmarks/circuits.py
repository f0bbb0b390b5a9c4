"""What each registered circuit costs, and how the cost grows with its size: make bench-circuits.

Each case is a process of its own.  "Alone": the circuit with nothing coming in, one second, the
first 200 ms left out of the rates.  "In the brain": in place of one region of the Hagmann
connectome at the brain's resting state without noise, so the mean-field rates are constant, with
the circuit's default inputs.  CPU is NEURON's own (`NeuronEngine.advance`); the interface is what
the stopwatch gives to turning rates into spikes and back and to exchange.

The tables are printed and written between the markers of docs/circuits.md.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "circuits.md"
REGION = "rPCUN"
SKIPPED_MS = 200.0
REFERENCE_ORDER = 625  # 1,000 cells
SIZES = (100, 1000, 10_000)
# The node has no background of its own and is registered without inputs; those of `make demo`.
BALANCED_INPUTS = [
    {"to": "E", "trains_per_source": 1, "weight_uS": 0.14},
    {"to": "I", "trains_per_source": 2, "weight_uS": 0.1},
]


# Circuits over several regions: the brain, and the region of each population. Hagmann's connectome
# is of cortex alone, so the basal ganglia are placed there for their cost, not for their rates.
PLACED = {
    "cortico_thalamic": (
        {"connectome": "tvb96", "normalize": "region"},
        {"CxE": "RM-S1_R", "CxI": "RM-S1_R", "TC": "TM-OP_R", "RE": "TM-OP_R"},
    ),
    "basal_ganglia": (
        {},
        {"CxE": "rPCUN", "CxI": "rPCUN", "Thl": "rCUN", "dSN": "rPCAL", "iSN": "rPCAL",
         "STN": "rLING", "GPe": "rLING", "GPi": "rLING"},
    ),
}  # fmt: skip


def peak_mb():
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def balanced_at_constant_in_degree(order=REFERENCE_ORDER):
    """The library's balanced node whose cells have the inputs of 1,000 cells at any size."""
    from cosim.spiking.circuits.balanced_ei import balanced_ei

    net_params = balanced_ei(order=order)
    for rule in net_params.connParams.values():
        rule["probability"] = min(rule["probability"] * REFERENCE_ORDER / order, 1.0)
    return net_params


def circuit_of(name, order):
    """A registered circuit, or the balanced node of a size."""
    from cosim.spiking.circuit import load_circuit

    if name == "constant":
        return load_circuit(balanced_at_constant_in_degree, {"order": order}, Path())
    return load_circuit(name, {} if order is None else {"order": order}, Path())


def step_of(circuit):
    """NEURON's step that the circuit asks for, ms."""
    return 0.05 if circuit.sim_config is None else float(circuit.sim_config.dt)


def alone(name, order, duration_ms):
    """Build and run with nothing coming in."""
    from cosim.spiking.compose import CircuitCopy, compose
    from cosim.spiking.engine import NeuronEngine

    circuit = circuit_of(name, order)
    regions = dict.fromkeys(circuit.population_names, REGION)
    before_mb, before_s = peak_mb(), time.process_time()
    composition = compose([CircuitCopy(circuit, REGION, regions)])
    engine = NeuronEngine(composition, step_of(circuit), step_of(circuit) * 2, 1, duration_ms)
    build_s = time.process_time() - before_s
    engine.initialize()
    begin = time.process_time()
    engine.advance(round(duration_ms / (2 * step_of(circuit))))
    run_s = time.process_time() - begin
    times_ms, gids = engine.take_spikes()
    late = gids[times_ms >= SKIPPED_MS]
    window_s = (duration_ms - SKIPPED_MS) / 1000.0
    rates_hz = {}
    for label in engine.network.populations:
        first, n = engine.network.first_gid(label), engine.network.n_cells(label)
        fired = ((late >= first) & (late < first + n)).sum()
        rates_hz[label.partition(".")[2]] = float(fired) / n / window_s
    found = {
        "cells": sum(engine.network.n_cells(label) for label in engine.network.populations),
        "synapses": sum(len(cell.conns) for cell in engine.network.cells.values()),
        "build_s": build_s,
        "cpu_s_per_s": run_s / duration_ms * 1000.0,
        "rates_hz": rates_hz,
        "memory_mb": peak_mb() - before_mb,
    }
    engine.close()
    return found


def in_the_brain(name, order, duration_ms):
    """Run in place of a region whose brain is at rest."""
    import cosim
    from cosim.spiking.engine import NeuronEngine

    spent = {"s": 0.0}
    advance = NeuronEngine.advance

    def timed(self, stop_step):
        begin = time.process_time()
        advance(self, stop_step)
        spent["s"] += time.process_time() - begin

    NeuronEngine.advance = timed
    inputs = BALANCED_INPUTS if name in ("balanced_ei", "constant") else None
    circuit = circuit_of(name, order)
    brain, populations = PLACED.get(name, ({}, None))
    section = cosim.Circuit(
        circuit=balanced_at_constant_in_degree if name == "constant" else name,
        parameters={} if order is None else {"order": order},
        dt_ms=step_of(circuit),
        **({"regions": [REGION]} if populations is None else {"populations": populations}),
        **({} if inputs is None else {"inputs": inputs}),
    )
    if abs(0.1 / step_of(circuit) - round(0.1 / step_of(circuit))) > 1e-9:
        brain = {**brain, "dt_ms": step_of(circuit)}
    before_mb = peak_mb()
    result = cosim.run(
        cosim.Experiment(
            seed=1, duration_ms=duration_ms, brain=cosim.Brain(**brain), circuits=[section]
        ),
        quiet=True,
    )
    facts = result.provenance
    timing = facts["timing"][0]
    window_s = (duration_ms - SKIPPED_MS) / 1000.0
    return {
        "build_s": facts["build_s"],
        "cpu_s_per_s": spent["s"] / duration_ms * 1000.0,
        "run_s": facts["run_s"],
        "interface_s": timing["transform"] + timing["exchange"],
        "events": facts["participants"]["NEURON"]["input_events_of_rank_0"],
        "rates_hz": {
            label.partition(".")[2]: float((s.times_ms >= SKIPPED_MS).sum()) / s.n_cells / window_s
            for label, s in result.spikes.items()
        },
        "memory_mb": peak_mb() - before_mb,
    }


LIBRARY_COLUMNS = (
    "circuit",
    "cells",
    "synapses",
    "build, s",
    "memory, MB",
    "CPU s per s, alone",
    "in the brain",
)
RATE_COLUMNS = ("circuit", "rates alone, Hz", "rates in the brain, Hz")
SCALE_COLUMNS = (
    "connections",
    "cells",
    "synapses",
    "build, ms per cell",
    "build, us per synapse",
    "memory, kB per cell",
    "CPU in the brain, ms per cell and s",
    "against 1,000 cells",
    "interface of the run",
)
CASES = {"alone": alone, "brain": in_the_brain}


def measure(case, name, order=None, duration_ms=1000.0):
    """A case in a process of its own; its reason as text if it fails."""
    command = [sys.executable, __file__, "--case", case, name, str(order or 0), str(duration_ms)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        lines = (done.stderr or "").strip().splitlines() or [f"ended with {done.returncode}"]
        return {"failed": lines[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def head(columns):
    """The first two lines of a table."""
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def rates(found):
    """Rates of a case in one cell of a table."""
    return ", ".join(f"{name} {hz:.1f}" for name, hz in found["rates_hz"].items())


def rows_before():
    """Rows of the library's two tables as the document has them, by circuit."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            found.setdefault(line.split("`")[1], []).append(line)
    return found


def library_table(names, only):
    """Costs, then rates, of each registered circuit; those not asked for stay as they are."""
    before, fired = rows_before(), []
    yield from head(LIBRARY_COLUMNS)
    for name in names:
        if only and name not in only and name in before:
            row, row_of_rates = before[name]
            fired.append(row_of_rates)
            yield row
            continue
        measure("alone", name, duration_ms=SKIPPED_MS * 2)  # compiles its mechanisms
        one, other = measure("alone", name), measure("brain", name)
        for found in (one, other):
            if "failed" in found:
                print(f"{name}: {found['failed']}", file=sys.stderr)
        if "failed" in one:
            yield f"| `{name}` | not measured: {one['failed']} | | | | | |"
            fired.append(f"| `{name}` | | |")
            continue
        brain = ("not measured", "") if "failed" in other else (
            f"{other['cpu_s_per_s']:.2f}", rates(other)
        )  # fmt: skip
        fired.append(f"| `{name}` | {rates(one)} | {brain[1]} |")
        yield (
            f"| `{name}` | {one['cells']} | {one['synapses']} | {one['build_s']:.2f} | "
            f"{one['memory_mb']:.0f} | {one['cpu_s_per_s']:.2f} | {brain[0]} |"
        )
    yield ""
    yield from head(RATE_COLUMNS)
    yield from fired


def scale_table(duration_ms):
    """Growth of the balanced node, with its own probabilities and with constant in-degree."""
    yield from head(SCALE_COLUMNS)
    for name, told in (("constant", "same in-degree"), ("balanced_ei", "same probability")):
        rows = []
        for cells in SIZES:
            order = round(cells / 1.6)
            one = measure("alone", name, order, duration_ms)
            other = measure("brain", name, order, duration_ms)
            failed = one.get("failed") or other.get("failed")
            rows.append((cells, one, other) if not failed else (cells, failed, None))
        reference = next((r for r in rows if r[0] == 1000 and r[2]), None)
        for cells, one, other in rows:
            if other is None:
                yield f"| {told} | {cells} | not measured: {one} | | | | | | |"
                continue
            n = one["cells"]
            per_cell = other["cpu_s_per_s"] / n
            against = ""
            if reference is not None:
                against = f"{per_cell / (reference[2]['cpu_s_per_s'] / reference[1]['cells']):.2f}"
            yield (
                f"| {told} | {n} | {one['synapses']} | {one['build_s'] / n * 1e3:.2f} | "
                f"{one['build_s'] / max(one['synapses'], 1) * 1e6:.0f} | "
                f"{one['memory_mb'] / n * 1e3:.0f} | {per_cell * 1e3:.2f} | {against} | "
                f"{100 * other['interface_s'] / other['run_s']:.1f} % |"
            )


def write_between_markers(name, lines):
    """Replace what the document has between the markers of a table."""
    begin, end = f"<!-- {name}: made by make bench-circuits -->", f"<!-- end of {name} -->"
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{DOCUMENT} has no markers {begin} and {end}.")
    DOCUMENT.write_text("\n".join([f"{before}{begin}", *lines, f"{end}{after}"]), encoding="utf-8")


def main():
    """Measure everything in turn; print the tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs=4, metavar=("CASE", "NAME", "ORDER", "MS"))
    parser.add_argument("--only", choices=("library", "scale"))
    parser.add_argument("--circuit", action="append", help="measure only this one again")
    parser.add_argument("--scale-ms", type=float, default=1000.0)
    arguments = parser.parse_args()
    if arguments.case:
        case, name, order, duration_ms = arguments.case
        print(json.dumps(CASES[case](name, int(order) or None, float(duration_ms))))
        return
    from cosim.spiking.circuit import circuits

    tables = {"library": lambda: library_table(circuits, arguments.circuit)}
    tables["scale"] = lambda: scale_table(arguments.scale_ms)
    for table, make in tables.items():
        if arguments.only in (None, table):
            lines = []
            for line in make():
                print(line, flush=True)
                lines.append(line)
            write_between_markers(table, lines)


if __name__ == "__main__":
    main()
