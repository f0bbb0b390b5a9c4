"""The `wong_wang` circuit does not depend on the ranks; its example runs on two."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from cosim import RunResult

SCRIPT = Path(__file__).parent / "data" / "wong_wang_ranks.py"
EXAMPLE = Path(__file__).parents[2] / "examples" / "wong_wang_region.yaml"

pytestmark = pytest.mark.mpi


def test_spikes_and_states_are_the_same_on_any_number_of_ranks(launch):
    """One process; 2 NEURON ranks beside another. 400 ms of 200 cells, spikes from outside too.

    Compared are all spikes, and to the last bit potentials, background, conductances, currents.
    """
    found = []
    for n_ranks in (1, 3):
        done = launch(n_ranks, sys.executable, SCRIPT)
        assert (done.status, done.err) == (0, "")
        found.append(json.loads(done.out))
    n_spikes, n_states, together, *_ = found[0]
    assert (n_spikes > 250, n_states, together) == (True, 200, True)
    assert found[1] == found[0]


@pytest.mark.timeout(600)
def test_the_example_runs_on_two_ranks_without_a_warning(launch, tmp_path):
    """1 s of Hagmann 66 with one region as 500 cells, whose rate stays near the mean field's.

    R_E of the region rests at 6.6 Hz (S .297, I_c .011 nA), where the circuit is within 5 %; the
    rate of 400 cells over the last .6 s has a standard error of 3.5 / sqrt(1600 spikes), 9 %.
    """
    command = ("-m", "cosim", "run", EXAMPLE, "--output", tmp_path / "run", "--quiet")
    changes = ("--set", "duration_ms=1000.0")
    done = launch(2, sys.executable, *command, *changes, timeout_s=400)
    assert (done.status, done.err) == (0, "")
    result = RunResult.open(tmp_path / "run")
    assert result.provenance["participants"]["NEURON"]["warnings"] == []
    rates = result.rates(bin_ms=100.0).to_pandas()
    settled = rates[rates.index > 400.0]
    assert abs(settled["rPCUN.E"].mean() / 6.6 - 1) < 0.05 + 4 * 0.09
    gating = result.mean_field["temporal_average"].sel(variable="S_e", region="rPCUN").squeeze()
    np.testing.assert_allclose(gating.values[:5], 0.297, rtol=0.02)
    assert np.abs(gating.values / 0.297 - 1).max() < 0.3
