"""Packets and group operations between two MPI ranks: each rank runs pytest on one file."""

import ast
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ON_TWO_RANKS = Path(__file__).parent / "data" / "transport_on_two_ranks.py"
CONTRACTS = Path(__file__).parents[1] / "contracts"


def names_of_tests(file):
    found = ast.walk(ast.parse(file.read_text()))
    functions = (node.name for node in found if isinstance(node, ast.FunctionDef))
    return [name for name in functions if name.startswith("test_")]


pytestmark = pytest.mark.mpi

_EACH_RANK = """
import os, sys, pytest
report = f"--junitxml=rank.{os.environ['PMI_RANK']}.xml"
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", report, *sys.argv[1:]]))
"""


@pytest.fixture(scope="module")
def outcomes(begin, tmp_path_factory):
    """Per test of the file and rank: what went wrong, an empty text for each that passed."""
    folder = tmp_path_factory.mktemp("two_ranks")
    files = [CONTRACTS / "mpi_transport.py", ON_TWO_RANKS]
    command = [sys.executable, "-c", _EACH_RANK, *files]
    done = begin(folder, 2, *command).finish(timeout_s=60)
    found = {}
    for rank in range(2):
        report = folder / f"rank.{rank}.xml"
        assert report.exists(), done.out + done.err
        for case in ElementTree.parse(report).iter("testcase"):
            name = case.get("name").partition("[")[0]
            problems = "".join(problem.get("message", "") for problem in case)
            found.setdefault(name, {}).setdefault(rank, []).append(problems)
    return found


def assert_held(outcomes, claim):
    for rank in range(2):
        assert set(outcomes[claim][rank]) == {""}, f"rank {rank}"


@pytest.mark.parametrize("claim", names_of_tests(CONTRACTS / "transport_contract.py"))
def test_contract_of_a_transport_over_two_ranks(outcomes, claim):
    assert_held(outcomes, claim)


@pytest.mark.parametrize("claim", names_of_tests(ON_TWO_RANKS))
def test_over_two_ranks(outcomes, claim):
    assert_held(outcomes, claim)
