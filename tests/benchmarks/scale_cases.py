"""What one process of `make bench-scale` runs: a network of a size, in the brain or by itself.

    python tests/benchmarks/scale_cases.py coupled hh 1000 200 2.1 DIR    # also under mpiexec
    python tests/benchmarks/scale_cases.py netpyne hh 1000 200 2.1 DIR    # NetPyNE alone

Four fifths of the cells are excitatory. Every cell has 12 excitatory and 3 inhibitory inputs from
within, whatever the size, 5 ms away, and about 220 input spikes a second from the brain at rest.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

# CPU seconds of the thread, for a machine on which others work too: waits mean nothing then.
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}
CLOCK = os.environ.get("SCALE_CLOCK", "wall")
BUSY = ("compute", "transform", "exchange", "record")
REGION = "rPCUN"
IN_DEGREE = {"E": 12, "I": 3}
# NEURON's step, and weights within and from the brain; each kind fires at a few Hz.
KINDS = {
    "hh": {"dt_ms": 0.05, "E": 0.01, "I": 0.01, "input_uS": 0.012},
    "point": {"dt_ms": 0.1, "E": 0.002, "I": 0.02, "input_uS": 0.0014},
}
INPUT_HZ = 220.0
LIBRARY = Path(__file__).parents[2] / "cosim" / "spiking" / "circuits" / "mechanisms"


def network(kind="hh", cells=1000):
    """Hodgkin-Huxley compartments, or adaptive exponential point cells (Destexhe 2009)."""
    from netpyne import specs

    net, of_kind = specs.NetParams(), KINDS[kind]
    soma = {
        "geom": {"L": 18.8, "diam": 18.8, "Ra": 123.0},
        "mechs": {"hh": {"gnabar": 0.12, "gkbar": 0.036, "gl": 0.003, "el": -70.0}},
    }
    if kind == "point":
        soma = {
            "geom": {"L": 79.8, "diam": 79.8, "cm": 1.0},
            "mechs": {"pas": {"g": 5e-5, "e": -60.0}},
            "pointps": {"adex": {"mod": "DestexheAdEx", "a": 0.001, "b": 0.005}},
            "threshold": -50.0,
        }
    net.cellParams["cell"] = {"secs": {"soma": soma}}
    sizes = {"E": cells * 4 // 5, "I": cells - cells * 4 // 5}
    for name, n_cells in sizes.items():
        net.popParams[name] = {"cellType": "cell", "numCells": n_cells}
    net.synMechParams["exc"] = {"mod": "ExpSyn", "tau": 5.0, "e": 0.0}
    net.synMechParams["inh"] = {"mod": "ExpSyn", "tau": 10.0, "e": -80.0}
    for pre in sizes:
        for post in sizes:
            net.connParams[f"{pre}->{post}"] = {
                "preConds": {"pop": pre},
                "postConds": {"pop": post},
                "probability": min(IN_DEGREE[pre] / sizes[pre], 1.0),
                "weight": of_kind[pre],
                "delay": 5.0,
                "synMech": "exc" if pre == "E" else "inh",
            }
    config = specs.SimConfig()
    config.dt = of_kind["dt_ms"]
    config.hParams = {"celsius": 6.3, "v_init": -65.0}
    config.oneSynPerNetcon = False
    return net, config


def experiment(kind, cells, duration_ms, window_ms):
    """The network in place of one region of the Hagmann connectome, at rest, with noise."""
    import cosim

    return cosim.Experiment(
        seed=1,
        duration_ms=duration_ms,
        brain=cosim.Brain(
            noise={"S_e": 1e-3, "S_i": 1e-3},
            monitors={"temporal_average": cosim.Monitor(period_ms=1.0)},
        ),
        circuits=[
            cosim.Circuit(
                circuit=f"{Path(__file__).name}:network",
                parameters={"kind": kind, "cells": cells},
                regions=[REGION],
                dt_ms=KINDS[kind]["dt_ms"],
                mechanisms=str(LIBRARY / "cortico_thalamic") if kind == "point" else None,
                inputs=[
                    cosim.Input(
                        to=population,
                        receptor="exc",
                        coupling="aggregated",
                        rate_scale=1.0,
                        background_hz=INPUT_HZ,
                        weight_uS=KINDS[kind]["input_uS"],
                    )
                    for population in ("E", "I")
                ],
            )
        ],
        synchronization=cosim.Synchronization(window_ms=window_ms, injection="compiled"),
        base=Path(__file__).parent,
    )


def coupled(kind, cells, duration_ms, window_ms, directory):
    """Both sides, on the ranks that mpiexec started; every rank notes what its exchanges took."""
    import numpy as np

    import cosim
    from cosim.stopwatch import Stopwatch
    from cosim.transport import mpi

    Stopwatch.clock = staticmethod(CLOCKS[CLOCK])
    spent = []

    def timed(method):
        def call(self, *arguments):
            begin = time.perf_counter()
            result = method(self, *arguments)
            spent.append(time.perf_counter() - begin)
            return result

        return call

    mpi.MpiTransport.send = timed(mpi.MpiTransport.send)
    mpi.MpiTransport.receive = timed(mpi.MpiTransport.receive)
    result = cosim.run(
        experiment(kind, cells, duration_ms, window_ms), directory / "run", overwrite=True
    )
    rank = os.environ.get("PMI_RANK", "0")
    # In turn: a window's send, its receive; the first two belong to the start.
    each_us = [1e6 * (a + b) for a, b in zip(spent[2::2], spent[3::2], strict=False)]
    found = {"mb": peak_mb(), "exchange_us": None}
    if each_us:
        found["exchange_us"] = [float(np.percentile(each_us, q)) for q in (50, 95)]
    (directory / f"rank{rank}.json").write_text(json.dumps(found))
    facts = result.provenance
    neuron = facts["participants"]["NEURON"]
    timing = facts["timing"]
    if CLOCK == "wall":
        # Waiting for the other rank's build is not part of the run.
        for entry in timing:
            entry["wait"] -= facts["build_s"] - entry["build"]
        run_s = facts["run_s"]
    else:
        # What a rank with a core of its own would need, were no other work there.
        run_s = max(sum(entry[phase] for phase in BUSY) for entry in timing)
    return {
        "cells": cells,
        "kind": kind,
        "window_ms": facts["window_ms"],
        "duration_ms": duration_ms,
        "run_s": run_s,
        "build_s": facts["build_s"],
        "timing": timing,
        "events_of_rank_0": neuron["input_events_of_rank_0"],
        "spikes": sum(neuron["spikes"].values()),
    }


def netpyne_alone(kind, cells, duration_ms, window_ms, directory):
    """NetPyNE as its users run it, on as many ranks; NetStims send as many input spikes."""
    from cosim.spiking.interpreter import load_mechanisms, load_neuron, netpyne_sim

    n_ranks = int(os.environ.get("PMI_SIZE", "1"))
    if n_ranks > 1:
        import mpi4py.MPI  # noqa: F401  (NEURON is given the library that this loads)
    load_neuron(n_ranks)
    if kind == "point":
        load_mechanisms(LIBRARY / "cortico_thalamic")
    net, config = network(kind, cells)
    net.stimSourceParams["brain"] = {"type": "NetStim", "rate": INPUT_HZ, "noise": 1.0}
    net.stimTargetParams["brain"] = {
        "source": "brain",
        "conds": {"cellType": "cell"},
        "weight": KINDS[kind]["input_uS"],
        "synMech": "exc",
        "delay": 1.0,
    }
    config.duration, config.verbose, config.progressBar = duration_ms, False, 0
    config.createNEURONObj = config.createPyStruct = True
    sim = netpyne_sim()
    clock = CLOCKS[CLOCK]
    begin = clock()
    sim.create(netParams=net, simConfig=config)
    build_s = clock() - begin
    sim.pc.barrier()
    begin = clock()
    sim.runSim()
    sim.pc.barrier()
    return {
        "cells": cells,
        "kind": kind,
        "run_s": clock() - begin,
        "build_s": build_s,
        "duration_ms": duration_ms,
        "spikes": int(sim.pc.allreduce(float(len(sim.simData["spkt"])), 1)),
        "mb": peak_mb(),
    }


def peak_mb():
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    """Run one case and print its figures."""
    what, kind, cells, duration_ms, window_ms, directory = sys.argv[1:]
    case = {"coupled": coupled, "netpyne": netpyne_alone}[what]
    found = case(kind, int(cells), float(duration_ms), float(window_ms), Path(directory))
    if os.environ.get("PMI_RANK", "0") == "0":
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
