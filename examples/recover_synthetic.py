"""Which observables recover g, g_EE, g_IE and g_EI? Fifty made-up subjects on Hagmann 66.

True values are drawn over a range; starts are drawn from ranges twice as wide and there is no
prior. Writes ``recovery.csv`` with a row for each subject and set of observables, and prints the
distribution of the relative errors, with a figure, ``recovery.png``. Rows that exist are not
computed again.

    python examples/recover_synthetic.py OUTPUT [--subjects 50] [--jobs 2]
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
import tvb_data
from joblib import Parallel, delayed
from matplotlib.figure import Figure

from fitting.loaders import read_tvb_zip
from fitting.models import named_model
from fitting.synthetic import NAMES, Recovery, recover

OBSERVABLES = ("fc", "fc+variance+mean", "fc+variance+mean_state", "spectra+mean_state")
COLUMNS = ["observables", "seed", *(f"true_{n}" for n in NAMES), *(f"estimated_{n}" for n in NAMES)]


def one(observables: str, seed: int) -> Recovery:
    torch.set_num_threads(1)
    folder = Path(tvb_data.__file__).parent / "connectivity"
    weights = read_tvb_zip(folder / "connectivity_66.zip").weights
    return recover(weights, named_model("reduced_wong_wang_tanh"), observables, seed)


def done(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--subjects", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "recovery.csv"
    known = {(row["observables"], int(row["seed"])) for row in done(path)}
    for observables in OBSERVABLES:
        seeds = [s for s in range(arguments.subjects) if (observables, s) not in known]
        results = Parallel(arguments.jobs, return_as="generator")(
            delayed(one)(observables, seed) for seed in seeds
        )
        for seed, result in zip(seeds, results, strict=True):
            fresh = not path.exists()
            with path.open("a", newline="") as file:
                writer = csv.writer(file)
                if fresh:
                    writer.writerow(COLUMNS)
                writer.writerow([observables, seed, *result.truth, *result.estimate])
    report(done(path))
    draw(done(path), arguments.output / "recovery.png")


def draw(rows: list[dict[str, str]], path: Path) -> None:
    """Estimated against true values: a diagonal where a parameter is determined, a cloud if not."""
    figure = Figure(figsize=(12, 9), layout="constrained")
    axes = figure.subplots(len(OBSERVABLES), len(NAMES), squeeze=False)
    for observables, line in zip(OBSERVABLES, axes, strict=True):
        chosen = [row for row in rows if row["observables"] == observables]
        for name, axis in zip(NAMES, line, strict=True):
            true = [float(row[f"true_{name}"]) for row in chosen]
            found = [float(row[f"estimated_{name}"]) for row in chosen]
            axis.loglog(true, found, ".", ms=5)
            axis.axline((true[0], true[0]), (2 * true[0], 2 * true[0]), color="k", lw=0.8)
            axis.set(xlabel=f"true {name} (nA)", ylabel="estimated", title=observables)
    figure.savefig(path, dpi=110)


def report(rows: list[dict[str, str]]) -> None:
    """Print medians, and the share of subjects with all four within 10 % and 20 %."""
    for observables in OBSERVABLES:
        chosen = [row for row in rows if row["observables"] == observables]
        if not chosen:
            continue
        true = np.array([[float(row[f"true_{n}"]) for n in NAMES] for row in chosen])
        found = np.array([[float(row[f"estimated_{n}"]) for n in NAMES] for row in chosen])
        error = np.abs(found / true - 1)
        medians = ", ".join(
            f"{n} {100 * m:.3g}" for n, m in zip(NAMES, np.median(error, 0), strict=True)
        )
        within = [100 * float((error < share).all(1).mean()) for share in (0.1, 0.2)]
        print(
            f"{observables}, {len(chosen)} subjects: median error % {medians}; "
            f"all four within 10 %: {within[0]:.0f} %, within 20 %: {within[1]:.0f} %"
        )


if __name__ == "__main__":
    main()
