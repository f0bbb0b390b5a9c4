"""Cost of a mean-field step: TVB's own loop and the compiled one, side by side in one run.

66 regions are `hagmann66` with its tract lengths; other sizes are random directed graphs with
delays of 1 to 60 steps, sparse (20 sources a region) or dense (all others), and once with tracts of
5 to 180 mm, whose delays let several steps be summed at once. Windows have 23 steps,
the demo's. Each figure is the least of several repeats of process CPU time per step, which load by
others inflates least; wall time of the same repeat stands beside it. Run: `make bench-step`.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

from cosim.clock import SyncWindow
from cosim.meanfield.compiled_network import CompiledNetwork
from cosim.meanfield.connectome import Connectome, load_connectome
from cosim.meanfield.models import MODELS
from cosim.meanfield.monitors import build_monitors
from cosim.meanfield.network import MeanFieldNetwork
from cosim.meanfield.simulation import MeanField

DT_MS, WINDOW_STEPS, SPEED = 0.1, 23, 3.0
ENGINES = {"tvb": MeanFieldNetwork, "compiled": CompiledNetwork}


def random_connectome(n, sources, shortest_mm=DT_MS * SPEED, longest_mm=60 * DT_MS * SPEED):
    """A directed graph in which every region hears ``sources`` others on average."""
    rng = np.random.default_rng(n)
    weights = rng.random((n, n)) * (rng.random((n, n)) < sources / (n - 1)) / sources
    np.fill_diagonal(weights, 0.0)
    lengths = rng.uniform(shortest_mm, longest_mm, (n, n))
    labels = tuple(str(i) for i in range(n))
    return Connectome("random", labels, weights, lengths, np.zeros((n, 3)), SPEED)


def build(engine, connectome, model, noisy, monitors):
    """A network near its rest."""
    family = MODELS[model]
    shape = len(family.gating), connectome.n_regions
    sigma = np.full(shape[0], 1e-3 if noisy else 0.0)
    return ENGINES[engine](MeanField(
        connectome, family, {"G": 0.2}, DT_MS, 1, sigma, np.full(shape, 0.1),
        build_monitors(monitors)))  # fmt: skip


def cost_us(network, n_steps, repeats, sampled):
    """CPU and wall time per step of the fastest of several repeats, us."""
    n_windows = max(n_steps // WINDOW_STEPS, 1)
    best, index = (np.inf, np.inf), 0
    for _ in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(n_windows):
            window = SyncWindow(index, index * WINDOW_STEPS, WINDOW_STEPS, DT_MS)
            states = network.advance(window)
            if sampled:
                network.sample(window, states)
            index += 1
        spent = time.process_time() - cpu, time.perf_counter() - wall
        best = min(best, spent)
    scale = 1e6 / (n_windows * WINDOW_STEPS)
    return best[0] * scale, best[1] * scale


def report(what, connectome, noisy, n_steps, model="reduced_wong_wang_exc_inh", monitors=None):
    """One line: both engines, and how many times faster the compiled one is."""
    found = {}
    for engine in ENGINES:
        network = build(engine, connectome, model, noisy, monitors or {})
        # TVB needs no more than a tenth of the steps for the same certainty.
        steps = n_steps if engine == "compiled" else n_steps // 10
        found[engine] = cost_us(network, steps, 5, bool(monitors))
    (tvb, tvb_wall), (own, own_wall) = found["tvb"], found["compiled"]
    noise = "noise" if noisy else "quiet"
    print(
        f"{what:<34} {noise:<6} tvb {tvb:9.1f} ({tvb_wall:9.1f})   "
        f"compiled {own:8.2f} ({own_wall:8.2f})   {tvb / own:5.1f} x",
        flush=True,
    )


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000, help="steps a repeat, at 66 regions")
    arguments = parser.parse_args()
    hagmann = load_connectome("hagmann66", "none", SPEED, Path())
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("us per step: CPU (wall); windows of 23 steps")
    for model in MODELS:
        for noisy in (False, True):
            report(f"66 {model}", hagmann, noisy, arguments.steps, model)
    average = {"temporal_average": 1.0}
    everything = {"raw": 0.1, "temporal_average": 1.0, "bold": 2000.0, "balloon": 2000.0}
    report("66 and temporal average", hagmann, True, arguments.steps, monitors=average)
    report("66 and raw, average, two BOLD", hagmann, True, arguments.steps, monitors=everything)
    for n in (100, 300, 1000):
        for sources in (20, n - 1):
            kind = "sparse" if sources == 20 else "dense"
            steps = max(arguments.steps * 66 * 20 // (n * sources), 230)
            for noisy in (False, True):
                report(f"{n} regions, {kind}", random_connectome(n, sources), noisy, steps)
    for sources in (100, 999):
        steps = max(arguments.steps * 66 * 20 // (1000 * sources), 230)
        tracts = random_connectome(1000, sources, 5.0, 180.0)
        report(f"1000 regions, {sources} sources, 5-180 mm", tracts, True, steps)


if __name__ == "__main__":
    main()
