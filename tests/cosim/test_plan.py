"""What follows from an experiment before anything is simulated, and every way to refuse one.

The experiment is that of ``four_regions``.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from four_regions import (
    DRIVE,
    GATE,
    LENGTHS_MM,
    REGIONS,
    WEIGHTS,
    circuit,
    pools,
    spanning,
    text_of,
)
from typer.testing import CliRunner

from cosim.cli import app
from cosim.config import Input, Output
from cosim.plan import check, plan, resolved_summary


def test_without_circuits_nothing_is_replaced_and_nothing_bounds_the_window(experiment):
    """A window is then 100 ms, or the run if that is shorter."""
    assert plan(experiment()).circuits is None
    assert plan(experiment()).clock.window_steps == 200
    assert plan(experiment(duration_ms=500.0)).clock.window_steps == 1000


def test_checking_finds_what_planning_finds(experiment):
    assert check(experiment(circuit())).clock == plan(experiment(circuit())).clock


def test_the_clock_covers_the_duration(experiment):
    assert plan(experiment(circuit(), duration_ms=500.0)).clock.n_steps == 5000


def test_only_connections_that_cross_bound_the_window(experiment):
    """With V1 replaced: V2 and M1 in (3, 4 ms), V2 and M1 out (5, 7 ms): 3 ms. Shorter are M1 - S1
    (2 ms, TVB's own) and V1 - S1 and V2 - M1 (1 ms, but of weight 0)."""
    assert plan(experiment(circuit("V1"))).clock.window_ms == 3.0


def test_connections_out_of_a_circuit_that_is_not_driven_bound_the_window(experiment):
    assert plan(experiment(circuit("V1", inputs=[]))).clock.window_ms == 5.0


def test_a_window_longer_than_the_shortest_crossing_delay_is_refused_with_both_numbers(problems):
    (line,) = problems(circuit("V1"), window_ms=3.1)
    assert "window_ms = 3.1 exceeds the shortest crossing delay, 3 ms (V2 to V1)" in line
    assert "at most 3 or" in line


def test_a_window_as_long_as_the_shortest_crossing_delay_is_accepted(experiment):
    assert plan(experiment(circuit("V1"), window_ms=3.0)).clock.window_steps == 30


@pytest.mark.parametrize("window_ms", [0.25, 0.04])
def test_a_window_that_the_step_does_not_divide_is_refused(problems, window_ms):
    (line,) = problems(circuit("V1"), window_ms=window_ms)
    assert f"window_ms = {window_ms} is not a whole number of steps of brain.dt_ms = 0.1" in line


def test_a_speed_that_leaves_no_step_of_delay_is_refused(problems):
    (line,) = problems(circuit("V1"), conduction_speed_mm_per_ms=300.0)
    assert "0.03 ms (V2 to V1), is shorter than one step of brain.dt_ms = 0.1" in line


def test_a_duration_that_is_no_whole_number_of_steps_is_refused(problems):
    (line,) = problems(duration_ms=20.04)
    assert "duration_ms = 20.04 is not a whole number of steps of brain.dt_ms = 0.1" in line
    assert "the nearest is 20." in line


def test_an_unknown_region_is_refused_with_a_near_miss(problems):
    (line,) = problems(circuit("V11"))
    assert line.startswith("circuits.0: Unknown region 'V11'. Known: V1, V2, M1, S1. Did you mean")


def test_all_regions_are_told_whatever_else_is_wrong(zipped, tmp_path, monkeypatch):
    """A relative file from its own folder, which TVB would look for among its own data."""
    zipped()
    monkeypatch.chdir(tmp_path)
    wrong = {
        "brain": {"connectome": "four.zip", "model": "x"},
        "circuits": [{"circuit": "x", "regions": ["V9"]}],
    }
    Path("wrong.yaml").write_text(json.dumps(wrong))
    told = CliRunner().invoke(app, ["check", "wrong.yaml", "--regions"])
    assert (told.exit_code, told.stdout.split()) == (0, list(REGIONS))
    del wrong["brain"]["model"]
    Path("wrong.yaml").write_text(json.dumps(wrong))
    refused = CliRunner().invoke(app, ["check", "wrong.yaml"])
    assert refused.exit_code == 2
    assert "Unknown region 'V9'. Known: V1, V2, M1, S1" in refused.stderr
    assert "`cosim check FILE --regions` lists all." in refused.stderr


def test_circuits_in_a_brain_without_delays_are_refused_with_the_cure(problems):
    """Neither a slower conduction nor a shorter step makes a delay of 0 longer."""
    (line,) = problems(circuit("V1"), delays="none")
    assert line.startswith("The shortest crossing delay is 0 ms (")
    assert "set brain.delays to tract, or to one delay in ms" in line


def test_a_region_replaced_by_two_circuits_is_refused(problems):
    (line,) = problems(circuit("V1"), circuit("V2", "V1"))
    assert line.startswith("circuits.1: region 'V1' is already replaced by circuits.0")


def test_a_missing_connectome_file_is_named_with_what_is_shipped(problems, tmp_path):
    (line,) = problems(connectome="none.zip")
    assert "Known: hagmann66, tvb68, tvb76, tvb96." in line
    assert f"No file '{tmp_path / 'none.zip'}'" in line


@pytest.mark.parametrize("name", ["hagman66", "a" * 5000, "a\0b", ".", ""])
def test_a_name_that_is_no_connectome_is_refused(problems, name):
    (line,) = problems(connectome=name)
    assert line.startswith("brain.connectome")


def test_a_file_that_is_no_zip_is_refused(problems, tmp_path):
    (tmp_path / "text.zip").write_text("weights")
    assert "'text.zip': is not a zip file" in problems(connectome="text.zip")[0]


# TVB's reader says in its own way that a member is empty.
@pytest.mark.filterwarnings("ignore:loadtxt")
@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"weights": None}, "weights"),
        ({"weights": "a b\nc d"}, "is not a TVB connectivity zip"),
        ({"weights": "", "tract_lengths": ""}, "brain.connectome"),
        ({"weights": "0 1\n1 0"}, r"weights have shape (2, 2), 4 labels need (4, 4)"),
        ({"weights": text_of(-WEIGHTS)}, "weights from V2 to V1 are -0.5; they must be finite"),
        ({"weights": text_of(np.full((4, 4), np.inf))}, "they must be finite and >= 0"),
        ({"tract_lengths": text_of(LENGTHS_MM - 4)}, "tract lengths from V1 to V1 are -4"),
        ({"weights": text_of(np.eye(4))}, "no two regions are connected"),
        ({"labels": ("V1", "V2", "V1", "S1")}, "the label 'V1' stands twice"),
    ],
)
def test_a_zip_that_is_not_a_connectome_is_refused(problems, zipped, members, said):
    lines = problems(connectome=zipped("other.zip", **members))
    assert all(line.startswith("brain.connectome = 'other.zip'") for line in lines)
    assert said in lines[0]


def test_a_zip_of_something_else_is_refused(problems, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("beach.jpg", b"\xff\xd8\xff")
    (line,) = problems(connectome="photos.zip")
    assert "is not a TVB connectivity zip" in line
    assert "must hold weights.txt, tract_lengths.txt and centres.txt (a line LABEL X Y Z" in line


def test_the_diagonal_of_the_connectome_is_zero(experiment):
    assert not plan(experiment()).connectome.weights.diagonal().any()


@pytest.mark.parametrize(("normalize", "scale"), [("none", 1.0), ("max", 0.8), ("region", 1.5)])
def test_weights_are_normalized_after_the_diagonal_is_set_to_zero(experiment, normalize, scale):
    """The largest weight off the diagonal is 0.8, the largest row sum 0.7 + 0.8."""
    expected = (WEIGHTS - np.diag(WEIGHTS.diagonal())) / scale
    assert np.allclose(
        plan(experiment(normalize=normalize)).connectome.weights, expected, rtol=1e-15
    )


def test_an_unknown_model_is_refused(problems):
    (line,) = problems(model="reduced_wong_wang_excinh")
    assert "Did you mean 'reduced_wong_wang_exc_inh'?" in line


@pytest.mark.parametrize(
    ("brain", "said"),
    [
        ({"parameters": {"G": [0.1, 0.2]}}, "brain.parameters.G has 2 values; give one, or 4"),
        ({"parameters": {"J_i": [1.0] * 66}}, "brain.parameters.J_i has 66 values"),
        ({"parameters": {"lambda": 0.0}}, "Did you mean 'lamda'?"),
        ({"parameters": {"tau_e": 0.0}}, "brain.parameters.tau_e = 0: a time constant"),
        ({"noise": {"S": 0.1}}, "brain.noise: Unknown state variable 'S'. Known: S_e, S_i."),
        ({"initial": {"S": 0.1}}, "brain.initial: Unknown state variable 'S'. Known: S_e, S_i."),
        ({"initial": {"S_e": 1.1}}, "brain.initial.S_e = 1.1: a gating variable lies in [0, 1]."),
        ({"initial": {"S_e": [0.1, 0.1, 0.1, -0.2]}}, "brain.initial.S_e = -0.2: a gating"),
        ({"initial": {"S_e": [0.1, 0.1]}}, "brain.initial.S_e has 2 values; give one, or 4"),
        ({"monitors": {"ecog": {"period_ms": 1.0}}}, "Unknown monitor 'ecog'. Known: raw,"),
        ({"monitors": {"bold": {"period_ms": 0.25}}}, "bold.period_ms = 0.25 is not a whole"),
        ({"monitors": {"raw": {"period_ms": 1.0}}}, "raw.period_ms = 1: raw keeps every step"),
        ({"monitors": {"bold": {"period_ms": 3.0}}, "dt_ms": 3.0, "connectome": "four.zip"},
         "TVB averages BOLD over 4 ms"),
    ],
)  # fmt: skip
def test_a_brain_that_cannot_be_is_refused(problems, brain, said):
    lines = problems(**{"duration_ms": 30.0, **brain})
    assert len(lines) == 1
    assert said in lines[0]


def test_one_value_per_region_is_accepted(experiment):
    planned = plan(experiment(parameters={"J_i": [1.0, 1.1, 1.2, 1.3]}, initial={"S_e": [0.1] * 4}))
    assert planned.parameters["J_i"].tolist() == [1.0, 1.1, 1.2, 1.3]


def test_the_initial_state_is_what_was_given_for_every_region(experiment):
    assert np.array_equal(plan(experiment()).initial, [[0.16] * 4, [0.04] * 4])


def test_an_omitted_initial_state_is_the_resting_point(experiment):
    """Uncoupled: S_e .1648, S_i .0392, R_e 3.08, R_i 3.92 (PHYSICS section 1), to their digits."""
    planned = plan(experiment(initial=None, parameters={"G": 0.0}))
    assert np.allclose(planned.initial[:, 0], [0.1648, 0.0392], rtol=0, atol=5e-5)
    assert np.allclose(planned.initial_rates_hz[:, 0], [3.08, 3.92], rtol=0, atol=5e-3)


def test_noise_is_zero_where_it_is_not_given(experiment):
    assert plan(experiment(noise={"S_i": 0.002})).sigma.tolist() == [0.0, 0.002]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"circuit": "balanced"}, "Unknown circuit 'balanced'. Known: balanced_ei, "),
        ({"circuit": "nets/a.py:build"}, "there is no file"),
        ({"circuit": "nets/a.py"}, "names no function; write nets/a.py:function"),
        ({"circuit": "a.json", "parameters": {}}, "cannot be read (No such file or directory)"),
        ({"circuit": 5, "parameters": {}}, "gives an object of type int; NetPyNE netParams"),
        ({"parameters": {"ordr": 5}}, "Did you mean 'order'?"),
        ({"parameters": {"order": 0}}, "order = 0 is not a whole number >= 2"),
        ({"dt_ms": 0.03}, "dt_ms (balanced_ei) = 0.03 does not divide brain.dt_ms = 0.1; the"),
        ({"dt_ms": 0.2}, "dt_ms (balanced_ei) = 0.2 does not divide brain.dt_ms = 0.1; the"),
        ({"inputs": [Input(to="X")]}, "circuits.0.inputs.0.to: Unknown population 'X'. Known:"),
        ({"inputs": [DRIVE, Input(receptor="ampa")]},
         "circuits.0.inputs.1.receptor: Unknown receptor of population 'V1.E': 'ampa'. Known:"),
        ({"inputs": [Input(source="S_e")]}, "circuits.0.inputs.0.from: Unknown rate"),
        ({"outputs": [Output(source="X", to="R_e")]}, "circuits.0.outputs.0.from: Unknown popul"),
        ({"outputs": [Output(source="E", to="R")]}, "outputs.0.to: Unknown variable of reduced"),
        ({"outputs": [Output(source="I", to="R_i")]},
         "circuits.0.outputs: nothing feeds R_e of region 'V1'"),
        ({"outputs": [Output(source="E", to="R_e"), Output(source="I", to="R_e")]},
         "R_e of region 'V1' is already fed by 'V1.E'"),
        ({"outputs": [Output(source="E", to="S_e")]},
         "circuits.0.outputs.0: S_e is a gating variable; say what to average with gating"),
        ({"outputs": [Output(source="E", to="R_e", gating=GATE)]},
         "circuits.0.outputs.0.gating: R_e is a rate and comes from spikes; remove gating"),
        ({"outputs": [Output(source="E", to="S_e", gating=GATE),
                      Output(source="I", to="S_e", gating=GATE)]},
         "S_e of region 'V1' is already fed by 'V1.E'"),
        ({"outputs": [Output(source="I", to="S_i", gating=GATE)]},
         "circuits.0.outputs: nothing feeds R_e of region 'V1'"),
    ],
)  # fmt: skip
def test_a_circuit_that_does_not_fit_is_refused(problems, changes, said):
    (line,) = problems(circuit("V1", **changes))
    assert line.startswith("circuits.0")
    assert said in line


def test_a_population_without_cells_is_refused(problems):
    empty = pools()
    empty.popParams["I"]["numCells"] = 0
    (line,) = problems(circuit("V1", circuit=empty, parameters={}))
    assert "Population 'I'" in line
    assert "has no cells" in line


@pytest.mark.parametrize(
    ("populations", "said"),
    [
        ({"A": "V1", "B": "V3"}, "circuits.0: Unknown region 'V3'"),
        ({"A": "V1", "B": "V2", "C": "V2"}, "'C'. Known: A, B."),
        ({"A": "V1"}, "Population 'B' of circuit 'netParams' has no region"),
    ],
)
def test_a_circuit_over_several_regions_places_each_of_its_populations(problems, populations, said):
    (line,) = problems(spanning(populations=populations))
    assert said in line


def test_circuits_with_different_steps_are_refused_naming_both(problems):
    (line,) = problems(circuit("V1", dt_ms=0.05), circuit("V2", dt_ms=0.025))
    assert (
        "circuits.0.dt_ms (balanced_ei) = 0.05 and circuits.1.dt_ms (balanced_ei) = 0.025" in line
    )
    assert "NEURON has one step" in line


def test_a_circuits_own_step_counts_unless_the_file_gives_one(experiment):
    own = {"circuit": pools(dt_ms=0.025), "parameters": {}}
    assert plan(experiment(circuit("V1", **own))).circuits.dt_ms == 0.025
    assert plan(experiment(circuit("V1", **own, dt_ms=0.05))).circuits.dt_ms == 0.05


def test_circuits_at_different_temperatures_are_refused_naming_both(problems):
    warm = circuit("V1", circuit=pools(celsius=34.0), parameters={})
    (line,) = problems(warm, circuit("V2"))
    assert "celsius is 34.0 in circuit 'netParams' and 6.3 in circuit 'balanced_ei'" in line


def test_mistakes_of_independent_parts_are_told_at_once(problems):
    lines = problems(
        circuit("V11"),
        duration_ms=20.04,
        parameters={"G": [1.0, 2.0], "foo": 1.0},
        noise={"S": 1.0},
        initial={"S_e": 2.0},
        monitors={"bol": {"period_ms": 1.0}},
    )
    expected = (
        "circuits.0", "duration_ms", "parameters.G", "'foo'", "brain.noise", "brain.initial",
        "brain.monitors",
    )  # fmt: skip
    assert len(lines) == len(expected)
    assert all(any(name in line for line in lines) for name in expected)


def test_the_summary_shows_what_the_file_does_not(experiment):
    summary = resolved_summary(plan(experiment(circuit("V1"))))
    assert summary["regions"] == 4
    assert summary["replaced"] == "V1"
    assert (summary["window_ms"], summary["windows"], summary["steps"]) == (3.0, 7, 200)
    assert summary["initial_rates_hz"].startswith("R_e ")


def test_planning_leaves_the_users_netparams_alone(experiment):
    mine = pools(joined=[("E", "I")])
    before = mine.todict()
    plan(experiment(circuit("V1", "V2", circuit=mine, parameters={})))
    assert mine.todict() == before
