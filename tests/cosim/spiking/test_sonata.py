"""SONATA networks of point neurons: pairs, weights, delays and units, against NEURON's IntFire1."""

import json

import h5py
import numpy as np
import pytest

from cosim.errors import ConfigurationError
from cosim.spiking.circuit import load_circuit

# As in the format's own example of 300 integrate-and-fire cells.
NODE_TYPES = """node_type_id ei location model_template model_type dynamics_params pop_name
100 e VisL4 nrn:IntFire1 point_process exc.json LIF_exc
101 i VisL4 nrn:IntFire1 point_process inh.json LIF_inh
"""
LGN_TYPES = "node_type_id ei model_type pop_name\n7 e virtual tON\n"
EDGE_TYPES = """edge_type_id target_query source_query delay syn_weight dynamics_params
100 * ei=='i' 2.0 0.5 sign_inh.json
101 * ei=='e' 3.0 1.2 sign_exc.json
"""


@pytest.fixture
def write(tmp_path):
    """A circuit: 3 excitatory cells (nodes 0, 2, 3), an inhibitory one (node 1), a virtual one."""

    def to(
        node_types=NODE_TYPES, edges=((0, 2, 101), (0, 1, 101), (1, 3, 100)),
        edge_types=EDGE_TYPES, **own,
    ):  # fmt: skip
        (tmp_path / "net").mkdir(exist_ok=True)
        (tmp_path / "parts").mkdir(exist_ok=True)
        for name, values in {
            "exc": {"tau": 0.024, "refrac": 0.003, "type": "NEURON_IntFire1"},
            "inh": {"tau": 0.007, "refrac": 0.003, "type": "NEURON_IntFire1"},
            "sign_exc": {"level_of_detail": "instanteneous", "sign": 1},
            "sign_inh": {"level_of_detail": "instanteneous", "sign": -1},
        }.items():
            (tmp_path / "parts" / f"{name}.json").write_text(json.dumps(values))
        (tmp_path / "net" / "v1_types.csv").write_text(node_types)
        (tmp_path / "net" / "lgn_types.csv").write_text(LGN_TYPES)
        (tmp_path / "net" / "edge_types.csv").write_text(edge_types)
        for name, types in (("v1", [100, 101, 100, 100]), ("lgn", [7])):
            with h5py.File(tmp_path / "net" / f"{name}_nodes.h5", "w") as file:
                file[f"nodes/{name}/node_type_id"] = np.array(types)
                file[f"nodes/{name}/node_group_id"] = np.zeros(len(types), int)
        for name, rows in (("v1_to_v1", edges), ("lgn_to_v1", [(0, 0, 101)])):
            with h5py.File(tmp_path / "net" / f"{name}.h5", "w") as file:
                group = file.create_group(f"edges/{name}")
                pre, post, kind = np.array(rows).T
                group["source_node_id"], group["target_node_id"] = pre, post
                group["source_node_id"].attrs["node_population"] = name.split("_to_")[0]
                group["target_node_id"].attrs["node_population"] = "v1"
                group["edge_type_id"] = kind
                if own and name == "v1_to_v1":
                    group["edge_group_id"] = np.zeros(len(rows), int)
                    group["edge_group_index"] = np.arange(len(rows))
                    for key, values in own.items():
                        group[f"0/{key}"] = np.array(values)
        nodes = [
            {"nodes_file": f"$NET/{n}_nodes.h5", "node_types_file": f"$NET/{n}_types.csv"}
            for n in ("v1", "lgn")
        ]
        edges = [
            {"edges_file": f"$NET/{n}.h5", "edge_types_file": "$NET/edge_types.csv"}
            for n in ("v1_to_v1", "lgn_to_v1")
        ]
        config = {
            "manifest": {"$BASE": "./", "$NET": "$BASE/net"},
            "components": {
                "synaptic_models_dir": "$BASE/parts",
                "point_neuron_models_dir": "${BASE}/parts",
            },
            "networks": {"nodes": nodes, "edges": edges},
        }
        (tmp_path / "circuit_config.json").write_text(json.dumps(config))
        return tmp_path

    return to


def read(folder):
    return load_circuit("circuit_config.json", {}, folder)


def test_node_types_become_populations_and_virtual_ones_are_left_out(write):
    net = read(write()).net_params
    assert {name: rule["numCells"] for name, rule in net.popParams.items()} == {
        "LIF_exc": 3,
        "LIF_inh": 1,
    }
    assert net.cellParams["LIF_inh"]["params"] == {"tau": 7.0, "refrac": 3.0}  # seconds to ms
    assert len(net.connParams) == 3


def test_two_copies_have_the_files_edges_each(write, in_regions, build, connections):
    """Nodes 0, 2, 3 are cells 0, 1, 2 of the first population, node 1 the one of the second."""
    engine = build(in_regions(read(write()), "a", "b"))
    one = [(0, 1, 1.2), (0, 3, 1.2), (3, 2, -0.5)]
    made = [(pre, post, weight) for pre, post, weight, _ in connections(engine)]
    assert made == sorted(one + [(a + 4, b + 4, w) for a, b, w in one])


def test_weights_times_synapses_of_an_edge(write):
    rules = read(write(nsyns=[3, 1, 2])).net_params.connParams
    assert sorted(w for rule in rules.values() for w in rule["weight"]) == [-1.0, 1.2, 1.2 * 3]


def test_an_edge_may_have_a_delay_of_its_own(write):
    rules = read(write(delay=[4.0, 1.5, 2.5])).net_params.connParams
    assert sorted(d for rule in rules.values() for d in rule["delay"]) == [1.5, 2.5, 4.0]
    rules = read(write()).net_params.connParams
    assert sorted(d for rule in rules.values() for d in rule["delay"]) == [2.0, 3.0, 3.0]


def test_nodes_in_another_order_than_their_ids_are_refused(write):
    folder = write()
    with h5py.File(folder / "net" / "v1_nodes.h5", "a") as file:
        file["nodes/v1/node_id"] = np.array([0, 2, 1, 3])
    with pytest.raises(ConfigurationError, match="node_id of 'v1' is not 0, 1, 2"):
        read(folder)


def test_events_and_time_constants_are_those_of_intfire1(write, in_regions, build, run):
    """m decays with tau = 24 ms, a cell fires above 1 and is refractory for 3 ms.

    Cell 0 gets .6 at 10 and 15 ms: .6 exp(-5/24) + .6 = 1.087, fires at 15; cell 1 and the
    inhibitory cell follow at 18 (delay 3, weight 1.2), cell 2 gets -.5 at 20. Cell 2 alone gets
    .6 at 21 and 22, and .6 exp(-1/24) + .6 - .5 exp(-2/24) = .716 does not fire; a further .6 at
    23 makes .716 exp(-1/24) + .6 = 1.287: fires at 23, where without inhibition it would at 22.
    """
    engine = build(in_regions(read(write()), "r"), dt_ms=0.05)
    port = engine.ports.add_input("r.LIF_exc", "IntFire1", np.array([0.6]))
    engine.initialize()
    cell = np.array([0, 0, 2, 2, 2])
    port.schedule(cell, np.zeros(5, dtype=np.int64), np.array([10.0, 15.0, 21.0, 22.0, 23.0]))
    spikes, _, _ = run(engine, 400)
    assert [(round(t, 4), gid) for t, gid in spikes] == [
        (15.0, 0),
        (18.0, 1),
        (18.0, 3),
        (23.0, 2),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"node_types": NODE_TYPES.replace("nrn:IntFire1", "nest:iaf_psc_alpha")},
         r"'LIF_exc' is point_process nest:iaf_psc_alpha; of SONATA only point neurons of NEURON"),
        ({"node_types": NODE_TYPES.replace("point_process", "biophysical")}, "is biophysical"),
        ({"node_types": NODE_TYPES.replace("101 i", "102 i")}, r"no SONATA network .*KeyError"),
        ({"edge_types": EDGE_TYPES.replace("dynamics", "weight_function dynamics")
          .replace("sign_inh", "gaussianLL sign_inh").replace("sign_exc", "wmax sign_exc")},
         r"edges of type 100 have the weight_function 'gaussianLL', .* into syn_weight"),
        ({"edges": ((2, 2, 101), (0, 1, 101))}, r"1 edge\(s\) of 'v1_to_v1' join a cell to itself"),
    ],
)  # fmt: skip
def test_what_is_not_translated_is_refused_in_one_line_each(write, change, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        read(write(**change))
    assert all("\n" not in line for line in caught.value.problems)


@pytest.mark.parametrize("gone", ["net/v1_nodes.h5", "net/edge_types.csv", "parts/exc.json"])
def test_a_missing_file_is_named(write, gone):
    folder = write()
    (folder / gone).unlink()
    with pytest.raises(ConfigurationError, match=rf"{gone.split('/')[1]}.* cannot be read"):
        read(folder)
