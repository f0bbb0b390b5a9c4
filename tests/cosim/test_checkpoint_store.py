"""What a checkpoint on disk promises: whole or not there, and damage is named, never read."""

import errno
import json
import os
import random
import resource
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosim import checkpoint_store
from cosim.checkpoint_store import FORMAT, CheckpointStore, fsync_folder
from cosim.errors import ResultsError

STATES = [{"TVB/a": np.arange(50.0) + rank, "NEURON/b": np.array("text")} for rank in range(2)]


def save(store, n_windows, scale=1.0):
    store.begin(n_windows)
    files = [
        store.write(n_windows, rank, {**state, "scale": np.array(scale)})
        for rank, state in enumerate(STATES)
    ]
    return store.commit(n_windows, files, {"windows": n_windows, "time_ms": 2.0 * n_windows})


def names(directory):
    return sorted(path.name for path in (directory / "checkpoints").iterdir())


def test_what_was_written_is_read(tmp_path):
    save(CheckpointStore(tmp_path, 2), 7)
    found = CheckpointStore(tmp_path, 2).newest()
    assert (found.time_ms, found.facts["windows"], found.damaged) == (14.0, 7, ())
    for rank, state in enumerate(STATES):
        read = found.state(rank)
        assert np.array_equal(read["TVB/a"], state["TVB/a"])
        assert str(read["NEURON/b"]) == "text"


def test_the_newest_few_are_kept(tmp_path):
    store = CheckpointStore(tmp_path, 2)
    for n_windows in (3, 20, 100):
        save(store, n_windows)
    assert names(tmp_path) == ["000000020", "000000100"]
    assert store.newest().facts["windows"] == 100
    store.forget_after(CheckpointStore(tmp_path, 2).newest())
    assert names(tmp_path) == ["000000020", "000000100"]
    store.remove_all()
    assert store.newest() is None
    assert not (tmp_path / "checkpoints").exists()


def test_python_objects_are_refused(tmp_path):
    store = CheckpointStore(tmp_path, 2)
    store.begin(1)
    with pytest.raises(TypeError, match="Python objects"):
        store.write(1, 0, {"x": np.array([{}])})


def spoil(path, how, rng):
    data = bytearray(path.read_bytes())
    if how == "flip":
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del data[rng.randrange(len(data)) :]
    elif how == "zero":
        start = rng.randrange(len(data))
        data[start : start + 64] = bytes(len(data[start : start + 64]))
    path.write_bytes(data)
    if how == "gone":
        path.unlink()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["manifest.json", "rank-0.npz", "rank-1.npz"]),
    how=st.sampled_from(["flip", "cut", "zero", "gone"]),
    seed=st.integers(0, 2**32),
)
def test_any_damage_is_named_and_the_one_before_is_used(tmp_path, name, how, seed):
    store = CheckpointStore(tmp_path, 2)
    store.remove_all()
    save(store, 5, scale=0.5)
    newest = save(store, 9)
    before = (newest / name).read_bytes()
    spoil(newest / name, how, random.Random(seed))
    found = store.newest()
    same = (newest / name).exists() and (newest / name).read_bytes() == before
    if same or (name == "manifest.json" and found.facts["windows"] == 9):
        # Nothing was changed, or only white space between the values of the manifest.
        assert found.facts == json.loads(before)["content"] if name == "manifest.json" else True
        return
    assert found.facts["windows"] == 5
    assert float(found.state(0)["scale"]) == 0.5
    (line,) = found.damaged
    assert str(newest) in line
    assert "\n" not in line


def test_without_an_undamaged_one_all_are_named(tmp_path):
    store = CheckpointStore(tmp_path, 2)
    for n_windows in (5, 9):
        (save(store, n_windows) / "rank-1.npz").write_bytes(b"")
    with pytest.raises(ResultsError, match=r"000000009 is damaged .*000000005 is damaged"):
        store.newest()


class ThreadRank:
    """A rank that is a thread: the collectives of :class:`cosim.ranks.Ranks`, nothing else."""

    def __init__(self, rank, size, barrier, board):
        self.rank, self.size, self._barrier, self._board = rank, size, barrier, board

    def _all(self, record):
        self._board[self.rank] = json.dumps(record)
        self._barrier.wait()
        told = [json.loads(text) for text in self._board]
        self._barrier.wait()
        return told

    def gather_records(self, record):
        told = self._all(record)
        return told if self.rank == 0 else None

    def share_record(self, record):
        return self._all(record)[0]


def on_threads(size, work):
    barrier, board = threading.Barrier(size, timeout=20), [""] * size
    with ThreadPoolExecutor(size) as pool:
        ranks = [ThreadRank(rank, size, barrier, board) for rank in range(size)]
        return list(pool.map(work, ranks))


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("name", ["manifest.json", "rank-0.npz", "rank-1.npz"])
def test_damage_that_one_rank_sees_makes_all_take_the_one_before(tmp_path, name, size):
    """Also where there are more ranks than files: another number of them is refused later."""
    store = CheckpointStore(tmp_path, 2)
    save(store, 5)
    spoil(save(store, 9) / name, "flip", random.Random(1))
    found = on_threads(size, store.newest)
    assert {checkpoint.folder.name for checkpoint in found} == {"000000005"}
    assert len({checkpoint.damaged for checkpoint in found}) == 1
    assert "000000009 is damaged" in found[0].damaged[0]
    (tmp_path / "checkpoints" / "000000005" / name).unlink()
    with pytest.raises(ResultsError, match="no other is left"):
        on_threads(size, store.newest)


def test_a_rank_reads_its_own_file_alone(tmp_path, monkeypatch):
    """Or hundreds of ranks would read hundreds of files each before a run goes on."""
    save(CheckpointStore(tmp_path, 2), 9)
    checksum, read = checkpoint_store._sha256, []

    def noted(path):
        read.append(path.name)
        return checksum(path)

    monkeypatch.setattr(checkpoint_store, "_sha256", noted)
    found = on_threads(2, CheckpointStore(tmp_path, 2).newest)
    assert [checkpoint.facts["windows"] for checkpoint in found] == [9, 9]
    assert sorted(read) == ["rank-0.npz", "rank-1.npz"]
    assert CheckpointStore(tmp_path, 2).newest_facts()["windows"] == 9
    assert len(read) == 2  # a manifest is enough to tell the experiment


def test_a_file_system_that_does_not_flush_folders_is_good_enough():
    """Some of networks and of containers refuse it with EINVAL, as the kernel's own /proc does."""
    descriptor = os.open("/proc", os.O_RDONLY)
    with pytest.raises(OSError, match="Invalid argument"):
        os.fsync(descriptor)
    os.close(descriptor)
    fsync_folder(Path("/proc"))


@pytest.mark.parametrize("keep", [1, 2])
def test_an_old_one_that_cannot_be_removed_does_not_spoil_the_new_one(tmp_path, monkeypatch, keep):
    """As where a process elsewhere holds one of its files open (NFS)."""
    store = CheckpointStore(tmp_path, keep)
    save(store, 5)
    remove = os.rmdir

    def refused(path, **how):
        if "000000005" in str(path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(path))
        remove(path, **how)

    monkeypatch.setattr(os, "rmdir", refused)
    for n_windows in (9, 20, 30):
        save(store, n_windows)
        assert store.newest().facts["windows"] == n_windows
        assert len([name for name in names(tmp_path) if not name.startswith(".")]) <= keep
    monkeypatch.undo()
    save(store, 40)
    assert all(not name.startswith(".") for name in names(tmp_path))


def test_another_format_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_store, "FORMAT", FORMAT + 1)
    save(CheckpointStore(tmp_path, 1), 5)
    monkeypatch.undo()
    with pytest.raises(ResultsError, match=f"format is {FORMAT + 1}, this version reads {FORMAT}"):
        CheckpointStore(tmp_path, 1).newest()


def dies_at(directory, call):
    """A child process that is killed at the n-th call to the disk; whether it got that far."""
    child = os.fork()
    if child == 0:
        n_calls = 0

        def counted(function):
            def called(*args, **kwargs):
                nonlocal n_calls
                n_calls += 1
                if n_calls == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*args, **kwargs)

            return called

        for owner, name in (
            (os, "fsync"), (os, "open"), (os, "rmdir"), (os, "unlink"),
            (Path, "mkdir"), (Path, "rename"), (Path, "open"),
        ):  # fmt: skip
            setattr(owner, name, counted(getattr(owner, name)))
        try:
            save(CheckpointStore(directory, 2), 30, scale=30.0)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def test_a_kill_at_any_moment_leaves_the_old_one_or_the_new_one(tmp_path):
    """Each call to the disk in turn is the last one; the next attempt then succeeds."""
    call = 1
    while True:
        directory = tmp_path / str(call)
        directory.mkdir()
        store = CheckpointStore(directory, 2)
        save(store, 10, scale=10.0)
        save(store, 20, scale=20.0)
        killed = dies_at(directory, call)
        found = store.newest()
        assert found.damaged == ()
        assert found.facts["windows"] in (20, 30)
        assert float(found.state(1)["scale"]) == found.facts["windows"]
        save(store, 40)
        assert names(directory)[-1] == "000000040"
        assert len(names(directory)) == 2
        if not killed:
            break
        call += 1
    assert call > 15
    assert found.facts["windows"] == 30


def test_a_full_disk_leaves_the_earlier_one(tmp_path):
    """The kernel refuses to write past a limit, as a full disk does."""
    store = CheckpointStore(tmp_path, 2)
    save(store, 5)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    store.begin(9)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            store.write(9, 0, {"x": np.zeros(1000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    store.discard()
    assert names(tmp_path) == ["000000005"]
    assert store.newest().facts["windows"] == 5
