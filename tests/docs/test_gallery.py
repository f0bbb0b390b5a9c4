"""The gallery runs: every script, and the notebooks made from them."""

import os
import re
import runpy
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import pytest
from nbclient import NotebookClient
from page_blocks import ROOT

SCRIPTS = sorted((ROOT / "examples" / "gallery").glob("*.py"))
NOTEBOOKS = ROOT / "examples" / "notebooks"
# The others take longer than a few seconds even when shortened.
FAST = ("01", "02", "03", "05", "09", "11")
# One notebook shows in the fast tests that a kernel runs them.
FAST_NOTEBOOK = "11_resting_rates"


def marked(quick):
    return [
        pytest.param(script, id=script.stem, marks=[] if quick(script.stem) else pytest.mark.slow)
        for script in SCRIPTS
    ]


@pytest.fixture
def short(monkeypatch, tmp_path):
    """A fraction of the time; figures into a folder of the test."""
    monkeypatch.setenv("GALLERY_SHORT", "1")
    monkeypatch.setenv("GALLERY_OUTPUT", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return tmp_path


@pytest.mark.parametrize("script", marked(lambda stem: stem.startswith(FAST)))
def test_every_script_answers_with_its_figure(script, short):
    matplotlib.use("Agg")
    runpy.run_path(str(script), run_name="__main__")
    plt.close("all")
    assert [path.name for path in short.iterdir()] == [f"{script.stem}.png"]


@pytest.mark.parametrize("script", marked(lambda stem: stem == FAST_NOTEBOOK))
def test_every_notebook_runs(script, short):
    notebook = nbformat.read(NOTEBOOKS / f"{script.stem}.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(short)}})
    client.execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert pictures


def cells_of(script):
    """Cells as jupytext makes them of a script with percent marks."""
    parts = re.split(r"^# %%(.*)\n", script.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    for mark, text in zip(parts[::2], parts[1::2], strict=True):
        kind = "markdown" if "[markdown]" in mark else "code"
        yield kind, text.strip().strip('"').strip() if kind == "markdown" else text.strip()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_notebook_is_its_script_without_outputs(script):
    """`make notebooks` writes them again."""
    notebook = nbformat.read(NOTEBOOKS / f"{script.stem}.ipynb", as_version=4)
    assert [(c.cell_type, c.source.strip()) for c in notebook.cells] == list(cells_of(script))
    assert not any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_script_is_short_and_in_both_indices(script):
    assert len(script.read_text().splitlines()) < 100
    assert (ROOT / "docs" / "gallery" / f"{script.stem}.png").is_file()
    for index in (ROOT / "examples" / "README.md", ROOT / "docs" / "gallery.md"):
        assert script.stem in Path(index).read_text(), index
