"""A rank that fails, dies or falls silent ends every rank, and one line says why."""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cosim import RunResult
from cosim.errors import ResultsError

DATA = Path(__file__).parent / "data"
MPIEXEC = Path(sys.executable).with_name("mpiexec")
RANK = DATA / "rank.py"
SMALL = DATA / "small.yaml"
FAULTY = DATA / "faulty_circuit.py"

# Faults are planted at t = 30.5 ms, and windows of 1 ms make that window 30.
WHEN = r"window 30 \(from t = 30 ms\)"
TIMEOUT_S = 5
WITHIN_S = 10

pytestmark = pytest.mark.mpi


@pytest.fixture
def fail(launch, tmp_path):
    """Run SMALL with a fault: ``fail(n_ranks, side, kind, rank)`` gives what was left behind."""
    noted = tmp_path / "struck"

    def run(n_ranks=2, *, side=None, kind=None, rank=0, at="fails_at_30_ms", set_=()):
        # Only a stopped rank is found by waiting; all others are to be found without.
        timeout_s = TIMEOUT_S if kind == "stop" else 60
        options = ["-o", "out", "-q", "--no-report", "--timeout", timeout_s]
        changes = ["synchronization.window_ms=1.0", *set_]
        env = {"FAULT_TIME": str(noted)}
        if side == "TVB":
            env["TVB_FAULT"] = kind
            changes.append("brain.engine=tvb")  # the fault is planted in TVB's own equations
        elif side == "NEURON":
            changes += [
                f"circuits.0.circuit={FAULTY}:{at}",
                f"circuits.0.parameters={{kind: {kind}, rank: {rank}}}",
            ]
        for change in changes:
            options += ["--set", change]
        return launch(n_ranks, sys.executable, RANK, "run", SMALL, *options, **env)

    run.noted = noted
    return run


@pytest.fixture
def assert_all_ranks_failed(tmp_path):
    """Every rank's status is not 0: of mpiexec, and of each rank that lived to leave its own."""

    def check(done):
        assert done.status != 0
        for file in tmp_path.glob("status.*"):
            assert file.read_text() != "0", file.name
        facts = tmp_path / "out" / "provenance.json"
        # It tells from the start what was run, and only at the end how long it took.
        assert not facts.exists() or "timing" not in json.loads(facts.read_text())

    return check


def seconds_since(fault, done):
    return done.ended_s - float(fault.noted.read_text())


CAUSE = {
    ("TVB", "exception"): "LookupError: planted fault",
    ("TVB", "exit"): r"the program was ended by sys\.exit\('planted fault'\)",
    ("TVB", "neuron"): "RuntimeError: .*planted fault in hoc",
    ("NEURON", "exception"): r"NEURON failed at t = 30\.5 ms: .*LookupError: planted fault",
    ("NEURON", "exit"): r"the program was ended from within, as by sys\.exit",
    ("NEURON", "neuron"): r"NEURON failed at t = 30\.5 ms: .*planted fault in hoc",
}


@pytest.mark.parametrize(("side", "kind"), CAUSE)
def test_error_ends_all_ranks_with_one_line(fail, assert_all_ranks_failed, side, kind):
    done = fail(side=side, kind=kind)
    assert_all_ranks_failed(done)
    assert seconds_since(fail, done) < WITHIN_S
    (line,) = done.said
    rank = 1 if side == "TVB" else 0
    assert re.fullmatch(rf"cosim: rank {rank} of 2, {side}, {WHEN}: .*{CAUSE[side, kind]}.*", line)


@pytest.mark.parametrize("side", ["TVB", "NEURON"])
def test_killed_rank_ends_all_ranks(fail, assert_all_ranks_failed, side):
    done = fail(side=side, kind="kill")
    assert_all_ranks_failed(done)
    assert done.status == signal.SIGKILL
    assert seconds_since(fail, done) < WITHIN_S


@pytest.mark.parametrize("side", ["TVB", "NEURON"])
def test_stopped_rank_is_noticed_by_the_other_side(fail, assert_all_ranks_failed, side):
    done = fail(side=side, kind="stop")
    assert_all_ranks_failed(done)
    assert TIMEOUT_S <= seconds_since(fail, done) < TIMEOUT_S + WITHIN_S
    (line,) = done.said
    other = "rank 0 of 2, NEURON" if side == "TVB" else "rank 1 of 2, TVB"
    assert re.match(rf"cosim: {other}, {WHEN}: .*nothing from the peer within 5 s", line)


@pytest.mark.parametrize(
    ("kind", "rank", "line"),
    [
        ("exception", 1, rf"rank 1 of 3, NEURON, {WHEN}: .*LookupError: planted fault"),
        # Rank 0 waits inside NEURON for its stopped neighbour; TVB's wait is bounded.
        ("stop", 1, rf"rank 2 of 3, TVB, {WHEN}: .*nothing from the peer within 5 s"),
    ],
    ids=["exception", "stop"],
)
def test_fault_on_one_of_two_neuron_ranks_ends_all(fail, assert_all_ranks_failed, kind, rank, line):
    done = fail(3, side="NEURON", kind=kind, rank=rank)
    assert_all_ranks_failed(done)
    assert seconds_since(fail, done) < WITHIN_S + TIMEOUT_S * (kind == "stop")
    (said,) = done.said
    assert re.match(f"cosim: {line}", said)


# -- before the first window ------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "rank"), [("exception", "null"), ("exception", 1), ("exit", 0)])
def test_circuit_function_that_fails_on_one_rank_or_on_all_ends_all(
    fail, assert_all_ranks_failed, kind, rank
):
    done = fail(side="NEURON", at="fails_while_described", kind=kind, rank=rank)
    assert_all_ranks_failed(done)
    assert seconds_since(fail, done) < WITHIN_S
    (line,) = done.said
    who = "1 of 2, TVB" if rank == 1 else "0 of 2, NEURON"
    error = "LookupError" if kind == "exception" else "SystemExit"
    assert re.match(
        rf"cosim: rank {who}, before the first window: circuits\.0: "
        rf".*fails_while_described' could not be built: {error}: planted fault",
        line,
    )
    assert done.status == 2


def test_failure_while_netpyne_builds_ends_all(fail, assert_all_ranks_failed):
    """Only the NEURON rank builds; TVB waits for its first packet."""
    done = fail(side="NEURON", at="fails_while_built", kind="none")
    assert_all_ranks_failed(done)
    (line,) = done.said
    assert re.match(r"cosim: rank 0 of 2, NEURON, before the first window: NetPyNE failed", line)


def test_circuit_file_missing_on_one_rank_ends_all(launch, tmp_path, assert_all_ranks_failed):
    def rank(circuit):
        options = ["-o", "out", "-q", "--no-report", "--set", f"circuits.0.circuit={circuit}"]
        return ["-n", 1, sys.executable, RANK, "run", SMALL, *options]

    done = launch(None, MPIEXEC, *rank("balanced_ei"), ":", *rank("nowhere.py:network"))
    assert_all_ranks_failed(done)
    (line,) = done.said
    assert re.match(r"cosim: rank 1 of 2, TVB, before the first window: .*there is no file", line)


def test_experiment_file_missing_on_one_rank_ends_all(launch, assert_all_ranks_failed):
    def rank(file):
        return ["-n", 1, sys.executable, RANK, "run", file, "-o", "out", "-q", "--no-report"]

    done = launch(None, MPIEXEC, *rank(SMALL), ":", *rank("nowhere.yaml"), timeout_s=20)
    assert_all_ranks_failed(done)
    (line,) = done.said
    assert re.match(r"cosim: rank 1 of 2.*Cannot read the experiment file 'nowhere\.yaml'", line)


def test_results_of_another_run_are_refused_by_all(fail, tmp_path, assert_all_ranks_failed):
    """Only rank 0 looks into the folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "spikes.h5").touch()
    done = fail()
    assert_all_ranks_failed(done)
    (line,) = done.said
    assert re.match(r"cosim: rank 0 of 2, NEURON, before the first window: .*out.*overwrite", line)


# -- out of the range of sense ----------------------------------------------------------------


def test_nan_in_the_mean_field_ends_all_and_keeps_what_came_before(
    fail, tmp_path, assert_all_ranks_failed
):
    """NaN in the slope of step 305 is NaN in the state at its end, t = 30.6 ms."""
    done = fail(side="TVB", kind="nan")
    assert_all_ranks_failed(done)
    (line,) = done.said
    assert re.match(
        rf"cosim: rank 1 of 2, TVB, {WHEN}: S_e of region 'rFP' became nan at t = 30\.6 ms", line
    )
    kept = RunResult.open(tmp_path / "out")
    assert not kept.complete
    # Windows up to 28 were completed by the circuit's answer before window 30 began.
    assert kept.mean_field["temporal_average"].sizes["time_temporal_average"] >= 29
    assert kept.exchange["time"].values[-1] == pytest.approx(29.9)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        # Regions fire at 3 to 8 Hz, which is refused beforehand only where the run starts at rest.
        # The dozen cells of E fire at 10 to 20 Hz, and not at all without input.
        (
            ["limits.rate_hz=2.0", "circuits.0.inputs=[]", "brain.initial={S_e: 0.2, S_i: 0.05}"],
            r"rank 1 of 2, TVB, window 99 \(from t = 99 ms\): R_\w of region '\w+'",
        ),
        (
            ["limits.rate_hz=9.0"],
            r"rank 0 of 2, NEURON, window 99 \(from t = 99 ms\): Population 'rPCUN\.E'",
        ),
    ],
    ids=["TVB", "NEURON"],
)
def test_runaway_rate_ends_all(fail, assert_all_ranks_failed, changes, said):
    done = fail(set_=changes)
    assert_all_ranks_failed(done)
    (line,) = done.said
    assert re.match(
        rf"cosim: {said} fires at \S+ Hz on average over the 100 ms up to t = 100 ms", line
    )


# -- killed half-way --------------------------------------------------------------------------


def test_run_killed_half_way_leaves_readable_files(start, tmp_path):
    """Ranks that flush every 50 ms of wall time, in which a second may be simulated, killed once
    both have: spikes (gathered every 250 ms) and more than 200 ms of the mean field are there."""
    out = tmp_path / "out"
    options = ["-o", "out", "-q", "--no-report", "--set", "duration_ms=100000.0"]
    running = start(2, sys.executable, DATA / "flushes_often.py", "run", SMALL, *options)
    deadline = time.monotonic() + 60

    def n_spikes():
        try:
            return RunResult.open(out).spikes["rPCUN.E"].times_ms.size
        except (ResultsError, KeyError):
            return 0

    def reached_ms():
        try:
            return RunResult.open(out).mean_field["time_temporal_average"].values[-1]
        except (ResultsError, KeyError):
            return 0.0

    while not (n_spikes() and reached_ms() > 200.0):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ranks = running.ranks()
    assert len(ranks) == 2
    for pid in ranks:
        os.kill(pid, signal.SIGKILL)
    assert running.finish(timeout_s=WITHIN_S).status == signal.SIGKILL
    result = RunResult.open(out)
    assert not result.complete
    times_ms = result.mean_field["time_temporal_average"].values
    # Without a gap from the first sample on.
    np.testing.assert_allclose(times_ms, times_ms[0] + np.arange(times_ms.size))
    assert times_ms[0] < 2.0
    assert times_ms[-1] > 200.0
    steps = np.arange(result.exchange.sizes["time"])
    np.testing.assert_allclose(result.exchange["time"], 0.1 * steps)
    assert n_spikes() > 10
