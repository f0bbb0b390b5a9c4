"""The basal ganglia in the brain: the example runs on two ranks, and alike on one and three."""

import sys
from pathlib import Path

import numpy as np
import pytest

from cosim import RunResult

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE = EXAMPLES / "deep_brain_stimulation" / "basal_ganglia_in_the_brain.yaml"
COSIM = Path(sys.executable).with_name("cosim")
SMALL = "{condition: patient, cells: 24, stimulation: {site: STN, rate_hz: 130, amplitude: 20}}"

pytestmark = pytest.mark.mpi


def test_the_example_runs_alike_on_one_two_and_three_ranks(launch, tmp_path):
    """100 ms with 234 cells instead of 1950; the spikes, with a stimulating electrode, are equal.

    One process, one NEURON rank and two NEURON ranks beside TVB's.
    """
    found = []
    for n_ranks in (1, 2, 3):
        output = tmp_path / str(n_ranks)
        words = ["run", EXAMPLE, "--no-report", "-o", output, "--set", "duration_ms=100.0"]
        done = launch(n_ranks, COSIM, *words, "--set", f"circuits.0.parameters={SMALL}")
        assert done.status == 0, done.err
        assert "arning" not in done.out + done.err
        found.append(RunResult.open(output))
    assert len(found[0].spikes) == 8
    for label, spikes in found[0].spikes.items():
        assert spikes.times_ms.size > 0, label
        for other in found[1:]:
            assert np.array_equal(spikes.times_ms, other.spikes[label].times_ms), label
            assert np.array_equal(spikes.node_ids, other.spikes[label].node_ids), label
