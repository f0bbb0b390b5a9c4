"""Ranks get the same work: the rank with the dear cell gets fewer of the cheap ones."""

from types import SimpleNamespace

import pytest

from cosim.spiking.cell_placement import cost_of, placed_by_cost


@pytest.fixture
def net_params(specs):
    """One branched cell of 1 + 9 compartments, single compartments, artificial cells."""
    net = specs.NetParams()
    soma = {"geom": {"L": 20.0, "diam": 20.0}, "mechs": {"hh": {}}}
    dend = {"geom": {"L": 900.0, "diam": 2.0, "nseg": 9}, "mechs": {"hh": {}}}
    net.cellParams["branched"] = {"secs": {"soma": soma, "dend": dend}}
    net.cellParams["single"] = {"secs": {"soma": soma}}
    net.popParams["dear"] = {"cellType": "branched", "numCells": 1}
    net.popParams["cheap"] = {"cellType": "single", "numCells": 30}
    net.popParams["clock"] = {"cellModel": "NetStim", "numCells": 4, "rate": 10}
    return net


def dealt(net_params, n_ranks, sizes):
    """Cells of each rank by population, as NetPyNE's populations would deal them out."""
    from netpyne.network.pop import Pop

    pops = {label: Pop.__new__(Pop) for label in sizes}  # its constructor wants a whole network
    for label, pop in pops.items():
        pop.tags = {"pop": label}
    sim = SimpleNamespace(nhosts=n_ranks, net=SimpleNamespace(pops=pops))
    with placed_by_cost(sim, net_params):
        return {label: pops[label]._distributeCells(n) for label, n in sizes.items()}


def test_cost_counts_compartments_and_their_mechanisms(net_params):
    assert cost_of(net_params, "dear") == pytest.approx(10 * 2.3)
    assert cost_of(net_params, "cheap") == pytest.approx(2.3)
    assert cost_of(net_params, "clock") == 0.1


def test_the_rank_with_the_dear_cell_gets_fewer_others(net_params):
    """10 + 30 = 40 cheap cells' worth in two parts: the dear one and 10, and 20."""
    found = dealt(net_params, 2, {"dear": 1, "cheap": 30})
    assert [len(found["cheap"][rank]) for rank in range(2)] == [10, 20]


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 7])
def test_cells_that_cost_alike_are_dealt_in_turn(net_params, n_ranks):
    found = dealt(net_params, n_ranks, {"cheap": 30})["cheap"]
    assert found == {rank: list(range(rank, 30, n_ranks)) for rank in range(n_ranks)}


@pytest.mark.parametrize("n_ranks", [2, 3, 7])
def test_every_cell_has_one_rank(net_params, n_ranks):
    found = dealt(net_params, n_ranks, {"dear": 1, "cheap": 30, "clock": 4})
    for label, n in (("dear", 1), ("cheap", 30), ("clock", 4)):
        assert sorted(i for cells in found[label].values() for i in cells) == list(range(n))


def test_netpyne_gets_its_own_way_back(net_params):
    from netpyne.network.pop import Pop

    before = Pop._distributeCells
    dealt(net_params, 2, {"cheap": 3})
    assert Pop._distributeCells is before


def test_the_pyramidal_cell_costs_what_was_measured(load, in_regions):
    """27 hh cells' time (26 ns a unit, 61 ns an hh cell); the estimate is good to a fifth."""
    from cosim.spiking.compose import compose

    costs = {
        name: cost_of(compose(in_regions(load(name), "r")).net_params, "r.E")
        for name in ("pyramidal_morphology", "balanced_ei")
    }
    assert costs["pyramidal_morphology"] / costs["balanced_ei"] == pytest.approx(27, rel=0.2)
