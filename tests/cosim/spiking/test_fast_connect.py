"""Connections by probability are NetPyNE's own, one by one and in its order."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from cosim.spiking import fast_connect
from cosim.spiking import network as network_module


@pytest.fixture
def in_order():
    """Connections of every cell in the order in which NetPyNE made them."""

    def of(engine):
        return [
            (gid, c["preGid"], c["synMech"], c["weight"], c["delay"], c["hObj"].delay)
            for gid, cell in engine.network.cells.items()
            for c in cell.conns
        ]

    return of


@pytest.mark.parametrize(
    ("reference", "regions"),
    [
        ("balanced_ei", ["rPCUN"]),
        ("balanced_ei", ["rPCUN", "lPCUN"]),
        ("two_areas.py:network", ["rPCUN"]),
        ("layers.py:network", ["rPCUN"]),  # rules by distance: left to NetPyNE
    ],
)
@pytest.mark.parametrize("block", [4_000_000, 1000, 1])
def test_the_same_connections_as_netpyne_in_the_same_order(
    load, in_regions, build, in_order, monkeypatch, reference, regions, block
):
    monkeypatch.setattr(fast_connect, "_BLOCK", block)
    copies = in_regions(load(reference), *regions)
    engine = build(copies)
    fast = in_order(engine)
    engine.close()
    monkeypatch.setattr(network_module, "fast_probability", lambda sim: nullcontext())
    assert fast == in_order(build(copies))
    assert len(fast) > 100


def test_probability_one_joins_every_pair_but_a_cell_to_itself(hh_circuit, in_regions, build):
    rule = {"preConds": {"pop": "A"}, "postConds": {"pop": "A"}, "probability": 1, "synMech": "exc"}
    engine = build(in_regions(hh_circuit({"A": 7}, [rule]), "r"))
    assert [len(cell.conns) for cell in engine.network.cells.values()] == [6] * 7


def test_time_goes_with_synapses_not_with_pairs(monkeypatch):
    """2000 x 2000 pairs at probability 0: nothing is done in Python for a pair."""
    calls = []

    class Random:
        def Random123(self, *key): ...
        def uniform(self, low, high): ...

    class Vector:
        def __init__(self, size):
            self.values = np.ones(size)

        def setrand(self, random):
            calls.append(self.values.size)

        def as_numpy(self):
            return self.values

    sim = SimpleNamespace(
        hashList=hash_of, cfg=SimpleNamespace(seeds={"conn": 1}), h=SimpleNamespace(Vector=Vector)
    )
    network = SimpleNamespace(rand=Random())
    assert fast_connect._joined(network, sim, list(range(2000)), list(range(2000)), 0.0) == {}
    assert calls == [4_000_000]


def hash_of(values):
    return sum(values)
