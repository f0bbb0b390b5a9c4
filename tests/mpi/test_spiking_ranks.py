"""The spiking side does not depend on the number of ranks: network, spikes and potentials."""

import json
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "data" / "spiking_ranks.py"
NETWORKS = ("coincident", "of_every_rule", "layers.py:network", "coincident")

pytestmark = pytest.mark.mpi


def test_networks_spikes_and_potentials_are_the_same_on_any_number_of_ranks(launch):
    """One process; 1 and 2 NEURON ranks beside another. Four networks in a row in each.

    Compared are connections with weights and delays, 200 ms of spikes, and the last bit of every
    potential. The first network's cells fire together onto synapses of unequal weight, and its
    second run, after other networks, is the first.
    """
    found = []
    for n_ranks in (1, 2, 3):
        done = launch(n_ranks, sys.executable, SCRIPT, *NETWORKS)
        assert (done.status, done.err) == (0, "")
        found.append([json.loads(line) for line in done.out.splitlines()])
    assert [name for name, *_ in found[0]] == list(NETWORKS)
    for _, _, n_connections, n_spikes, n_potentials, together, *_ in found[0]:
        assert min(n_connections, n_spikes, n_potentials) > 20
        assert together
    assert found[1] == found[0]
    assert found[2] == found[0]
    assert found[0][3] == found[0][0]


def test_reaction_diffusion_is_the_same_on_any_number_of_ranks(launch):
    """Calcium in points and in dendrites, a cell whose species one rank has no section for.

    Nothing diffuses between cells, so spikes, potentials and concentrations agree bit for bit.
    The lone species decays at 0.1 per ms for 4000 implicit steps of 0.05 ms: 1.005^-4000.
    """
    found = []
    for n_ranks in (1, 2, 3):
        done = launch(n_ranks, sys.executable, SCRIPT.with_name("reaction_ranks.py"))
        assert (done.status, done.err) == (0, "")
        found.append(json.loads(done.out))
    n_spikes, n_states, lone, left, *_ = found[0]
    assert n_spikes > 20
    assert n_states == 6 * 4 + 2 + 6 + 2 + 1
    assert float.fromhex(lone) == pytest.approx(1.005**-4000, rel=1e-6)
    assert left == []
    assert found[1] == found[0]
    assert found[2] == found[0]


def test_neuron_without_the_ranks_of_mpiexec_stops_with_a_cure(launch):
    code = (
        "from mpi4py import MPI; from cosim.spiking.interpreter import load_neuron; load_neuron(2)"
    )
    done = launch(2, sys.executable, "-c", code, MPI_LIB_NRN_PATH="/nowhere/libmpi.so")
    assert done.status != 0
    assert (
        "NEURON sees 1 process but mpiexec started 2: libmpi was not found. "
        "Set MPI_LIB_NRN_PATH to the libmpi.so.* of this MPI."
    ) in done.err
