"""What follows from an experiment before anything is simulated, and every way to refuse one.

A connectome of four regions: weights ``[target, source]`` and tract lengths at 3 mm/ms, so that
lengths of 9, 12, 15 ... mm are delays of 3, 4, 5 ... ms.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cosim.circuit_outputs import Mixture
from cosim.cli import app
from cosim.config import Brain, CellVariable, Circuit, Experiment, Input, Output, Synchronization
from cosim.errors import ConfigurationError
from cosim.plan import check, plan, resolved_summary
from cosim.spiking.interpreter import netpyne_specs

REGIONS = ("V1", "V2", "M1", "S1")
WEIGHTS = np.array(
    [[9.0, 0.5, 0.2, 0.0], [0.4, 9.0, 0.0, 0.1], [0.3, 0.0, 0.0, 0.6], [0.0, 0.7, 0.8, 0.0]]
)
LENGTHS_MM = np.array(
    [[0.0, 9.0, 12.0, 3.0], [15.0, 0.0, 3.0, 18.0], [21.0, 3.0, 0.0, 6.0], [3.0, 24.0, 6.0, 0.0]]
)
START = {"S_e": 0.16, "S_i": 0.04}
DRIVE = Input(source="R_e", to="E", receptor="exc")
GATE = CellVariable(synMech="exc", var="g")


def text_of(matrix):
    return "\n".join(" ".join(str(value) for value in row) for row in matrix)


@pytest.fixture
def zipped(tmp_path):
    """Write a TVB connectivity zip; a member given as None is left out."""

    def write(name="four.zip", labels=REGIONS, **members):
        text = {
            "weights.txt": text_of(WEIGHTS),
            "tract_lengths.txt": text_of(LENGTHS_MM),
            "centres.txt": "\n".join(f"{label} {n} 0 0" for n, label in enumerate(labels)),
        }
        text |= {f"{key}.txt": value for key, value in members.items()}
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member, content in text.items():
                if content is not None:
                    archive.writestr(member, content)
        return name

    return write


@pytest.fixture
def experiment(zipped, tmp_path):
    """An experiment on the four regions; keys of the brain and of the experiment are mixed."""
    zipped()

    def make(*circuits, duration_ms=20.0, window_ms="auto", **brain):
        return Experiment(
            duration_ms=duration_ms,
            brain=Brain(**{"connectome": "four.zip", "initial": START, "monitors": {}, **brain}),
            circuits=list(circuits),
            synchronization=Synchronization(window_ms=window_ms),
            base=tmp_path,
        )

    return make


@pytest.fixture
def problems(experiment):
    """The lines that an experiment is refused with."""

    def of(*circuits, **options):
        with pytest.raises(ConfigurationError) as caught:
            plan(experiment(*circuits, **options))
        assert not any("\n" in line for line in caught.value.problems)
        return caught.value.problems

    return of


def circuit(*regions, **changes):
    """The shipped circuit, small, in some regions."""
    keys = {
        "circuit": "balanced_ei",
        "regions": list(regions) or ["V1"],
        "parameters": {"order": 5},
        "inputs": [DRIVE],
    }
    return Circuit(**{**keys, **changes})


def pools(populations=("E", "I"), joined=(), celsius=None, dt_ms=None):
    """A circuit brought as objects: populations of 3 cells, some of them joined."""
    specs = netpyne_specs()
    params = specs.NetParams()
    params.cellParams["HH"] = {
        "secs": {"soma": {"geom": {"L": 20.0, "diam": 20.0}, "mechs": {"hh": {}}}}
    }
    params.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    for name in populations:
        params.popParams[name] = {"cellType": "HH", "numCells": 3}
    for pre, post in joined:
        params.connParams[f"{pre}->{post}"] = {
            "preConds": {"pop": pre},
            "postConds": {"pop": post},
            "weight": 0.01,
            "delay": 5.0,
            "synMech": "exc",
        }
    if celsius is None and dt_ms is None:
        return params
    config = specs.SimConfig()
    config.dt = dt_ms or 0.05
    config.hParams["celsius"] = celsius or 6.3
    return params, config


def spanning(joined=(), **changes):
    """One circuit over V1 and V2, an excitatory population in each."""
    keys = {
        "circuit": pools(("A", "B"), joined),
        "populations": {"A": "V1", "B": "V2"},
        "inputs": [Input(to="A"), Input(to="B")],
        "outputs": [Output(source="A", to="R_e"), Output(source="B", to="R_e")],
    }
    return Circuit(**{**keys, **changes})


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
    wrong = {"brain": {"connectome": "four.zip"}, "circuits": [{"circuit": "x", "regions": ["V9"]}]}
    Path("wrong.yaml").write_text(json.dumps(wrong))
    told = CliRunner().invoke(app, ["check", "wrong.yaml", "--regions"])
    assert (told.exit_code, told.stdout.split()) == (0, list(REGIONS))
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


def test_a_negative_coupling_into_a_circuit_is_refused(problems):
    """Weights scale with G; a synapse of negative conductance is no synapse."""
    (line,) = problems(circuit("V1"), parameters={"G": -0.2})
    assert "brain.parameters.G = -0.2" in line


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
    """G .2 and the largest weight into V1, .5: 14 nS, and 14 uS."""
    drive = Input(source="R_e", to="E", receptor="exc", weight_uS=weight_uS)
    lines = plan(experiment(circuit("V1", inputs=[drive]))).notices
    assert len(lines) == told
    assert all("V1.E opens up to 14 uS a spike" in line for line in lines)


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
