"""Which observables recover g, g_EE, g_IE and g_EI? Fifty made-up subjects on Hagmann 66.

Every subject has a jittered connectome and true values drawn over a range; starts are drawn from
ranges twice as wide and there is no prior on the four. The subject's connectome is either known, or
fitted together with the four from the connectome that all subjects share. Writes ``recovery.csv``
with a row for each subject, set of observables and connectome, and prints the distribution of the
relative errors, with a figure, ``recovery.png``. Rows that exist are not computed again.

    python examples/recover_synthetic.py OUTPUT [--connectome known fitted] [--jobs 2]
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import torch
import tvb_data
from joblib import Parallel, delayed
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from fitting.loaders import read_tvb_zip
from fitting.models import named_model
from fitting.synthetic import Recovery, recover
from fitting.synthetic_brain import NAMES
from fitting.synthetic_connectome import recover_with_connectome

TITLES = {
    "fc": "FC alone",
    "fc+variance+mean": "FC, variance, mean BOLD",
    "fc+variance+mean_state": "FC, variance, mean rates",
    "spectra+mean_state": "spectra, mean rates",
}
RECOVER = {"known": recover, "fitted": recover_with_connectome}
LOOKS = {"known": {"marker": "o", "color": "C0"}, "fitted": {"marker": "x", "color": "C1"}}
COLUMNS = [
    *("connectome", "observables", "seed", "seconds"),
    *(f"true_{n}" for n in NAMES),
    *(f"estimated_{n}" for n in NAMES),
]


def one(connectome: str, observables: str, seed: int) -> tuple[Recovery, float]:
    torch.set_num_threads(1)
    folder = Path(tvb_data.__file__).parent / "connectivity"
    weights = read_tvb_zip(folder / "connectivity_66.zip").weights
    started = time.process_time()
    found = RECOVER[connectome](weights, named_model("reduced_wong_wang_tanh"), observables, seed)
    return found, time.process_time() - started


def done(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--connectome", nargs="+", choices=RECOVER, default=list(RECOVER))
    parser.add_argument("--observables", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--subjects", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "recovery.csv"
    known = {(row["connectome"], row["observables"], int(row["seed"])) for row in done(path)}
    wanted = [
        (connectome, observables, seed)
        for connectome in arguments.connectome
        for observables in arguments.observables
        for seed in range(arguments.subjects)
        if (connectome, observables, seed) not in known
    ]
    results = Parallel(arguments.jobs, return_as="generator")(delayed(one)(*key) for key in wanted)
    for key, (result, seconds) in zip(wanted, results, strict=True):
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(COLUMNS)
            writer.writerow([*key, round(seconds, 2), *result.truth, *result.estimate])
    report(done(path))
    draw(done(path), arguments.output / "recovery.png")


def values(
    rows: list[dict[str, str]], connectome: str, observables: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True and estimated values, ``(n_subjects, 4)``, and CPU seconds, of one set."""
    chosen = [r for r in rows if (r["connectome"], r["observables"]) == (connectome, observables)]
    true, found = (
        np.array([[float(row[f"{kind}_{n}"]) for n in NAMES] for row in chosen])
        for kind in ("true", "estimated")
    )
    return true, found, np.array([float(row["seconds"]) for row in chosen])


def draw(rows: list[dict[str, str]], path: Path) -> None:
    """Estimated against true values: a diagonal where a parameter is determined, a cloud if not."""
    figure = Figure(figsize=(11, 11), layout="constrained")
    axes = figure.subplots(len(TITLES), len(NAMES), squeeze=False)
    for (observables, title), line in zip(TITLES.items(), axes, strict=True):
        sets = {kind: values(rows, kind, observables)[:2] for kind in LOOKS}
        line[0].set_ylabel(f"{title}\nestimated (nA)")
        for column, axis in enumerate(line):
            parts = {kind: (t[:, column], f[:, column]) for kind, (t, f) in sets.items() if len(t)}
            if parts:
                scatter(axis, parts)
    for top, bottom, name in zip(axes[0], axes[-1], NAMES, strict=True):
        top.set_title(name)
        bottom.set_xlabel(f"true {name} (nA)")
    handles = [Line2D([], [], ls="", label=f"connectome {k}", **look) for k, look in LOOKS.items()]
    handles.append(Line2D([], [], color="0.7", lw=6, label="within 10 %"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    figure.savefig(path, dpi=110)


def scatter(axis: Axes, parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """One panel; values outside it are drawn on its edge."""
    true, found = (np.concatenate(both) for both in zip(*parts.values(), strict=True))
    low, high = true.min() / 1.1, 1.1 * true.max()
    outside = ((found < low / 1.5) | (found > 1.5 * high)).any()
    reach = 30.0 if outside else 1.2
    bottom, top = low / reach, reach * high
    ends = np.array([low, high])
    axis.fill_between(ends, 0.9 * ends, 1.1 * ends, color="0.8", lw=0, zorder=0)
    for kind, (x, y) in parts.items():
        drawn = np.clip(y, 1.05 * bottom, top / 1.05)
        axis.plot(x, drawn, ls="", ms=4, mew=0.8, alpha=0.7, clip_on=False, **LOOKS[kind])
    axis.set(xscale="log", yscale="log", xlim=(low, high), ylim=(bottom, top))
    for one_axis, span in ((axis.xaxis, high / low), (axis.yaxis, top / bottom)):
        ticks = (1,) if span > 100 else (1, 2, 5) if span > 6 else (1, 1.5, 2, 3, 5)
        one_axis.set_major_locator(LogLocator(subs=ticks))
        one_axis.set_major_formatter("{x:g}")
        one_axis.set_minor_formatter(NullFormatter())


def report(rows: list[dict[str, str]]) -> None:
    """Print medians, and the share of subjects with all four within 10 % and 20 %."""
    for connectome in RECOVER:
        for observables in TITLES:
            true, found, seconds = values(rows, connectome, observables)
            if not len(true):
                continue
            error = np.abs(found / true - 1)
            medians = ", ".join(
                f"{n} {100 * m:.3g}" for n, m in zip(NAMES, np.median(error, 0), strict=True)
            )
            within = [100 * float((error < share).all(1).mean()) for share in (0.1, 0.2)]
            each = ", ".join(f"{100 * m:.0f}" for m in (error < 0.1).mean(0))
            print(
                f"connectome {connectome}, {observables}, {len(true)} subjects: median error % "
                f"{medians}; within 10 %: {each} %, all four {within[0]:.0f} %, within 20 % "
                f"{within[1]:.0f} %; median {np.median(seconds):.1f} CPU s a subject"
            )


if __name__ == "__main__":
    main()
