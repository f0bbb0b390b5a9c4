"""The fault matrix on three ranks: during build, exchange, checkpoint and report."""

import re
import sys
from pathlib import Path

import pytest

import cosim
from cosim.errors import ConfigurationError
from cosim.resuming import newest

DATA = Path(__file__).parent / "data"
RANK = DATA / "rank.py"
SMALL = DATA / "small.yaml"
FAULTY = DATA / "faulty_circuit.py"
TIMEOUT_S = 10
OPTIONS = ("-o", "out", "-q", "--timeout", TIMEOUT_S)

pytestmark = [pytest.mark.mpi, pytest.mark.slow]


@pytest.fixture
def fail(launch, tmp_path):
    """Run SMALL on three ranks with a fault; nobody is left, and no rank ends well."""

    def run(*changes, options=("--no-report",), **env):
        sets = [part for change in changes for part in ("--set", change)]
        noted = {"FAULT_TIME": str(tmp_path / "struck"), **env}
        done = launch(
            3, sys.executable, RANK, "run", SMALL, *OPTIONS, *options, *sets, timeout_s=300, **noted
        )
        assert done.status != 0
        assert (tmp_path / "struck").exists()
        return done

    return run


def circuit(at, kind, rank):
    return (
        "synchronization.window_ms=1.0",
        f"circuits.0.circuit={FAULTY}:{at}",
        f"circuits.0.parameters={{kind: {kind}, rank: {rank}}}",
    )


@pytest.mark.parametrize("kind", ["exception", "exit", "kill"])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_build(fail, kind, rank):
    """In the function that describes the circuit, which every rank calls."""
    done = fail(*circuit("fails_while_described", kind, rank))
    if kind != "kill":
        (line,) = done.said
        assert re.match(rf"cosim: rank {rank} of 3, \w+, before the first window: ", line)


@pytest.mark.parametrize("kind", ["exception", "exit", "kill", "stop"])
@pytest.mark.parametrize("rank", [0, 1])
def test_exchange(fail, kind, rank):
    """In NEURON at t = 30.5 ms: the peer waits for its packet, the neighbour for its spikes."""
    done = fail(*circuit("fails_at_30_ms", kind, rank))
    assert len(done.said) == (kind != "kill")


@pytest.mark.parametrize("kind", ["exception", "kill", "stop"])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_checkpoint(fail, launch, tmp_path, kind, rank):
    """While the second one is written: the first one stays, and the run goes on from it."""
    done = fail("checkpoint={every_ms: 20.0}", SAVE_FAULT=f"{kind}:{rank}")
    assert len(done.said) == (kind != "kill")
    out = tmp_path / "out"
    found = newest(out)
    assert 20.0 <= found.time_ms < 40.0
    assert found.damaged == ()
    done = launch(
        3, sys.executable, RANK, "run", "--resume", "out", "-q", "--no-report", timeout_s=300
    )
    assert (done.status, done.err) == (0, "")
    result, whole = cosim.RunResult.open(out), cosim.run(cosim.load(SMALL))
    assert result.mean_field.identical(whole.mean_field)
    assert result.exchange.identical(whole.exchange)


@pytest.mark.parametrize("kind", ["exception", "exit", "kill"])
def test_report(fail, tmp_path, kind):
    """Rank 0 draws it while the others wait; the results are complete by then."""
    done = fail("checkpoint={every_ms: 20.0}", options=(), REPORT_FAULT=kind)
    assert len(done.said) <= 1
    out = tmp_path / "out"
    assert cosim.RunResult.open(out).complete
    with pytest.raises(ConfigurationError, match="reached its end"):
        newest(out)
    assert (out / "spikes.h5").stat().st_size > 0
