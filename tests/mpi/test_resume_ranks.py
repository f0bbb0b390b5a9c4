"""Runs on several ranks are saved together, end together, and go on bit for bit."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

import cosim
from cosim.errors import ConfigurationError
from cosim.folder_claim import claimed

DATA = Path(__file__).parent / "data"
RANK = DATA / "rank.py"
SMALL = DATA / "small.yaml"
OFTEN = "checkpoint={every_ms: 10.0}"

pytestmark = pytest.mark.mpi


def command(*changes):
    options = [part for change in changes for part in ("--set", change)]
    return [sys.executable, RANK, "run", SMALL, "-o", "out", "-q", "--no-report", *options]


RESUME = [sys.executable, RANK, "run", "--resume", "out", "-q", "--no-report"]


def checkpoints(folder):
    return {path.name for path in folder.glob("checkpoints/[0-9]*")}


def wait_for_another(folder, before, running):
    """Until a checkpoint is there that was not; whether the run still goes on."""
    deadline = time.monotonic() + 120
    while not checkpoints(folder) - before:
        if running.has_ended:
            return False
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return True


def assert_same(folder, whole):
    result = cosim.RunResult.open(folder)
    assert result.complete
    assert result.mean_field.identical(whole.mean_field)
    assert result.exchange.identical(whole.exchange)
    for name, spikes in whole.spikes.items():
        assert (result.spikes[name].times_ms == spikes.times_ms).all()
        assert (result.spikes[name].node_ids == spikes.node_ids).all()
    assert whole.spikes["rPCUN.E"].times_ms.size > 10
    return result


@pytest.fixture(scope="module")
def whole():
    """The same experiment in one process, never stopped."""
    return cosim.run(cosim.load(SMALL, ["duration_ms=500.0"]))


def test_sigterm_ends_all_ranks_with_75_and_the_run_goes_on(start, launch, tmp_path, whole):
    """Sent to mpiexec, as a batch system does; then every rank has status 75 (EX_TEMPFAIL)."""
    out = tmp_path / "out"
    running = start(2, *command(OFTEN, "duration_ms=500.0"))
    assert wait_for_another(out, set(), running)
    os.kill(running.launcher, signal.SIGTERM)
    done = running.finish(timeout_s=60)
    assert done.status == os.EX_TEMPFAIL
    assert [file.read_text() for file in sorted(tmp_path.glob("status.*"))] == ["75", "75"]
    (line,) = done.said
    assert line.startswith("cosim: asked to end at t = ")
    assert line.endswith(" with cosim run --resume out.")
    with pytest.raises(ConfigurationError, match="ranks = 1, was 2"):
        cosim.run(cosim.load(SMALL, ["duration_ms=500.0"]), out, resume=True)
    done = launch(2, *RESUME)
    assert (done.status, done.err) == (0, "")
    result = assert_same(out, whole)
    assert len(result.provenance["resumed"]) == 1
    assert not checkpoints(out)


def test_what_cannot_be_saved_is_refused_before_the_results_it_would_replace_are_gone(
    launch, tmp_path
):
    kept = tmp_path / "out" / "provenance.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    done = launch(2, *command(OFTEN, "circuits=[]"), "--overwrite")
    assert done.status == 2
    (line,) = done.said
    assert line.endswith("needs one process, and 2 were started; leave mpirun out.")
    assert kept.exists()


@pytest.mark.slow
def test_a_file_of_one_rank_that_is_damaged_makes_both_take_the_one_before(
    start, launch, tmp_path, whole
):
    """No rank but the last reads its file, and all have to hear of it."""
    out = tmp_path / "out"
    running = start(2, *command(OFTEN, "duration_ms=500.0"))
    while len(checkpoints(out)) < 2:
        assert wait_for_another(out, checkpoints(out), running)
    os.kill(running.launcher, signal.SIGTERM)
    assert running.finish(timeout_s=60).status == os.EX_TEMPFAIL
    before, last = sorted(checkpoints(out))
    damaged = out / "checkpoints" / last / "rank-1.npz"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    done = launch(2, *RESUME)
    assert done.status == 0
    (line,) = done.said
    assert f"{last} is damaged (the checksum of rank-1.npz is wrong)" in line
    assert line.endswith(f"the run goes on from {before}.")
    assert_same(out, whole)


@pytest.mark.slow
def test_final_files_may_take_longer_than_any_wait_for_the_peer(launch, tmp_path):
    """Merging 20,000 segments, those of a day, takes minutes; then the report is drawn."""
    run = [part for part in command("checkpoint={}") if part != "--no-report"]
    done = launch(2, *run, "--timeout", 20, timeout_s=240, MERGE_S="25")
    assert (done.status, done.err) == (0, "")
    assert cosim.RunResult.open(tmp_path / "out").complete
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.slow
def test_ranks_wait_for_the_run_before_longer_than_for_each_other(start, tmp_path, whole):
    """Rank 0 waits for the folder up to 100 s, the others for rank 0."""
    out = tmp_path / "out"
    running = start(2, *command(OFTEN, "duration_ms=500.0"))
    assert wait_for_another(out, set(), running)
    os.kill(running.launcher, signal.SIGTERM)
    assert running.finish(timeout_s=60).status == os.EX_TEMPFAIL
    with claimed(out, resume=False):
        waiting = start(2, *RESUME, "--timeout", 10)
        time.sleep(20)
    done = waiting.finish(timeout_s=60)
    assert done.status == 0
    (line,) = done.said
    assert line.endswith("waiting up to 100 s for its end.")
    assert_same(out, whole)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_sigterm_to_any_one_of_three_ranks_ends_all(start, launch, tmp_path, whole, rank):
    out = tmp_path / "out"
    running = start(3, *command("checkpoint={}", "duration_ms=500.0"))
    deadline = time.monotonic() + 120
    while not (out / "provenance.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(running.pid_of(rank), signal.SIGTERM)
    done = running.finish(timeout_s=120)
    assert done.status == os.EX_TEMPFAIL
    statuses = [file.read_text() for file in sorted(tmp_path.glob("status.*"))]
    assert statuses == ["75"] * 3
    assert launch(3, *RESUME, timeout_s=300).status == 0
    assert_same(out, whole)


@pytest.mark.slow
@pytest.mark.parametrize("n_ranks", [2, 3])
def test_any_rank_killed_at_random_moments(start, tmp_path, whole, n_ranks):
    """Ten times, soon after a new checkpoint, while the next ones are written."""
    out = tmp_path / "out"
    rng, kills = random.Random(n_ranks), 0
    arguments = command(OFTEN, "duration_ms=500.0")
    while kills < 10:
        before = checkpoints(out)
        running = start(n_ranks, *arguments)
        arguments = RESUME
        if not wait_for_another(out, before, running):
            break
        time.sleep(rng.uniform(0.0, 0.2))
        ranks = running.ranks()
        if len(ranks) < n_ranks:
            break
        os.kill(rng.choice(ranks), signal.SIGKILL)
        running.finish(timeout_s=60)
        kills += 1
    running.finish(timeout_s=300)
    if not cosim.RunResult.open(out).complete:
        assert start(n_ranks, *RESUME).finish(timeout_s=300).status == 0
    assert kills > 3
    assert len(assert_same(out, whole).provenance["resumed"]) >= kills - 1
