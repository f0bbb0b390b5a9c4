"""A circuit whose file says something else later."""

import os

from cosim.spiking.circuits.balanced_ei import balanced_ei


def network():
    net = balanced_ei(order=10)
    for rule in net.connParams.values():
        rule["weight"] = float(os.environ["COSIM_TEST_WEIGHT"])
    return net
