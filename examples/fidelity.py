"""Does a circuit behave as the region that it stands for?

Regions of the Hagmann brain become the circuit `wong_wang`, derived from the same equations as the
mean field. Every run is compared (`cosim compare`) with the all-mean-field run of the same seed, so
the other regions have the same noise. The mean field's step is .5 ms; finished runs are kept.

    python examples/fidelity.py OUTPUT [--seconds 60] [--seeds 1] [--cases default/rPCUN ...]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import cosim
from cosim.compare import compare
from cosim.comparison_text import comparison_text
from cosim.plan_brain import plan_brain

NSIG, SKIP_MS, FIC = 2e-6, 2000.0, {"rate_hz": 3.0}
BRAINS = {"default": (0.2, None), "fic": (0.2, FIC), "fic_G1": (1.0, FIC)}  # G, inhibition control
REGIONS = {"hub": ["rISTC"], "weak": ["lENT"], "four": ["rPCUN", "rISTC", "lENT", "lLOF"]}
CASES = ["rPCUN", "hub", "weak", "four", "rPCUN/200", "rPCUN/100"]  # excitatory cells, else 400
CASES = [*(f"default/{case}" for case in CASES), "fic/rPCUN", "fic_G1/rPCUN"]


def n_cells_of(case: str) -> int:
    return int((*case.split("/"), "400")[2])


def experiment(case: str, seed: int, seconds: float) -> cosim.Experiment:
    of_brain, of_regions = case.split("/")[:2]
    (G, fic), n_cells = BRAINS[of_brain], n_cells_of(case)
    brain = cosim.Brain(
        parameters={"G": G}, fic=fic, dt_ms=0.5, noise={"S_e": float(np.sqrt(2 * NSIG))},
        monitors={"temporal_average": {"period_ms": 10.0}, "bold": {"period_ms": 500.0}},
    )  # fmt: skip
    planned = plan_brain(brain, Path(), driven=True)
    J_i = np.broadcast_to(planned.parameters.get("J_i", 1.0), planned.connectome.n_regions)
    circuits = []
    for region in [] if of_regions == "mean_field" else REGIONS.get(of_regions, [of_regions]):
        at = planned.connectome.index(region)
        own = {"J_i": float(J_i[at]), "S_E_start": float(planned.initial[0, at])}
        own |= {"n_excitatory": n_cells, "n_inhibitory": n_cells // 4}
        circuits.append(cosim.Circuit(circuit="wong_wang", regions=[region], parameters=own))
    ms = seconds * 1000.0 + SKIP_MS
    return cosim.Experiment(seed=seed, duration_ms=ms, brain=brain, circuits=circuits)


def run(case: str, arguments: argparse.Namespace) -> Path:
    for seed in range(1, arguments.seeds + 1):
        folder = arguments.output / case / f"seed_{seed}"
        if not (folder / "mean_field.nc").exists():
            cosim.run(experiment(case, seed, arguments.seconds), folder, overwrite=True)
    return arguments.output / case


def variance_ratios(one, case: str) -> tuple[float, float]:
    """Variance of S against the mean field's: if N cells fired as Poisson processes, and found."""
    S, R = (one.measure(f"mean {name}", one.replaced[0]).a for name in ("S_e", "R_e"))
    poisson = 0.641**2 * (1 - S) ** 2 * R * 1e-3 / (2 * n_cells_of(case)) / NSIG
    return poisson, 1 + one.measure("variance S_e", one.replaced[0]).change


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--cases", nargs="+", default=CASES)
    arguments = parser.parse_args()
    found = {}
    for case in arguments.cases:
        a, b = run(f"{case.split('/')[0]}/mean_field", arguments), run(case, arguments)
        [found[case]] = compare(a, [b], b / "comparison", skip_ms=SKIP_MS)
        print(comparison_text([found[case]]), flush=True)
    draw(found, arguments.output / "fidelity.png")


def draw(found, path: Path) -> None:
    figure = Figure(figsize=(11.0, 7.4), layout="constrained")
    (own, near), (fc, size) = figure.subplots(2, 2)
    for row, (case, one) in enumerate(found.items()):
        for name, colour, shift in (("R_e", "#D55E00", -0.1), ("S_e", "#0072B2", 0.1)):
            for axes, places in ((own, one.replaced), (near, one.neighbours)):
                for m in (one.measure(f"mean {name}", where) for where in places):
                    ends = [np.nan if end is None else end * 100 for end in (m.low, m.high)]
                    axes.plot(ends, [row + shift] * 2, color=colour, lw=1)
                    axes.plot(m.change * 100, row + shift, ".", color=colour)
        if case in ("default/rPCUN", "fic_G1/rPCUN"):
            at = one.regions.index("rPCUN")
            a, b = (np.delete(np.delete(m, at, 0), at, 1)[np.tril_indices(65, -1)] for m in one.fc)
            fc.plot(a, b, ".", ms=2, label=case)
        if case.startswith("default/rPCUN"):
            for number, mark in zip(variance_ratios(one, case), ("k_", "ko"), strict=True):
                size.loglog(n_cells_of(case), number, mark)
    for axes, width, title in ((own, 5, "Replaced regions"), (near, 0.5, "Strongest neighbours")):
        axes.set(title=f"{title}: rate (orange), S (blue)", xlabel="against the mean field, %")
        axes.set_yticks(range(len(found)), found)
        axes.axvspan(-width, width, color="0.93", zorder=0)
        axes.invert_yaxis()
    fc.set(title="FC of the other regions", xlabel="all mean field", ylabel="with the circuit")
    fc.legend()
    size.set(title="Variance of S against the mean field (dash: Poisson)", xlabel="E cells")
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
