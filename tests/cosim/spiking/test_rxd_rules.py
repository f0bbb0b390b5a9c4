"""Copies of a circuit with reaction-diffusion: one network, each as if it were alone."""

import copy
import re

import numpy as np
import pytest

from cosim.errors import ConfigurationError
from cosim.spiking.compose import compose
from cosim.spiking.reaction_compiler import ReactionCompiler
from cosim.spiking.rxd_rules import rename_rxd, without_regions


def calcium(k_per_ms):
    """Store, buffer, pump and gate; some labels contain others."""
    return {
        "constants": {"k": k_per_ms, "kk": 1.0},
        "regions": {
            "cyt": {
                "cells": ["all"],
                "secs": ["soma", "dend"],
                "nrn_region": "i",
                "geometry": {
                    "class": "FractionalVolume",
                    "args": {"volume_fraction": 0.8, "surface_fraction": 1},
                },
            },
            "er": {
                "cells": ["A"],
                "secs": "all",
                "geometry": {"class": "FractionalVolume", "args": {"volume_fraction": 0.2}},
            },
            "cyt_er": {
                "cells": ["A"],
                "secs": "all",
                "geometry": {"class": "DistributedBoundary", "args": {"area_per_vol": 1}},
            },
        },
        "species": {
            "ca": {
                "regions": ["cyt", "er"],
                "d": 0.2,
                "charge": 2,
                "initial": "1e-4 * (1 + node.x) if node.region == cyt else 0.5",
            },
            "cabuf": {"regions": "cyt", "initial": 0.0},
            "buf": {"regions": "cyt", "initial": 0.01},
        },
        "states": {"h": {"regions": ["cyt"], "initial": 0.5}},
        "parameters": {"ip3": {"regions": ["cyt"], "value": k_per_ms}},
        "reactions": {
            "binding": {
                "reactant": "ca[cyt] + buf", "product": "cabuf", "rate_f": 100.0, "rate_b": 1.0
            }
        },
        "multicompartmentReactions": {
            "leak": {
                "reactant": "ca[er]", "product": "ca[cyt]", "membrane": "cyt_er",
                "rate_f": "kk * k * 602214 * h[cyt] * (ca[er] - ca[cyt])", "custom_dynamics": True,
            }
        },
        "rates": {
            "pump": {"species": "ca[cyt]", "rate": "-k * ca[cyt] * ip3[cyt]", "regions": "cyt"},
            "gate": {"species": "h", "rate": "(0.3 - h) / 50"},
        },
    }  # fmt: skip


@pytest.fixture
def with_calcium(hh_circuit):
    """A circuit of cells with a dendrite of five segments and the reactions above."""

    def make(k_per_ms, n_cells=2):
        circuit = hh_circuit({"A": n_cells})
        sections = circuit.net_params.cellParams["HH"]["secs"]
        sections["dend"] = {
            "geom": {"L": 50.0, "diam": 1.0, "Ra": 100.0, "nseg": 5},
            "mechs": {"pas": {}},
            "topol": {"parentSec": "soma", "parentX": 1.0, "childX": 0.0},
        }
        circuit.net_params.rxdParams = calcium(k_per_ms)
        return circuit

    return make


@pytest.fixture
def concentrations(in_regions, build):
    """Run circuits in regions r0, r1, ... with spikes into r0; concentrations, and potentials."""

    def run(circuits, n_steps=200):
        engine = build([c for i, one in enumerate(circuits) for c in in_regions(one, f"r{i}")])
        port = engine.ports.add_input("r0.A", "exc", np.array([0.05]))
        engine.initialize()
        for start in range(0, n_steps, 50):
            port.schedule(np.array([0]), np.array([0]), np.array([start * 0.1 + 0.03]))
            engine.advance(start + 50)
        reacting = engine.network.sim.net.rxd
        values = {
            label: list(one["hObj"].nodes.concentration)
            for kind in ("species", "states")
            for label, one in reacting[kind].items()
        }
        potentials = [
            seg.v
            for cell in engine.network.cells.values()
            for section in cell.secs.values()
            for seg in section["hObj"]
        ]
        del reacting
        engine.close()
        return values, potentials

    return run


def test_a_copy_has_the_numbers_that_it_has_alone(with_calcium, concentrations):
    """The same reactions with another constant beside it: not one bit of either changes.

    Spikes go to the first circuit only; alone, the second gets them as r0, so it is compared by
    what they cannot reach: no channel carries calcium here, so its concentrations.
    """
    first, second = with_calcium(0.001), with_calcium(0.005)
    together, potentials = concentrations([first, second])
    alone, potentials_alone = concentrations([first])
    other, _ = concentrations([second])
    assert sorted(together) == sorted([*alone, *(f"r1.{x[3:]}" for x in other)])
    for label, values in alone.items():
        assert together[label] == values
        assert together[f"r1.{label[3:]}"] == other[label]
    assert potentials[: len(potentials_alone)] == potentials_alone
    assert alone["r0.ca"] != other["r0.ca"]


def test_two_copies_of_one_circuit_are_twins(with_calcium, concentrations):
    values, _ = concentrations([with_calcium(0.001)] * 2)
    assert {x[3:] for x in values} == {"ca", "cabuf", "buf", "h"}
    assert all(values[f"r0.{x[3:]}"] == values[f"r1.{x[3:]}"] for x in values)


def test_a_species_stays_joined_to_its_ion(with_calcium, in_regions, build):
    """NEURON joins them by name, which must stay when the label changes.

    Calcium that enters one cell (1e6 molecules per ms) raises the cai of that cell alone.
    """
    circuit = with_calcium(0.0)
    engine = build(in_regions(circuit, "a", "b"))
    engine.initialize()
    names = {s["hObj"].name for s in engine.network.sim.net.rxd["species"].values()}
    assert names == {"ca", "buf", "cabuf"}
    nodes = [
        engine.network.sim.net.rxd["species"][f"{region}.ca"]["hObj"].nodes for region in ("a", "b")
    ]
    nodes[0](engine.network.cells[0].secs["soma"]["hObj"](0.5))[0].include_flux(1e6)
    engine.advance(50)
    cai = [cell.secs["soma"]["hObj"](0.5).cai for cell in engine.network.cells.values()]
    assert cai[0] > 1.5 * cai[1]
    assert cai[1] == cai[2] == cai[3]
    del nodes


def test_labels_are_found_where_netpyne_finds_them():
    """Longest first, inside words too; labels of species stay out of initial values."""
    rxd = calcium(0.1)
    rxd["species"]["ca"]["initial"] = "k * ca if node.region == cyt_er else cyt"
    before = copy.deepcopy(rxd)
    found = rename_rxd(rxd, "V1", {"A": "V1.A", "B": "V1.B"}, ["V1.A"], confine=True)
    assert rxd == before
    assert found["species"]["V1.ca"] == {
        "regions": ["V1.cyt", "V1.er"], "d": 0.2, "charge": 2, "name": "ca",
        "initial": "V1.k * ca if node.region == V1.cyt_er else V1.cyt",
    }  # fmt: skip
    leak = found["multicompartmentReactions"]["V1.leak"]
    assert leak["membrane"] == "V1.cyt_er"
    assert leak["rate_f"] == "V1.kk * V1.k * 602214 * V1.h[V1.cyt] * (V1.ca[V1.er] - V1.ca[V1.cyt])"
    assert found["rates"]["V1.pump"]["regions"] == ["V1.cyt"]
    assert found["constants"] == {"V1.k": 0.1, "V1.kk": 1.0}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["all"], ["V1.A"]),
        ("all", ["V1.A"]),
        (["B", ("A", [0, 1])], ["V1.B", ("V1.A", [0, 1])]),
        ([["A", 0]], [("V1.A", 0)]),
        ("B", ["V1.B"]),
    ],
)
def test_regions_lie_in_the_cells_of_their_copy(cells, expected):
    """Population B has no sections, so it is not among all cells."""
    rxd = {"regions": {"cyt": {"cells": cells}}}
    found = rename_rxd(rxd, "V1", {"A": "V1.A", "B": "V1.B"}, ["V1.A"], confine=True)
    assert found["regions"]["V1.cyt"]["cells"] == expected


def test_a_gid_cannot_be_shared(hh_circuit, in_regions):
    circuit = hh_circuit({"A": 2})
    circuit.net_params.rxdParams["regions"] = {"cyt": {"cells": [0], "secs": "all"}}
    compose(in_regions(circuit, "r"))
    with pytest.raises(ConfigurationError, match=r"region 'cyt' names the cell with gid 0"):
        compose(in_regions(circuit, "r1", "r2"))


@pytest.mark.parametrize("in_regions_too", [False, True])
def test_an_extracellular_space_is_not_shared(hh_circuit, in_regions, in_regions_too):
    circuit, plain = hh_circuit({"A": 2}), hh_circuit({"B": 1}, name="plain")
    box = {"xlo": 0, "ylo": 0, "zlo": 0, "xhi": 9, "yhi": 9, "zhi": 9, "dx": 3}
    rxd = circuit.net_params.rxdParams
    if in_regions_too:
        rxd["regions"] = {"ecs": {"extracellular": True, **box}}
    else:
        rxd["extracellular"] = box
    label = "r.ecs" if in_regions_too else "r.extracellular"
    alone = compose(in_regions(circuit, "r")).net_params.rxdParams
    assert alone["regions"][label] == {"extracellular": True, **box}
    assert "extracellular" not in alone
    with pytest.raises(ConfigurationError, match=r"extracellular space .* one of 2 circuit copies"):
        compose([*in_regions(circuit, "r"), *in_regions(plain, "s")])


def test_an_extracellular_space_still_runs_alone(hh_circuit, in_regions, build):
    """Its species has no source, so it stays at 2 for ever."""
    circuit = hh_circuit({"A": 1})
    rxd = circuit.net_params.rxdParams
    rxd["extracellular"] = {
        "xlo": -50, "ylo": -50, "zlo": -50, "xhi": 50, "yhi": 50, "zhi": 50, "dx": 50
    }  # fmt: skip
    rxd["species"] = {"x": {"regions": ["extracellular"], "d": 1.0, "initial": 2.0}}
    engine = build(in_regions(circuit, "r"))
    engine.initialize()
    engine.advance(50)
    values = list(engine.network.sim.net.rxd["species"]["r.x"]["hObj"].nodes.concentration)
    assert values == pytest.approx([2.0] * 8)


def test_a_rank_without_some_cells_gets_only_what_it_can_build():
    """Without the store: no store calcium, no leak from it; the rest stays."""
    rxd = rename_rxd(calcium(0.1), "a", {"A": "a.A"}, ["a.A"], confine=True)
    before = copy.deepcopy(rxd)
    found = without_regions(rxd, ["a.er"])
    assert rxd == before
    assert list(found["regions"]) == ["a.cyt", "a.cyt_er"]
    assert found["species"]["a.ca"]["regions"] == ["a.cyt"]
    assert found["multicompartmentReactions"] == {}
    assert list(found["rates"]) == ["a.pump", "a.gate"]
    assert without_regions(rxd, []) == rxd
    nothing = without_regions(rxd, rxd["regions"])
    # The kinds stay: NetPyNE synchronises the ranks only where there are any.
    assert nothing == {"constants": rxd["constants"], **{key: {} for key in list(rxd)[1:]}}


def test_nothing_is_written_into_the_working_folder(
    with_calcium, in_regions, build, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cosim.spiking.reaction_compiler._compiled", {})
    engine = build(in_regions(with_calcium(0.0017), "r"))
    engine.initialize()
    engine.advance(10)
    assert list(tmp_path.iterdir()) == []


def test_copies_share_what_is_compiled(with_calcium, in_regions, build, monkeypatch):
    """A value that is a parameter of the model, not a number in the text, compiles nothing."""
    compiled = {}
    monkeypatch.setattr("cosim.spiking.reaction_compiler._compiled", compiled)
    first, second = with_calcium(0.001), with_calcium(0.001)
    second.net_params.rxdParams["parameters"]["ip3"]["value"] = 0.5
    engine = build([*in_regions(first, "r1"), *in_regions(second, "r2")])
    engine.initialize()
    assert len(compiled) == 1


@pytest.mark.parametrize("compiler", ["", "/nowhere/g++"])
def test_a_missing_compiler_is_told_in_one_line(
    with_calcium, in_regions, build, monkeypatch, compiler
):
    monkeypatch.setenv("CXX", compiler)
    with pytest.raises(
        ConfigurationError, match=rf"no C\+\+ compiler '{re.escape(compiler)}'; install one"
    ) as caught:
        build(in_regions(with_calcium(0.001), "r"))
    assert "\n" not in str(caught.value)


def test_a_failing_compiler_is_told_in_one_line(with_calcium, in_regions, build, monkeypatch):
    monkeypatch.setenv("CXX", "false")
    engine = build(in_regions(with_calcium(0.001), "r"))
    with pytest.raises(ConfigurationError, match=r"compiler 'false' could not compile") as caught:
        engine.initialize()
    assert "\n" not in str(caught.value)


def test_neuron_gets_its_own_compiler_back(with_calcium, in_regions, build):
    from neuron.rxd import rxd

    before = rxd._cxx_compile
    engine = build(in_regions(with_calcium(0.001), "r"))
    assert isinstance(rxd._cxx_compile.__self__, ReactionCompiler)
    engine.close()
    assert rxd._cxx_compile is before
