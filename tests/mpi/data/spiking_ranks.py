"""Build and run networks on the ranks of mpiexec; rank 0 prints what it found, one line each.

Usage: spiking_ranks.py NETWORK... With n > 1 ranks, n - 1 run NEURON and the last stands by.
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
from cosim.spiking.interpreter import load_neuron, netpyne_specs, split_world

NETWORKS = Path(__file__).parents[2] / "cosim" / "spiking" / "data"


def coincident():
    """All-to-all cells that a common clock fires in the same step; every weight is different."""
    net = netpyne_specs().NetParams()
    mechs = {"hh": {"gnabar": 0.12, "gkbar": 0.036, "gl": 0.003, "el": -70.0}}
    geom = {"L": 18.8, "diam": 18.8, "Ra": 123.0}
    net.cellParams["HH"] = {"secs": {"soma": {"geom": geom, "mechs": mechs}}}
    net.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    net.popParams["A"] = {"cellType": "HH", "numCells": 15}
    for name in ("one", "two"):  # two connections of a pair meet on one synapse
        net.connParams[name] = {
            "preConds": {}, "postConds": {}, "synMech": "exc", "delay": 5.0,
            "weight": "uniform(0.00002, 0.0002)",
        }  # fmt: skip
    net.stimSourceParams["clock"] = {"type": "NetStim", "rate": 40, "noise": 0, "start": 2.0}
    net.stimSourceParams["again"] = {"type": "NetStim", "rate": 40, "noise": 0, "start": 2.0}
    for source, weight in (("clock", 0.013), ("again", 0.0071)):
        net.stimTargetParams[source] = {
            "source": source, "conds": {}, "weight": weight, "delay": 1.0, "synMech": "exc"
        }  # fmt: skip
    return net


def of_every_rule():
    """Each of NetPyNE's ways to draw connections and values, in one network."""
    net = coincident()
    net.connParams.clear()
    net.stimTargetParams.clear()
    net.popParams["B"] = {"cellType": "HH", "density": 2e4, "xRange": [0, 80]}
    net.popParams["C"] = {"cellType": "HH", "gridSpacing": 60}
    shared = {
        "weight": "uniform(0.0001, 0.001)",
        "delay": "max(0.5, normal(3, 1))",
        "synMech": "exc",
    }
    for label, (pre, post, how) in {
        "full": ("A", "B", {}),
        "probability": ("A", "A", {"probability": 0.3}),
        "probability of": ("B", "A", {"probability": "exp(-dist_3D / 50)"}),
        "random probability": ("C", "A", {"probability": "uniform(0, 0.5)"}),
        "convergence": ("A", "C", {"convergence": 4}),
        "random convergence": ("A", "C", {"convergence": "uniform(1, 6)"}),
        "divergence": ("C", "B", {"divergence": 3}),
        "random divergence": ("B", "C", {"divergence": "uniform(1, 4)"}),
        "list": ("A", "B", {"connList": [[0, 1], [3, 2], [7, 7]]}),
    }.items():
        net.connParams[label] = {
            "preConds": {"pop": pre}, "postConds": {"pop": post}, **shared, **how
        }  # fmt: skip
    net.stimTargetParams["random"] = {
        "source": "clock", "conds": {}, "delay": "uniform(1, 4)", "weight": "uniform(0, 0.02)",
        "synMech": "exc",
    }  # fmt: skip
    return net


def main(names):
    world = MPI.COMM_WORLD
    load_neuron(world.size)
    if world.size > 1:
        split_world(world.size - 1)
    for name in names:
        if world.size > 1 and world.rank == world.size - 1:
            world.gather(None)
        else:
            build_and_run(world, name)


def build_and_run(world, name):
    own = {"coincident": coincident, "of_every_rule": of_every_rule}
    circuit = load_circuit(own.get(name, name), {}, NETWORKS)
    regions = ("r1", "r2")
    copies = [CircuitCopy(circuit, r, dict.fromkeys(circuit.population_names, r)) for r in regions]
    engine = NeuronEngine(compose(copies), dt_ms=0.05, mean_field_dt_ms=0.1, seed=11)
    fed = next(
        p for p in engine.network.populations if engine.network.composition.population_receptors[p]
    )
    receptor = next(iter(engine.network.composition.population_receptors[fed]))
    port = engine.ports.add_input(fed, receptor, np.linspace(0.001, 0.01, 5))
    connections = [
        (int(gid), str(conn["preGid"]), str(conn["synMech"]), conn["weight"], conn["hObj"].delay)
        for gid, cell in engine.network.cells.items()
        for conn in cell.conns
    ]
    engine.initialize()
    spikes = []
    for start in range(0, 2000, 40):
        for index, gid in enumerate(port.gids.tolist()):
            rng = np.random.default_rng((gid, start))
            n = rng.poisson(5 * 20.0 * 4e-3)
            port.schedule(np.full(n, index), rng.integers(0, 5, n), start * 0.1 + rng.random(n) * 4)
        engine.advance(start + 40)
        times_ms, gids = engine.take_spikes()
        spikes += zip(times_ms.tolist(), gids.tolist(), strict=True)
    potentials = [
        (int(gid), float(cell.secs["soma"]["hObj"].v).hex())
        for gid, cell in engine.network.cells.items()
        if "soma" in vars(cell).get("secs", {})
    ]
    sizes = [engine.network.n_cells(p) for p in engine.network.populations]
    parts = world.gather((connections, spikes, potentials))
    if world.rank == 0:
        found = [sorted(chain.from_iterable(p[i] for p in parts if p)) for i in range(3)]
        together = len({time for time, _ in found[1]}) < len(found[1])
        digests = [hashlib.sha256(repr(what).encode()).hexdigest() for what in found]
        print(json.dumps([name, sizes, *map(len, found), together, *digests]))
    engine.close()


main(sys.argv[1:])
