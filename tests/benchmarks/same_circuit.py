"""Speed of the same-circuit work: 68 regions, two of them 160 cells each, 500 ms.

The work is that of a published peer's default example, so that figures can be compared: superior
temporal L and R replaced by 120 E + 40 I Hodgkin-Huxley cells each, every E cell hears every source
region, TVB dt .1 ms with noise, NEURON dt .05 ms, the longest window.  Run: `make bench`.

Each case is a process of its own, repeated in turn, and the median is printed. Wall time runs from
the end of the build to the end of the last window, what is recorded in between included; writing
the result files after it is printed by itself.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

BIN = Path(sys.executable).parent
DURATION_MS = 500.0
REPLACED = ["l_superiortemporal", "r_superiortemporal"]


def experiment():
    """The experiment of every case."""
    import cosim

    return cosim.Experiment(
        seed=1,
        duration_ms=DURATION_MS,
        brain=cosim.Brain(
            connectome="tvb68",
            # About 3 Hz everywhere: as many input events as the peer's example delivers.
            parameters={"G": 2.0},
            noise={"S_e": 1e-3, "S_i": 1e-3},
            monitors={"temporal_average": cosim.Monitor(period_ms=1.0)},
        ),
        circuits=[
            cosim.Circuit(
                circuit="balanced_ei",
                regions=REPLACED,
                parameters={"order": 100, "recurrent_excitation": 1.0},
                dt_ms=0.05,
                # a G W_ij uS with a = 1/256 and the peer's connectome, 26.4 times this one. That is
                # dense, this one has 18 sources a region: 2 trains each make up for the events.
                inputs=[cosim.Input(trains_per_source=2, weight_uS=26.4 / 256.0)],
            )
        ],
    )


def coupled(directory):
    """Both sides, in one process or on the ranks that mpirun started."""
    import cosim

    result = cosim.run(experiment(), directory, overwrite=True)
    facts = result.provenance
    running_s = facts["run_s"]
    # Waiting for the other rank's build is not part of the run.
    ranks = [
        {**entry, "wait": entry["wait"] - (facts["build_s"] - entry["build"]), "running": running_s}
        for entry in facts["timing"]
    ]
    tvb, neuron = facts["participants"]["TVB"], facts["participants"]["NEURON"]
    return {
        "wall_s": running_s,
        "write_s": max(rank["write"] for rank in facts["timing"]),
        "cpu_s": sum(rank["cpu_s"] for rank in facts["timing"]),
        "ranks": ranks,
        "events": neuron["input_events_of_rank_0"],
        "spikes": sum(neuron["spikes"].values()),
        "steps": tvb["steps"],
    }


def neuron_alone(directory):
    """NEURON with the input events of a coupled run queued before it starts; one psolve."""
    import numpy as np

    from cosim.deliveries import connect
    from cosim.plan import plan
    from cosim.spiking.engine import NeuronEngine

    planned = plan(experiment())
    circuits, clock = planned.circuits, planned.clock
    engine = NeuronEngine(
        circuits.composition, dt_ms=circuits.dt_ms, mean_field_dt_ms=clock.dt_ms, seed=1
    )
    seed = planned.experiment.seed
    deliveries = [(drive, connect(drive, seed, clock.dt_ms, engine)) for drive in circuits.drives]
    engine.initialize()
    for drive, deliver in deliveries:
        rates = planned.initial_rates_hz[0, [planned.connectome.index(r) for r in drive.sources]]
        deliver(np.tile(rates, (clock.n_steps, 1)), 0)
    begin, cpu = time.perf_counter(), time.process_time()
    engine.advance(clock.n_steps)
    wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - cpu
    spikes = engine.take_spikes()[0].size
    engine.close()
    return {"wall_s": wall_s, "cpu_s": cpu_s, "spikes": int(spikes)}


def mean_field_alone(directory, engine="auto"):
    """The same brain with no region replaced in one window, monitors included."""
    from cosim.clock import SyncWindow
    from cosim.meanfield.monitors import build_monitors
    from cosim.meanfield.simulation import MeanField
    from cosim.plan import plan

    whole = experiment()
    brain = whole.brain.model_copy(update={"engine": engine})
    planned = plan(whole.model_copy(update={"circuits": [], "brain": brain}))
    periods = {n: m.period_ms for n, m in planned.experiment.brain.monitors.items()}
    network = planned.brain.engine.network(
        MeanField(
            planned.connectome,
            planned.family,
            planned.parameters,
            planned.clock.dt_ms,
            1,
            planned.sigma,
            planned.initial,
            build_monitors(periods),
        )
    )
    network.advance(SyncWindow(0, 0, 50, planned.clock.dt_ms))
    window = SyncWindow(1, 50, planned.clock.n_steps, planned.clock.dt_ms)
    begin, cpu = time.perf_counter(), time.process_time()
    network.sample(window, network.advance(window))
    return {"wall_s": time.perf_counter() - begin, "cpu_s": time.process_time() - cpu}


def tvb_alone(directory):
    """The same with TVB's own loop over steps."""
    return mean_field_alone(directory, "tvb")


CASES = {
    "coupled": coupled,
    "neuron": neuron_alone,
    "mean_field": mean_field_alone,
    "tvb": tvb_alone,
}


def measure(case, n_ranks, directory):
    """One run of a case in a process of its own."""
    launcher = [] if n_ranks == 1 else [str(BIN / "mpiexec"), "-n", str(n_ranks)]
    command = [*launcher, sys.executable, __file__, "--case", case, "--directory", str(directory)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    """Measure all cases in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--directory", type=Path)
    arguments = parser.parse_args()
    if arguments.case:
        found = CASES[arguments.case](arguments.directory)
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if int(os.environ.get("PMI_RANK", "0")) == 0:
            print(json.dumps(found))
        return
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    cases = [
        ("2 ranks", "coupled", 2),
        ("1 process", "coupled", 1),
        ("NEURON alone", "neuron", 1),
        ("mean field alone", "mean_field", 1),
        ("TVB's own loop", "tvb", 1),
    ]
    runs = {name: [] for name, _, _ in cases}
    with TemporaryDirectory() as folder:
        for repeat in range(arguments.repeats + 1):
            for name, case, n_ranks in cases:
                found = measure(case, n_ranks, Path(folder) / name.replace(" ", "_"))
                if repeat:  # the first of each warms the caches
                    runs[name].append(found)
    median = {
        name: {k: statistics.median(r[k] for r in found) for k in ("wall_s", "cpu_s")}
        for name, found in runs.items()
    }
    for name, figures in median.items():
        walls = [run["wall_s"] for run in runs[name]]
        print(
            f"same-circuit {name}: wall {figures['wall_s']:.2f} s "
            f"({min(walls):.2f}-{max(walls):.2f}), CPU {figures['cpu_s']:.2f} s"
        )
    middle = runs["2 ranks"][0]
    print(
        f"{middle['events']} input events, {middle['spikes']} spikes; result files written after "
        f"the run in {statistics.median(run['write_s'] for run in runs['2 ranks']):.2f} s"
    )
    for name in ("2 ranks", "1 process"):
        middle = sorted(runs[name], key=lambda run: run["wall_s"])[len(runs[name]) // 2]
        for rank in middle["ranks"]:
            shares = ", ".join(
                f"{phase} {100 * rank[phase] / rank['running']:.1f} %"
                for phase in ("compute", "transform", "exchange", "wait", "record")
            )
            print(f"{name}, rank {rank['rank']} ({rank['side']}): {shares}")
        busiest = max(middle["ranks"], key=lambda rank: rank["compute"])
        share = 1.0 - busiest["compute"] / busiest["running"]
        print(f"{name}, interface on the slower side: {100 * share:.1f} %")
    slower = max(median["NEURON alone"]["wall_s"], median["mean field alone"]["wall_s"])
    print(f"2 ranks over the slower side alone: {median['2 ranks']['wall_s'] / slower:.2f}")


if __name__ == "__main__":
    main()
