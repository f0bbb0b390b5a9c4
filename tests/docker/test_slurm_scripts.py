"""The Slurm scripts, run as Slurm would run them, with the real product under mpirun.

Only what this machine lacks is stood in for: srun starts mpirun, scancel passes its signal on to
what srun started, scontrol notes that it was asked to requeue, squeue tells the state that a test
wrote down, and apptainer runs on the host what it would run in the image, whose `python` and
`cosim` are those of this environment.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cosim import RunResult

ROOT = Path(__file__).resolve().parents[2]
SLURM = ROOT / "docker" / "slurm"
SMALL = ROOT / "tests" / "mpi" / "data" / "small.yaml"
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.mpi

STAND_INS = {
    "srun": """
while [[ $1 == --* ]]; do echo "srun $1" >>asked; shift; done
echo "$$" >srun.pid
exec mpirun -n "$SLURM_NTASKS" "$@"
""",
    "scancel": """
echo "scancel $*" >>asked
[[ $* == "--signal=TERM 17" ]] && kill -TERM "$(cat srun.pid)"
""",
    "squeue": """
cat state
""",
    "scontrol": """
echo "scontrol $*" >>asked
""",
    "apptainer": """
[[ $1 == exec ]] || exit 3
shift
while [[ $1 == --* ]]; do
  echo "apptainer $1 $2" >>asked
  if [[ $1 == --bind ]]; then
    IFS=, read -r -a folders <<<"$2"
    for folder in "${folders[@]}"; do [[ -d $folder ]] || { echo "no $folder" >&2; exit 4; }; done
  fi
  shift 2
done
[[ $1 == cosim.sif ]] || exit 5
shift
exec "$@"
""",
    "cosim": f"""
exec '{sys.executable}' -m cosim "$@"
""",
}


class Job:
    """One script in a folder of its own, as sbatch starts it: in the folder of submission."""

    def __init__(self, folder, script, experiment=SMALL):
        self.folder = folder
        self._command = ["bash", SLURM / script, experiment, "results/run"]
        (folder / "state").write_text("RUNNING\n")
        programs = folder / "programs"
        programs.mkdir()
        for name, text in STAND_INS.items():
            program = programs / name
            program.write_text(f"#!/bin/bash\nset -u{text}")
            program.chmod(0o755)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PMI_", "SLURM_"))}
        self._env = {
            **inherited,
            "PATH": f"{programs}:{BIN}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "17",
            "SLURM_NTASKS": "2",
            "HOST_MPI_LIB": str(BIN.parent / "lib"),
        }

    def start(self, **environment):
        return subprocess.Popen(
            [str(word) for word in self._command],
            cwd=self.folder,
            env={**self._env, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def asked(self):
        """What the stand-ins were asked, one a line."""
        return (self.folder / "asked").read_text().splitlines()

    @property
    def result(self):
        return RunResult.open(self.folder / "results" / "run")


def ended(process, timeout_s=200):
    """Exit status and output of a job."""
    out, _ = process.communicate(timeout=timeout_s)
    return process.returncode, out


def spikes(result):
    return {name: (s.times_ms.tolist(), s.node_ids.tolist()) for name, s in result.spikes.items()}


def test_a_run_with_the_mpi_of_the_host_ends_in_results_of_all_ranks(tmp_path):
    job = Job(tmp_path, "host_mpi.sbatch")
    status, out = ended(job.start())
    assert status == 0, out
    assert job.result.provenance["ranks"] == 2
    assert not [line for line in job.asked if line.startswith("scontrol")]
    library = BIN.parent / "lib"
    assert f"apptainer --bind {library}" in job.asked
    assert f"apptainer --env LD_LIBRARY_PATH={library}" in job.asked


def test_a_host_without_the_library_is_told_before_anything_starts(tmp_path):
    status, out = ended(Job(tmp_path, "host_mpi.sbatch").start(HOST_MPI_LIB=str(tmp_path)))
    assert status == 2
    assert "has no libmpi.so.12" in out


def interrupted(job):
    """Start a job, and send SIGTERM in the middle as --signal=B:TERM@120 does."""
    process = job.start()
    segments = job.folder / "results" / "run" / "segments"
    deadline = time.monotonic() + 120
    while not any(segments.rglob("*")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    return ended(process)


@pytest.fixture
def long_experiment(tmp_path):
    file = tmp_path / "long.yaml"
    file.write_text(SMALL.read_text().replace("duration_ms: 100.0", "duration_ms: 4000.0"))
    return file


def same_as_without_interruption(job, experiment):
    """In one process: the spikes do not depend on the ranks."""
    whole = job.folder / "whole"
    subprocess.run(
        [sys.executable, "-m", "cosim", "run", experiment, "-q", "--no-report", "-o", whole],
        check=True,
        timeout=200,
    )
    assert np.isclose(job.result.duration_ms, 4000.0)
    return spikes(job.result) == spikes(RunResult.open(whole))


def test_a_job_out_of_time_goes_back_into_the_queue_and_on_to_the_same_spikes(
    tmp_path, long_experiment
):
    job = Job(tmp_path, "hybrid_pmi2.sbatch", long_experiment)
    status, out = interrupted(job)
    assert status == 75, out
    assert job.asked[-1] == "scontrol requeue 17"
    status, out = ended(job.start(SLURM_RESTART_COUNT="1"))
    assert status == 0, out
    assert job.asked.count("scontrol requeue 17") == 1
    assert same_as_without_interruption(job, long_experiment)


@pytest.mark.slow
def test_a_job_that_was_cancelled_stays_away_and_goes_on_when_submitted_again(
    tmp_path, long_experiment
):
    job = Job(tmp_path, "one_node.sbatch", long_experiment)
    (tmp_path / "state").write_text("COMPLETING\n")
    status, out = interrupted(job)
    assert status == 75, out
    assert not [line for line in job.asked if line.startswith("scontrol")]
    # Another experiment in the same folder is refused, not ignored.
    text = long_experiment.read_text()
    long_experiment.write_text(text.replace("duration_ms: 4000.0", "duration_ms: 3000.0"))
    status, out = ended(job.start())
    assert status == 2
    assert "duration_ms = 3000.0, was 4000.0" in out
    long_experiment.write_text(text)
    status, out = ended(job.start())
    assert status == 0, out
    assert same_as_without_interruption(job, long_experiment)


@pytest.mark.slow
def test_a_restarted_job_that_was_done_is_not_simulated_again(tmp_path):
    job = Job(tmp_path, "one_node.sbatch")
    assert ended(job.start())[0] == 0
    spike_file = tmp_path / "results" / "run" / "spikes.h5"
    (tmp_path / "results" / "run" / "report.png").unlink()
    before = spike_file.stat().st_mtime_ns
    status, out = ended(job.start(SLURM_RESTART_COUNT="1"))
    assert status == 0, out
    assert spike_file.stat().st_mtime_ns == before
    assert (tmp_path / "results" / "run" / "report.png").exists()
