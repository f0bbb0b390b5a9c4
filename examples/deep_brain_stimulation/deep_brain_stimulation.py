"""Does stimulation of the subthalamic nucleus bring a Parkinson patient's rates to a control's?

Runs ``basal_ganglia_in_the_brain.yaml`` for the control, the patient, and the patient with one of
the published stimulations: pulses of 0.3 ms at 130 Hz into the STN, or a constant current into the
GPi. Runs of one seed share the noise of the mean field. Prints rates, spectra and what changes in
the cortex, with intervals over seeds, beside what was published, and writes a figure.

    python deep_brain_stimulation.py OUTPUT [--seeds 5] [--seconds 3.5]

Runs that are there already are not run again. Under `mpirun -n 3` NEURON has two ranks, TVB one.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import signal

import cosim
from cosim.connectivity import functional_connectivity
from cosim.errors import ResultsError
from cosim.time_blocks import over_pairs
from cosim.transport.launcher import launched_rank

EXPERIMENT = Path(__file__).with_name("basal_ganglia_in_the_brain.yaml")
STIMULATED = "patient, STN 130 Hz"
CASES = {
    "control": "{condition: control}",
    "patient": "{condition: patient}",
    STIMULATED: "{condition: patient, stimulation: {site: STN, rate_hz: 130, "
    "amplitude: 20, pulse_width_ms: 0.3}}",
    "patient, GPi constant": "{condition: patient, stimulation: {site: GPi, current: -10}}",
}
COLOURS = ("#4c72b0", "#8c8c8c", "#dd8452", "#55a868")
ORDER = ("CxE", "CxI", "dSN", "iSN", "GPe", "STN", "GPi", "Thl")
BETA_HZ = (13.0, 30.0)
_KINDS = ("frontal", "other")
_FRONTAL = ("RM-PFC", "RM-PMC", "RM-FEF", "RM-M1")
_NOT_CORTEX = ("TM-", "BG-", "RM-Amyg", "RM-HC")

Measured = dict[str, np.ndarray]


def experiment(case: str, seed: int, seconds: float, cells: int = 200) -> cosim.Experiment:
    changes = [f"circuits.0.parameters={CASES[case]}", f"circuits.0.parameters.cells={cells}"]
    changes += [f"seed={seed}", f"duration_ms={seconds * 1000.0}"]
    return cosim.load(EXPERIMENT, changes)


def run(of: cosim.Experiment, folder: Path) -> cosim.RunResult:
    """The run in that folder, made unless it is there."""
    try:
        found = cosim.RunResult.open(folder)
        if found.complete and found.provenance.get("experiment") == of.resolved():
            return found
    except ResultsError:
        pass
    return cosim.run(of, folder, overwrite=True)


def areas(regions: Sequence[str], replaced: Sequence[str]) -> dict[str, list[int]]:
    """The mean field's cortex: frontal and other, on the side of the circuit (R) and opposite."""
    found: dict[str, list[int]] = {f"{kind} {side}": [] for side in "RL" for kind in _KINDS}
    for i, name in enumerate(regions):
        if name in replaced or name.startswith(_NOT_CORTEX):
            continue
        kind = _KINDS[not name.startswith(_FRONTAL)]
        found[f"{kind} {name[-1]}"].append(i)
    return found


def measure(result: cosim.RunResult, from_ms: float) -> Measured:
    """Rates of populations, Hz, their spectra, and mean, spectrum and FC of the cortex, by area."""
    counts = result.rates(bin_ms=1.0)
    counts = counts[counts.time > from_ms]
    # REGION.POP, in the order of the figure.
    labels = {str(name).rpartition(".")[2]: str(name) for name in counts.population.values}
    series = result.mean_field.temporal_average
    series = series[series.time_temporal_average > from_ms]
    regions = [str(name) for name in series.region.values]
    found = areas(regions, [label.rpartition(".")[0] for label in labels.values()])
    S, R = (series.sel(variable=name).values for name in ("S_e", "R_e"))
    population = counts.sel(population=[labels[name] for name in ORDER]).values
    frequencies_hz, density = _spectra(population)
    _, of_cortex = _spectra(R[:, found["frontal R"]])
    matrix = np.zeros((len(regions), len(regions)))
    matrix[np.tril_indices(len(regions), -1)] = functional_connectivity(S)
    matrix += matrix.T
    thalamus = regions.index(labels["Thl"].rpartition(".")[0])
    return {
        "rates": population.mean(axis=0),
        "frequencies": frequencies_hz,
        "spectra": np.vstack([density.T, of_cortex.mean(axis=1)]),  # populations, frontal R
        "S": S.mean(axis=0),
        "R": R.mean(axis=0),
        "FC": np.array(
            [matrix[np.ix_(i, i)][np.tril_indices(len(i), -1)].mean() for i in found.values()]
            + [matrix[thalamus, i].mean() for i in found.values()]
        ),
    }


def _spectra(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and densities, Hz^2/Hz, of columns sampled each millisecond."""
    frequencies_hz, density = signal.welch(values, 1000.0, nperseg=min(500, len(values)), axis=0)
    return frequencies_hz, density


def beta(one: Measured) -> np.ndarray:
    """Variance of each rate within the beta band, Hz^2: populations, then frontal cortex."""
    inside = (one["frequencies"] >= BETA_HZ[0]) & (one["frequencies"] <= BETA_HZ[1])
    return np.asarray(one["spectra"][:, inside].sum(axis=1) * one["frequencies"][1])


def interval(values: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean over seeds, and the half-width of its interval at 95 % (NaN for one seed)."""
    stacked = np.stack(values)
    if len(stacked) < 2:
        return stacked[0], np.full_like(stacked[0], np.nan)
    return over_pairs(stacked)


def change(of: Sequence[Measured], against: Sequence[Measured], what: str, kept: object = ...):
    """What differs between two cases, seed by seed, and its interval."""
    return interval([a[what][kept] - b[what][kept] for a, b in zip(of, against, strict=True)])


def distance(of: Sequence[Measured], control: Sequence[Measured], kept: Sequence[int]):
    """Mean over populations of |rate - control's| / control's, %, and its interval."""
    own = list(kept)
    return interval(
        [
            100.0 * np.mean(np.abs(a["rates"] / b["rates"] - 1.0)[own])
            for a, b in zip(of, control, strict=True)
        ]
    )


def report(found: Mapping[str, Sequence[Measured]], of_areas: Mapping[str, list[int]]) -> str:
    """Rates, distances, beta, cortex and FC, with intervals over seeds."""
    control, patient = found["control"], found["patient"]
    lines = ["Rates, Hz" + " " * 21 + "".join(f"{name:>16s}" for name in ORDER)]
    for case, runs in found.items():
        lines.append(f"{case:30s}" + _cells(*interval([one["rates"] for one in runs]), 1))
    lines.append("Distance of rates to the control's, %: all; without the population with the lead")
    for case, runs in found.items():
        if case != "control":
            site = "STN" if "STN" in case else "GPi" if "GPi" in case else None
            without = [i for i, name in enumerate(ORDER) if name != site]
            both = (distance(runs, control, kept) for kept in (range(len(ORDER)), without))
            lines.append(f"{case:30s}" + "".join(_cells(*one, 1) for one in both))
    lines.append(f"Variance of rates in {BETA_HZ[0]:g}-{BETA_HZ[1]:g} Hz, Hz^2; last: frontal R")
    for case, runs in found.items():
        lines.append(f"{case:30s}" + _cells(*interval([beta(one) for one in runs]), 2))
    lines.append("Cortex: change of S, 1e-4     " + "".join(f"{name:>16s}" for name in of_areas))
    contrasts = {"patient - control": (patient, control)}
    contrasts |= {f"{c} - patient": (r, patient) for c, r in found.items() if "," in c}
    for name, (a, b) in contrasts.items():
        means = [
            change([{"S": one["S"][i].mean()} for one in a], [{"S": o["S"][i].mean()} for o in b],
                   "S", ())
            for i in of_areas.values()
        ]  # fmt: skip
        values = np.array([[1e4 * mean, 1e4 * half] for mean, half in means])
        lines.append(f"{name:30s}" + _cells(values[:, 0], values[:, 1], 2))
    heads = [*of_areas, *(f"Thl, {name}" for name in of_areas)]
    lines.append(f"{'FC of S within; with thalamus':30s}" + "".join(f"{n:>16s}" for n in heads))
    for case, runs in found.items():
        lines.append(f"{case:30s}" + _cells(*interval([one["FC"] for one in runs]), 3))
    for name, (a, b) in contrasts.items():
        lines.append(f"{name:30s}" + _cells(*change(a, b, "FC"), 3))
    return "\n".join(lines)


def _cells(values: np.ndarray, halves: np.ndarray, digits: int) -> str:
    pairs = zip(np.ravel(values), np.ravel(halves), strict=True)
    words = [f"{v:.{digits}f}" + (f" +-{h:.{digits}f}" if h == h else "") for v, h in pairs]
    return "".join(f"{word:>16s}" for word in words)


def figure(
    found: Mapping[str, Sequence[Measured]], regions: Sequence[str], of_areas: dict[str, list[int]]
) -> Figure:
    """Rates, spectra, and the cortex region by region."""
    drawing = Figure(figsize=(11.0, 7.6), layout="constrained")
    grid = drawing.add_gridspec(2, 3, height_ratios=(1.0, 1.1))
    _draw_rates(drawing.add_subplot(grid[0, :2]), found)
    _draw_spectra(drawing.add_subplot(grid[0, 2]), found)
    _draw_regions(drawing.add_subplot(grid[1, :2]), found, regions, of_areas)
    _draw_connectivity(drawing.add_subplot(grid[1, 2]), found, of_areas)
    for axes in drawing.axes:
        axes.spines[["top", "right"]].set_visible(False)
    n_seeds = len(found["control"])
    drawing.suptitle(
        f"The motor loop of a control and of a Parkinson patient in the brain; seeds: "
        f"{n_seeds}, intervals: 95 %",
        size=10,
    )
    return drawing


def _draw_rates(axes: Axes, found: Mapping[str, Sequence[Measured]]) -> None:
    width = 0.8 / len(found)
    for number, (case, runs) in enumerate(found.items()):
        values = np.array([one["rates"] for one in runs])
        at = np.arange(len(ORDER)) + (number - (len(found) - 1) / 2) * width
        axes.bar(at, values.mean(axis=0), 0.92 * width, color=COLOURS[number], label=case)
        for row in values:
            axes.plot(at, row, ".", color="black", markersize=3)
    axes.set_xticks(range(len(ORDER)), ORDER)
    axes.set(ylabel="spikes per second per cell", title="Rates; dots: seeds")
    axes.set_ylim(top=1.15 * axes.get_ylim()[1])  # room for the legend
    axes.legend(frameon=False, fontsize=9, ncols=len(found), loc="upper left")


def _draw_spectra(axes: Axes, found: Mapping[str, Sequence[Measured]]) -> None:
    for number, (case, runs) in enumerate(found.items()):
        frequencies_hz = runs[0]["frequencies"]
        shown = (frequencies_hz >= 2.0) & (frequencies_hz <= 200.0)
        for name, style in (("GPi", "-"), ("Thl", ":")):
            density = np.mean([one["spectra"][ORDER.index(name)] for one in runs], axis=0)
            label = f"{case}: {name}" if number == 0 else None
            axes.plot(
                frequencies_hz[shown], density[shown], style, c=COLOURS[number], lw=1, label=label
            )
    axes.axvspan(*BETA_HZ, color="0.92", zorder=0)
    axes.set(xscale="log", yscale="log", ylabel="power, Hz²/Hz")
    axes.set_xlabel("frequency, Hz (grey: beta)")
    axes.set_title("Spectra: GPi (lines), thalamus (dotted)")


def _draw_regions(
    axes: Axes,
    found: Mapping[str, Sequence[Measured]],
    regions: Sequence[str],
    of_areas: Mapping[str, list[int]],
) -> None:
    """Change of S by region, the largest first, frontal regions in colour."""
    middle, half = change(found[STIMULATED], found["patient"], "S")
    indices = [i for some in of_areas.values() for i in some]
    order = sorted(indices, key=lambda i: -abs(middle[i]))
    for kind, colour, mark in zip(_KINDS, ("#d55e00", "0.55"), "so", strict=True):
        members = {i for area, some in of_areas.items() if area.startswith(kind) for i in some}
        at = [n for n, i in enumerate(order) if i in members]
        own = [order[n] for n in at]
        axes.errorbar(
            at, 1e3 * middle[own], 1e3 * half[own], fmt=mark, ms=4, lw=1, c=colour, label=kind
        )
    axes.axhline(0.0, color="0.8", lw=0.8, zorder=0)
    axes.margins(x=0.01)
    axes.set(
        xticks=(),
        xlabel=f"{len(order)} regions, from {regions[order[0]]} to {regions[order[-1]]}",
        ylabel="change of S, 1e-3",
        title="Cortex: stimulation of the STN against none, the most changed first",
    )
    axes.legend(frameon=False, fontsize=9)


def _draw_connectivity(
    axes: Axes, found: Mapping[str, Sequence[Measured]], of_areas: Mapping[str, list[int]]
) -> None:
    names = [f"within {name}" for name in of_areas] + [f"Thl, {name}" for name in of_areas]
    for number, (case, runs) in enumerate(found.items()):
        if case != "control":
            middle, half = change(runs, found["control"], "FC")
            at = np.arange(len(names)) + 0.2 * (number - 2)
            axes.errorbar(middle, -at, xerr=half, fmt="o", ms=4, lw=1, c=COLOURS[number])
    axes.axvline(0.0, color=COLOURS[0], lw=1)
    axes.set_yticks(-np.arange(len(names)), names, fontsize=8)
    axes.set(xlabel="FC of S, minus the control's", title="Functional connectivity")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.5, help="of a run")
    parser.add_argument("--skip", type=float, default=1.5, help="left out at the start, s")
    parser.add_argument("--cells", type=int, default=200, help="fewer only to try the script")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES)[:3])
    given = parser.parse_args(words)
    if given.seconds <= given.skip:
        parser.error(f"--seconds {given.seconds:g}: more than --skip {given.skip:g} is needed")
    found: dict[str, list[Measured]] = {case: [] for case in given.cases}
    regions: list[str] = []
    replaced: list[str] = []
    for seed in range(1, given.seeds + 1):
        for case, runs in found.items():
            folder = given.output / case.replace(", ", "_").replace(" ", "_") / f"seed_{seed}"
            result = run(experiment(case, seed, given.seconds, given.cells), folder)
            runs.append(measure(result, 1000.0 * given.skip))
            regions = [str(name) for name in result.mean_field.temporal_average.region.values]
            replaced = [name.rpartition(".")[0] for name in result.spikes]
            result.close()
        if launched_rank() == 0:
            print(f"seed {seed} done", flush=True)
    if launched_rank() != 0:  # every rank has the results
        return
    of_areas = areas(regions, replaced)
    print(report(found, of_areas))
    plain = {c: [{k: v.tolist() for k, v in o.items()} for o in r] for c, r in found.items()}
    (given.output / "measured.json").write_text(json.dumps(plain))
    figure(found, regions, of_areas).savefig(given.output / "deep_brain_stimulation.png", dpi=150)


if __name__ == "__main__":
    main()
