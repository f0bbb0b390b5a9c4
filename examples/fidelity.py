"""Does a circuit behave as the region that it stands for?

Regions of the Hagmann brain become the circuit `wong_wang` (whose constants were calibrated once,
for a mean field at rest) or `balanced_ei` (calibrated here, as `cosim calibrate` does). Every run
is compared with the all-mean-field run of the same seed and noise. The mean field's step is .5 ms;
calibrations and runs are kept.

    python examples/fidelity.py OUTPUT [--seconds 60] [--seeds 1] [--cases default/rPCUN ...]
"""

import argparse
from pathlib import Path

import numpy as np
import yaml
from matplotlib.figure import Figure

import cosim
from cosim.calibration_run import calibrate_file
from cosim.calibration_settings import Settings
from cosim.compare import compare
from cosim.comparison_text import comparison_text

NSIG, SKIP_MS, FIC = 2e-6, 2000.0, {"rate_hz": 3.0}
BRAINS = {"default": (0.2, None), "fic": (0.2, FIC), "fic_G1": (1.0, FIC)}  # G, inhibition control
REGIONS = {"hub": ["rISTC"], "weak": ["lENT"], "four": ["rPCUN", "rISTC", "lENT", "lLOF"]}
# brain/regions/circuit: excitatory cells of wong_wang, 400 if not said, or balanced_ei
CASES = [f"default/{name}" for name in ("rPCUN", "hub", "weak", "four", "rPCUN/200", "rPCUN/100")]
CASES += [f"default/{name}/balanced_ei" for name in ("rPCUN", "hub", "weak", "four")]
CASES += ["fic/rPCUN", "fic/hub", "fic_G1/rPCUN"]
# What the calibration starts from; it replaces both weights, and background, region by region.
INPUTS = [
    cosim.Input(to="E", trains_per_source=1, weight_uS=0.14),
    cosim.Input(to="I", trains_per_source=2, weight_uS=0.1),
]


def brain_of(case: str) -> cosim.Brain:
    G, fic = BRAINS[case.split("/")[0]]
    return cosim.Brain(
        parameters={"G": G}, fic=fic, dt_ms=0.5, noise={"S_e": float(np.sqrt(2 * NSIG))},
        monitors={"temporal_average": {"period_ms": 10.0}, "bold": {"period_ms": 500.0}},
    )  # fmt: skip


def circuits_of(case: str, output: Path) -> list[cosim.Circuit]:
    _, of_regions, *cells = case.split("/")
    if of_regions == "mean_field":
        return []
    regions = REGIONS.get(of_regions, [of_regions])
    if cells == ["balanced_ei"]:
        file, found = output / case / "experiment.yaml", output / case / "calibration.yaml"
        # 120 + 40 cells; four copies at once have half of it, and less time a measurement.
        one = len(regions) == 1
        sizes = {"order": 100 if one else 50, "recurrent_excitation": 0.1}
        own = {"circuit": "balanced_ei", "regions": regions, "parameters": sizes}
        if not found.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            plain = cosim.Experiment(
                seed=1, brain=brain_of(case), circuits=[cosim.Circuit(**own, inputs=INPUTS)]
            )
            file.write_text(yaml.safe_dump(plain.resolved()))
            settings = Settings(seconds=None if one else 3.0)
            print(*calibrate_file(file, (), found, settings, 0.0, 300.0), sep="\n", flush=True)
        return [cosim.Circuit(**own, inputs=INPUTS, calibration=str(found.resolve()))]
    n_cells = int((*cells, 400)[0])
    sizes = {"n_excitatory": n_cells, "n_inhibitory": n_cells // 4}
    sizes |= {"in_degree_inhibitory": min(50, n_cells // 8)}
    return [cosim.Circuit(circuit="wong_wang", regions=regions, parameters=sizes)]


def run(case: str, arguments: argparse.Namespace) -> Path:
    for seed in range(1, arguments.seeds + 1):
        folder = arguments.output / case / f"seed_{seed}"
        if not (folder / "mean_field.nc").exists():
            experiment = cosim.Experiment(
                seed=seed, duration_ms=arguments.seconds * 1000.0 + SKIP_MS, brain=brain_of(case),
                circuits=circuits_of(case, arguments.output),
            )  # fmt: skip
            cosim.run(experiment, folder, overwrite=True)
    return arguments.output / case


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    for name, default in (("--seconds", 60.0), ("--seeds", 1)):
        parser.add_argument(name, type=type(default), default=default)
    parser.add_argument("--cases", nargs="+", default=CASES)
    arguments, found = parser.parse_args(), {}
    for case in arguments.cases:
        a, b = (run(name, arguments) for name in (f"{case.split('/')[0]}/mean_field", case))
        [found[case]] = compare(a, [b], b / "comparison", skip_ms=SKIP_MS)
        print(comparison_text([found[case]]), flush=True)
    draw(found, arguments.output / "fidelity.png")


def draw(found, path: Path) -> None:
    figure = Figure(figsize=(11.0, 7.4), layout="constrained")
    (own, near), (fc, size) = figure.subplots(2, 2)
    for row, (case, one) in enumerate(found.items()):
        for name, colour, shift in (("R_e", "#D55E00", 0.1), ("S_e", "#0072B2", -0.1)):
            for axes, places in ((own, one.replaced), (near, one.neighbours)):
                for m in (one.measure(f"mean {name}", where) for where in places):
                    values = np.array([m.low, m.change, m.high], float) * 100  # None is NaN
                    axes.plot(values, [shift - row] * 3, c=colour, marker=".", markevery=[1])
        if case in ("default/rPCUN", "default/rPCUN/balanced_ei", "fic_G1/rPCUN"):
            kept = np.tril(np.outer(*[np.array(one.regions) != "rPCUN"] * 2), -1)
            fc.plot(*(matrix[kept] for matrix in one.fc), ".", ms=2, label=case)
        if case.startswith("default/rPCUN") and not case.endswith("balanced_ei"):
            n_cells = int((*case.split("/"), 400)[2])
            S, R = (one.measure(f"mean {name}", "rPCUN").a for name in ("S_e", "R_e"))
            nsig = 0.641**2 * (1 - S) ** 2 * R * 1e-3 / (2 * n_cells)  # of N Poisson processes
            m = one.measure("variance S_e", "rPCUN")
            size.plot(n_cells, m.b / m.a * NSIG / nsig, "ko")
    for axes, width, title in ((own, 5, "Replaced regions"), (near, 0.5, "Strongest neighbours")):
        axes.set(title=f"{title}: rate (orange), S (blue)", xlabel="against the mean field, %")
        axes.set_yticks(-np.arange(len(found)), found)
        axes.set_xscale("symlog", linthresh=width)
        axes.set_xticks(ticks := [-width, 0, width, 10 * width, 100 * width], ticks)
        axes.axvspan(-width, width, color="0.93", zorder=0)
    fc.set(title="FC of the other regions", xlabel="all mean field", ylabel="with the circuit")
    fc.legend()
    size.set(title="Variance of S over that of Poisson spikes", xlabel="E cells", ylim=(0, 3))
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
