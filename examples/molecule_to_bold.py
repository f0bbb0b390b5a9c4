"""What does a molecule inside its cells do to a region, its neighbours and their BOLD?

One region of the Hagmann connectome, the right precuneus, is the circuit ``calcium_sk``. Its cells
hold inositol trisphosphate (IP3) at one of four levels: more of it means more calcium, more open SK
channels, fewer spikes. Each level is a run of its own with the same random numbers; the figure
shows the rate, the gating variable and the BOLD signal that follow.

    mpirun -n 2 python examples/molecule_to_bold.py OUTPUT [--seconds 6]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from mpi4py import MPI

import cosim

REGION = "rPCUN"
IP3_UM = (0.1, 0.5, 1.0, 2.0)
COLOURS = ("#2f4b7c", "#a05195", "#f95d6a", "#ffa600")
SETTLED_MS = 1000.0  # the calcium of the first spikes has gathered


def experiment(ip3_um: float, seconds: float) -> cosim.Experiment:
    return cosim.Experiment(
        duration_ms=seconds * 1000.0,
        brain=cosim.Brain(
            connectome="hagmann66",
            parameters={"G": 0.2},
            noise={"S_e": 0.001, "S_i": 0.001},
            monitors={
                "temporal_average": cosim.Monitor(period_ms=10.0),
                "bold": cosim.Monitor(period_ms=500.0),
            },
        ),
        circuits=[
            cosim.Circuit(
                circuit="calcium_sk",
                regions=[REGION],
                parameters={"ip3_mM": ip3_um * 1e-3},
                dt_ms=0.1,
            )  # its inputs and outputs are those that the circuit is registered with
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--seconds", type=float, default=6.0)
    arguments = parser.parse_args()
    results = [
        cosim.run(
            experiment(ip3_um, arguments.seconds),
            arguments.output / f"ip3_{ip3_um:g}_uM",
            overwrite=True,
        )
        for ip3_um in IP3_UM
    ]
    if MPI.COMM_WORLD.rank == 0:  # every rank has the results
        draw(results, arguments.output / "molecule_to_bold.png")


def draw(results: list[cosim.RunResult], path: Path) -> None:
    figure = Figure(figsize=(9.0, 6.4), layout="constrained")
    (dose, gating), (bold, others) = figure.subplots(2, 2)
    reference = results[0].mean_field.bold.sel(variable="S_e")
    means = []
    for result, ip3_um, colour in zip(results, IP3_UM, COLOURS, strict=True):
        rate = result.rates(bin_ms=500.0).sel(population=f"{REGION}.E")
        rate = rate[rate.time > SETTLED_MS]
        means.append(float(rate.mean()))
        error = float(rate.std(ddof=1)) / np.sqrt(rate.size)
        dose.errorbar(
            ip3_um, means[-1], error, fmt="o", color=colour, capsize=3, label=f"{ip3_um:g} µM"
        )
        s = result.mean_field.temporal_average.sel(variable="S_e", region=REGION)
        smooth = s.rolling(time_temporal_average=20, center=True).mean()
        gating.plot(s.time_temporal_average / 1000.0, smooth, color=colour)
        signal = result.mean_field.bold.sel(variable="S_e")
        seconds = signal.time_bold / 1000.0
        bold.plot(seconds, signal.sel(region=REGION), color=colour, marker=".")
        last = (signal - reference).isel(time_bold=-1).drop_sel(region=REGION)
        last = 100.0 * last / reference.isel(time_bold=-1).drop_sel(region=REGION)
        others.plot(np.arange(1, last.size + 1), np.sort(last.values), color=colour)
    dose.plot(IP3_UM, means, color="0.75", zorder=0)
    dose.set(xlabel="IP3, µM", ylabel="spikes per cell, Hz", ylim=(0, None))
    dose.set_title(f"Excitatory cells of {REGION}")
    dose.legend(title="IP3")
    gating.set(xlabel="time, s", ylabel="$S_E$, means of 200 ms", title=f"Gating of {REGION}")
    bold.set(xlabel="time, s", ylabel="BOLD, units of TVB", title=f"BOLD of {REGION}")
    others.set(xlabel="the other regions, sorted", ylabel=f"against {IP3_UM[0]:g} µM, %")
    others.set_title("BOLD of the others, at the end")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
