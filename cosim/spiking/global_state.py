"""What NetPyNE and NEURON keep for a whole process, and how a network leaves none of it."""

import contextlib
import gc
from typing import Any


class NeuronGlobals:
    """NEURON's global variables that a network may change, as they were before it.

    Args:
        h: NEURON's interpreter.
        config: NetPyNE's simConfig.
        net_params: NetPyNE's netParams.
    """

    def __init__(self, h: Any, config: Any, net_params: Any):
        self._h = h
        names = set(config.hParams)
        for rule in net_params.cellParams.values():
            names.update(dict(rule.get("globals") or {}))
            for section in (rule.get("secs") or {}).values():
                for ion in section.get("ions", {}):
                    names.update((f"{ion}i0_{ion}_ion", f"{ion}o0_{ion}_ion"))
        self._values: dict[str, float] = {}
        for name in names:
            with contextlib.suppress(Exception):
                self._values[name] = float(getattr(h, name))

    def restore(self) -> None:
        """Set them again."""
        for name, value in self._values.items():
            self._h(f"{name} = {value!r}")


def take_down(h: Any, sim: Any) -> None:
    """Free NetPyNE's network, so that the next one starts as in a fresh process.

    Args:
        h: NEURON's interpreter.
        sim: NetPyNE's module of the network.
    """
    sim.fih = []
    sim.simData = {}
    for cell in getattr(getattr(sim, "net", None), "cells", ()):
        # Sections know their cell and cells their sections; only this frees both.
        for part in ("conns", "stims", "secs", "secLists"):
            if part in vars(cell):
                vars(cell)[part].clear()
        vars(cell).pop("hPointp", None)
    if hasattr(sim, "net"):
        del sim.net
    gc.collect()
    pc = h.ParallelContext()
    pc.gid_clear()
    pc.gid_clear(4)
    h.Random().Random123_globalindex(0)
