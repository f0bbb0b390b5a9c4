"""A circuit that lets NEURON call a function of Python during the run."""

import os

from neuron import h

from cosim.spiking.circuits.balanced_ei import balanced_ei

_kept = []


def network():
    def plant():
        if os.environ.get("COSIM_TEST_PLANTED"):  # the handler outlives the network
            h.CVode().event(50.0, lambda: None)

    _kept[:] = [h.FInitializeHandler(plant)]
    return balanced_ei(order=10)
