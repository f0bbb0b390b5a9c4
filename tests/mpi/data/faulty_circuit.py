"""Circuits that are sound but for a fault in NEURON, or in the function that describes them."""

from faults import strike, this_rank
from neuron import h

from cosim.spiking.circuits.balanced_ei import balanced_ei

_kept = []


def fails_at_30_ms(kind, rank=0):
    """A network whose NEURON rank fails at t = 30.5 ms."""

    def plant():
        if this_rank() == rank:
            h.CVode().event(30.5, lambda: strike(kind))

    _kept.append(h.FInitializeHandler(plant))
    return balanced_ei(order=10)


def fails_while_described(kind, rank=None):
    """A function that fails on one rank, or on all."""
    if rank is None or this_rank() == rank:
        strike(kind)
    return balanced_ei(order=10)


def fails_while_built(kind, rank):
    """A network that NetPyNE cannot connect, which only the ranks that build it find out."""
    net = balanced_ei(order=10)
    net.connParams["E->E"]["weight"] = "no_such_variable * 2"
    return net
