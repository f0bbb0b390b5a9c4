"""Run the `wong_wang` circuit on the ranks of mpiexec; rank 0 prints what it found, in one line.

With n > 1 ranks, n - 1 run NEURON and the last stands by.
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
from cosim.spiking.interpreter import load_neuron, split_world

STATE = ("V", "x", "g_ampa", "g_nmda", "g_gaba", "i_exc", "i_inh")
SIZES = {
    "n_excitatory": 80,
    "n_inhibitory": 20,
    "in_degree_excitatory": 30,
    "in_degree_inhibitory": 10,
}


def main():
    world = MPI.COMM_WORLD
    load_neuron(world.size)
    if world.size > 1:
        split_world(world.size - 1)
    if world.size > 1 and world.rank == world.size - 1:
        world.gather(None)
        return
    circuit = load_circuit("wong_wang", SIZES, Path())
    copies = [CircuitCopy(circuit, r, dict.fromkeys(circuit.population_names, r)) for r in "ab"]
    engine = NeuronEngine(compose(copies), dt_ms=0.1, mean_field_dt_ms=0.1, seed=11)
    ports = [
        engine.ports.add_input("a.E", receptor, np.linspace(0.0005, 0.002, 3))
        for receptor in ("ampa", "nmda", "gaba")
    ]
    lifs = {
        int(gid): cell.secs["soma"]["pointps"]["lif"]["hObj"]
        for gid, cell in engine.network.cells.items()
    }
    engine.initialize()
    spikes = []
    for start in range(0, 4000, 40):
        for number, port in enumerate(ports):
            for index, gid in enumerate(port.gids.tolist()):
                rng = np.random.default_rng((gid, start, number))
                n = rng.poisson(3 * 20.0 * 4e-3)
                times_ms = start * 0.1 + rng.random(n) * 4
                port.schedule(np.full(n, index), rng.integers(0, 3, n), times_ms)
        for lif in lifs.values():
            lif.I_c = start * 1e-5
        engine.advance(start + 40)
        times_ms, gids = engine.take_spikes()
        spikes += zip(times_ms.tolist(), gids.tolist(), strict=True)
    state = [(gid, *(getattr(lif, name).hex() for name in STATE)) for gid, lif in lifs.items()]
    parts = world.gather((spikes, state))
    if world.rank == 0:
        found = [sorted(chain.from_iterable(p[i] for p in parts if p)) for i in range(2)]
        together = len({time for time, _ in found[0]}) < len(found[0])
        digests = [hashlib.sha256(repr(what).encode()).hexdigest() for what in found]
        print(json.dumps([*map(len, found), together, *digests]))
    engine.close()


main()
