"""Does stimulation of the subthalamic nucleus bring a Parkinson patient's rates to a control's?

Runs ``basal_ganglia_in_the_brain.yaml`` for the control, the patient, and the patient with one of
the published stimulations: pulses of 0.3 ms at 130 Hz into the STN, or a constant current into the
GPi. Prints the mean rate of every population after 500 ms, and writes a figure.

    python examples/deep_brain_stimulation.py OUTPUT.png [--seeds 1] [--duration-ms 1500]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import cosim

EXPERIMENT = Path(__file__).with_name("basal_ganglia_in_the_brain.yaml")
SETTLED_MS = 500.0
CASES = {
    "control": "{condition: control}",
    "patient": "{condition: patient}",
    "patient, STN 130 Hz": "{condition: patient, stimulation: {site: STN, rate_hz: 130, "
    "amplitude: 20, pulse_width_ms: 0.3}}",
    "patient, GPi constant": "{condition: patient, stimulation: {site: GPi, current: -10}}",
}
COLOURS = ("#4c72b0", "#8c8c8c", "#dd8452", "#55a868")
ORDER = ("CxE", "CxI", "dSN", "iSN", "GPe", "STN", "GPi", "Thl")


def rates_hz(parameters: str, seed: int, duration_ms: float) -> dict[str, float]:
    """Mean rate of each population, Hz."""
    changes = [f"circuits.0.parameters={parameters}", f"seed={seed}", f"duration_ms={duration_ms}"]
    result = cosim.run(cosim.load(EXPERIMENT, changes))
    length_s = (duration_ms - SETTLED_MS) / 1000.0
    return {
        label.rpartition(".")[2]: (spikes.times_ms >= SETTLED_MS).sum() / spikes.n_cells / length_s
        for label, spikes in result.spikes.items()
    }


def figure(found: dict[str, list[dict[str, float]]]) -> Figure:
    """A group of bars for each population; dots are networks of different seeds."""
    drawing = Figure(figsize=(9.0, 4.0), layout="constrained")
    axes = drawing.add_subplot()
    width = 0.8 / len(found)
    for number, (case, runs) in enumerate(found.items()):
        values = np.array([[run[name] for name in ORDER] for run in runs])
        at = np.arange(len(ORDER)) + (number - (len(found) - 1) / 2) * width
        axes.bar(at, values.mean(axis=0), 0.92 * width, color=COLOURS[number], label=case)
        if len(runs) > 1:
            for row in values:
                axes.plot(at, row, ".", color="black", markersize=3)
    axes.set_xticks(range(len(ORDER)), ORDER)
    axes.set_ylabel("spikes per second per cell")
    axes.set_title("Deep brain stimulation of a Parkinson patient's circuit in the brain", size=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.1))
    return drawing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--duration-ms", type=float, default=1500.0)
    arguments = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {}
    for case, parameters in CASES.items():
        found[case] = [
            rates_hz(parameters, seed, arguments.duration_ms)
            for seed in range(1, arguments.seeds + 1)
        ]
        mean = {n: np.mean([run[n] for run in found[case]]) for n in ORDER}
        print(f"{case:24s}" + "".join(f"{n:>5s} {hz:5.1f}" for n, hz in mean.items()), flush=True)
    figure(found).savefig(arguments.output, dpi=150)


if __name__ == "__main__":
    main()
