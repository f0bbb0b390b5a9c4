"""How a co-simulation grows with cells, ranks and exchanges: make bench-scale.

The sweeps of Kusch et al. (2024) on TVB and NEST, doi:10.3389/fninf.2024.1156683, as far as this
machine goes: 20 to 20,000 cells, 1 to 4 ranks, windows of .1 to 2.1 ms. Each case is a process, or
an mpiexec, of its own; all run in turn, then all again, and of each the run with the shortest wall
time counts, so that other work on the machine biases the figures as little as it can. What was
measured goes to docs/scale.json, from which scale_page.py makes the tables and figures of
docs/scale.md, also by itself.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
MEASURED = HERE.parents[1] / "docs" / "scale.json"

WINDOWS_MS = (0.1, 0.3, 0.7, 1.4, 2.1)
# Cells and how long they run, ms: about as long on the clock for each.
SIZES = {20: 1000, 100: 1000, 500: 500, 2000: 300, 6000: 100, 20_000: 50}
RANKED = 2000
ALONE = 1000


def cases():
    """Case, number of ranks, kind, cells, duration and window; each once."""
    for kind in ("point", "hh"):
        for cells, duration_ms in SIZES.items():
            yield "coupled", 2, kind, cells, duration_ms, WINDOWS_MS[-1]
    for window_ms in WINDOWS_MS[:-1]:
        yield "coupled", 2, "hh", 500, SIZES[500], window_ms
    for n_ranks in (1, 3, 4):
        yield "coupled", n_ranks, "hh", RANKED, SIZES[RANKED], WINDOWS_MS[-1]
    for n_ranks in (1, 2, 3):
        yield "netpyne", n_ranks, "hh", RANKED, SIZES[RANKED], WINDOWS_MS[-1]


def run(clock, case, n_ranks, kind, cells, duration_ms, window_ms):
    """One run of a case."""
    with TemporaryDirectory() as folder:
        launcher = [] if n_ranks == 1 else [str(BIN / "mpiexec"), "-n", str(n_ranks)]
        words = [case, kind, str(cells), str(duration_ms), str(window_ms), folder]
        done = subprocess.run(
            [*launcher, sys.executable, str(HERE / "scale_cases.py"), *words],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "SCALE_CLOCK": clock},
        )
        if done.returncode != 0:
            raise SystemExit(f"{words}: {done.stderr.strip()[-2000:]}")
        found = json.loads(done.stdout.strip().splitlines()[-1])
        ranks = {
            file.stem.removeprefix("rank"): json.loads(file.read_text())
            for file in Path(folder).glob("rank*.json")
        }
    return {**found, "case": case, "ranks": n_ranks, "of_rank": ranks}


def main():
    """Measure every case and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=18.0, help="no repeat begins after this")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: for a machine with other work",
    )
    arguments = parser.parse_args()
    begin, best, loads, n_done = time.monotonic(), {}, [], 0
    for repeat in range(arguments.repeats):
        if repeat and time.monotonic() - begin > 60 * arguments.minutes * repeat / (repeat + 1):
            break
        for case in cases():
            loads.append(os.getloadavg()[0])
            found = run(arguments.clock, *case)
            if case not in best or found["run_s"] < best[case]["run_s"]:
                best[case] = found
            print(f"{repeat + 1} {case}: {found['run_s']:.2f} s", flush=True)
        n_done += 1
    facts = {
        "date": time.strftime("%Y-%m-%d"),
        "clock": arguments.clock,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "load_average": [min(loads), max(loads)],
        "repeats": n_done,
        "minutes": (time.monotonic() - begin) / 60,
        "cases": list(best.values()),
    }
    MEASURED.write_text(json.dumps(facts, indent=1))
    from scale_page import write_page

    write_page(facts)


if __name__ == "__main__":
    main()
