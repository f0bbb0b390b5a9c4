"""MPI is told to share cores where ranks outnumber them, and only there."""

import os

import pytest

from cosim.transport.launcher import crowding, ranks_outnumber_cores, share_cores

NAME = "MPIR_CVAR_POLLS_BEFORE_YIELD"


@pytest.fixture
def node(monkeypatch):
    """A node of some cores, of which this rank may use some, with some ranks."""

    def of(cores, allowed, ranks):
        monkeypatch.setenv(NAME, "")  # so that the test's end takes away what is set in it
        monkeypatch.delenv(NAME)
        monkeypatch.setenv("MPI_LOCALNRANKS", str(ranks))
        monkeypatch.delenv("OMPI_COMM_WORLD_LOCAL_SIZE", raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(allowed)))

    return of


@pytest.mark.parametrize(
    ("cores", "allowed", "ranks", "crowded"),
    [
        (2, 2, 2, False),
        (2, 2, 3, True),
        (64, 64, 64, False),
        (64, 4, 8, True),  # a container of four cores
        (64, 1, 64, False),  # each rank is bound to a core of its own
        (2, 1, 3, True),
    ],
)
def test_crowded_is_more_ranks_than_cores(node, cores, allowed, ranks, crowded):
    node(cores, allowed, ranks)
    assert ranks_outnumber_cores() is crowded
    said = f"{ranks} ranks take turns on {min(cores, max(allowed, 2))} core(s)" if crowded else ""
    assert crowding()[: len(said) or None] == said
    share_cores()
    assert (NAME in os.environ) is crowded


def test_what_the_user_set_stays(node, monkeypatch):
    node(2, 2, 3)
    monkeypatch.setenv(NAME, "1000")
    share_cores()
    assert os.environ[NAME] == "1000"


def test_without_a_launcher_nothing_is_set(node, monkeypatch):
    node(1, 1, 1)
    monkeypatch.delenv("MPI_LOCALNRANKS")
    share_cores()
    assert NAME not in os.environ
