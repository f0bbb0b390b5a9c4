"""Any NetPyNE model can take a region's place: complete runs on Hagmann 66."""

import json
from pathlib import Path

import numpy as np
import pytest

import cosim
from cosim.spiking.chatter import quiet
from cosim.spiking.interpreter import netpyne_specs

DATA = Path(__file__).parents[1] / "cosim" / "spiking" / "data"
# Strong enough that the cells of every circuit here fire within 100 ms.
STRONG = {"weight_uS": 0.5, "trains_per_source": 4}


def run(*circuits, base=DATA, duration_ms=100.0, **brain):
    experiment = cosim.Experiment(
        seed=5,
        duration_ms=duration_ms,
        brain=cosim.Brain(monitors={"raw": cosim.Monitor(period_ms=0.1)}, **brain),
        circuits=list(circuits),
        base=base,
    )
    return cosim.run(experiment)


def assert_took_its_place(result, region, population, variable="R_e"):
    """The region's rate is the population's: spikes = sum of rate x dt x cells, to the last one."""
    spikes = result.spikes[f"{region}.{population}"]
    rate_hz = result.mean_field["raw"].sel(region=region, variable=variable).values
    counted = rate_hz.sum() * 1e-4 * spikes.n_cells
    assert spikes.times_ms.size > 10
    assert counted == pytest.approx(spikes.times_ms.size, abs=1e-6)


def test_a_users_python_file_with_unchanged_tutorial_netparams():
    """NetPyNE's tutorial 2, NetStim background included; its netParams know nothing of TVB."""
    circuit = cosim.Circuit(
        circuit="two_areas.py:network",
        regions=["rPCUN"],
        inputs=[cosim.Input(to="S", receptor="exc", **STRONG)],
        outputs=[cosim.Output(source="M", to="R_e"), cosim.Output(source="S", to="R_i")],
    )
    result = run(circuit)
    assert_took_its_place(result, "rPCUN", "M")
    assert_took_its_place(result, "rPCUN", "S", "R_i")


def test_a_json_file_that_netpyne_saved(tmp_path):
    with quiet():
        specs = netpyne_specs()
        params = specs.NetParams()
        params.popParams["P"] = {"cellType": "HH", "numCells": 12}
        soma = {"geom": {"L": 18.8, "diam": 18.8, "Ra": 123.0}, "mechs": {"hh": {"gnabar": 0.12}}}
        params.cellParams["HH"] = {"secs": {"soma": soma}}
        params.synMechParams["AMPA"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0}
        params.save(str(tmp_path / "model.json"))
    assert "net" in json.loads((tmp_path / "model.json").read_text())
    circuit = cosim.Circuit(
        circuit="model.json",
        regions=["lPCUN"],
        inputs=[cosim.Input(to="P", receptor="AMPA", **STRONG)],
        outputs=[cosim.Output(source="P", to="R_e")],
    )
    result = run(circuit, base=tmp_path)
    assert_took_its_place(result, "lPCUN", "P")
    # Nothing feeds the inhibitory variables of this region: unknown, not invented.
    assert np.isnan(result.mean_field["raw"].sel(region="lPCUN", variable=["S_i", "R_i"])).all()


def test_one_circuit_spans_two_regions_and_keeps_its_own_connection():
    circuit = cosim.Circuit(
        circuit="two_areas.py:network",
        populations={"S": "rPCUN", "M": "rISTC"},
        inputs=[cosim.Input(to="S", receptor="exc", **STRONG)],
        outputs=[cosim.Output(source="S", to="R_e"), cosim.Output(source="M", to="R_e")],
    )
    result = run(circuit)
    assert_took_its_place(result, "rPCUN", "S")
    assert_took_its_place(result, "rISTC", "M")
    assert "rISTC" not in result.exchange["region_to_circuits"].values


def test_python_objects_and_two_different_circuits_side_by_side():
    specs = netpyne_specs()
    params = specs.NetParams()
    params.popParams["C"] = {"cellType": "HH", "numCells": 8}
    soma = {"geom": {"L": 18.8, "diam": 18.8, "Ra": 123.0}, "mechs": {"hh": {"gnabar": 0.12}}}
    params.cellParams["HH"] = {"secs": {"soma": soma}}
    params.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.3, "tau2": 3.0, "e": 0}
    mine = cosim.Circuit(
        circuit=params,
        regions=["lISTC"],
        inputs=[cosim.Input(to="C", receptor="exc", **STRONG)],
        outputs=[cosim.Output(source="C", to="R_e")],
    )
    node = cosim.Circuit(
        circuit="balanced_ei",
        regions=["rPCUN", "lPCUN"],
        parameters={"order": 10},
        inputs=[cosim.Input(to="E", receptor="exc", **STRONG)],
    )
    result = run(mine, node)
    assert set(result.spikes) == {
        f"{region}.{name}"
        for region, names in {"lISTC": "C", "rPCUN": "EI", "lPCUN": "EI"}.items()
        for name in names
    }
    assert_took_its_place(result, "lISTC", "C")
    assert_took_its_place(result, "rPCUN", "E")


def test_aggregated_coupling_and_the_one_state_model():
    circuit = cosim.Circuit(
        circuit="balanced_ei",
        regions=["rPCUN"],
        parameters={"order": 10},
        inputs=[
            cosim.Input(
                to="E", receptor="exc", coupling="aggregated", rate_scale=100, weight_uS=0.1
            )
        ],
    )
    result = run(circuit, model="reduced_wong_wang", parameters={"G": 0.5})
    assert_took_its_place(result, "rPCUN", "E", "R")


def test_a_circuit_without_inputs_still_feeds_the_brain():
    circuit = cosim.Circuit(
        circuit="two_areas.py:network",
        regions=["rPCUN"],
        outputs=[cosim.Output(source="S", to="R_e")],
    )
    result = run(circuit, duration_ms=300.0)
    assert result.exchange.sizes.get("region_to_circuits", 0) == 0
    silent = run(duration_ms=300.0)
    target = result.mean_field["raw"].sel(region="rISTC", variable="S_e").values
    assert (
        np.abs(target - silent.mean_field["raw"].sel(region="rISTC", variable="S_e")).max() > 1e-4
    )
