"""The mean-field side: TVB's simulator with some of its regions replaced."""

import logging
import warnings

from cosim.compile_lock import compiling_alone

# TVB warns at import about a module that only surface simulations need, and its loggers report
# every optional file that a connectome lacks.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tvb.datatypes.connectivity
    import tvb.simulator.simulator  # noqa: F401

for _name in ("tvb", "tvb.basic.readers", "tvb.simulator", "tvb.datatypes"):
    logging.getLogger(_name).setLevel(logging.ERROR)

# Its functions are compiled as it is imported, by every rank of a first run at the same moment.
with compiling_alone("kernels"):
    import cosim.meanfield.kernels  # noqa: F401
