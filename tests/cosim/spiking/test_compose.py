import copy

import pytest

from cosim.errors import ConfigurationError
from cosim.spiking.compose import CircuitCopy, check_target, compose

ALL_TO_ALL = {"weight": 0.01, "delay": 2.0, "synMech": "exc"}


def rule(pre, post, **more):
    return {"preConds": pre, "postConds": post, **ALL_TO_ALL, **more}


def test_every_label_carries_its_copy(in_regions, load):
    composition = compose(in_regions(load("balanced_ei", order=5), "rV1", "lV1"))
    assert [p.label for p in composition.populations] == ["rV1.E", "rV1.I", "lV1.E", "lV1.I"]
    assert list(composition.net_params.popParams) == ["rV1.E", "rV1.I", "lV1.E", "lV1.I"]
    assert composition.receptors["lV1"] == {"exc": "lV1.exc", "inh": "lV1.inh"}
    assert composition.net_params.connParams["rV1.E->I"]["synMech"] == "rV1.exc"
    assert composition.net_params.connParams["rV1.E->I"]["postConds"] == {"pop": "rV1.I"}
    assert [p.copy for p in composition.populations] == ["rV1", "rV1", "lV1", "lV1"]


def test_the_users_netparams_are_not_changed(in_regions, load):
    circuit = load("layers.py:network")
    before = copy.deepcopy(circuit.net_params.todict())
    compose(in_regions(circuit, "a", "b"))
    assert circuit.net_params.todict() == before


@pytest.mark.parametrize(
    "conds", [{}, {"cellType": "HH"}, {"pop": "A"}, {"pop": ["A", "B"]}, {"cellModel": "m"},
              {"cellType": ["HH"], "y": [0, 1000]}],
)  # fmt: skip
def test_conditions_of_every_kind_stay_inside_their_copy(
    in_regions, hh_circuit, build, connections, conds
):
    """Two copies of 2 + 2 cells: gids 0-3 and 4-7; whatever is matched, nothing crosses at 4."""
    circuit = hh_circuit({"A": 2, "B": 2}, [rule(conds, conds)])
    for population in circuit.net_params.popParams.values():
        population["cellModel"] = "m"
    engine = build(in_regions(circuit, "r1", "r2"))
    pairs = [(pre, post) for pre, post, *_ in connections(engine)]
    assert pairs
    assert all((pre < 4) == (post < 4) for pre, post in pairs)
    assert len(pairs) == 2 * sum(pre < 4 for pre, _ in pairs)


def test_stimuli_and_subcellular_rules_stay_inside_their_copy(in_regions, hh_circuit, build):
    circuit = hh_circuit({"A": 2})
    circuit.net_params.stimSourceParams["clock"] = {"type": "NetStim", "rate": 100, "noise": 0}
    circuit.net_params.stimTargetParams["t"] = {
        "source": "clock", "conds": {}, "weight": 0.01, "delay": 1
    }  # fmt: skip
    other = hh_circuit({"B": 2}, name="silent")
    engine = build([*in_regions(circuit, "r1"), *in_regions(other, "r2")])
    assert [len(cell.stims) for cell in engine.network.cells.values()] == [1, 1, 0, 0]


def test_two_circuits_with_the_same_names_keep_their_own_cells(in_regions, hh_circuit, build):
    """Both call their cell HH and their synapse exc; each gets its own leak and time constant."""
    first, second = hh_circuit({"A": 1}, [rule({}, {})]), hh_circuit({"B": 2}, [rule({}, {})])
    second.net_params.cellParams["HH"]["secs"]["soma"]["mechs"]["hh"]["gl"] = 0.007
    second.net_params.synMechParams["exc"]["tau2"] = 9.0
    engine = build([*in_regions(first, "r1"), *in_regions(second, "r2")])
    somas = [cell.secs["soma"]["hObj"](0.5) for cell in engine.network.cells.values()]
    assert [soma.hh.gl for soma in somas] == [0.003, 0.007, 0.007]
    assert [soma.point_processes()[0].tau2 for soma in somas[1:]] == [9.0, 9.0]


def test_a_rule_without_a_synapse_takes_the_first_of_its_own_circuit(in_regions, hh_circuit):
    """NetPyNE would take the first of the network, which belongs to the other circuit."""
    first, second = hh_circuit({"A": 1}), hh_circuit({"B": 2}, [rule({}, {}, synMech=None)])
    composition = compose([*in_regions(first, "r1"), *in_regions(second, "r2")])
    assert composition.net_params.connParams["r2.rule0"]["synMech"] == "r2.exc"


def test_one_circuit_may_span_regions_and_says_which_it_joins(load):
    circuit = load("two_areas.py:network")
    composition = compose([CircuitCopy(circuit, "two", {"S": "rS1", "M": "rM1"})])
    assert [p.label for p in composition.populations] == ["rS1.S", "rM1.M"]
    assert composition.connected_regions == {("rS1", "rM1")}
    assert list(composition.receptors) == ["two"]


@pytest.mark.parametrize(
    ("pre", "post", "pairs"),
    [
        ({"pop": "A"}, {"pop": "B"}, {("r1", "r2")}),
        ({"cellType": "HH"}, {"pop": ["B"]}, {("r1", "r2")}),
        ({}, {"y": [0, 10]}, {("r1", "r2"), ("r2", "r1")}),
        ({"layer": 4}, {"pop": "A"}, {("r2", "r1")}),
        ({"pop": "A"}, {"pop": "A"}, set()),
        ({"cellModel": "x"}, {}, set()),
    ],
)
def test_joined_regions_follow_from_the_rules_conditions(hh_circuit, pre, post, pairs):
    circuit = hh_circuit({"A": 1, "B": 1}, [rule(pre, post)])
    circuit.net_params.popParams["B"]["layer"] = 4
    circuit.net_params.popTagsCopiedToCells.append("layer")
    composition = compose([CircuitCopy(circuit, "c", {"A": "r1", "B": "r2"})])
    assert composition.connected_regions == pairs


def test_a_tag_that_netpyne_does_not_copy_to_cells_matches_none(hh_circuit):
    circuit = hh_circuit({"A": 1, "B": 1}, [rule({"layer": 4}, {})])
    circuit.net_params.popParams["B"]["layer"] = 4
    composition = compose([CircuitCopy(circuit, "c", {"A": "r1", "B": "r2"})])
    assert composition.connected_regions == set()
    assert "connParams rule 'c.rule0' matches no cells" in composition.warnings[0]


def test_copies_side_by_side_join_no_regions(in_regions, load):
    assert compose(in_regions(load("layers.py:network"), "r1", "r2")).connected_regions == set()


def test_former_key_of_pop_is_understood(in_regions, hh_circuit):
    circuit = hh_circuit({"A": 1, "B": 1}, [rule({"popLabel": "A"}, {"popLabel": "B"})])
    composition = compose(in_regions(circuit, "r"))
    assert composition.net_params.connParams["r.rule0"]["preConds"] == {"pop": "r.A"}


def test_synapses_are_shared_unless_a_simconfig_says_otherwise(in_regions, load, specs, hh_circuit):
    plain = load("balanced_ei", order=5)
    own = hh_circuit({"A": 1}, config=specs.SimConfig())
    assert compose(in_regions(plain, "r")).sim_config_values["oneSynPerNetcon"] is False
    both = compose([*in_regions(plain, "r1"), *in_regions(own, "r2")])
    assert both.sim_config_values["oneSynPerNetcon"] is True


def test_globals_of_circuits_are_merged(in_regions, hh_circuit, specs):
    config = specs.SimConfig({"hParams": {"celsius": 6.3, "v_init": -65, "usetable_hh": 0}})
    circuits = hh_circuit({"A": 1}, config=config), hh_circuit({"B": 1})
    composition = compose([*in_regions(circuits[0], "r1"), *in_regions(circuits[1], "r2")])
    assert composition.sim_config_values["hParams"] == {
        "celsius": 6.3, "v_init": -65, "clamp_resist": 0.001, "usetable_hh": 0
    }  # fmt: skip


def test_circuits_that_want_different_temperatures_are_refused_by_name(
    in_regions, hh_circuit, specs
):
    warm = specs.SimConfig({"hParams": {"celsius": 34.0, "v_init": -65.0}})
    copies = [
        *in_regions(hh_circuit({"A": 1}, name="cold"), "r1"),
        *in_regions(hh_circuit({"B": 1}, name="warm", config=warm), "r2"),
    ]
    with pytest.raises(
        ConfigurationError,
        match=r"^celsius is 6.3 in circuit 'cold' and 34.0 in circuit 'warm'; NEURON has one",
    ):
        compose(copies)


@pytest.mark.parametrize(
    ("scalar", "values"),
    [("scale", (1, 2)), ("propVelocity", (100.0, 50.0)), ("probLengthConst", (150.0, 90.0)),
     ("defaultThreshold", (10, -20)), ("scaleConnWeightModels", (False, {"HH": 2}))],
)  # fmt: skip
def test_scalars_that_differ_are_refused_by_name(in_regions, hh_circuit, scalar, values):
    first, second = (
        hh_circuit({"A": 1}, name=name, **{scalar: value})
        for name, value in zip(("one", "two"), values, strict=True)
    )
    with pytest.raises(
        ConfigurationError, match=rf"netParams.{scalar} is .*'one'.*'two'; one netw"
    ):
        compose([*in_regions(first, "r1"), *in_regions(second, "r2")])


@pytest.mark.parametrize("name", ["cvode_active", "coreneuron"])
def test_what_windows_cannot_do_is_refused(in_regions, hh_circuit, specs, name):
    circuit = hh_circuit({"A": 1}, config=specs.SimConfig({name: True}))
    with pytest.raises(
        ConfigurationError, match=rf"simConfig.{name} is True, but .*set it to False"
    ):
        compose(in_regions(circuit, "r"))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"numCells": 0}, r"numCells is 0;"),
        ({"numCells": -3}, r"numCells is -3;"),
        ({"cellsList": []}, r"cellsList has 0 entries"),
        ({"density": 0.0}, r"density is 0"),
    ],
)
def test_empty_populations_are_refused(in_regions, hh_circuit, size, message):
    circuit = hh_circuit({"A": 1, "B": 1})
    circuit.net_params.popParams["B"] = {"cellType": "HH", **size}
    with pytest.raises(ConfigurationError, match=rf"Population 'B' .* has no cells: {message}"):
        compose(in_regions(circuit, "r"))


def test_all_problems_are_told_at_once(hh_circuit):
    circuit = hh_circuit({"A": 0, "B": 1})
    with pytest.raises(ConfigurationError) as caught:
        compose([CircuitCopy(circuit, "c", {"A": "r1", "b": "r2"})])
    text = [problem.split(";")[0] for problem in caught.value.problems]
    assert text == [
        "Unknown population of circuit 'hh': 'b'. Known: A, B.",
        "Population 'B' of circuit 'hh' has no region",
        "Population 'A' of circuit 'hh' has no cells: numCells is 0",
    ]


def test_a_population_name_is_taken_once_in_a_region(hh_circuit):
    with pytest.raises(ConfigurationError, match=r"'one' and 'two' both have a population 'A' in"):
        compose(
            [
                CircuitCopy(hh_circuit({"A": 1}, name="one"), "c1", {"A": "r"}),
                CircuitCopy(hh_circuit({"A": 1}, name="two"), "c2", {"A": "r"}),
            ]
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n.connParams["rule0"].pop("preConds"), r"rule 'rule0' has no preConds"),
        (
            lambda n: n.connParams["rule0"].update(synMech="exx"),
            r"synMech in connParams .*'exx'. Known: r.exc",
        ),
        (lambda n: n.stimTargetParams.update(t={"source": "s", "conds": {}}), r"source 's'"),
    ],
)
def test_rules_that_netpyne_would_trip_over_are_named(in_regions, hh_circuit, change, message):
    circuit = hh_circuit({"A": 2}, [rule({}, {})])
    change(circuit.net_params)
    with pytest.raises(ConfigurationError, match=message):
        compose(in_regions(circuit, "r"))


def test_conditions_on_gid_cannot_be_shared(in_regions, hh_circuit):
    circuit = hh_circuit({"A": 2})
    circuit.net_params.cellParams["one"] = {"conds": {"gid": [0]}, "secs": {}}
    with pytest.raises(ConfigurationError, match=r"condition on gid"):
        compose(in_regions(circuit, "r1", "r2"))


def test_targets_are_checked_before_anything_is_built(in_regions, load):
    composition = compose(in_regions(load("balanced_ei", order=5), "rV1"))
    check_target(composition, "rV1.E", "exc")
    with pytest.raises(
        ConfigurationError, match=r"Unknown population 'rV1.e'. Known: rV1.E, rV1.I"
    ):
        check_target(composition, "rV1.e", "exc")
    with pytest.raises(
        ConfigurationError, match=r"'rV1.E': 'ex'. Known: exc, inh. Did you mean 'exc'"
    ):
        check_target(composition, "rV1.E", "ex")


def test_point_neurons_artificial_cells_and_generators_have_their_own_receptors(in_regions, load):
    found = compose(in_regions(load("artificial.py:network"), "r")).population_receptors
    assert found == {
        "r.cells": {"AMPA": "r.AMPA"},
        "r.clock": {},
        "r.fire": {"IntFire1": "IntFire1"},
        "r.point": {"drive": "drive"},
    }
