"""A run that is interrupted and taken up again gives what a run that never stopped gives."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from interrupted_run import DATA, EVERYTHING, Died, brain_alone, interrupted, same
from own_process import told_by
from typer.testing import CliRunner

import cosim
from cosim import checkpointing, local_runner
from cosim.checkpoint_store import CheckpointStore
from cosim.checkpointing import Checkpointer
from cosim.cli import app
from cosim.errors import ResultsError, SuspendedError
from cosim.experiment_file import validate


def killed(file, folder, *options):
    return told_by(DATA / "killed.py", file, folder, *options)


@pytest.mark.parametrize("sent", ["SIGKILL", "SIGTERM"])
def test_killed_at_random_moments(tmp_path, sent):
    """Three times, in processes of their own; recordings, generators and noise among it."""
    said = killed(EVERYTHING, tmp_path, "--kills", 3 if sent == "SIGKILL" else 1, "--signal", sent)
    assert said["differs"] == []
    assert said["spikes"]["rPCUN.E"] > 5
    assert said["spikes"]["lPCUN.M"] > 20


@pytest.mark.slow
def test_killed_at_twenty_random_moments(tmp_path):
    said = killed(EVERYTHING, tmp_path, "--kills", 20, "--seed", 5)
    assert (said["kills"], said["differs"]) == (20, [])


LIBRARY = {
    "balanced_ei": {"parameters": {"order": 20}, "inputs": [{"to": "E", "weight_uS": 0.3}]},
    "regular_spiking": {
        "circuit": "balanced_ei",
        "parameters": {"order": 20, "cell": "regular_spiking"},
        "inputs": [{"to": "E", "weight_uS": 0.6}],
    },
    "current": {
        "circuit": "balanced_ei",
        "parameters": {"order": 20},
        "inputs": [{"to": "E", "as": "current", "scale": 0.02, "offset": 0.5}],
    },
    "wong_wang": {},
    "calcium_sk": {
        "dt_ms": 0.1,
        "record": {"concentrations": [{"population": "E", "species": "ca", "region": "cyt"}]},
    },
    "pyramidal_morphology": {
        "parameters": {"cells": 12},
        "record": {"lfp": {"electrodes_um": [[0, 0, 50], [0, 100, 50]]}},
    },
    "cortico_thalamic": {
        "regions": None,
        "populations": {"CxE": "RM-S1_R", "CxI": "RM-S1_R", "TC": "TM-OP_R", "RE": "TM-OP_R"},
        "parameters": {"size": 0.1, "thalamocortical_delay_ms": 16.9},
        "inputs": [{"to": "CxE", "coupling": "aggregated", "rate_scale": 50.0, "weight_uS": 0.006}],
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LIBRARY, "basal_ganglia"])
def test_every_circuit_of_the_library(tmp_path, name):
    """Four times killed, 60 ms long, from the file of the circuit's example or a small one."""
    if name == "basal_ganglia":
        folder = Path(cosim.__file__).parents[1] / "examples" / "deep_brain_stimulation"
        example = folder / "basal_ganglia_in_the_brain.yaml"
        experiment = cosim.load(example, ["duration_ms=60.0"])
        document = experiment.resolved()
    else:
        circuit = {"circuit": name, "regions": ["rPCUN"], **LIBRARY[name]}
        whole_brain = {"connectome": "tvb96", "normalize": "region"}
        brain = whole_brain if name == "cortico_thalamic" else {}
        document = {
            "duration_ms": 60.0,
            "brain": {"noise": {"S_e": 0.001}, **brain},
            "circuits": [circuit],
        }
    document["checkpoint"] = {"every_ms": 5.0}
    file = tmp_path / "experiment.yaml"
    file.write_text(json.dumps(document))
    said = killed(file, tmp_path / "runs", "--kills", 4)
    assert (said["kills"], said["differs"]) == (4, [])
    assert sum(said["spikes"].values()) > 0


def test_a_run_that_finished_leaves_no_checkpoint_and_says_that_it_was_resumed(tmp_path, die_at):
    whole = cosim.run(validate(brain_alone(checkpoint=None)), tmp_path / "whole")
    folder = tmp_path / "cut"
    interrupted(folder, die_at)
    die_at(800.0)
    with pytest.raises(Died):
        cosim.run(validate(brain_alone()), folder, resume=True)
    die_at(None)
    result = cosim.run(validate(brain_alone()), folder, resume=True)
    assert same(result, whole)
    assert result.complete
    assert [entry["at_ms"] for entry in result.provenance["resumed"]] == [400.0, 800.0]
    assert result.provenance["checkpoints"]["failed"] == []
    assert not (folder / "checkpoints").exists()
    assert whole.provenance["resumed"] == []
    again = cosim.run(validate(brain_alone()), folder, resume=True)  # nothing is left to do
    assert same(again, whole)


ONCE = {"every_ms": 600.0}


def dies_while_it_tidies_up(folder, call):
    """A run in a child, killed at the n-th removal after its end; whether it got that far."""
    child = os.fork()
    if child == 0:
        n_calls = [-(10**9)]

        def counted(function):
            def called(*args, **kwargs):
                n_calls[0] += 1
                if n_calls[0] == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*args, **kwargs)

            return called

        write = local_runner.write_provenance

        def written(directory, facts):
            write(directory, facts)
            n_calls[0] = 0 if "wall_s" in facts else n_calls[0]

        local_runner.write_provenance = written
        os.fsync = lambda descriptor: None  # what was written outlives a killed process
        os.unlink, os.rmdir, os.rename = map(counted, (os.unlink, os.rmdir, os.rename))
        try:
            cosim.run(validate(brain_alone(checkpoint=ONCE)), folder)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def test_a_kill_after_the_end_leaves_a_run_that_is_whole(tmp_path):
    """Each removal of what led there is the last one in turn; nobody is told to run it again."""
    whole = cosim.run(validate(brain_alone(checkpoint=None)), tmp_path / "whole")
    call = 1
    while True:
        folder = tmp_path / str(call)
        killed = dies_while_it_tidies_up(folder, call)
        assert same(cosim.RunResult.open(folder), whole)
        assert cosim.RunResult.open(folder).complete
        ran = CliRunner().invoke(app, ["run", "--resume", str(folder), "-q", "--no-report"])
        assert ("nothing is simulated" in ran.stderr) or ("reached its end" in ran.stderr)
        assert cosim.run(validate(brain_alone(checkpoint=ONCE)), folder, resume=True).complete
        left = {path.name for path in folder.iterdir()}
        assert left == {"connectome.nc", "mean_field.nc", "provenance.json"}
        if not killed:
            break
        call += 1
    assert call > 5


def test_checkpoints_in_another_place_by_a_link(tmp_path, die_at):
    """The link is the user's and stays; what was written there goes."""
    elsewhere, folder = tmp_path / "scratch", tmp_path / "run"
    interrupted(folder, die_at)
    (folder / "checkpoints").rename(elsewhere)
    (folder / "checkpoints").symlink_to(elsewhere)
    assert cosim.run(validate(brain_alone()), folder, resume=True).complete
    assert (folder / "checkpoints").is_symlink()
    assert [*elsewhere.iterdir()] == []
    assert cosim.run(validate(brain_alone()), folder, overwrite=True).complete


def test_checkpoints_stay_where_the_user_keeps_them(tmp_path):
    kept = {"every_ms": 200.0, "keep": 3, "keep_when_done": True}
    result = cosim.run(validate(brain_alone(checkpoint=kept)), tmp_path)
    assert result.complete
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["000000004", "000000006", "000000008"]  # the last window needs none
    assert result.provenance["checkpoints"]["written"] == 4


def test_the_wall_clock_asks_for_checkpoints_too(tmp_path):
    """Every millisecond of it: after each of the 10 windows but the last."""
    often = {"every_minutes": 1e-3 / 60}
    result = cosim.run(validate(brain_alone(checkpoint=often)), tmp_path)
    assert result.provenance["checkpoints"]["written"] == 9


def test_sigterm_saves_and_says_how_to_go_on(tmp_path, die_at, monkeypatch):
    whole = cosim.run(validate(brain_alone(checkpoint=None)), tmp_path / "whole")
    wish, sent = Checkpointer.wish, []

    def signalled(self, window):
        if window.index == 4 and not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGTERM)
        return wish(self, window)

    monkeypatch.setattr(Checkpointer, "wish", signalled)
    folder, file = tmp_path / "cut", tmp_path / "experiment.yaml"
    file.write_text(json.dumps(brain_alone(checkpoint={})))
    ran = CliRunner().invoke(app, ["run", str(file), "-o", str(folder), "-q", "--no-report"])
    assert ran.exit_code == os.EX_TEMPFAIL
    assert ran.stderr.splitlines() == [
        f"cosim: asked to end at t = 500 ms; go on from the checkpoint of t = 500 ms with cosim "
        f"run --resume {folder}."
    ]
    # A second one must not turn the status of a process that is about to end into another.
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ran = CliRunner().invoke(app, ["run", "--resume", str(folder), "-q"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert same(cosim.RunResult.open(folder), whole)
    assert "resumed at 500 ms" in (folder / "report.html").read_text()


def test_sigterm_again_while_the_process_ends(tmp_path):
    """Batch systems repeat it, and a script that requeues looks for 75."""
    file, folder = tmp_path / "experiment.yaml", tmp_path / "run"
    file.write_text(json.dumps(brain_alone(duration_ms=1e6, checkpoint={})))
    ran = subprocess.Popen(
        [sys.executable, "-m", "cosim", "run", file, "-o", folder, "-q", "--no-report"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(cosim.__file__).parents[1])},
    )
    while not (folder / "connectome.nc").exists():
        assert ran.poll() is None
        time.sleep(0.01)
    ran.terminate()
    assert ran.stderr.readline().startswith("cosim: asked to end at t = ")
    ran.terminate()
    assert (ran.communicate()[1], ran.returncode) == ("", os.EX_TEMPFAIL)


def test_without_the_section_sigterm_ends_a_run_as_ever(tmp_path):
    """And nothing is written for a resumption."""
    cosim.run(validate(brain_alone(checkpoint=None)), tmp_path)
    assert not (tmp_path / "checkpoints").exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(tmp_path, die_at, capfd):
    whole = cosim.run(validate(brain_alone(checkpoint=None)), tmp_path / "whole")
    folder = tmp_path / "cut"
    interrupted(folder, die_at)
    path = folder / "checkpoints" / "000000004" / "rank-0.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    result = cosim.run(validate(brain_alone()), folder, resume=True)
    assert same(result, whole)
    assert [entry["at_ms"] for entry in result.provenance["resumed"]] == [200.0]
    (line,) = capfd.readouterr().err.splitlines()
    assert "000000004 is damaged (the checksum of rank-0.npz is wrong); the run goes on" in line


@pytest.fixture
def full_disk(monkeypatch):
    """Refuse to write checkpoints with the kernel's own error, from some of them on."""
    import resource

    write, limits = CheckpointStore.write, resource.getrlimit(resource.RLIMIT_FSIZE)
    calls = []

    def from_number(first):
        def limited(self, *args):
            calls.append(args)
            if len(calls) < first:
                return write(self, *args)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
            try:
                return write(self, *args)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)

        monkeypatch.setattr(CheckpointStore, "write", limited)

    return from_number


def test_a_full_disk_leaves_the_run_going_and_the_earlier_checkpoint_intact(
    tmp_path, die_at, capfd, full_disk
):
    whole = cosim.run(validate(brain_alone(checkpoint=None)), tmp_path / "whole")
    folder = tmp_path / "cut"
    full_disk(2)
    interrupted(folder, die_at, 900.0)
    lines = capfd.readouterr().err.splitlines()
    assert lines == [
        f"cosim: checkpoint at t = {ms} ms not written (File too large); the last one is of t = "
        f"200 ms. The run goes on."
        for ms in (400, 600, 800)
    ]
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["000000002"]
    full_disk(10)
    result = cosim.run(validate(brain_alone()), folder, resume=True)
    assert same(result, whole)
    assert [entry["at_ms"] for entry in result.provenance["resumed"]] == [200.0]


@pytest.mark.parametrize(("first", "error"), [(1, ResultsError), (2, SuspendedError)])
def test_asked_to_end_with_a_full_disk(tmp_path, monkeypatch, full_disk, first, error):
    """With an earlier checkpoint the run can be resumed from it; without any it is lost."""
    full_disk(first)
    wish = Checkpointer.wish
    monkeypatch.setattr(
        Checkpointer,
        "wish",
        lambda self, window: wish(self, window) if window.index < 3 else checkpointing.Wish.STOP,
    )
    with pytest.raises(error) as caught:
        cosim.run(validate(brain_alone(checkpoint={"every_ms": 200.0})), tmp_path)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    said = str(caught.value)
    assert "at t = 400 ms" in said
    assert ("checkpoint of t = 200 ms" in said) == (first == 2)
    assert "\n" not in said


def test_the_real_time_factor_is_that_of_the_last_leg(tmp_path, die_at):
    interrupted(tmp_path, die_at, 900.0)
    facts = cosim.run(validate(brain_alone()), tmp_path, resume=True).provenance
    assert facts["real_time_factor"] == pytest.approx(0.2 / facts["run_s"])
    assert np.isclose(facts["duration_ms"], 1000.0)
