import json
import subprocess
import sys

import pytest

from cosim.errors import ConfigurationError
from cosim.spiking.circuit import circuits, load_circuit


def test_importing_the_circuits_loads_neither_neuron_nor_netpyne():
    code = (
        "import sys, cosim.spiking.circuit as c, cosim.spiking.compose, cosim.spiking.engine;"
        "print('balanced_ei' in c.circuits, {'neuron', 'netpyne', 'mpi4py'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True set()"


def test_loading_a_circuit_prints_nothing(data):
    code = (
        "from pathlib import Path; from cosim.spiking.circuit import load_circuit;"
        f"load_circuit('two_areas.py:network', {{}}, Path({str(data)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_registered_circuit_knows_its_parameters(load):
    circuit = load("balanced_ei", order=10)
    assert circuit.population_names == ("E", "I")
    assert circuit.parameters == {"order": 10, "recurrent_excitation": 0.35, "cell": "hh"}


def test_a_function_of_a_python_file_is_called_with_the_parameters(load):
    circuit = load("two_areas.py:network", n_cells=3)
    assert circuit.net_params.popParams["S"]["numCells"] == 3
    assert circuit.sim_config is None


def test_a_function_may_return_a_simconfig_too(load):
    assert load("two_areas.py:network_with_config").sim_config.dt == 0.025


def test_files_of_a_folder_import_each_other_and_are_forgotten(tmp_path):
    """Two circuits, each with a helper.py of its own: neither answers for the other."""
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "helper.py").write_text(f"NAME = 'pop_{name}'\n")
        (folder / "net.py").write_text(
            "from netpyne import specs\n"
            "def net():\n"
            "    import helper\n"
            "    n = specs.NetParams()\n"
            "    n.popParams[helper.NAME] = {'cellType': 'x', 'numCells': 1}\n"
            "    return n\n"
        )
    path_before = list(sys.path)
    names = [load_circuit(f"{x}/net.py:net", {}, tmp_path).population_names for x in "ab"]
    assert names == [("pop_a",), ("pop_b",)]
    assert "helper" not in sys.modules
    assert sys.path == path_before


@pytest.mark.parametrize("with_config", [True, False])
def test_a_file_that_netpyne_saved_is_the_network_that_was_saved(load, tmp_path, with_config):
    original = load("two_areas.py:network_with_config")
    if with_config:
        from netpyne import sim

        data = {
            "net": {"params": original.net_params.todict()},
            "simConfig": original.sim_config.todict(),
        }
        sim.saveJSON(str(tmp_path / "net.json"), data)
    else:
        original.net_params.save(str(tmp_path / "net.json"))
    loaded = load_circuit("net.json", {}, tmp_path)
    assert sorted(loaded.population_names) == sorted(original.population_names)
    as_json = json.loads(json.dumps(original.net_params.todict()))
    assert json.loads(json.dumps(loaded.net_params.todict())) == as_json
    assert (loaded.sim_config is not None) == with_config


def test_populations_of_a_saved_network_keep_the_order_of_its_cells(load, tmp_path):
    """NetPyNE sorts keys when it saves: S, created first, comes after M in the file."""
    params = load("two_areas.py:network").net_params.todict()
    pops = {"M": {"cellGids": [20, 21]}, "S": {"cellGids": [0, 1]}}
    (tmp_path / "net.json").write_text(
        json.dumps({"net": {"params": params, "pops": pops}}, sort_keys=True)
    )
    assert load_circuit("net.json", {}, tmp_path).population_names == ("S", "M")


def test_bare_netparams_in_json_are_read(load, tmp_path):
    (tmp_path / "net.json").write_text(json.dumps(load("two_areas.py:network").net_params.todict()))
    assert load_circuit("net.json", {}, tmp_path).population_names == ("S", "M")


def test_objects_and_functions_are_circuits_too(load):
    made = load("two_areas.py:network_with_config")
    assert load(made.net_params).net_params is made.net_params
    assert load((made.net_params, made.sim_config)).sim_config is made.sim_config
    assert load(lambda: made.net_params).population_names == ("S", "M")


@pytest.mark.parametrize(
    ("reference", "parameters", "message"),
    [
        ("balanced_ie", {}, r"Unknown circuit 'balanced_ie'.*Did you mean 'balanced_ei'\?"),
        ("balanced_ei", {"ordr": 3}, r"'ordr'. Known: order, .*Did you mean 'order'"),
        ("absent.py:network", {}, r"there is no file .*absent.py; paths are relative to"),
        ("two_areas.py", {}, r"names no function; write two_areas.py:function"),
        ("two_areas.py:netwrk", {}, r"'netwrk'. Known: network, .*Did you mean 'network'"),
        ("two_areas.py:not_a_function", {}, r"Unknown function in .*'not_a_function'"),
        ("two_areas.py:network_that_needs_a_size", {}, r"needs the parameter 'size'"),
        ("two_areas.py:network_that_fails", {}, r"ValueError: no morphology for this cell\."),
        ("two_areas.py:number", {}, r"gives an object of type int; NetPyNE netParams"),
        ("absent.json", {}, r"absent.json cannot be read \(No such file"),
        ("absent.json", {"order": 1}, r"takes no parameters, got order"),
        (42, {}, r"gives an object of type int"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_is_said_in_one_line(load, reference, parameters, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        load(reference, **parameters)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[1, 2]", "holds no netParams"),
        ('{"net": {"cells": []}}', "holds no netParams"),
        ('{"popParams": {}}', "has 0 populations"),
    ],
)
def test_json_that_is_no_network_is_said_so(tmp_path, text, message):
    (tmp_path / "net.json").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_circuit("net.json", {}, tmp_path)


def test_a_file_that_does_not_import_names_the_cause(tmp_path):
    (tmp_path / "net.py").write_text("import no_such_package\n")
    with pytest.raises(ConfigurationError, match=r"ModuleNotFoundError: No module named 'no_such"):
        load_circuit("net.py:net", {}, tmp_path)


def test_a_file_that_exits_does_not_end_the_program(tmp_path):
    (tmp_path / "net.py").write_text("def net():\n    raise SystemExit(3)\n")
    with pytest.raises(ConfigurationError, match=r"could not be built: SystemExit: 3"):
        load_circuit("net.py:net", {}, tmp_path)


@pytest.mark.parametrize("order", [0, 1, -5, 2.5, True])
def test_balanced_ei_refuses_sizes_without_cells(load, order):
    with pytest.raises(ConfigurationError, match=r"order = .* is not a whole number >= 2"):
        load("balanced_ei", order=order)


def test_balanced_ei_refuses_negative_weights(load):
    with pytest.raises(ConfigurationError, match=r"recurrent_excitation = -1 is not a finite"):
        load("balanced_ei", recurrent_excitation=-1)


def test_balanced_ei_is_the_published_node_at_one(load):
    """Order 100: 120 E and 40 I; weights .02 and .01 uS times the factor for E to E, E to I."""
    net = load("balanced_ei", recurrent_excitation=1.0).net_params
    assert [net.popParams[p]["numCells"] for p in "EI"] == [120, 40]
    weights = {label: rule["weight"] for label, rule in net.connParams.items()}
    assert weights == {"E->E": 0.02, "E->I": 0.01, "I->E": 0.01, "I->I": 0.01}
    scaled = load("balanced_ei").net_params.connParams
    assert scaled["E->E"]["weight"] == pytest.approx(0.007)
    assert scaled["I->E"]["weight"] == 0.01


def test_registered_circuits_are_listed():
    assert "balanced_ei" in circuits
