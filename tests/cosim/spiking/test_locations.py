"""Inputs arrive where they are told to: sections, lists of sections, distances from the soma."""

import numpy as np
import pytest

from cosim.config import Where
from cosim.errors import ConfigurationError
from cosim.spiking.circuit import Circuit
from cosim.spiking.engine import NeuronEngine
from cosim.spiking.locations import where_problem


def tree(specs, n_cells=1):
    """A soma of 20 um with a dendrite of 300 um (3 segments) that forks in two of 100 um each."""
    net = specs.NetParams()
    hh = {"gnabar": 0.12, "gkbar": 0.036, "gl": 0.0003, "el": -54.3}
    soma = {"geom": {"L": 20.0, "diam": 20.0}, "mechs": {"hh": hh}}

    def branch(length_um, parent, nseg=1):
        return {
            "geom": {"L": length_um, "diam": 2.0, "Ra": 100.0, "nseg": nseg},
            "topol": {"parentSec": parent, "parentX": 1.0, "childX": 0.0},
            "mechs": {"pas": {"g": 1e-4, "e": -65.0}},
        }

    sections = {
        "soma": soma,
        "trunk": branch(300.0, "soma", 3),
        "left": branch(100.0, "trunk"),
        "right": branch(100.0, "trunk"),
    }
    net.cellParams["tree"] = {"secs": sections, "secLists": {"tufts": ["left", "right"]}}
    net.popParams["E"] = {"cellType": "tree", "numCells": n_cells}
    net.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    return Circuit("tree", net, None, {})


@pytest.fixture
def engine(specs, in_regions, build) -> NeuronEngine:
    return build(in_regions(tree(specs), "V1"))


def places(engine):
    """Section and position of every synapse, in order."""
    (cell,) = engine.network.cells.values()
    return [
        (name, synapse["loc"])
        for name, section in cell.secs.items()
        for synapse in section.get("synMechs", [])
    ]


def shares(engine, **where):
    return engine.ports.add_input("V1.E", "exc", np.array([0.1]), Where(**where)).shares


def test_the_middle_of_the_soma_unless_told(engine):
    port = engine.ports.add_input("V1.E", "exc", np.array([0.1]))
    assert port.shares.tolist() == [1.0]
    assert places(engine) == [("soma", 0.5)]


def test_a_section_and_a_position(engine):
    assert shares(engine, sec="left", loc=0.25).tolist() == [1.0]
    assert places(engine) == [("left", 0.25)]


def test_several_sections_share_by_length(engine):
    np.testing.assert_allclose(shares(engine, sec=["trunk", "left"]), [0.75, 0.25], rtol=1e-12)


def test_a_list_of_sections_of_the_circuit_has_a_name(engine):
    np.testing.assert_allclose(shares(engine, sec="tufts"), [0.5, 0.5], rtol=1e-12)
    assert places(engine) == [("left", 0.5), ("right", 0.5)]


def test_distances_pick_segments(engine):
    """From the soma's middle: its end 10, trunk segments at 60, 160, 260, tufts at 360 um."""
    np.testing.assert_allclose(shares(engine, distance_um=[100.0, 400.0]), [0.25] * 4, rtol=1e-12)
    assert places(engine) == [
        ("trunk", 0.5),
        ("trunk", pytest.approx(5 / 6)),
        ("left", 0.5),
        ("right", 0.5),
    ]


def test_distances_beyond_the_cell_say_how_far_it_goes(engine):
    with pytest.raises(ConfigurationError, match="its farthest is 360 um from the soma"):
        shares(engine, distance_um=[500.0, 600.0])


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"sec": "lefft"}, "Did you mean 'left'"),
        ({"sec": ["left", "tuft"]}, "Did you mean 'tufts'"),
    ],
)
def test_an_unknown_section_is_refused_before_the_build(where, said):
    problem = where_problem("here", Where(**where), {"soma": {}, "left": {}}, ["tufts"])
    assert said in problem
    assert problem.startswith("here.where.sec: Unknown section")


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"sec": "a", "distance_um": [0.0, 1.0]},
        {"sec": []},
        {"distance_um": [5.0, 1.0]},
        {"distance_um": [5.0]},
        {"distance_um": [1.0, 5.0], "loc": 0.5},
    ],
)
def test_what_makes_no_place_is_refused(where):
    with pytest.raises(ValueError, match=r"sec|distance_um"):
        Where(**where)


def test_a_dendritic_input_gives_the_spikes_of_neuron_by_hand(specs, in_regions, build, run):
    """The same cell, synapse and events without this package and without NetPyNE."""
    engine = build(in_regions(tree(specs), "V1"), dt_ms=0.025, mean_field_dt_ms=0.1)
    port = engine.ports.add_input(
        "V1.E", "exc", np.array([0.02, 0.05]), Where(sec="right", loc=0.5)
    )
    engine.initialize()
    times = [5.03, 9.11, 20.0, 21.5, 40.25]
    sources = [1, 0, 1, 1, 0]
    port.schedule(np.zeros(5, dtype=int), np.array(sources), np.array(times))
    spikes, *_ = run(engine, 800, 13)
    engine.close()
    by_hand = _by_hand(times, sources)
    assert [time for time, _ in spikes] == pytest.approx(by_hand, abs=1e-9)
    assert len(by_hand) >= 2


def _by_hand(times, sources):
    from neuron import h

    soma = h.Section(name="soma")
    trunk, left, right = (h.Section(name=n) for n in ("trunk", "left", "right"))
    soma.L = soma.diam = 20.0
    soma.insert("hh")
    for section, length, nseg, parent in (
        (trunk, 300.0, 3, soma),
        (left, 100.0, 1, trunk),
        (right, 100.0, 1, trunk),
    ):
        section.L, section.diam, section.Ra, section.nseg = length, 2.0, 100.0, nseg
        section.connect(parent(1.0), 0)
        section.insert("pas")
        section.g_pas, section.e_pas = 1e-4, -65.0
    synapse = h.Exp2Syn(right(0.5))
    synapse.tau1, synapse.tau2, synapse.e = 0.8, 5.3, 0.0
    connections = []
    for weight in (0.02, 0.05):
        connection = h.NetCon(None, synapse)
        connection.delay, connection.weight[0] = 0.0, weight
        connections.append(connection)
    detector = h.NetCon(soma(0.5)._ref_v, None, sec=soma)
    detector.threshold = 10.0
    found = h.Vector()
    detector.record(found)
    h.celsius, h.dt = 6.3, 0.025
    h.finitialize(-65.0)
    for time, source in zip(times, sources, strict=True):
        connections[source].event(time)
    context = h.ParallelContext()
    context.set_maxstep(10)
    context.psolve(80.0)
    return list(found)


def pair(specs, sections):
    """A population of two cells, the second of which has other dendrites."""
    circuit = tree(specs)
    net = circuit.net_params
    net.cellParams["tree"]["conds"] = {"cellType": "tree"}
    net.cellParams["other"] = {"secs": sections, "conds": {"cellType": "other"}}
    net.popParams["E"] = {"cellsList": [{"cellType": "tree"}, {"cellType": "other"}]}
    return circuit


def test_a_section_that_some_cells_lack_is_refused(specs, in_regions, build):
    soma = {"geom": {"L": 20.0, "diam": 20.0}, "mechs": {"hh": {}}}
    engine = build(in_regions(pair(specs, {"soma": soma}), "V1"))
    with pytest.raises(ConfigurationError, match=r"section of a cell 'left'\. Known: soma"):
        shares(engine, sec="left")
    with pytest.raises(ConfigurationError, match=r"section of a cell 'left'\. Known: soma"):
        engine.ports.add_current("V1.E", Where(sec="left"))


def test_cells_that_would_share_events_otherwise_are_refused(specs, in_regions, build):
    soma = {"geom": {"L": 20.0, "diam": 20.0}, "mechs": {"hh": {}}}
    left = {
        "geom": {"L": 50.0, "diam": 2.0},
        "topol": {"parentSec": "soma", "parentX": 1.0, "childX": 0.0},
        "mechs": {"pas": {}},
    }
    engine = build(in_regions(pair(specs, {"soma": soma, "left": left}), "V1"))
    with pytest.raises(ConfigurationError, match=r"^where: cells of the population differ"):
        shares(engine, sec=["soma", "left"])
    assert shares(engine, sec="left").tolist() == [1.0]
