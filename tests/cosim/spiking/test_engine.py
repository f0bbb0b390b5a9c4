import numpy as np
import pytest

from cosim.errors import ConfigurationError, SimulationError
from cosim.spiking.circuit import Circuit


def events(*rows):
    """(cell, source, time) rows as the three arrays of InputPort.schedule."""
    cell, source, times = zip(*rows, strict=True)
    return np.array(cell, np.int64), np.array(source, np.int64), np.array(times, float)


def test_ids_of_a_population_have_no_gaps_and_follow_the_circuits_order(in_regions, load, build):
    engine = build(in_regions(load("balanced_ei", order=10), "r1", "r2"))
    assert engine.network.populations == ("r1.E", "r1.I", "r2.E", "r2.I")
    assert [engine.network.n_cells(p) for p in engine.network.populations] == [12, 4, 12, 4]
    assert [engine.network.first_gid(p) for p in engine.network.populations] == [0, 12, 16, 28]
    assert engine.network.local_gids("r2.E").tolist() == list(range(16, 28))
    assert engine.network.n_local_cells == 32


def test_populations_given_by_density_grid_and_list_are_counted(in_regions, hh_circuit, build):
    """5e4 cells/mm^3 in (0.1 mm)^3 are 50; a 50 um grid in 100 um has 3 x 3 x 3 points."""
    circuit = hh_circuit({"A": 1})
    for name, size in (
        ("D", {"density": 5e4}),
        ("G", {"gridSpacing": 50}),
        ("L", {"cellsList": [{}, {}]}),
    ):
        circuit.net_params.popParams[name] = {"cellType": "HH", **size}
    engine = build(in_regions(circuit, "r"))
    assert [engine.network.n_cells(p) for p in engine.network.populations] == [1, 50, 27, 2]
    assert engine.network.first_gid("r.L") == 78


def test_building_and_running_print_nothing(in_regions, load, build, run, capfd):
    engine = build(in_regions(load("layers.py:network"), "r"))
    engine.initialize()
    run(engine, 20)
    assert tuple(capfd.readouterr()) == ("", "")


def test_what_netpyne_assumes_is_kept_as_a_warning(in_regions, hh_circuit, build):
    circuit = hh_circuit({"A": 1})
    circuit.net_params.popParams["B"] = {"cellType": "HH"}
    engine = build(in_regions(circuit, "r"))
    assert (
        "number or density of cells not specified for population r.B" in engine.network.warnings[0]
    )


def test_trains_of_a_cell_share_the_synapse_that_is_there(in_regions, hh_circuit, build):
    rule = {"preConds": {}, "postConds": {}, "weight": 0.01, "delay": 2, "synMech": "exc"}
    engine = build(in_regions(hh_circuit({"A": 3}, [rule]), "r"))
    engine.ports.add_input("r.A", "exc", np.array([0.1, 0.2]))
    engine.ports.add_input("r.A", "exc", np.array([0.3]))
    assert engine.network.h.List("Exp2Syn").count() == 3
    assert engine.network.h.List("NetCon").count() == 6 + 3 * 2 + 3


def test_circuits_with_a_synapse_per_connection_get_one_more_for_all_trains(
    in_regions, hh_circuit, build, specs
):
    rule = {"preConds": {}, "postConds": {}, "weight": 0.01, "delay": 2, "synMech": "exc"}
    circuit = hh_circuit({"A": 3}, [rule], config=specs.SimConfig())
    engine = build(in_regions(circuit, "r"))
    engine.ports.add_input("r.A", "exc", np.full(5, 0.1))
    engine.ports.add_input("r.A", "exc", np.full(5, 0.1))
    assert engine.network.h.List("Exp2Syn").count() == 6 + 3


def test_each_train_has_its_own_weight(in_regions, hh_circuit, build, run):
    """Train 0 is below, train 1 above threshold: only cell 1, fed by train 1, fires."""
    engine = build(in_regions(hh_circuit({"A": 2}), "r"))
    port = engine.ports.add_input("r.A", "exc", np.array([1e-5, 0.1]))
    engine.initialize()
    port.schedule(*events((0, 0, 20.0), (1, 1, 20.0)))
    spikes, *_ = run(engine, 400)
    assert {gid for time, gid in spikes if time > 20} == {1}
    assert (port.gids.tolist(), port.n_sources) == ([0, 1], 2)


def test_a_section_called_soma_is_the_target_even_if_not_the_first(in_regions, hh_circuit, build):
    circuit = hh_circuit({"A": 1})
    secs = circuit.net_params.cellParams["HH"]["secs"]
    dend = {"geom": {"L": 50.0, "diam": 1.0}, "mechs": {"pas": {}},
            "topol": {"parentSec": "soma", "parentX": 1.0, "childX": 0}}  # fmt: skip
    circuit.net_params.cellParams["HH"]["secs"] = {"dend": dend, "soma": secs["soma"]}
    engine = build(in_regions(circuit, "r"))
    engine.ports.add_input("r.A", "exc", np.array([0.1]))
    synapse = engine.network.h.List("Exp2Syn").o(0)
    assert synapse.get_segment().sec.name().endswith("soma")


def test_point_neurons_and_artificial_cells_receive(in_regions, load, build, run):
    """IntFire1 jumps by the weight and fires at 1: .6 + .6. The point's g passes .5 once."""
    engine = build(in_regions(load("artificial.py:network"), "r"))
    fire = engine.ports.add_input("r.fire", "IntFire1", np.array([0.6]))
    point = engine.ports.add_input("r.point", "drive", np.array([2.0]))
    engine.initialize()
    fire.schedule(*events((0, 0, 1.0), (0, 0, 1.5)))
    point.schedule(*events((1, 0, 1.0)))
    spikes, *_ = run(engine, 30)
    fired = [gid for _, gid in spikes]
    assert fired.count(engine.network.first_gid("r.fire")) == 1
    assert engine.network.first_gid("r.point") + 1 in fired
    assert engine.network.first_gid("r.point") not in fired


def test_unknown_receptors_are_refused_when_connecting(in_regions, load, build):
    engine = build(in_regions(load("artificial.py:network"), "r"))
    with pytest.raises(ConfigurationError, match=r"'r.clock': 'AMPA'. Known: none"):
        engine.ports.add_input("r.clock", "AMPA", np.array([1.0]))


def test_the_same_seed_is_the_same_network_and_another_is_not(in_regions, load, build, connections):
    found = []
    for seed in (1, 1, 2):
        engine = build(in_regions(load("layers.py:network"), "r"), seed=seed)
        found.append(connections(engine))
        engine.close()
    assert found[0] == found[1] != found[2]


def test_no_connection_gets_shorter_and_none_longer_than_its_sources_share(in_regions, load, build):
    """5 ms plus (gid + 1) x 1e-9 ms; the repeats of one pair on one synapse 1e-10 ms apart."""
    circuit = load("balanced_ei", order=50)
    circuit.net_params.connParams["again"] = dict(circuit.net_params.connParams["E->E"])
    engine = build(in_regions(circuit, "r"))
    offsets = {}
    for gid, cell in engine.network.cells.items():
        for conn in cell.conns:
            offset = conn["hObj"].delay - 5.0
            offsets.setdefault((gid, conn["preGid"]), []).append(offset)
    assert len(offsets) > 40
    assert any(len(repeats) == 2 for repeats in offsets.values())
    for (_, pre), repeats in offsets.items():
        expected = [(pre + 1) * 1e-9 + n * 1e-10 for n in range(len(repeats))]
        assert repeats == pytest.approx(expected, abs=1e-14)


def test_closing_leaves_nothing_behind(in_regions, load, build, run):
    engine = build(in_regions(load("layers.py:network"), "r1", "r2"))
    engine.ports.add_input("r1.E2", "exc", np.ones(3))
    engine.initialize()
    run(engine, 20)
    h = engine.network.h
    engine.close()
    engine.close()
    kinds = ("NetCon", "Exp2Syn", "NetStim", "PtrVector")
    assert [h.List(kind).count() for kind in kinds] == [0, 0, 0, 0]
    assert list(h.allsec()) == []


def test_runs_in_a_row_are_identical_whatever_ran_between(
    in_regions, load, build, run, hh_circuit, specs
):
    """Another temperature, an ion's resting concentration and other cells leave no trace."""

    def spikes():
        engine = build(in_regions(load("balanced_ei", order=20, recurrent_excitation=1.0), "r"))
        port = engine.ports.add_input("r.E", "exc", np.full(4, 0.02))
        engine.initialize()
        rng = np.random.default_rng(0)
        times = np.sort(rng.random(300) * 100)
        port.schedule(rng.integers(0, 24, 300), rng.integers(0, 4, 300), times)
        found, *_ = run(engine, 1000, 50)
        engine.close()
        return found

    first = spikes()
    config = specs.SimConfig({"hParams": {"celsius": 34.0, "v_init": -80.0, "nai0_na_ion": 33.0}})
    other = hh_circuit({"A": 5}, config=config, name="other")
    other.net_params.cellParams["HH"]["secs"]["soma"]["ions"] = {"na": {"e": 40, "i": 20, "o": 99}}
    engine = build(in_regions(other, "x"))
    engine.initialize()
    run(engine, 200)
    engine.close()
    assert len(first) > 80
    assert spikes() == first


def test_one_network_at_a_time(in_regions, load, build):
    build(in_regions(load("balanced_ei", order=2), "r"))
    with pytest.raises(SimulationError, match=r"already built in this process; .* Close it first"):
        build(in_regions(load("balanced_ei", order=2), "r"))


def test_a_network_that_failed_to_build_makes_way(in_regions, hh_circuit, load, build):
    circuit = hh_circuit({"A": 1})
    circuit.net_params.popParams["A"]["cellType"] = "typo"
    with pytest.raises(ConfigurationError):
        build(in_regions(circuit, "r"))
    assert build(in_regions(load("balanced_ei", order=2), "r")).network.n_local_cells == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n.popParams["A"].update(cellType="typo"),
         r"Cells of population 'r.A' have no sections: .* cellType 'r.typo'"),
        (lambda n: n.cellParams["HH"]["secs"]["soma"]["mechs"].update(hhh={"g": 1}),
         r"failed while creating cells: Some mechanisms and/or ions were not inserted"),
        (lambda n: n.synMechParams["exc"].update(mod="Exp3Syn"),
         r"failed while connecting cells: .*Exp3Syn"),
        (lambda n: n.popParams.update(B={"cellType": "HH", "density": 1.0}),
         r"has 0 cells|size is > 0|failed while creating cells"),
        (lambda n: n.popParams.update(B={"cellType": "HH", "density": "nonsense"}),
         r"failed while creating cells: density function \(nonsense\)"),
        (lambda n: n.connParams["rule0"].update(weight=[1, 2]),
         r"failed while connecting cells: .*Number of weights must match synsPerConn"),
        (lambda n: n.connParams["rule0"].update(connList=[[0, 99]]),
         r"cell index in post population in connection 0 is out of range"),
    ],
)  # fmt: skip
def test_what_netpyne_prints_raises_or_exits_on_becomes_one_line(
    in_regions, hh_circuit, build, change, message
):
    rule = {"preConds": {}, "postConds": {}, "weight": 0.01, "delay": 2, "synMech": "exc"}
    circuit = hh_circuit({"A": 3}, [rule])
    change(circuit.net_params)
    with pytest.raises(ConfigurationError, match=message) as caught:
        build(in_regions(circuit, "r"))
    assert "\n" not in str(caught.value)


def test_a_global_that_neuron_does_not_know_is_refused(in_regions, hh_circuit, build, specs):
    config = specs.SimConfig({"hParams": {"celsius": 6.3, "v_init": "cold"}})
    circuit = hh_circuit({"A": 1}, config=config)
    with pytest.raises(
        ConfigurationError, match=r"failed while preparing the run: undefined variable cold"
    ):
        build(in_regions(circuit, "r")).initialize()


def test_dt_that_does_not_divide_the_mean_fields_is_refused(in_regions, load, build):
    with pytest.raises(
        ConfigurationError, match=r"brain.dt_ms = 0.1 is not a whole number of steps"
    ):
        build(in_regions(load("balanced_ei", order=2), "r"), dt_ms=0.03)


def test_a_potential_that_is_no_number_is_told_with_cell_and_time(in_regions, hh_circuit, build):
    engine = build(in_regions(hh_circuit({"A": 3}), "r"))
    engine.initialize()
    engine.advance(10)
    engine.network.cells[2].secs["soma"]["hObj"].v = float("nan")
    with pytest.raises(SimulationError, match=r"cell 2 of population 'r.A' .* at t = 2 ms; lower"):
        engine.advance(20)


def test_an_error_inside_neuron_is_told_with_its_time(in_regions, load, build):
    engine = build(in_regions(load("balanced_ei", order=2), "r"))
    engine.initialize()
    engine.network.h.CVode().event(1.5, lambda: 1 / 0)
    with pytest.raises(
        SimulationError, match=r"NEURON failed at t = 1.5 ms: .*ZeroDivision"
    ) as caught:
        engine.advance(30)
    assert "\n" not in str(caught.value)


def test_reaction_diffusion_runs_and_leaves_nothing(in_regions, hh_circuit, build, run):
    circuit = hh_circuit({"A": 1})
    rxd = circuit.net_params.rxdParams
    rxd["regions"] = {"cyt": {"cells": ["A"], "secs": "all", "nrn_region": "i"}}
    rxd["species"] = {"x": {"regions": ["cyt"], "d": 0.0, "charge": 0, "initial": 1.0}}
    rxd["rates"] = {"decay": {"species": "x", "rate": "-0.1 * x"}}
    for _ in range(2):
        engine = build(in_regions(circuit, "r"))
        engine.initialize()
        run(engine, 100, 10)
        species = engine.network.sim.net.rxd["species"]["r.x"]["hObj"]
        assert species.nodes.concentration[0] == pytest.approx(np.exp(-1.0), rel=0.01)
        del species
        engine.close()


def test_json_keeps_the_network_bit_for_bit(in_regions, load, build, run, tmp_path):
    made = load("two_areas.py:network_with_config")
    made.net_params.save(str(tmp_path / "net.json"))
    loaded = load(tmp_path / "net.json")
    # NetPyNE sorts the populations when it saves; the same order is the same network.
    for name in made.population_names:
        loaded.net_params.popParams.move_to_end(name)
    found = []
    for circuit in (made, Circuit("json", loaded.net_params, made.sim_config, {})):
        engine = build(in_regions(circuit, "r"))
        engine.initialize()
        found.append(run(engine, 1000, 100)[0])
        engine.close()
    assert found[0] == found[1]
    assert len(found[0]) > 40
