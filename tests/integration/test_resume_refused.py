"""What is not taken up again, and what may differ: another experiment, version, code or folder."""

import pytest
from interrupted_run import DATA, Died, brain_alone, interrupted
from typer.testing import CliRunner

import cosim
from cosim.cli import app
from cosim.errors import ConfigurationError, ResultsError
from cosim.experiment_file import validate
from cosim.folder_claim import claimed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 8}, "seed = 8, was 7"),
        ({"duration_ms": 900.0}, "duration_ms = 900.0, was 1000.0"),
        (
            {"brain": {"parameters": {"G": 0.3}, "noise": {"S_e": 0.002}}},
            r"brain.parameters.G = 0.3, was not there; .*; and \d+ more",
        ),
    ],
)
def test_another_experiment_is_refused_with_the_difference(tmp_path, die_at, change, told):
    interrupted(tmp_path, die_at)
    with pytest.raises(ConfigurationError, match=told) as caught:
        cosim.run(validate(brain_alone(**change)), tmp_path, resume=True)
    assert "\n" not in str(caught.value)
    # Nothing was touched: the run still goes on.
    assert cosim.run(validate(brain_alone()), tmp_path, resume=True).complete


@pytest.mark.parametrize("what", ["neuron", "tvb-netpyne-cosim", "numpy"])
def test_another_version_is_refused_with_the_difference(tmp_path, die_at, monkeypatch, what):
    interrupted(tmp_path, die_at)
    from cosim import checkpoint_identity

    versions = checkpoint_identity.versions
    monkeypatch.setattr(checkpoint_identity, "versions", lambda: {**versions(), what: "0.0.1"})
    with pytest.raises(ConfigurationError, match=rf"versions.{what} = 0.0.1, was \d+\.\d"):
        cosim.run(validate(brain_alone()), tmp_path, resume=True)


def test_another_kind_of_processor_is_refused(tmp_path, die_at, monkeypatch):
    interrupted(tmp_path, die_at)
    monkeypatch.setattr("platform.machine", lambda: "pdp11")
    with pytest.raises(ConfigurationError, match=r"processor = pdp11, was \w"):
        cosim.run(validate(brain_alone()), tmp_path, resume=True)


def test_another_code_of_the_same_version_is_refused(tmp_path, die_at, monkeypatch):
    interrupted(tmp_path, die_at)
    monkeypatch.setattr("cosim.checkpoint_identity._code", lambda: "other")
    with pytest.raises(ConfigurationError, match=r"code of cosim = other, was [0-9a-f]{16}"):
        cosim.run(validate(brain_alone()), tmp_path, resume=True)


def test_how_often_a_run_is_saved_may_change(tmp_path, die_at):
    interrupted(tmp_path, die_at)
    other = {"every_ms": 100.0, "keep": 1}
    result = cosim.run(validate(brain_alone(checkpoint=other)), tmp_path, resume=True)
    assert result.provenance["checkpoints"]["written"] == 5


def test_a_finished_run_is_not_taken_for_another_experiment(tmp_path, capfd):
    """Whoever lengthens a run that has ended is told so, not given the results of the old one."""
    cosim.run(validate(brain_alone()), tmp_path)
    with pytest.raises(ConfigurationError, match=r"duration_ms = 2000.0, was 1000.0"):
        cosim.run(validate(brain_alone(duration_ms=2000.0)), tmp_path, resume=True)
    capfd.readouterr()
    assert cosim.run(validate(brain_alone(checkpoint={})), tmp_path, resume=True).complete
    (line,) = capfd.readouterr().err.splitlines()
    assert "up to its end; nothing is simulated" in line
    ran = CliRunner().invoke(app, ["run", "--resume", str(tmp_path)])
    assert ran.exit_code == 2
    assert "reached its end" in ran.stderr


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="holds no checkpoint"):
        cosim.run(validate(brain_alone()), tmp_path, resume=True)


def test_a_run_in_memory_cannot_be_saved():
    with pytest.raises(ConfigurationError, match="kept in memory cannot be saved"):
        cosim.run(validate(brain_alone()))


def test_a_new_run_is_not_mixed_up_with_checkpoints(tmp_path, die_at):
    interrupted(tmp_path, die_at)
    with pytest.raises(ResultsError, match="go on with --resume"):
        cosim.run(validate(brain_alone()), tmp_path)
    result = cosim.run(validate(brain_alone()), tmp_path, overwrite=True)
    assert result.provenance["resumed"] == []


def test_a_folder_that_another_run_writes_into_is_left_alone(tmp_path, die_at, monkeypatch):
    interrupted(tmp_path, die_at)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr("cosim.folder_claim._LEASE_S", 0.1)
    with claimed(tmp_path, resume=True):
        for how in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(ResultsError, match="another run writes into it"):
                cosim.run(validate(brain_alone()), tmp_path, **how)
        now = {path: path.stat().st_mtime_ns for path in before}
    assert now == before
    assert cosim.run(validate(brain_alone()), tmp_path, resume=True).complete


def test_a_circuit_file_that_says_something_else_is_refused(tmp_path, die_at, monkeypatch):
    """The rate of a reaction, say, shows nowhere in the network at t = 0."""
    file = tmp_path / "changes.py"
    file.write_text((DATA / "changes.py").read_text())
    monkeypatch.setenv("COSIM_TEST_WEIGHT", "0.01")
    circuit = {"circuit": "changes.py:network", "regions": ["rPCUN"]}
    document = {"duration_ms": 20.0, "circuits": [circuit], "checkpoint": {"every_ms": 5.0}}
    die_at(10.0)
    with pytest.raises(Died):
        cosim.run(validate(document, tmp_path), tmp_path / "run")
    die_at(None)
    file.write_text(file.read_text() + "\nRATE = 2.0\n")
    with pytest.raises(ConfigurationError, match=r"files\.changes\.py = [0-9a-f]{16}, was "):
        cosim.run(validate(document, tmp_path), tmp_path / "run", resume=True)


def test_segments_that_are_gone_are_missed(tmp_path, die_at):
    interrupted(tmp_path, die_at)
    (tmp_path / "segments" / "run" / "00000001.h5").unlink()
    with pytest.raises(ResultsError, match=r"00000001\.h5 is missing or is not what it was"):
        cosim.run(validate(brain_alone()), tmp_path, resume=True)


def test_what_cannot_be_saved_is_refused_before_the_run(tmp_path, monkeypatch):
    """A function of Python in NEURON's queue, planted when it is initialised."""
    monkeypatch.setenv("COSIM_TEST_PLANTED", "yes")
    experiment = validate(
        {
            "duration_ms": 1e6,
            "circuits": [{"circuit": "calls_python.py:network", "regions": ["rPCUN"]}],
            "checkpoint": {},
        },
        DATA,
    )
    with pytest.raises(ConfigurationError, match="a function of Python waits in NEURON's event"):
        cosim.run(experiment, tmp_path)


def test_a_network_that_was_built_otherwise_is_refused(tmp_path, die_at, monkeypatch):
    """The file of the circuit has changed since, and the experiment file has not."""
    document = {
        "duration_ms": 20.0,
        "brain": {"monitors": {}},
        "circuits": [{"circuit": "changes.py:network", "regions": ["rPCUN"]}],
        "checkpoint": {"every_ms": 5.0},
    }
    monkeypatch.setenv("COSIM_TEST_WEIGHT", "0.01")
    die_at(10.0)
    with pytest.raises(Died):
        cosim.run(validate(document, DATA), tmp_path)
    die_at(None)
    monkeypatch.setenv("COSIM_TEST_WEIGHT", "0.0100001")
    with pytest.raises(ConfigurationError, match="NEURON built another network"):
        cosim.run(validate(document, DATA), tmp_path, resume=True)
    monkeypatch.setenv("COSIM_TEST_WEIGHT", "0.01")
    assert cosim.run(validate(document, DATA), tmp_path, resume=True).complete
