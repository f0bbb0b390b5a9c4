"""Importing NetPyNE, which turns matplotlib off without a display, leaves a notebook's figures."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
{first}
from cosim.spiking.interpreter import netpyne_specs
netpyne_specs()
import matplotlib
print(matplotlib.get_backend())
"""


@pytest.mark.parametrize("first", ["", "import matplotlib.pyplot"])
def test_the_backend_is_the_one_of_before(first):
    environment = {**os.environ, "MPLBACKEND": "svg"}
    environment.pop("DISPLAY", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == "svg"
