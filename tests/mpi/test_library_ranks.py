"""Circuits of the library give the same spikes on any number of NEURON ranks."""

import json
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "data" / "library_ranks.py"
CASES = (
    ("balanced_ei", {"cell": "regular_spiking", "order": 20}, "E", 0.05, 0.05),
    ("pyramidal_morphology", {"cells": 12}, "E", 0.02, 0.05),
    ("cortico_thalamic", {"size": 0.1, "thalamocortical_delay_ms": 3.0}, "CxE", 0.006, 0.1),
)

pytestmark = pytest.mark.mpi


def test_library_circuits_spike_alike_on_any_number_of_ranks(launch):
    """100 ms in one process, and on 1 and 2 NEURON ranks beside another: spikes and potentials
    to the last bit. Every population but the interneurons of the smallest patch fires.
    """
    found = []
    for n_ranks in (1, 2, 3):
        done = launch(n_ranks, sys.executable, SCRIPT, *map(json.dumps, CASES))
        assert (done.status, done.err) == (0, "")
        found.append([json.loads(line) for line in done.out.splitlines()])
    assert [name for name, *_ in found[0]] == [name for name, *_ in CASES]
    for _, spikes, *_ in found[0]:
        assert spikes[0] > 20
    assert min(found[0][2][1]) > 20
    assert found[1] == found[0]
    assert found[2] == found[0]
