"""What does a molecule inside its cells do to a region, to what it is connected with, to BOLD?

One region, the right precuneus, is the circuit ``calcium_sk``. Its excitatory cells hold inositol
trisphosphate (IP3) at one of four levels: more of it means more free calcium, more open SK
channels, fewer spikes. Runs of one seed share all their noise, so that the rest is the molecule's.
Each level is also run once with the coupling cut: the region hears the others, who do not hear it.

    python molecule_to_bold.py OUTPUT [--fitted fit.nc] [--seeds 3] [--seconds 30]

Runs that are there already are not run again. Under `mpirun -n 3` NEURON has two ranks, TVB one.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import cosim
from cosim.connectivity import functional_connectivity
from cosim.errors import ResultsError
from cosim.plan_brain import plan_brain
from cosim.provenance import files_of
from cosim.time_blocks import over_pairs
from cosim.transport.launcher import launched_rank

HERE = Path(__file__).parent
DOSES_UM = (0.1, 0.5, 1.0, 2.0)
N_CONNECTED = 3
FEWEST_BOLD_SAMPLES = 20
SILENT_HZ = 0.1  # below this a region's own course is its decay, and correlations with it are void

# name of a measure: what it is, and how it is compared with the lowest dose
MEASURES = {
    "calcium": ("free calcium of the cells, nM", "value"),
    "rate": ("spikes of the region, Hz", "value"),
    "S region": ("S of the region", "ratio"),
    "S connected": ("S of the connected", "ratio"),
    "BOLD region": ("BOLD of the region, mean", "ratio"),
    "BOLD connected": ("BOLD of the connected, mean", "ratio"),
    "BOLD others": ("BOLD of all others, mean", "ratio"),
    "variance region": ("BOLD of the region, variance", "ratio"),
    "variance connected": ("BOLD of the connected, variance", "ratio"),
    "variance others": ("BOLD of all others, variance", "ratio"),
    "FC own": ("FC of region and connected", "difference"),
    "FC among": ("FC among the connected", "difference"),
    "FC rest": ("FC of connected and the rest", "difference"),
    "BOLD-FC own": ("FC of BOLD, region and connected", "difference"),
    "BOLD-FC among": ("FC of BOLD, among the connected", "difference"),
    "BOLD-FC rest": ("FC of BOLD, connected and the rest", "difference"),
}
OWN, NEAR, FAR = "#D55E00", "#0072B2", "#7F7F7F"


def experiment(
    dose_uM: float, seed: int, seconds: float, fitted: Path | None = None, cut: bool = False
) -> cosim.Experiment:
    """One run. With the coupling cut G is 0 in every region but the one that is replaced."""
    file = HERE / ("hagmann.yaml" if fitted is None else "fitted.yaml")
    changes = [
        f"circuits.0.parameters.ip3_mM={dose_uM * 1e-3!r}",
        f"seed={seed}",
        f"duration_ms={seconds * 1000.0}",
    ]
    if fitted is not None:
        changes.append(f"brain.fitted={json.dumps(str(fitted.resolve()))}")
    found = cosim.load(file, changes)
    if not cut:
        return found
    planned = plan_brain(found.brain, found.base, driven=True)
    here = np.array([name in found.circuits[0].regions for name in planned.connectome.regions])
    G = np.where(here, planned.parameters["G"], 0.0)
    return cosim.load(file, [*changes, f"brain.parameters.G={json.dumps(G.tolist())}"])


def places(of: cosim.Experiment) -> tuple[str, list[str]]:
    """The replaced region and those that feel it most."""
    connectome = plan_brain(of.brain, of.base, driven=True).connectome
    [region] = of.circuits[0].regions
    strongest = np.argsort(-connectome.weights[:, connectome.index(region)], kind="stable")
    return region, [connectome.regions[i] for i in strongest[:N_CONNECTED]]


def run(of: cosim.Experiment, folder: Path) -> cosim.RunResult:
    """The run in that folder, made unless it is there."""
    try:
        found = cosim.RunResult.open(folder)
        made_of = found.provenance.get("experiment"), found.provenance.get("files")
        if found.complete and made_of == (of.resolved(), files_of(of)):  # not another fit.nc
            return found
    except ResultsError:
        pass
    return cosim.run(of, folder, overwrite=True)


def measure(
    result: cosim.RunResult, region: str, connected: Sequence[str], from_ms: float
) -> dict[str, float]:
    """All measures of one run, after a time; NaN where BOLD is too short or a region is silent.

    Returns:
        A value for each name in MEASURES; rates in Hz, calcium in nM.
    """
    spikes = result.spikes[f"{region}.E"]
    lasted_s = (result.duration_ms - from_ms) / 1000.0
    calcium_mM = result.concentrations[f"{region}.E.ca[cyt]"]
    found = {
        "calcium": 1e6 * float(calcium_mM[calcium_mM.time > from_ms].mean()),
        "rate": float((spikes.times_ms > from_ms).sum()) / spikes.n_cells / lasted_s,
    }
    series = result.mean_field.temporal_average.load().sel(variable="S_e")
    S = series[series.time_temporal_average > from_ms]
    bold = result.mean_field.balloon.load().sel(variable_balloon="S_e")
    bold = bold[bold.time_balloon > from_ms]
    found["S region"] = float(S.sel(region=region).mean())
    found["S connected"] = float(S.sel(region=list(connected)).mean())
    enough = bold.sizes["time_balloon"] >= FEWEST_BOLD_SAMPLES
    for where, labels in (
        ("region", [region]),
        ("connected", list(connected)),
        ("others", [str(name) for name in bold.region.values if name != region]),
    ):
        values = bold.sel(region=labels).values
        found[f"BOLD {where}"] = float(values.mean()) if enough else np.nan
        found[f"variance {where}"] = float(values.var(axis=0).mean()) if enough else np.nan
    names = [str(name) for name in S.region.values]
    own, near = names.index(region), [names.index(name) for name in connected]
    rest = [i for i in range(len(names)) if i not in (own, *near)]
    for prefix, values in (("FC", S.values), ("BOLD-FC", bold.values if enough else None)):
        matrix = np.full((len(names), len(names)), np.nan)
        if values is not None:
            matrix[np.tril_indices(len(names), -1)] = functional_connectivity(values)
            matrix = np.fmax(matrix, matrix.T)
        silent = found["rate"] < SILENT_HZ
        found[f"{prefix} own"] = np.nan if silent else float(matrix[own, near].mean())
        among = matrix[np.ix_(near, near)][np.tril_indices(len(near), -1)]
        found[f"{prefix} among"] = float(among.mean())
        found[f"{prefix} rest"] = float(matrix[np.ix_(near, rest)].mean())
    return found


def response(runs: Sequence[Sequence[dict[str, float]]], name: str) -> tuple[np.ndarray, ...]:
    """A measure against the dose: mean over seeds and the half-width of its interval at 95 %.

    Changes are taken within a seed, whose runs share their noise, and then averaged.

    Args:
        runs: Measures by dose and seed.
        name: Of the measure.
    """
    values = np.array([[one[name] for one in of_dose] for of_dose in runs])
    kind = MEASURES[name][1]
    if kind != "value":
        change = values - values[0]
        values = 100.0 * change / np.abs(values[0]) if kind == "ratio" else change
    if values.shape[1] < 2:
        return values[:, 0], np.full(len(values), np.nan)
    return over_pairs(values.T)


def table(doses_uM: Sequence[float], runs: Sequence[Sequence[dict[str, float]]]) -> str:
    """Every measure against the dose, with intervals."""
    lines = [f"{'IP3, uM':42s}" + "".join(f"{dose:>17g}" for dose in doses_uM)]
    for name, (words, kind) in MEASURES.items():
        middle, half = response(runs, name)
        digits = 3 if kind == "difference" else 1 if kind == "ratio" or name == "calcium" else 2
        unit = {"ratio": " [%]", "difference": " [+]", "value": ""}[kind]
        cells = [
            (f"{m:.{digits}f}" + (f" +-{h:.{digits}f}" if h == h else "")) if m == m else "-"
            for m, h in zip(middle, half, strict=True)
        ]
        lines.append(f"{words + unit:42s}" + "".join(f"{cell:>17s}" for cell in cells))
    return "\n".join([*lines, "[%], [+]: against the lowest dose, same noise; 95 % over seeds"])


def figure(
    doses_uM: Sequence[float],
    runs: Sequence[Sequence[dict[str, float]]],
    cut: Sequence[dict[str, float]],
    region: str,
    connected: Sequence[str],
) -> Figure:
    """From the molecule to the signal, in six panels over the dose."""
    drawing = Figure(figsize=(11.0, 6.4), layout="constrained")
    axes = drawing.subplots(2, 3).ravel()

    def line(panel: int, name: str, colour: str, label: str) -> None:
        middle, half = response(runs, name)
        at = np.array(doses_uM) * {OWN: 0.97, NEAR: 1.0, FAR: 1.03}[colour]  # side by side
        axes[panel].errorbar(
            at, middle, half, fmt="o-", c=colour, ms=4, lw=1.2, capsize=2, label=label
        )

    line(0, "calcium", OWN, f"8 cells of {region}")
    axes[0].set(title="Free calcium", ylabel="concentration, nM", ylim=(0, None))
    line(1, "rate", OWN, "in the brain")
    rates = [one["rate"] for one in cut]
    axes[1].plot(doses_uM, rates, "s:", c="black", mfc="white", ms=5, label="same input, cut off")
    axes[1].set(title=f"Excitatory cells of {region}", ylabel="spikes per cell, Hz", ylim=(0, None))
    against = f"against {doses_uM[0]:g} µM"
    few = f"{len(connected)} connected regions"
    for panel, what, title in ((2, "BOLD", "mean"), (3, "variance", "variance")):
        line(panel, f"{what} region", OWN, region)
        line(panel, f"{what} connected", NEAR, few)
        line(panel, f"{what} others", FAR, "all other regions")
        axes[panel].set(title=f"BOLD, {title}", ylabel=f"{against}, %")
    for panel, what, title in ((4, "FC", "FC of S"), (5, "BOLD-FC", "FC of BOLD")):
        line(panel, f"{what} own", OWN, f"{region} with the connected")
        line(panel, f"{what} among", NEAR, "among the connected")
        line(panel, f"{what} rest", FAR, "the connected with the rest")
        axes[panel].set(title=title, ylabel=against)
    for panel, axis in enumerate(axes):
        axis.set_xscale("log")
        axis.set_xticks(doses_uM, [f"{dose:g}" for dose in doses_uM])
        axis.minorticks_off()
        axis.set_xlabel("IP3, µM")
        axis.spines[["top", "right"]].set_visible(False)
        if panel > 1:
            axis.axhline(0.0, color="0.8", lw=0.8, zorder=0)
        if panel > 2:  # room for the legend below the intervals
            low, high = axis.get_ylim()
            axis.set_ylim(low - 0.35 * (high - low), high)
        axis.legend(frameon=False, fontsize=9, loc="lower left" if panel > 1 else "best")
    drawing.suptitle(
        f"Connected: {', '.join(connected)}. Intervals: 95 %; seeds: {len(runs[0])}", size=9
    )
    return drawing


def heard(cut: Sequence[cosim.RunResult], region: str) -> float:
    """Largest difference that the dose makes to any other region while the coupling is cut."""
    first, *rest = (r.mean_field.temporal_average.drop_sel(region=region).values for r in cut)
    return max((float(np.abs(one - first).max()) for one in rest), default=0.0)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--fitted", type=Path, help="fit.nc of cosim fit; else Hagmann's brain")
    parser.add_argument("--doses", nargs="+", type=float, default=DOSES_UM, help="IP3, uM")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0, help="of a run; cut: half of it")
    parser.add_argument(
        "--skip", type=float, default=10.0, help="left out; haemodynamics settle in 10 s"
    )
    given = parser.parse_args(words)
    if given.seconds <= 2.0 * given.skip:
        parser.error(
            f"--seconds {given.seconds:g}: more than twice --skip {given.skip:g} is needed"
        )
    doses, from_ms = given.doses, 1000.0 * given.skip
    region, connected = places(experiment(doses[0], 1, given.seconds, given.fitted))
    runs: list[list[dict[str, float]]] = [[] for _ in doses]
    for seed in range(1, given.seeds + 1):
        for dose, of_dose in zip(doses, runs, strict=True):
            one = experiment(dose, seed, given.seconds, given.fitted)
            result = run(one, given.output / f"ip3_{dose:g}_uM" / f"seed_{seed}")
            of_dose.append(measure(result, region, connected, from_ms))
        if launched_rank() == 0:
            print(f"seed {seed} done", flush=True)
    results = [
        run(
            experiment(dose, 1, given.seconds / 2.0, given.fitted, cut=True),
            given.output / f"ip3_{dose:g}_uM" / "cut",
        )
        for dose in doses
    ]
    cut = [measure(one, region, connected, from_ms) for one in results]
    if launched_rank() != 0:  # every rank has the results
        return
    print(table(doses, runs))
    print(f"{'spikes of the region, coupling cut, Hz':42s}", *(f"{c['rate']:16.2f}" for c in cut))
    print(f"largest change of any other region, coupling cut: {heard(results, region):g}")
    document = {"doses_uM": doses, "connected": connected, "runs": runs, "cut": cut}
    (given.output / "dose_response.json").write_text(json.dumps(document, indent=1))
    drawn = figure(doses, runs, cut, region, connected)
    drawn.savefig(given.output / "dose_response.png", dpi=150)


if __name__ == "__main__":
    main()
