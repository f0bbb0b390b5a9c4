"""How a command ends when somebody stops it or no longer listens."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import typer

from cosim.cli_errors import one_line_errors
from cosim.keyed_random import PROJECTION_STREAM, poisson_events

COSIM = [sys.executable, "-m", "cosim"]


def test_ctrl_c_in_a_compiled_function_is_an_interruption(capfd):
    """Draws of .2 s: a Ctrl-C after .1 s meets numba's code, which turns it into a SystemError."""
    draw = 0, PROJECTION_STREAM, np.arange(20_000), 0
    poisson_events(*draw, np.ones((1, 5)))
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(typer.Exit) as ended, one_line_errors(False):
        timer.start()
        while True:
            poisson_events(*draw, np.full((100, 5), 0.1))
    assert ended.value.exit_code == 130
    assert capfd.readouterr().err == "cosim: interrupted\n"


def test_a_system_error_that_nobody_caused_stays_one(capfd):
    with pytest.raises(typer.Exit) as ended, one_line_errors(False):
        raise SystemError("no Ctrl-C")
    assert ended.value.exit_code == 1
    assert "SystemError: no Ctrl-C" in capfd.readouterr().err


def test_a_reader_that_has_had_enough_is_no_error():
    """As of `cosim circuits | head -1`, whose pipe is closed before anything is printed."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*COSIM, "circuits"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(write)
    assert done.stderr == ""
