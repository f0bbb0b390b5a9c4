"""Starting under mpiexec: who sees how many ranks, where results go, and what is said."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from cosim import RunResult

SMALL = Path(__file__).parent / "data" / "small.yaml"
COSIM = Path(sys.executable).with_name("cosim")

pytestmark = pytest.mark.mpi

RANKS_THAT_NEURON_SEES = """
import sys
from mpi4py import MPI
from cosim.spiking.interpreter import load_neuron, split_world
world = MPI.COMM_WORLD
load_neuron(world.size)
split_world(world.size - 1)
from neuron import h
pc = h.ParallelContext()
row = world.rank, int(pc.nhost_world()), int(pc.nhost()), int(pc.id())
# In one write, so that the lines of two ranks cannot mix.
sys.stdout.write(" ".join(map(str, row)) + "\\n")
sys.stdout.flush()
"""


def options(*changes, output="out"):
    """Arguments of a short, quiet run of SMALL."""
    words = ["run", SMALL, "-q", "--no-report", "--set", "duration_ms=20.0"]
    for change in changes:
        words += ["--set", change]
    return words if output is None else [*words, "-o", output]


def test_neuron_sees_all_ranks_and_leaves_the_last_alone(launch):
    """Per rank: its number, ranks in the world, ranks and number in its own NEURON world."""
    done = launch(3, sys.executable, "-c", RANKS_THAT_NEURON_SEES)
    assert (done.status, done.err) == (0, "")
    rows = sorted(tuple(map(int, line.split())) for line in done.out.splitlines())
    assert rows == [(0, 3, 2, 0), (1, 3, 2, 1), (2, 3, 1, 0)]


def test_neuron_without_mpi_stops_the_run_with_one_line(launch):
    done = launch(2, COSIM, *options(), MPI_LIB_NRN_PATH="/nowhere/libmpi.so")
    assert done.status == 1
    (line,) = done.said
    assert re.match(
        r"cosim: rank 0 of 2, NEURON, before the first window: NEURON sees 1 process but mpiexec "
        r"started 2: .* Set MPI_LIB_NRN_PATH",
        line,
    )


def test_mpirun_of_another_mpi_is_refused(launch):
    """Open MPI's mpirun tells a rank its number; MPICH, which mpi4py has here, sees it alone."""
    done = launch(None, COSIM, *options(), OMPI_COMM_WORLD_SIZE="2", OMPI_COMM_WORLD_RANK="1")
    assert done.status == 2
    (line,) = done.said
    assert re.search(r"mpi4py sees 1 rank\(s\) but the launcher started 2: .*mpirun of MPICH", line)


def test_one_rank_runs_both_sides_in_one_process(launch, tmp_path):
    assert launch(1, COSIM, *options()).status == 0
    timing = json.loads((tmp_path / "out" / "provenance.json").read_text())["timing"]
    assert [(entry["rank"], entry["side"]) for entry in timing] == [(0, "TVB+NEURON")]


def test_quiet_run_without_output_writes_to_the_default_folder_and_says_nothing(launch, tmp_path):
    done = launch(2, COSIM, *options(output=None))
    assert (done.status, done.out, done.err) == (0, "", "")
    result = RunResult.open(tmp_path / "results" / "small")
    assert result.complete
    assert result.provenance["ranks"] == 2


def test_run_that_is_not_quiet_says_each_thing_once(launch, tmp_path):
    words = ["run", SMALL, "-o", "out", "--set", "duration_ms=20.0"]
    done = launch(2, COSIM, *words)
    assert done.status == 0, done.err
    assert re.fullmatch(r"20 of 20 ms, .*\n", done.err)
    assert re.fullmatch(
        r"20 ms simulated in .* on 2 rank\(s\); window 2\.3 ms\.\nResults: out/\nReport:  .*\n",
        done.out,
    )
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


def test_run_without_circuits_needs_no_neuron_rank_but_takes_one(launch, tmp_path):
    """The same plain TVB run in one process and beside an idle rank."""
    runs = []
    for n_ranks in (None, 2):
        done = launch(n_ranks, COSIM, *options("circuits=[]", output=f"on_{n_ranks}"))
        assert (done.status, done.out, done.err) == (0, "", "")
        runs.append(RunResult.open(tmp_path / f"on_{n_ranks}").mean_field["temporal_average"])
    assert runs[0].shape == (20, 4, 66)
    np.testing.assert_array_equal(runs[0].values, runs[1].values)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["brain.modell=x", "seeed=1"], ["Unknown key 'modell'.", "Unknown key 'seeed'."]),
        (
            ["brain.parameters.g=1.0", "circuits.0.regions=[rPCAN]"],
            ["Unknown parameter of reduced_wong_wang_exc_inh 'g'.", "Unknown region 'rPCAN'."],
        ),
    ],
    ids=["while_reading", "while_planning"],
)
def test_each_mistake_in_the_file_is_said_once(launch, tmp_path, changes, said):
    done = launch(2, COSIM, *options(*changes))
    assert done.status == 2
    assert len(done.said) == len(said)
    for line, mistake in zip(done.said, said, strict=True):
        assert mistake in line
    assert not (tmp_path / "out").exists()


def test_a_large_last_packet_is_delivered_before_mpi_ends(launch):
    """66 regions x 23 steps x 2 variables x 8 bytes = 24 kB: more than MPICH sends unasked."""
    inputs = "circuits.0.inputs=[{from: R_e, to: E},{from: R_i, to: E}]"
    done = launch(2, COSIM, *options(inputs, "circuits.0.regions=[rPCUN, lPCUN, rSP]"))
    assert (done.status, done.err) == (0, "")


@pytest.mark.parametrize("n_ranks", [1, 3])
def test_cells_that_differ_are_refused_also_where_each_rank_has_alike_ones(launch, n_ranks):
    """NetPyNE deals cells out in turn, so that of two ranks each gets one kind."""
    circuit = (
        "circuits=[{circuit: 'unlike.py:network', regions: [rPCUN], inputs: [{from: R_e, to: E, "
        "where: {sec: [soma, dend]}}], outputs: [{from: E, to: R_e}]}]"
    )
    done = launch(n_ranks, COSIM, *options(circuit))
    assert done.status == 2
    (line,) = done.said
    assert "where: cells of the population differ" in line


def test_a_delay_that_several_ranks_do_not_allow_is_named_with_its_limit(launch):
    circuit = (
        "circuits=[{circuit: 'no_delay.py:network', regions: [rPCUN], inputs: [{from: R_e, to: E, "
        "receptor: IntFire1}], outputs: [{from: E, to: R_e}]}]"
    )
    done = launch(3, COSIM, *options(circuit))
    assert done.status == 2
    (line,) = done.said
    assert "every delay between cells to be above its step, dt_ms = 0.05" in line
