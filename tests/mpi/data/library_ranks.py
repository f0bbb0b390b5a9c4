"""Build and run circuits of the library on the ranks of mpiexec; rank 0 prints what it found.

Usage: library_ranks.py JSON..., each [NAME, PARAMETERS, POPULATION, WEIGHT_US, DT_MS]: 100 ms with
Poisson input of 300 Hz onto every cell of the population. With n > 1 ranks, n - 1 run NEURON and
the last stands by.
"""

import hashlib
import json
import sys
from itertools import chain
from pathlib import Path

import numpy as np
from mpi4py import MPI

from cosim.spiking.circuit import load_circuit
from cosim.spiking.compose import CircuitCopy, compose
from cosim.spiking.engine import NeuronEngine
from cosim.spiking.interpreter import load_neuron, split_world


def main(cases):
    world = MPI.COMM_WORLD
    load_neuron(world.size)
    if world.size > 1:
        split_world(world.size - 1)
    for case in cases:
        if world.size > 1 and world.rank == world.size - 1:
            world.gather(None)
        else:
            build_and_run(world, *json.loads(case))


def build_and_run(world, name, parameters, population, weight_uS, dt_ms):
    circuit = load_circuit(name, parameters, Path())
    copy = CircuitCopy(circuit, "r", dict.fromkeys(circuit.population_names, "r"))
    engine = NeuronEngine(compose([copy]), dt_ms=dt_ms, mean_field_dt_ms=0.1, seed=11)
    port = engine.ports.add_input(f"r.{population}", "exc", np.array([weight_uS]))
    engine.initialize()
    spikes = []
    for start in range(0, 1000, 40):
        for index, gid in enumerate(port.gids.tolist()):
            rng = np.random.default_rng((gid, start))
            n = rng.poisson(0.3 * 4.0)
            when = start * 0.1 + rng.random(n) * 4.0
            port.schedule(np.full(n, index), np.zeros(n, np.int64), when)
        engine.advance(start + 40)
        times_ms, gids = engine.take_spikes()
        spikes += zip(times_ms.tolist(), gids.tolist(), strict=True)
    potentials = [
        (int(gid), float(cell.secs["soma"]["hObj"].v).hex())
        for gid, cell in engine.network.cells.items()
    ]
    fired = {p: engine.network.first_gid(p) for p in engine.network.populations}
    parts = world.gather((spikes, potentials))
    if world.rank == 0:
        found = [sorted(chain.from_iterable(p[i] for p in parts if p)) for i in range(2)]
        per_population = np.histogram(
            [gid for _, gid in found[0]], [*fired.values(), len(found[1])]
        )[0]
        digests = [hashlib.sha256(repr(what).encode()).hexdigest() for what in found]
        print(json.dumps([name, per_population.tolist(), len(found[1]), *digests]))
    engine.close()


main(sys.argv[1:])
