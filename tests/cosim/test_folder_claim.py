"""Of two runs in one folder the second waits or is refused, however the first one ends."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from cosim import folder_claim
from cosim.errors import ResultsError
from cosim.folder_claim import CLAIM_FILE, claimed

HOLD = """
import sys, time
from pathlib import Path
from cosim.folder_claim import claimed
with claimed(Path(sys.argv[1]), resume=False):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that writes into ``tmp_path / 'run'``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "run"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_run_is_refused_and_a_killed_one_holds_nothing(tmp_path, holder):
    folder = tmp_path / "run"
    with (
        pytest.raises(ResultsError, match=rf"another run writes into it \(process {holder.pid} on"),
        claimed(folder, resume=False),
    ):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (folder / CLAIM_FILE).exists()
    with claimed(folder, resume=False):
        pass
    assert [*folder.iterdir()] == []


def test_a_run_that_goes_on_waits_for_its_predecessor(tmp_path, holder, capfd):
    threading.Timer(1.0, holder.kill).start()
    begin = time.monotonic()
    with claimed(tmp_path / "run", resume=True):
        assert time.monotonic() - begin > 0.5
    (line,) = capfd.readouterr().err.splitlines()
    assert "another run writes into it" in line
    assert "waiting up to 100 s" in line


def test_it_does_not_wait_for_ever(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(folder_claim, "_LEASE_S", 0.2)
    with pytest.raises(ResultsError, match="wait for its end"), claimed(tmp_path / "run", True):
        pass


def test_threads_that_take_turns_never_meet(tmp_path):
    """The file is made and removed under them each time."""
    inside, met = [], []

    def work():
        for _ in range(50):
            try:
                with claimed(tmp_path, resume=False):
                    inside.append(1)
                    met.append(len(inside))
                    time.sleep(1e-4)
                    inside.pop()
            except ResultsError:
                time.sleep(1e-4)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(met) == {1}


def test_what_cannot_be_locked_is_not_claimed(tmp_path):
    """No folder yet, no folder at all, and one in which nothing can be made."""
    with claimed(None, resume=True), claimed(tmp_path / "none", resume=True):
        assert not (tmp_path / "none").exists()
    file = tmp_path / "file"
    file.touch()
    with claimed(file, resume=False):
        pass


def test_a_file_that_lost_its_name_is_no_lock(tmp_path, monkeypatch):
    """A holder removes it while another waits; NFS then keeps it under another name, with links."""
    flock, kept = fcntl.flock, tmp_path / ".nfs0001"

    def after_its_holder_left(descriptor, operation):
        if not kept.exists():
            (tmp_path / CLAIM_FILE).rename(kept)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", after_its_holder_left)
    with claimed(tmp_path, resume=False):
        assert (tmp_path / CLAIM_FILE).exists()
        with pytest.raises(ResultsError, match="another run"), claimed(tmp_path, resume=False):
            pass
