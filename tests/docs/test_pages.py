"""What the pages show is true: experiments are valid, commands exist, programs run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise

import matplotlib.pyplot as plt
import pytest
import typer
import yaml
from page_blocks import PAGES, ROOT, blocks_of, page_name

import cosim
from cosim.cli import app
from cosim.experiment_file import validate
from cosim.nwb_export import write_nwb
from cosim.plan import plan
from fitting.config import FitFile, check_fit_file

GROUP = typer.main.get_command(app)
# What else a shell does on these pages.
PLAIN = ("export", "source", "for", "done", "cd", "#", "sbatch", "git")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def pages_with(language):
    return [page for page in PAGES if any(b.language == language for b in blocks_of(page))]


def shell_lines(page):
    """Commands of shell blocks; of blocks without a language, the lines that are commands."""
    for block in blocks_of(page):
        if block.language in ("sh", "bash"):
            yield from block.commands
        elif not block.language:
            yield from (line for line in block.commands if re.match(r"(cosim|make|mpirun) ", line))


@pytest.fixture
def page_folder(tmp_path, monkeypatch):
    """A working folder with the files that a page shows."""

    def made(page):
        for block in blocks_of(page):
            if block.file_name:
                (tmp_path / block.file_name).write_text(block.text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))
        return tmp_path

    return made


@pytest.mark.parametrize("page", pages_with("yaml"), ids=page_name)
def test_every_experiment_of_a_page_is_valid(page, page_folder):
    folder = page_folder(page)
    for block in blocks_of(page):
        if block.language != "yaml":
            continue
        content = yaml.safe_load(block.text)
        if "subject" in content:
            check_fit_file(content)
            continue
        experiment = validate(content, base=folder)
        # Files that a command of the page would have made are not there.
        if not re.search(r"fitted:|calibration:", block.text):
            plan(experiment)


def test_the_readme_shows_what_the_demo_runs():
    shown = [block.text for block in blocks_of(ROOT / "README.md") if block.language == "yaml"]
    demo = (ROOT / "examples" / "replace_one_region.yaml").read_text(encoding="utf-8")
    assert [text.strip() for text in shown] == [demo.strip()]


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_of_a_page_exists(page):
    for line in shell_lines(page):
        words = [w for w in shlex.split(line, comments=True) if w]
        while words and (words[0] in ("mpirun", "srun", "nice") or "=" in words[0]):
            launcher = words.pop(0)
            while launcher in ("mpirun", "srun") and words[0].startswith("-"):
                option = words.pop(0)
                if option == "-n":
                    words.pop(0)
        if words and words[0] not in PLAIN:
            check_command(line, words[0].rpartition("/")[2], words[1:])


def check_command(line, program, arguments):
    if program == "cosim":
        check_cosim(line, arguments)
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(arguments) <= set(targets), line
    elif program in ("pip", "python", "python3") and "pip" in line:
        for extra in re.findall(r"\[(\w+)\]", line):
            assert extra in EXTRAS, line
    elif program in ("python", "python3"):
        if arguments[0] != "-m" and arguments[0] != "script.py":
            script = (ROOT / arguments[0]).read_text()
            for option in re.findall(r"--[\w-]+", line):
                assert option in script, line
    else:
        pytest.fail(f"{line!r}: a command that this test does not know")


def check_cosim(line, arguments):
    """Parsed as the program would; synopses with their brackets and dots as well."""
    plain = [a.strip("[]") for a in arguments if a.strip("[]") not in ("...", "")]
    plain = ["1" if a == "S" else a for a in plain]
    name, *rest = plain
    try:
        GROUP.get_command(None, name).make_context(name, rest)
    except Exception as error:  # noqa: BLE001  (typer has its own copy of click's errors)
        pytest.fail(f"{line!r}: {error}")


@pytest.mark.parametrize("page", pages_with("yaml"), ids=page_name)
def test_runs_that_a_page_compares_outlast_what_is_left_out(page):
    """`cosim compare` leaves the first 1000 ms out unless told, and needs 20 samples of 1 ms."""
    contents = [yaml.safe_load(b.text) for b in blocks_of(page) if b.language == "yaml"]
    longest_ms = max(content.get("duration_ms", 2000.0) for content in contents)
    for words in (shlex.split(line, comments=True) for line in shell_lines(page)):
        if words[:2] == ["cosim", "compare"] and "/" in words[2]:
            left_out_ms = float(dict(pairwise(words)).get("--skip-ms", 1000.0))
            assert longest_ms >= left_out_ms + 20.0, words


@pytest.mark.parametrize("arguments", ["run FILE --outptu DIR", "rnu FILE", "report", "fit A B"])
def test_a_wrong_command_would_be_noticed(arguments):
    with pytest.raises(pytest.fail.Exception):
        check_cosim("", arguments.split())


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A short run of the demo, exported, as results/demo and results/first."""
    results = tmp_path_factory.mktemp("pages") / "results"
    changes = ["duration_ms=200", "brain.monitors.bold.period_ms=100"]
    experiment = cosim.load(ROOT / "examples" / "replace_one_region.yaml", changes)
    write_nwb(cosim.run(experiment, results / "demo"), results / "demo.nwb")
    shutil.copytree(results / "demo", results / "first")
    return results


@pytest.mark.parametrize("page", pages_with("python"), ids=page_name)
def test_every_program_of_a_page_runs(page, page_folder, demo):
    shutil.copytree(demo, page_folder(page) / "results")
    space = {}
    for block in blocks_of(page):
        if block.language == "python" and block.file_name is None:
            exec(compile(block.text, page_name(page), "exec"), space)
    plt.close("all")


def test_every_key_of_a_fit_file_is_explained():
    text = (ROOT / "docs" / "reference" / "fitting.md").read_text()
    for name, field in FitFile.model_fields.items():
        section = getattr(type(field.default), "model_fields", None)
        for key in [name] if section is None else section:
            assert re.search(rf"`(\w+\.)?{key}`", text), f"{name}: {key}"


def test_the_site_is_built_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "cosim export" in (tmp_path / "reference" / "command-line.html").read_text()
    # From disk a link to a folder would show its files.
    for page in tmp_path.rglob("*.html"):
        links = re.findall(r'href="([^":#]+)"', page.read_text())
        assert not [link for link in links if link.endswith(("/", "."))], page
