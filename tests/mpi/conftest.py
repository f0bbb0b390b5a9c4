"""Start mpiexec as a user does, bounded in time, and account for every process that it starts."""

import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

MPIEXEC = Path(sys.executable).with_name("mpiexec")

_MARK = "COSIM_TEST_LAUNCH"
_FROM_LAUNCHER = ("PMI_", "PMIX_", "OMPI_", "HYDI_", "MPI_", "MPIR_")


@dataclass(frozen=True)
class Launch:
    """What one mpiexec left behind.

    Attributes:
        status: Exit status of mpiexec.
        out: What all ranks wrote to stdout.
        err: What all ranks wrote to stderr.
        ended_s: When the last of its processes was gone, s since the epoch.
    """

    status: int
    out: str
    err: str
    ended_s: float

    @property
    def said(self) -> list[str]:
        """The lines on stderr that are cosim's own."""
        return [line for line in self.err.splitlines() if line.startswith("cosim:")]


class Running:
    """An mpiexec and all that it started, found by a mark in their environment."""

    def __init__(self, n_ranks, command, cwd, env):
        self._mark = uuid.uuid4().hex
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_FROM_LAUNCHER)}
        self._files = (cwd / f"{self._mark}.out", cwd / f"{self._mark}.err")
        launcher = [] if n_ranks is None else [MPIEXEC, "-n", n_ranks]
        with self._files[0].open("w") as out, self._files[1].open("w") as err:
            self._process = subprocess.Popen(
                [str(part) for part in (*launcher, *command)],
                cwd=cwd,
                env={**inherited, "OMP_NUM_THREADS": "1", **env, _MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def processes(self):
        """Ids and names of the processes that still run, mpiexec's own among them."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                if f"{_MARK}={self._mark}".encode() in environment.split(b"\0"):
                    found[int(folder.name)] = (folder / "comm").read_text().strip()
            except OSError:  # it ended while we looked
                continue
        return found

    @property
    def launcher(self):
        """Id of mpiexec."""
        return self._process.pid

    @property
    def has_ended(self):
        """Whether mpiexec has ended."""
        return self._process.poll() is not None

    def pid_of(self, rank):
        """Id of the process that is a rank."""
        for pid in self.ranks():
            if f"PMI_RANK={rank}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes():
                return pid
        raise LookupError(rank)

    def ranks(self):
        """Ids of the ranks that still run."""
        launchers = ("mpiexec", "hydra")
        return [p for p, name in self.processes().items() if not name.startswith(launchers)]

    def kill(self):
        """Kill whatever is left, stopped processes too."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def finish(self, timeout_s):
        """Wait until every process is gone; fail the test if one is not.

        Args:
            timeout_s: Limit on the time from here, s.
        """
        deadline = time.monotonic() + timeout_s
        try:
            self._process.wait(timeout_s)
            while self.processes() and time.monotonic() < deadline:
                time.sleep(0.02)
        except subprocess.TimeoutExpired:
            pass
        ended_s, left = time.time(), self.processes()
        self.kill()
        out, err = (file.read_text() for file in self._files)
        if left:
            # A rank that waits for ever shows here.
            pytest.fail(f"still running after {timeout_s} s: {left}\n{out}\n{err}")
        return Launch(self._process.returncode, out, err, ended_s)


@pytest.fixture(scope="session")
def begin():
    """Start mpiexec without waiting: ``begin(folder, n_ranks, *command)``; None leaves it out."""
    begun = []

    def start(cwd, n_ranks, *command, **env):
        begun.append(Running(n_ranks, command, cwd, env))
        return begun[-1]

    yield start
    for running in begun:
        running.kill()


@pytest.fixture
def start(begin, tmp_path):
    """Start mpiexec in a folder of the test: ``start(n_ranks, *command)``."""
    begun = []

    def start(n_ranks, *command, **env):
        begun.append(begin(tmp_path, n_ranks, *command, **env))
        return begun[-1]

    yield start
    for running in begun:
        running.kill()


@pytest.fixture
def launch(start):
    """Run a command on some ranks to its end: ``launch(n_ranks, *command)``."""

    def run(n_ranks, *command, timeout_s=90, **env):
        return start(n_ranks, *command, **env).finish(timeout_s)

    return run
