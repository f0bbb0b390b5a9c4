"""The ways in which a rank can fail, and where the moment of failure is noted."""

import os
import signal
import sys
import time
from pathlib import Path

MESSAGE = "planted fault"


def this_rank():
    return int(os.environ["PMI_RANK"])


def strike(kind):
    """Fail, after leaving a file that says when."""
    Path(os.environ["FAULT_TIME"]).write_text(repr(time.time()))
    if kind == "exception":
        raise LookupError(MESSAGE)
    if kind == "exit":
        sys.exit(MESSAGE)
    if kind == "neuron":
        from neuron import h

        h.execerror(MESSAGE, "in hoc")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
