"""Ctrl-C is heeded where nothing is cut in two."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import cosim
from cosim.experiment_file import validate
from cosim.spiking.recording import Sampler
from cosim.stop_signal import interrupts_held

SAMPLED = {
    "duration_ms": 20.0,
    "circuits": [
        {
            "circuit": "balanced_ei",
            "regions": ["rPCUN"],
            "parameters": {"order": 20},
            "record": {"traces": [{"population": "E", "cells": [0], "period_ms": 0.05}]},
        }
    ],
}


def test_ctrl_c_waits_for_the_end_of_the_block():
    seen = []
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        os.kill(os.getpid(), signal.SIGINT)
        seen.append("end of the block")
    assert seen == ["end of the block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_ctrl_c_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_hold_nothing():
    ran = []

    def block():
        with interrupts_held():
            ran.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert ran == [signal.default_int_handler]


def test_ctrl_c_in_a_call_from_neuron_ends_the_run(monkeypatch, tmp_path):
    """NEURON drops what a sampler raises: the run went on without samples, to another error."""
    sample, n_calls = Sampler.sample, []

    def interrupted(self):
        n_calls.append(1)
        if len(n_calls) == 100:  # at t = 4.95 ms of 20, inside a window
            os.kill(os.getpid(), signal.SIGINT)
        return sample(self)

    monkeypatch.setattr(Sampler, "sample", interrupted)
    with pytest.raises(KeyboardInterrupt) as stopped:
        cosim.run(validate(SAMPLED), tmp_path, quiet=True)
    assert stopped.value.__notes__ == ["cosim: NEURON, window 2 (from t = 4.6 ms)"]


IMPORTS = """
import os, signal, sys
from cosim.spiking.interpreter import netpyne_sim

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "neuron.crxd" and self in sys.meta_path:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
try:
    netpyne_sim()
except KeyboardInterrupt:
    print("heeded", "neuron.crxd" in sys.modules)
"""


def test_ctrl_c_while_netpyne_is_imported_is_heeded_and_leaves_nothing_out():
    """NetPyNE imports others within `except:`, which swallowed it, and the run went on without."""
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(cosim.__file__).parents[1])},
        check=False,
    )
    assert ran.stdout == "heeded True\n"
