"""Run cells with calcium inside; rank 0 prints digests of spikes, potentials and concentrations.

With n > 1 ranks, n - 1 run NEURON and the last stands by. The third circuit has one cell, so with
two NEURON ranks one of them has no section of its regions.
"""

import hashlib
import json
from itertools import chain
from pathlib import Path

import numpy as np
from mpi4py import MPI

from cosim.spiking.circuit import load_circuit
from cosim.spiking.compose import CircuitCopy, compose
from cosim.spiking.engine import NeuronEngine
from cosim.spiking.interpreter import load_neuron, netpyne_specs, split_world


def single():
    """One cell with a decaying species, which a rank without it cannot even name."""
    net = netpyne_specs().NetParams()
    net.cellParams["HH"] = {"secs": {"soma": {"geom": {"L": 10, "diam": 10}, "mechs": {"hh": {}}}}}
    net.popParams["A"] = {"cellType": "HH", "numCells": 1}
    net.rxdParams["regions"] = {"cyt": {"cells": "all", "secs": "all", "nrn_region": "i"}}
    net.rxdParams["species"] = {"x": {"regions": ["cyt"], "initial": 1.0}}
    net.rxdParams["parameters"] = {"slope": {"regions": ["cyt"], "value": 0.1}}
    net.rxdParams["rates"] = {"decay": {"species": "x", "rate": "-slope * x"}}
    return net


def main():
    world = MPI.COMM_WORLD
    load_neuron(world.size)
    if world.size > 1:
        split_world(world.size - 1)
        if world.rank == world.size - 1:
            world.gather(None)
            return
    copies = [
        CircuitCopy(circuit, region, dict.fromkeys(circuit.population_names, region))
        for region, circuit in (
            ("a", load_circuit("calcium_sk", {"order": 5, "cell": "dendritic"}, Path())),
            ("b", load_circuit("calcium_sk", {"order": 5, "ip3_mM": 1e-3}, Path())),
            ("c", load_circuit(single, {}, Path())),
        )
    ]
    engine = NeuronEngine(compose(copies), dt_ms=0.05, mean_field_dt_ms=0.1, seed=11)
    ports = [engine.ports.add_input(f"{r}.E", "exc", np.array([0.05])) for r in "ab"]
    engine.initialize()
    spikes = []
    for start in range(0, 2000, 40):
        for port in ports:
            for index, gid in enumerate(port.gids.tolist()):
                rng = np.random.default_rng((gid, start))
                n = rng.poisson(0.08)
                port.schedule(np.full(n, index), np.zeros(n, int), start * 0.1 + rng.random(n) * 4)
        engine.advance(start + 40)
        times_ms, gids = engine.take_spikes()
        spikes += zip(times_ms.tolist(), gids.tolist(), strict=True)
    states = [
        (gid, name, seg.x, *(float(getattr(seg, what, 0.0)).hex() for what in ("v", "cai", "xi")))
        for gid, cell in engine.network.cells.items()
        for name, section in cell.secs.items()
        for seg in section["hObj"]
    ]
    parts = world.gather((spikes, states))
    if world.rank == 0:
        found = [sorted(chain.from_iterable(p[i] for p in parts if p)) for i in range(2)]
        digests = [hashlib.sha256(repr(what).encode()).hexdigest() for what in found]
        left = sorted(p.name for p in Path().iterdir() if p.name.startswith("rxd"))
        print(json.dumps([*map(len, found), found[1][-1][-1], left, *digests]))
    engine.close()


main()
