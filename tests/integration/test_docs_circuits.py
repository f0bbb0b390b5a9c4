"""What docs/circuits.md shows works as it stands."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cosim.cli import app

TEXT = (Path(__file__).parents[2] / "docs" / "circuits.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = [
    line.partition("#")[0].strip()
    for language, block in BLOCKS
    for line in block.splitlines()
    # The bare list is shown in tests/cosim/test_circuit_card.py.
    if not language and line.startswith("cosim ") and not line.startswith("cosim circuits  ")
]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The files of the page, each named by its first line, in the working folder."""
    for language, block in BLOCKS:
        if language in ("python", "yaml"):
            (tmp_path / block.splitlines()[0].removeprefix("# ")).write_text(block)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_works(files, command):
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    assert done.exit_code == 0, done.stderr


def test_the_circuit_over_two_regions_has_no_mistake(files):
    done = CliRunner().invoke(app, ["check", "over_regions.yaml"])
    assert done.exit_code == 0, done.stderr
    assert "No mistake found." in done.stdout


def test_the_page_has_commands_and_files():
    assert len(COMMANDS) >= 7
