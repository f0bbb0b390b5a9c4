"""A calibration is the same on one process and on two ranks, which share its network."""

import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.mpi

EXPERIMENT = """
seed: 5
duration_ms: 100.0
brain: {connectome: hagmann66, parameters: {G: 0.2}}
circuits:
  - circuit: balanced_ei
    regions: [rPCUN]
    parameters: {order: 20}
    inputs: [{from: R_e, to: E, trains_per_source: 1, weight_uS: 0.1}]
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_file_is_the_same_on_two_ranks(launch, tmp_path):
    """24 E cells, short measurements: numbers are compared, not judged (--tolerance 2)."""
    file = tmp_path / "experiment.yaml"
    file.write_text(EXPERIMENT)
    found = []
    for n_ranks in (1, 2):
        target = tmp_path / f"on_{n_ranks}.yaml"
        options = ("--output", target, "--seconds", "1", "--tolerance", "2", "--check-ms", "600")
        command = ("-m", "cosim", "calibrate", file, *options)
        done = launch(n_ranks, sys.executable, *command, timeout_s=400)
        assert (done.status, done.err) == (0, "")
        assert done.out.count("Calibration:") == 1
        document = yaml.safe_load(Path(target).read_text())
        document["made"].pop("open_loop_cpu_s")
        found.append(document)
    assert found[0] == found[1]
    assert found[0]["regions"]["rPCUN"]["closed_loop"]["circuit"]["S_e"] > 0


def test_what_cannot_be_calibrated_ends_every_rank_with_one_line(launch, tmp_path):
    file = tmp_path / "experiment.yaml"
    file.write_text(EXPERIMENT.replace("to: E", "to: I"))
    done = launch(2, sys.executable, "-m", "cosim", "calibrate", file, timeout_s=200)
    assert done.status != 0
    (line,) = done.said
    assert "no input from the brain drives E" in line
