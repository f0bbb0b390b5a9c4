"""The command on a report's page is a whole experiment, with every digit."""

import re
from pathlib import Path

import pytest

import cosim
from cosim.provenance import files_of
from cosim.reproduction import reproduction

EXAMPLES = Path(__file__).parents[2] / "examples"
WITHOUT_A_FIT = [
    "deep_brain_stimulation/basal_ganglia_in_the_brain",
    "cortico_thalamic", "replace_one_region", "wong_wang_region",
]  # fmt: skip


def written_by(command, folder):
    """The file that the shell lines write."""
    name, text = re.match(r"cat > (\S+) <<'(?:\w+)'\n(.*)\nEND_\w+\n", command, re.DOTALL).groups()
    (folder / name).write_text(text + "\n", encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("example", WITHOUT_A_FIT)
def test_the_experiment_of_the_command_is_the_one_that_was_run(example, tmp_path):
    resolved = cosim.load(EXAMPLES / f"{example}.yaml").resolved()
    found = reproduction({"experiment": resolved, "ranks": 1})
    assert cosim.load(written_by(found.command, tmp_path)).resolved() == resolved


def test_numbers_and_names_survive_the_way_through_the_shell(tmp_path):
    """Digits of 1/3, a small number, a label that YAML would read as a number, quotes, a dollar."""
    resolved = cosim.Experiment(
        brain=cosim.Brain(parameters={"G": 1 / 3}, noise={"S_e": 1.2345678901234567e-7}),
        circuits=[
            cosim.Circuit(
                circuit="balanced_ei",
                regions=["1e5", "yes", 'it\'s "$HOME" \\ é'],
                parameters={"order": 10},
            )
        ],
    ).resolved()
    found = reproduction({"experiment": resolved})
    assert cosim.load(written_by(found.command, tmp_path)).resolved() == resolved


def test_ranks_of_the_run_are_those_of_the_command():
    last = reproduction({"experiment": {}, "ranks": 3}).command.splitlines()[-1]
    assert last == "mpirun -n 3 cosim run rerun.json --output rerun"
    last = reproduction({"experiment": {}, "ranks": 1}).command.splitlines()[-1]
    assert last == "cosim run rerun.json --output rerun"


def test_what_only_python_can_give_has_no_command():
    circuit = cosim.Circuit(circuit=object(), regions=["V1"])
    found = reproduction({"experiment": cosim.Experiment(circuits=[circuit]).resolved()})
    assert found.command == ""
    assert "circuits.0.circuit = <Python object object> came from Python" in found.notes[0]
    circuit = cosim.Circuit(circuit="x.py:f", regions=["V1"], parameters={"cell": object()})
    found = reproduction({"experiment": cosim.Experiment(circuits=[circuit]).resolved()})
    assert found.command == ""
    assert "circuits.0.parameters.cell" in found.notes[0]


def test_files_are_named_with_what_they_held(tmp_path):
    """SHA-256 of the four bytes "net\\n" by coreutils' sha256sum."""
    (tmp_path / "mod").mkdir()
    (tmp_path / "mod" / "a.mod").write_text("one")
    (tmp_path / "net.py").write_text("net\n")
    circuit = cosim.Circuit(circuit="net.py:build", regions=["V1"], mechanisms="mod")
    found = files_of(cosim.Experiment(circuits=[circuit], base=tmp_path))
    assert list(found) == ["net.py", "mod"]
    assert found["net.py"] == "c3cf5e914cb5159896388a583e5389e9fdb40a3d1e8d5732d73846421d28745d"
    before = found["mod"]
    (tmp_path / "mod" / "a.mod").write_text("two")
    assert files_of(cosim.Experiment(circuits=[circuit], base=tmp_path))["mod"] != before
    notes = reproduction({"experiment": {}, "files": found}).notes
    assert any("net.py (SHA-256 " in note for note in notes)


def test_a_run_that_wrote_no_provenance_says_so():
    assert reproduction({}) == reproduction({"git_commit": "abc"})
    assert "wrote no provenance" in reproduction({}).notes[0]
