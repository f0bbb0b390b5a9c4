"""A circuit that is the mean field's own network takes its parameters, region by region."""

import pytest

import cosim
from cosim.plan import plan

REGIONS = ["rPCUN", "lPCUN"]


def planned(brain, **parameters):
    circuit = cosim.Circuit(circuit="wong_wang", regions=REGIONS, parameters=parameters)
    return plan(cosim.Experiment(duration_ms=10.0, brain=brain, circuits=[circuit]))


def test_feedback_inhibition_control_reaches_the_circuit():
    made = planned({"fic": {"rate_hz": 3.0}})
    for region in REGIONS:
        i = made.connectome.index(region)
        built = made.circuits.parameters[region]
        assert built["J_i"] == made.parameters["J_i"][i]
        assert built["S_E_start"] == made.initial[0, i]
        assert (built["w_p"], built["J_N"], built["I_o"]) == (1.4, 0.15, 0.382)
    first, second = (made.circuits.parameters[region]["J_i"] for region in REGIONS)
    assert first != second


def test_what_is_given_is_kept():
    built = planned({"fic": {"rate_hz": 3.0}}, J_i=1.25).circuits.parameters
    assert [built[region]["J_i"] for region in REGIONS] == [1.25, 1.25]


def test_diffusive_coupling_weakens_the_recurrence():
    """Of w_p J_N S_i + G J_N sum_j C_ij (S_j - S_i), S_i keeps w_p - G sum_j C_ij."""
    made = planned({"coupling": "diffusive", "parameters": {"G": 0.05}})
    for region in REGIONS:
        reach = made.connectome.weights[made.connectome.index(region)].sum()
        assert made.circuits.parameters[region]["w_p"] == pytest.approx(1.4 - 0.05 * reach)


def test_a_region_whose_coupling_takes_off_all_recurrence_cannot_hold_it():
    """Hagmann 66 at G = 2: sum_j C_ij of the precuneus is above .7."""
    said = (
        r"cannot stand in region 'rPCUN': .* w_p - G sum_j C_ij = -.* It can in \d+ of 66 regions"
    )
    with pytest.raises(cosim.CosimError, match=said):
        planned({"coupling": "diffusive", "parameters": {"G": 2.0}})


def test_the_run_says_what_it_was_built_with():
    circuit = cosim.Circuit(
        circuit="wong_wang",
        regions=["rPCUN"],
        parameters={
            "n_excitatory": 20,
            "n_inhibitory": 6,
            "in_degree_excitatory": 4,
            "in_degree_inhibitory": 3,
        },
    )
    result = cosim.run(cosim.Experiment(duration_ms=5.0, brain={"fic": {}}, circuits=[circuit]))
    built = result.provenance["circuit_parameters"]["rPCUN"]
    assert built["J_i"] > 1.0
    assert built["n_excitatory"] == 20
