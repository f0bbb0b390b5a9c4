"""What a planned run sends where: weights, delays, numbers of the drives, what each side is told.

The experiment is that of ``four_regions``.
"""

import numpy as np
import pytest
from four_regions import DRIVE, GATE, WEIGHTS, circuit, pools, spanning, text_of

from cosim.circuit_outputs import Mixture
from cosim.config import Input, Output
from cosim.plan import plan


def test_a_negative_coupling_into_a_circuit_is_refused(problems):
    """Weights scale with G; a synapse of negative conductance is no synapse."""
    (line,) = problems(circuit("V1"), parameters={"G": -0.2})
    assert "brain.parameters.G = -0.2" in line


def test_per_source_weights_are_weight_times_G_times_connection(experiment):
    """Into V1: V2 (0.5) and M1 (0.2), G 0.3, 0.05 uS."""
    drive = DRIVE.model_copy(update={"weight_uS": 0.05})
    planned = plan(experiment(circuit("V1", inputs=[drive]), parameters={"G": 0.3}))
    (found,) = planned.circuits.drives
    assert found.sources == ("V2", "M1")
    assert np.allclose(found.target.weights_uS, 0.05 * 0.3 * np.array([0.5, 0.2]), rtol=1e-15)
    assert found.gains is None


def test_the_weight_takes_the_G_of_the_target_region(experiment):
    """G_i multiplies what region i receives, as in TVB."""
    parameters = {"G": [0.1, 0.2, 0.3, 0.4]}
    planned = plan(experiment(circuit("V1", "M1"), parameters=parameters))
    into = {drive.region: drive.target.weights_uS for drive in planned.circuits.drives}
    assert np.allclose(into["V1"], 0.1 * 0.1 * np.array([0.5, 0.2]), rtol=1e-15)
    assert np.allclose(into["M1"], 0.1 * 0.3 * np.array([0.3, 0.6]), rtol=1e-15)


def test_the_default_G_of_the_circuits_is_that_of_the_brain(experiment):
    planned = plan(experiment(circuit("V1")))
    assert planned.parameters["G"].tolist() == [0.2]
    assert np.allclose(
        planned.circuits.drives[0].target.weights_uS, 0.1 * 0.2 * np.array([0.5, 0.2]), rtol=1e-15
    )


def test_the_weights_follow_the_normalization_of_the_connectome(experiment):
    planned = plan(experiment(circuit("V1"), normalize="max"))
    expected = 0.1 * 0.2 * np.array([0.5, 0.2]) / 0.8
    assert np.allclose(planned.circuits.drives[0].target.weights_uS, expected, rtol=1e-14)


def test_aggregated_gains_are_scale_times_G_times_connection_at_one_weight(experiment):
    drive = Input(coupling="aggregated", weight_uS=0.05, rate_scale=8.0)
    planned = plan(
        experiment(circuit("V1", inputs=[drive]), parameters={"G": [0.3, 1.0, 1.0, 1.0]})
    )
    (found,) = planned.circuits.drives
    assert np.allclose(found.gains, 8.0 * 0.3 * np.array([0.5, 0.2]), rtol=1e-15)
    assert (found.target.weights_uS.tolist(), found.target.per_source) == ([0.05], 1)


def test_delays_are_the_connectomes_in_steps(experiment):
    """9 and 12 mm at 3 mm/ms are 3 and 4 ms: 30 and 40 steps."""
    (drive,) = plan(experiment(circuit("V1"))).circuits.drives
    assert drive.delays.tolist() == [30, 40]


def test_every_drive_has_its_own_number(experiment):
    """The number keys the random numbers: equal ones would give equal trains."""
    both = [DRIVE, DRIVE.model_copy(update={"to": "I"})]
    drives = plan(experiment(circuit("V1", "M1", inputs=both), circuit("S1"))).circuits.drives
    assert sorted(drive.number for drive in drives) == list(range(5))


def test_the_circuits_are_told_the_rates_they_need_and_no_others(experiment):
    """V1 and M1 replaced: V2 and S1 drive them; each other's rates they know themselves."""
    circuits = plan(experiment(circuit("V1", "M1"))).circuits
    (signal,) = circuits.to_circuits.signals
    assert (signal.variable, signal.regions, signal.is_rate) == ("R_e", ("V2", "S1"), True)


def test_the_brain_is_told_the_rates_of_the_replaced_regions(experiment):
    circuits = plan(experiment(circuit("M1", "V1"))).circuits
    told = {signal.variable: signal.regions for signal in circuits.to_brain.signals}
    assert told == {"R_e": ("V1", "M1"), "R_i": ("V1", "M1")}
    assert circuits.replaced == ("V1", "M1")


def test_omitted_outputs_take_E_and_I_where_the_circuit_has_them(experiment):
    alone = circuit("V1", circuit=pools(("E",)), parameters={})
    assert dict(plan(experiment(alone)).circuits.origin) == {("R_e", "V1"): Mixture(("V1.E",))}
    assert dict(plan(experiment(circuit("V1"))).circuits.origin) == {
        ("R_e", "V1"): Mixture(("V1.E",)),
        ("R_i", "V1"): Mixture(("V1.I",)),
    }


def test_a_gating_variable_of_the_circuit_may_stand_for_the_rate_that_drives_it(experiment):
    outputs = [Output(source="I", to="R_i"), Output(source="E", to="S_e", gating=GATE)]
    circuits = plan(experiment(circuit("V1", outputs=outputs))).circuits
    told = {signal.variable: signal.is_rate for signal in circuits.to_brain.signals}
    assert told == {"R_i": True, "S_e": False}
    assert circuits.readings["S_e", "V1"].population == "V1.E"


def test_a_rate_of_a_replaced_region_that_no_circuit_gives_is_refused(problems):
    """V1 is driven by R_i of V2, replaced too, whose circuit tells R_e only."""
    driven_by_inhibition = circuit(
        "V1", "V2", inputs=[Input(source="R_i")], outputs=[Output(source="E", to="R_e")]
    )
    lines = problems(driven_by_inhibition)
    assert len(lines) == 2
    assert "'V1.E' needs R_i of region 'V2', whose circuit does not give it" in lines[0]


def test_the_one_state_model_has_one_rate(experiment):
    one = experiment(circuit("V1", inputs=[Input()]), model="reduced_wong_wang", initial={"S": 0.1})
    circuits = plan(one).circuits
    assert [drive.variable for drive in circuits.drives] == ["R"]
    assert dict(circuits.origin) == {("R", "V1"): Mixture(("V1.E",))}


def test_regions_replaced_together_drive_each_other_through_the_exchange(experiment):
    """V2 to V1 (3 ms) and V1 to V2 (5 ms) are sources and bound the window like any other."""
    planned = plan(experiment(circuit("V1", "V2")))
    sources = {drive.region: drive.sources for drive in planned.circuits.drives}
    assert sources == {"V1": ("V2", "M1"), "V2": ("V1", "S1")}
    assert planned.clock.window_ms == 3.0


def test_a_connection_that_the_circuit_makes_itself_is_not_counted_twice(experiment):
    """B in V2 projects to A in V1 within NEURON; the way back still goes through the exchange."""
    planned = plan(experiment(spanning(joined=[("B", "A")])))
    sources = {drive.region: drive.sources for drive in planned.circuits.drives}
    assert sources == {"V1": ("M1",), "V2": ("V1", "S1")}


def test_a_connection_that_the_circuit_makes_itself_does_not_bound_the_window(experiment):
    """V2 to V1 (3 ms) left out, M1 to V1 (4 ms) is the shortest that crosses."""
    planned = plan(experiment(spanning(joined=[("B", "A"), ("A", "B")])))
    assert planned.clock.window_ms == 4.0


def test_two_copies_of_a_circuit_are_not_joined_by_its_own_rules(experiment):
    """Recurrent connections stay within a copy; V1 and V2 still feel each other."""
    recurrent = circuit("V1", "V2", circuit=pools(joined=[("E", "E"), ("E", "I")]), parameters={})
    circuits = plan(experiment(recurrent)).circuits
    assert circuits.composition.connected_regions == frozenset()
    assert [drive.sources for drive in circuits.drives] == [("V2", "M1"), ("V1", "S1")]


def test_a_region_without_incoming_connections_gets_an_empty_drive(experiment, zipped):
    weights = WEIGHTS.copy()
    weights[0] = 0.0
    name = zipped("sink.zip", weights=text_of(weights))
    (drive,) = plan(experiment(circuit("V1"), connectome=name)).circuits.drives
    assert (drive.sources, drive.target.weights_uS.size) == ((), 0)


@pytest.mark.parametrize(("weight_uS", "told"), [(0.14, 0), (140.0, 1)])
def test_a_weight_in_nanosiemens_is_told(experiment, weight_uS, told):
    """G .2 and the largest weight into the two, .5: 14 nS, and 14 uS; one line for both."""
    drive = Input(source="R_e", to="E", receptor="exc", weight_uS=weight_uS)
    lines = plan(experiment(circuit("V1", "V2", inputs=[drive]))).notices
    assert len(lines) == told
    assert all("inputs to V1.E, V2.E open up to 14 uS a spike" in line for line in lines)


def test_a_current_into_cells_whose_voltage_is_a_point_processs_own_is_refused(problems):
    item = Input.model_validate({"from": "R_e", "to": "E", "as": "current"})
    assert problems(circuit("V1", circuit="wong_wang", parameters={}, inputs=[item])) == (
        "circuits.0.inputs.0: as: current charges the membrane of a section, and the cells of "
        "population 'E' keep a voltage of their own in a point process, which would not feel it; "
        "use as: variable or as: spikes.",
    )


def test_what_a_circuit_does_not_feel_of_a_diffusive_coupling_is_said(experiment):
    (notice,) = plan(experiment(circuit("V1"), coupling="diffusive")).brain.notices
    assert "-S_i sum_j C_ij, is no input of a circuit" in notice
    assert plan(experiment(circuit("V1"))).brain.notices == ()
    assert plan(experiment(coupling="diffusive")).brain.notices == ()
