"""What an experiment built from Python objects accepts, fills in and refuses."""

import numpy as np
import pytest
from pydantic import ValidationError

from cosim.config import Brain, Circuit, Experiment, Input, Limits, Monitor, Output, Synchronization
from cosim.errors import ConfigurationError


def test_omitted_keys_take_the_documented_values():
    """The file shown in the documentation, but for noise (0), initial and circuits (none)."""
    assert Experiment().resolved() == {
        "seed": 7,
        "duration_ms": 2000.0,
        "brain": {
            "fitted": None,
            "connectome": "hagmann66",
            "normalize": "none",
            "conduction_speed_mm_per_ms": 3.0,
            "coupling": None,
            "delays": None,
            "model": "reduced_wong_wang_exc_inh",
            "parameters": {},
            "fic": None,
            "dt_ms": 0.1,
            "noise": {},
            "initial": None,
            "monitors": {"temporal_average": {"period_ms": 1.0}, "bold": {"period_ms": 2000.0}},
            "engine": "auto",
            "precision": "single",
        },
        "circuits": [],
        "synchronization": {"window_ms": "auto", "injection": "auto"},
        "limits": {"rate_hz": 500.0, "clipped_fraction": 0.01},
        "checkpoint": None,
    }


def test_an_omitted_input_key_takes_the_documented_value():
    assert Input().model_dump(by_alias=True) == {
        "from": None,
        "to": "E",
        "as": "spikes",
        "receptor": "exc",
        "coupling": "per_source",
        "trains_per_source": 4,
        "weight_uS": 0.1,
        "background_hz": 0.0,
    }
    assert Input(coupling="aggregated").rate_scale == 1.0


def test_the_resolved_experiment_is_an_experiment_again():
    experiment = Experiment(
        brain=Brain(parameters={"G": [0.1, 0.2]}, noise={"S_e": 1e-3}),
        circuits=[
            Circuit(
                circuit="balanced_ei",
                regions=["V1"],
                inputs=[Input(source="R_e"), Input(coupling="aggregated", rate_scale=2.0)],
            )
        ],
        synchronization=Synchronization(window_ms=1.0),
    )
    again = Experiment.model_validate(experiment.resolved())
    assert again.resolved() == experiment.resolved()


def test_numpy_numbers_and_arrays_are_taken_as_plain_ones():
    brain = Brain(
        dt_ms=np.float64(0.2), parameters={"J_i": np.array([1.0, 2.0]), "G": np.float32(0.5)}
    )
    assert (brain.dt_ms, brain.parameters) == (0.2, {"J_i": [1.0, 2.0], "G": 0.5})


def test_a_numpy_integer_is_a_seed():
    assert Experiment(seed=np.int64(3)).seed == 3


def test_a_path_may_name_the_connectome(tmp_path):
    assert Brain(connectome=tmp_path / "c.zip").connectome == str(tmp_path / "c.zip")


def test_an_object_may_stand_for_a_circuit_and_is_recorded_by_its_type():
    circuit = Circuit(circuit={"any": "object"}, regions=["V1"])
    assert circuit.circuit == {"any": "object"}
    assert circuit.model_dump(mode="json")["circuit"] == "<Python object dict>"


def test_inputs_and_outputs_are_written_with_the_keys_of_the_file():
    item = Input.model_validate({"from": "R_e", "to": "E"})
    assert (item.source, Output.model_validate({"from": "I", "to": "R_i"}).source) == ("R_e", "I")


def test_a_whole_number_is_a_number_of_milliseconds():
    assert Experiment(duration_ms=500).n_steps == 5000


def test_a_duration_that_is_no_whole_number_of_steps_is_refused():
    with pytest.raises(ConfigurationError, match=r"duration_ms = 500\.04 .* the nearest is 500\."):
        _ = Experiment(duration_ms=500.04).n_steps


@pytest.mark.parametrize("seed", [-1, 2**63, 7.0, "7", True, None])
def test_a_seed_is_a_whole_number_from_0_to_2_to_the_63(seed):
    with pytest.raises(ValidationError, match="seed"):
        Experiment(seed=seed)


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_the_smallest_and_the_largest_seed_are_accepted(seed):
    assert Experiment(seed=seed).seed == seed


@pytest.mark.parametrize("value", [0.0, -0.1, np.nan, np.inf, "0.1", True, None, [0.1]])
@pytest.mark.parametrize(
    ("section", "name"),
    [
        (Experiment, "duration_ms"),
        (Brain, "dt_ms"),
        (Brain, "conduction_speed_mm_per_ms"),
        (Monitor, "period_ms"),
        (Synchronization, "window_ms"),
        (Limits, "rate_hz"),
    ],
)
def test_a_time_speed_or_limit_is_a_positive_finite_number(section, name, value):
    with pytest.raises(ValidationError, match=name):
        section(**{name: value})


@pytest.mark.parametrize("value", [-1e-9, np.nan, np.inf, "0.1", True])
@pytest.mark.parametrize("name", ["weight_uS", "rate_scale"])
def test_a_weight_or_scale_is_finite_and_not_negative(name, value):
    with pytest.raises(ValidationError, match=name):
        Input(coupling="aggregated", **{name: value})


@pytest.mark.parametrize("value", [-1e-9, np.nan, np.inf, "0.001", False])
def test_noise_is_finite_and_not_negative(value):
    with pytest.raises(ValidationError, match="noise"):
        Brain(noise={"S_e": value})


@pytest.mark.parametrize("value", [np.nan, np.inf, "0.2", True, [0.1, "x"], [[0.1]], {"a": 1.0}])
def test_a_model_parameter_is_one_number_or_a_list_of_numbers(value):
    with pytest.raises(ValidationError, match="parameters"):
        Brain(parameters={"G": value})


@pytest.mark.parametrize("value", [-0.01, 1.01, np.nan, "0.01", True])
def test_the_clipped_fraction_is_a_number_from_0_to_1(value):
    with pytest.raises(ValidationError, match="clipped_fraction"):
        Limits(clipped_fraction=value)


@pytest.mark.parametrize("value", [0, -1, 1.0, "4", True])
def test_trains_per_source_is_a_whole_number_from_1_on(value):
    with pytest.raises(ValidationError, match="trains_per_source"):
        Input(trains_per_source=value)


def test_a_key_without_meaning_for_the_coupling_is_refused():
    with pytest.raises(
        ValidationError, match="rate_scale has no meaning with coupling: per_source"
    ):
        Input(rate_scale=2.0)
    with pytest.raises(ValidationError, match=r"trains_per_source has no meaning .* aggregated"):
        Input(coupling="aggregated", trains_per_source=2)


@pytest.mark.parametrize(
    ("placement", "said"),
    [
        ({}, "not neither"),
        ({"regions": ["V1"], "populations": {"E": "V1"}}, "not both"),
        ({"regions": []}, "name at least one"),
        ({"populations": {}}, "name at least one"),
        ({"regions": ["V1", "V2", "V1"]}, "'V1' is listed twice"),
    ],
)
def test_a_circuit_is_placed_once_and_somewhere(placement, said):
    with pytest.raises(ValidationError, match=said):
        Circuit(circuit="balanced_ei", **placement)


@pytest.mark.parametrize(
    "section", [Experiment, Brain, Input, Synchronization, Limits], ids=lambda s: s.__name__
)
def test_no_section_takes_a_key_that_it_does_not_know(section):
    with pytest.raises(ValidationError, match="colour"):
        section(colour="red")


def test_an_experiment_cannot_be_changed_after_its_check():
    with pytest.raises(ValidationError, match="frozen"):
        Experiment().seed = -1
