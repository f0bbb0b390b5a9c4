"""What do the circuits of an experiment change in the brain around them?

The experiment runs twice with the same seed and noise, with its circuits and all mean field; then
the two runs are compared.

    mpirun -n 2 python with_and_without.py EXPERIMENT OUTPUT [--seeds 1] [--set KEY=VALUE ...]
"""

import argparse
from pathlib import Path

from mpi4py import MPI

import cosim
from cosim.compare import compare
from cosim.comparison_text import comparison_text
from cosim.report import write_report

SKIP_MS = 2000.0  # the circuit starts from a state of its own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--seeds", type=int, default=1, help="pairs of runs, from the file's seed on"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    first = cosim.load(arguments.experiment, arguments.set).seed
    runs = {"mean_field": ["circuits=[]"], "circuit": []}
    for seed in range(first, first + arguments.seeds):
        for name, change in runs.items():
            folder = arguments.output / name / f"seed_{seed}"
            changes = [*arguments.set, f"seed={seed}", *change]
            cosim.run(cosim.load(arguments.experiment, changes), folder, overwrite=True)
            if MPI.COMM_WORLD.rank == 0:
                write_report(folder)
    if MPI.COMM_WORLD.rank == 0:
        a, b = (arguments.output / name for name in runs)
        base = arguments.experiment.parent
        [found] = compare(a, [b], arguments.output / "comparison", skip_ms=SKIP_MS, base=base)
        print(comparison_text([found]))


if __name__ == "__main__":
    main()
