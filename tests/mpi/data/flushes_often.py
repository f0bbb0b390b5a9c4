"""cosim's command line, flushing its results every 50 ms of wall time instead of every 5 s."""

import functools

from cosim import mpi_runner
from cosim.cli import app
from cosim.recorder import Recorder

mpi_runner.Recorder = functools.partial(Recorder, flush_every_s=0.05)
app()
