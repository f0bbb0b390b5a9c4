"""The cost model of docs/scale.md, fitted to the cases of docs/scale.json.

It says what the NEURON side's slowest rank and TVB's rank need for one simulated second, as a sum
of terms whose factors are fitted to the measured cases, none below zero, relative errors alike.
What cannot be measured on one machine, the network between nodes, is an assumption.
"""

import math

import numpy as np
from scipy.optimize import nnls

DT_MS = {"hh": 0.05, "point": 0.1}
BRAIN_DT_MS = 0.1

# Ranks of the run that is foreseen have some 600 cells; many more on one rank overflow its caches.
LARGEST_FITTED = 2000

# The run that is foreseen, and what is assumed of it.
CELLS, NODES, CORES, RATE_HZ, EVENTS_HZ = 200_000, 10, 32, 5.0, 220.0
WINDOW_MS, SHORTEST_DELAY_MS = 2.1, 1.0
GATHER_S = 3e-5  # one exchange among all NEURON ranks on 10 nodes
FOREIGN_SPIKE_S = 1e-7  # each rank looks every spike of every other rank up


def sides(found):
    """NEURON's entries and TVB's."""
    timing = found["timing"]
    if len(timing) == 1:
        return timing, timing
    return [t for t in timing if t["side"] == "NEURON"], [t for t in timing if t["side"] == "TVB"]


def coupled(facts, n_ranks):
    return [f for f in facts["cases"] if f["case"] == "coupled" and f["ranks"] == n_ranks]


def own(entry):
    """What a rank spends on the interface itself."""
    return entry["transform"] + entry["exchange"] + entry["record"]


def exchange_us(found):
    """Median and 95th percentile of sending and receiving, on the side that waits less, us."""
    each = [of["exchange_us"] for of in found["of_rank"].values() if of["exchange_us"]]
    return min(each) if each else (math.nan, math.nan)


def _fit(columns, wanted):
    """Factors of the columns, none negative, with the least relative error."""
    columns, wanted = np.array(columns, float), np.array(wanted, float)
    return nnls(columns / wanted[:, None], np.ones(wanted.size))[0]


class CostModel:
    """What the ranks of a run need, s per simulated s."""

    def __init__(self, facts):
        every = coupled(facts, 2)
        runs = [f for f in every if f["cells"] <= LARGEST_FITTED]
        self.neuron, self.build = {}, {}
        for kind, dt_ms in DT_MS.items():
            sized = [f for f in every if f["kind"] == kind]
            mine = [f for f in runs if f["kind"] == kind]
            steps = [f["duration_ms"] / dt_ms for f in mine]
            self.neuron[kind] = _fit(
                [[n, n * f["cells"]] for n, f in zip(steps, mine, strict=True)],
                [sides(f)[0][0]["compute"] for f in mine],
            )
            self.build[kind] = _fit(
                [[1.0, f["cells"], f["cells"] ** 2] for f in sized], [f["build_s"] for f in sized]
            )
        windows = [f["duration_ms"] / f["window_ms"] for f in runs]
        brain_steps = [f["duration_ms"] / BRAIN_DT_MS for f in runs]
        self.interface = _fit(
            [
                [n, s * f["cells"], f["spikes"]]
                for n, s, f in zip(windows, brain_steps, runs, strict=True)
            ],
            [own(sides(f)[0][0]) - sides(f)[0][0]["record"] for f in runs],
        )
        # Its own spikes cost every rank something, those of all ranks the root, which records them.
        self.record = _fit(
            [[f["duration_ms"] / f["window_ms"], f["spikes"]] for f in every],
            [sides(f)[0][0]["record"] for f in every],
        )
        self.brain = _fit(
            [[n, s] for n, s in zip(windows, brain_steps, strict=True)],
            [sides(f)[1][0]["compute"] + own(sides(f)[1][0]) for f in runs],
        )
        self.exchange_s = np.median([exchange_us(f)[0] for f in runs]) * 1e-6
        # Memory: the growth from small to large, beside what the programs themselves take.
        self.memory_kb = {}
        for kind in DT_MS:
            mine = sorted((f for f in every if f["kind"] == kind), key=lambda f: f["cells"])
            first, last = mine[0], mine[-1]
            grown = last["of_rank"]["0"]["mb"] - first["of_rank"]["0"]["mb"]
            self.memory_kb[kind] = 1024 * grown / (last["cells"] - first["cells"])
        self.base_mb = min(f["of_rank"]["0"]["mb"] for f in runs)

    def compute(self, kind, cells):
        """NEURON's own work for the cells of a rank."""
        return float(self.neuron[kind] @ [1.0, cells]) * 1000.0 / DT_MS[kind]

    def terms(self, kind, cells, n_ranks, window_ms=WINDOW_MS, rate_hz=RATE_HZ):
        """What one simulated second costs the slowest NEURON rank, and TVB's."""
        mine = math.ceil(cells / n_ranks)
        windows, spikes = 1000.0 / window_ms, cells * rate_hz
        per_window, per_cell, per_spike = self.interface
        among = 1000.0 / SHORTEST_DELAY_MS * GATHER_S if n_ranks > 1 else 0.0
        return {
            "NEURON: integration": self.compute(kind, mine),
            "NEURON: exchange of spikes among its ranks": among,
            "NEURON: looking up foreign spikes": spikes * (1 - 1 / n_ranks) * FOREIGN_SPIKE_S,
            "NEURON: interface, per window": windows
            * (per_window + self.record[0] + self.exchange_s),
            "NEURON: interface, per cell and step": mine * 1000.0 / BRAIN_DT_MS * per_cell,
            "NEURON: interface, per spike of the rank": mine * rate_hz * per_spike,
            "NEURON: the root records all spikes": spikes * float(self.record[1]),
            "TVB's rank": float(self.brain @ [windows, 1000.0 / BRAIN_DT_MS]),
        }

    def wall(self, kind, cells, n_ranks=1, window_ms=WINDOW_MS, rate_hz=RATE_HZ):
        """Seconds per simulated second: the slower of NEURON's slowest rank and TVB's."""
        of = self.terms(kind, cells, n_ranks, window_ms, rate_hz)
        return max(sum(v for k, v in of.items() if k.startswith("NEURON")), of["TVB's rank"])

    def misses(self, facts):
        """Case and relative error of the modelled wall time, for every case it was fitted to."""
        for found in coupled(facts, 2):
            if found["cells"] <= LARGEST_FITTED:
                measured_s = found["run_s"] / found["duration_ms"] * 1000.0
                rate_hz = found["spikes"] / found["cells"] / found["duration_ms"] * 1000.0
                s = self.wall(found["kind"], found["cells"], 1, found["window_ms"], rate_hz)
                yield found, s / measured_s - 1.0
