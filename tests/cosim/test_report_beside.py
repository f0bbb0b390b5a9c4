"""A run without circuits beside a run: found where it lies, refused where it does not fit."""

import re

import numpy as np
import pytest
from made_up_run import REGIONS, record

from cosim.errors import ResultsError
from cosim.report import write_report
from cosim.report_beside import read_beside
from cosim.report_findings import Findings
from cosim.results import RunResult

BRAIN = {"connectome": "hagmann66", "parameters": {"G": 0.2}}
BRAIN_OF_OTHER_G = {**BRAIN, "parameters": {"G": 0.3}}
WITH = {"seed": 7, "duration_ms": 300.0, "brain": BRAIN, "circuits": [{"regions": ["V1"]}]}
WITHOUT = {**WITH, "circuits": []}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, the same without circuits, and what differs in seed, brain or duration from that."""
    parent = tmp_path_factory.mktemp("runs")
    record(parent / "run", duration_ms=300.0, experiment=WITH)
    for name, experiment in {
        "other_seed": {**WITHOUT, "seed": 8},
        "other_brain": {**WITHOUT, "brain": BRAIN_OF_OTHER_G},
        "shorter": {**WITHOUT, "brain": BRAIN_OF_OTHER_G, "duration_ms": 200.0},
        "without": WITHOUT,
    }.items():
        duration_ms = experiment["duration_ms"]
        record(parent / name, duration_ms=duration_ms, circuits=(), seed=3, experiment=experiment)
    record(parent / "one_region", duration_ms=300.0, circuits=(), variables=("S",))
    (parent / "broken").mkdir()
    (parent / "broken" / "provenance.json").write_text("[1")
    return parent / "run"


@pytest.fixture(scope="module")
def found(folder):
    """The page of the run, nothing named."""
    return write_report(folder).read_text(encoding="utf-8")


def words_of(text):
    return re.sub(r"<[^>]+>", " ", text.partition('id="spectra"')[0])


def words_beside(folder, name):
    return words_of(write_report(folder, beside=folder.parent / name).read_text(encoding="utf-8"))


def test_the_run_of_the_same_brain_is_found(found):
    words = words_of(found)
    assert "Without circuits: the run without, found beside this one, over the 300 ms" in words
    assert "Mind" not in words


def test_the_table_has_numpys_correlations(folder, found):
    """Mean and correlation of FC over the 10 pairs without V1, the region replaced."""
    expected = []
    for path in (folder, folder.parent / "without"):
        result = RunResult.open(path)
        matrix = np.corrcoef(result.mean_field["temporal_average"].values[:, 0, 1:], rowvar=False)
        expected.append(matrix[np.tril_indices(len(REGIONS) - 1, -1)])
        result.close()
    row = re.search(r"<tr><td>without the replaced regions</td>(.*?)</tr>", found).group(1)
    cells = re.findall(r">([^<]+)</td>", row)
    assert cells == [
        "10",
        f"{expected[0].mean():.3f}",
        f"{expected[0].std():.3f}",
        f"{expected[1].mean():.3f}",
        f"{expected[1].std():.3f}",
        f"{np.corrcoef(*expected)[0, 1]:.3f}",
    ]


def test_a_named_run_is_taken_as_it_is_and_differences_are_told(folder):
    words = words_beside(folder, "other_seed")
    assert "the run other_seed, over the 300 ms" in words
    assert "the seeds differ (7 and 8)" in words


def test_a_shorter_run_of_another_brain_is_compared_over_what_both_have(folder):
    words = words_beside(folder, "shorter")
    assert "over the 200 ms that both have" in words
    assert "the brain&#39;s settings differ" in words


def test_a_run_of_other_variables_is_refused(folder):
    with pytest.raises(ResultsError, match=r"variables \(S_e and S; set brain.model\)"):
        write_report(folder, beside=folder.parent / "one_region")


def test_a_run_without_circuits_looks_for_none(folder):
    path = folder.parent / "without"
    result = RunResult.open(path)
    assert read_beside(Findings(result), path, None) is None
    result.close()
