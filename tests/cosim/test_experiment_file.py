"""An experiment file gives an Experiment, or one line per mistake and all of them at once."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cosim.config import Experiment
from cosim.errors import ConfigurationError
from cosim.experiment_file import load, validate

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def read(tmp_path):
    """Load a text as an experiment file, with overrides."""

    def from_text(text, *overrides):
        path = tmp_path / "experiment.yaml"
        path.write_text(text, encoding="utf-8", newline="")
        return load(path, overrides)

    return from_text


@pytest.fixture
def problems(read):
    """The lines that a text is refused with."""

    def of(text, *overrides):
        with pytest.raises(ConfigurationError) as caught:
            read(text, *overrides)
        return caught.value.problems

    return of


def circuit(**keys):
    return {"circuit": "balanced_ei", "regions": ["V1"], **keys}


def refused(document):
    with pytest.raises(ConfigurationError) as caught:
        validate(document)
    return caught.value.problems


def test_the_example_file_is_an_experiment():
    experiment = load(EXAMPLES / "replace_one_region.yaml")
    assert (experiment.brain.connectome, experiment.circuits[0].regions) == ("hagmann66", ["rPCUN"])


def test_an_empty_file_is_an_experiment_of_defaults(read):
    assert read("# nothing\n").resolved() == Experiment().resolved()


def test_paths_start_from_the_folder_of_the_file(read, tmp_path):
    assert read("seed: 1").base == tmp_path


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "+1e-3", "1.e-3", "0.001", "1_000e-6"])
def test_every_way_to_write_a_number_is_a_number(read, number):
    """YAML 1.1 wants a dot in a float and PyYAML would read 1e-3 as text."""
    assert read(f"brain: {{noise: {{S_e: {number}}}}}").brain.noise["S_e"] == 0.001


def test_text_that_only_begins_like_a_number_stays_text(problems):
    assert problems("duration_ms: 1e3ms") == ("duration_ms = '1e3ms': must be number.",)


def test_a_list_of_numbers_with_exponents_is_a_list_of_numbers(read):
    experiment = read("brain: {parameters: {J_i: [1e0, 2e+0, -3e-1]}}")
    assert experiment.brain.parameters["J_i"] == [1.0, 2.0, -0.3]


@pytest.mark.parametrize(
    ("document", "key", "meant", "where"),
    [
        ({"sed": 1}, "sed", "seed", "the experiment"),
        ({"brain": {"conectome": "a"}}, "conectome", "connectome", "brain"),
        ({"brain": {"monitors": {"bold": {"period": 1.0}}}}, "period", "period_ms", "bold"),
        ({"circuits": [circuit(region=["V1"])]}, "region", "regions", "circuits.0"),
        ({"circuits": [circuit(inputs=[{"form": "R_e"}])]}, "form", "from", "circuits.0.inputs.0"),
        (
            {"circuits": [circuit(outputs=[{"from": "E", "to": "R_e", "too": 1}])]},
            "too",
            "to",
            "circuits.0.outputs.0",
        ),
        ({"synchronization": {"window": 1.0}}, "window", "window_ms", "synchronization"),
        ({"limits": {"rate_Hz": 1.0}}, "rate_Hz", "rate_hz", "limits"),
    ],
)
def test_an_unknown_key_is_refused_with_its_section_and_a_near_miss(document, key, meant, where):
    line = next(line for line in refused(document) if line.startswith("Unknown key"))
    assert f"Unknown key {key!r}." in line
    assert f"Did you mean {meant!r}?" in line
    assert line.endswith(f"{where})")


def test_a_key_with_a_dot_is_named_whole():
    (line,) = refused({"brain": {"a.b": 1}})
    assert line.startswith("Unknown key 'a.b'.")
    assert line.endswith("(in brain)")


def test_the_folder_cannot_be_set_from_the_file():
    (line,) = refused({"base": "/tmp"})
    assert line.startswith("Unknown key 'base'.")


@pytest.mark.parametrize(
    "text",
    [
        "seed: !!python/object/apply:os.getpid []",
        "brain: !!python/name:os.system",
        "seed: !custom 7",
        "seed: !!int 7",
        "circuits: [{circuit: a, regions: !!set {V1, V2}}]",
        "!experiment {seed: 1}",
        "brain: {! parameters: {}}",
    ],
)
def test_yaml_with_tags_is_refused_with_its_line(problems, text):
    (line,) = problems(f"# a comment\n{text}")
    assert "experiment.yaml, line 2: not plain YAML (the tag '" in line
    assert line.endswith("; write plain keys and values.")


def test_a_tag_is_refused_before_anything_is_made_of_it(problems, tmp_path):
    problems(f"seed: !!python/object/apply:pathlib.Path.touch ['{tmp_path / 'made'}']")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "text",
    [
        "seed: 1\nseed: 2",
        "brain: {dt_ms: 0.1, dt_ms: 0.2}",
        "brain:\n  parameters:\n    G: 1.0\n    'G': 2.0",
        "circuits:\n- {circuit: a, regions: [V1], circuit: b}",
    ],
)
def test_a_key_that_stands_twice_is_refused(problems, text):
    (line,) = problems(text)
    assert "stands twice); write plain keys and values." in line


@pytest.mark.parametrize(
    "text",
    [
        "- 1",
        "experiment",
        "3.5",
        "brain: [",
        "a: b: c",
        "\0",
        "seed: 1\n---\nseed: 2",
        "\t",
        "? [a]\n: b",
    ],
)
def test_what_is_not_a_mapping_in_yaml_is_refused_in_one_line(problems, text):
    (line,) = problems(text)
    assert "experiment.yaml" in line
    assert "\n" not in line


def test_a_value_inside_itself_is_refused(problems):
    (line,) = problems("circuits: [{circuit: a, regions: [V1], parameters: &p {again: *p}}]")
    assert "recursive" in line


def test_deep_nesting_is_refused(problems):
    assert problems("[" * 5000)[0].endswith("nested too deeply to be an experiment.")


def test_a_short_file_that_stands_for_a_huge_value_is_refused_at_once(problems):
    """Nine levels of nine aliases stand for 9^9 values, which no message may spell out."""
    levels = "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
    )
    lines = problems(f"a: &a [x]\n{levels}seed: *j\n")
    assert any(
        line.startswith("seed = [[[") and line.endswith("must be integer.") for line in lines
    )


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"Cannot read .*missing\.yaml'.* No such file"):
        load(tmp_path / "missing.yaml")


def test_a_folder_is_no_experiment_file(tmp_path):
    with pytest.raises(ConfigurationError, match=r"Cannot read .* directory"):
        load(tmp_path)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "e.yaml").write_bytes(b"\xff\xfe\x00seed")
    with pytest.raises(ConfigurationError, match="not a text file"):
        load(tmp_path / "e.yaml")


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ({"seed": 1.5}, "seed = 1.5: must be integer."),
        ({"seed": "7"}, "seed = '7': must be integer."),
        ({"seed": True}, "seed = True: must be integer."),
        ({"seed": -1}, "seed = -1: must be greater than or equal to 0."),
        ({"duration_ms": "500"}, "duration_ms = '500': must be number."),
        ({"duration_ms": 0.0}, "duration_ms = 0.0: must be greater than 0."),
        ({"duration_ms": float("nan")}, "duration_ms = nan: must be a finite number."),
        (
            {"brain": {"normalize": "sum"}},
            "brain.normalize = 'sum': must be 'none', 'max' or 'region'.",
        ),
        (
            {"brain": {"noise": {"S_e": -0.1}}},
            "brain.noise.S_e = -0.1: must be greater than or equal to 0.",
        ),
        (
            {"brain": {"parameters": {"G": "big"}}},
            "brain.parameters.G = 'big': must be number or list.",
        ),
        (
            {"brain": {"parameters": {"G": [1.0, "x"]}}},
            "brain.parameters.G.1 = 'x': must be number.",
        ),
        (
            {"synchronization": {"window_ms": "fast"}},
            "synchronization.window_ms = 'fast': must be number or 'auto'.",
        ),
        (
            {"synchronization": {"window_ms": -1.0}},
            "synchronization.window_ms = -1.0: must be greater than 0 or 'auto'.",
        ),
        ({"limits": {"rate_hz": -1.0}}, "limits.rate_hz = -1.0: must be greater than 0."),
        (
            {"limits": {"clipped_fraction": "0.1"}},
            "limits.clipped_fraction = '0.1': must be number.",
        ),
        (
            {"circuits": [circuit(inputs=[{"weight_uS": -0.1}])]},
            "circuits.0.inputs.0.weight_uS = -0.1: must be greater than or equal to 0.",
        ),
        (
            {"circuits": [circuit(inputs=[{"trains_per_source": 0}])]},
            "circuits.0.inputs.0.trains_per_source = 0: must be greater than or equal to 1.",
        ),
        (
            {"circuits": [circuit(inputs=[{"coupling": "all"}])]},
            "circuits.0.inputs.0.coupling = 'all': must be 'per_source' or 'aggregated'.",
        ),
        (
            {"circuits": [{"regions": ["V1"]}]},
            "circuits.0.circuit: is required and missing; add it.",
        ),
        ({"circuits": [circuit(regions="V1")]}, "circuits.0.regions = 'V1': must be list."),
        (
            {"circuits": [circuit(outputs=[{"to": "R_e"}])]},
            "circuits.0.outputs.0.from: is required and missing; add it.",
        ),
        ({"circuits": [circuit(dt_ms=0)]}, "circuits.0.dt_ms = 0: must be greater than 0."),
        ({1: 2}, "1: is a key of type int; write keys as text."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_value_gets_one_line_with_place_value_and_limit(document, line):
    assert refused(document) == (line,)


def test_a_section_that_is_no_mapping_is_refused():
    (line,) = refused({"brain": "hagmann66"})
    assert line.startswith("brain = 'hagmann66': must be dictionary")


def test_a_long_value_is_shortened():
    (line,) = refused({"seed": "x" * 10_000})
    assert len(line) < 120


def test_all_mistakes_are_told_at_once():
    lines = refused(
        {
            "sed": 1,
            "duration_ms": -5.0,
            "brain": {"dt_ms": "0.1", "noise": {"S_e": -1.0}},
            "circuits": [circuit(inputs=[{"weight_uS": -1.0}]), {"circuit": "a"}],
            "limits": {"rate_hz": 0.0},
        }
    )
    expected = (
        "'sed'", "duration_ms", "brain.dt_ms", "brain.noise.S_e", "weight_uS", "circuits.1",
        "limits.rate_hz",
    )  # fmt: skip
    assert len(lines) == len(expected)
    assert all(any(name in line for line in lines) for name in expected)


def test_a_key_with_a_line_break_gives_no_second_line():
    lines = refused({"brain": {"noise": {"a\nb": -1.0}, "c\nd": 1}})
    assert len(lines) == 2
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=9", ("seed",), 9),
        ("duration_ms=1e3", ("duration_ms",), 1000.0),
        ("brain.parameters.G=0.3", ("brain", "parameters", "G"), 0.3),
        ("brain.parameters.J_i=[1.0, 2.0]", ("brain", "parameters", "J_i"), [1.0, 2.0]),
        ("brain.monitors.raw.period_ms=0.1", ("brain", "monitors", "raw"), {"period_ms": 0.1}),
        ("brain.connectome=a=b.zip", ("brain", "connectome"), "a=b.zip"),
        ("synchronization.window_ms=auto", ("synchronization", "window_ms"), "auto"),
        ("circuits.0.regions=[V2, V3]", ("circuits", 0, "regions"), ["V2", "V3"]),
        ("circuits.0.regions.1=V9", ("circuits", 0, "regions"), ["V1", "V9"]),
        (" seed =9", ("seed",), 9),
    ],
)
def test_an_override_replaces_one_value(read, override, path, value):
    text = "circuits: [{circuit: balanced_ei, regions: [V1, V2]}]\nbrain: {monitors: {}}"
    found = read(text, override).resolved()
    for part in path:
        found = found[part]
    assert found == value


def test_an_override_replaces_the_entry_at_its_position_not_an_equal_one(read):
    experiment = read("brain: {parameters: {J_i: [1.0, 1.0, 1.0]}}", "brain.parameters.J_i.2=5.0")
    assert experiment.brain.parameters["J_i"] == [1.0, 1.0, 5.0]


def test_an_override_changes_one_of_two_places_that_share_an_alias(read):
    experiment = read(
        "circuits:\n"
        "- {circuit: a, regions: [V1], inputs: &shared [{weight_uS: 0.1}]}\n"
        "- {circuit: a, regions: [V2], inputs: *shared}\n",
        "circuits.0.inputs.0.weight_uS=0.5",
    )
    assert [section.inputs[0].weight_uS for section in experiment.circuits] == [0.5, 0.1]


def test_the_last_override_of_a_key_holds(read):
    assert read("seed: 1", "seed=2", "seed=3").seed == 3


def test_an_override_may_fill_a_section_that_is_empty_in_the_file(read):
    assert read("brain:\n", "brain.dt_ms=0.2").brain.dt_ms == 0.2


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed", "is not key=value"),
        ("=3", "is not key=value"),
        ("seed.x=1", "seed holds a plain value, it has no key 'x'"),
        ("circuits.1.dt_ms=0.1", "'1' is not a position in a list of 1; count from 0"),
        ("circuits.-1.dt_ms=0.1", "'-1' is not a position"),
        ("circuits.first.dt_ms=0.1", "'first' is not a position"),
        ("circuits.²=1", "'²' is not a position"),
        ("circuits.1=x", "'1' is not a position"),
        ("seed=[", "not plain YAML"),
        ("seed=!!int 3", "the tag"),
        ("sed=3", "Did you mean 'seed'?"),
        ("brain..G=3", "Unknown key ''"),
        ("seed=", "seed = None: must be integer"),
    ],
)
def test_an_override_that_fits_nothing_is_refused_in_one_line(problems, override, said):
    (line,) = problems("seed: 1\ncircuits: [{circuit: a, regions: [V1]}]", override)
    assert said in line


KEYS = st.sampled_from(
    ["seed", "duration_ms", "brain", "circuits", "synchronization", "limits", "monitors", "noise",
     "parameters", "initial", "inputs", "outputs", "regions", "populations", "circuit", "from",
     "to", "window_ms", "connectome", "G", "bold", "base"]
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
    | st.binary(max_size=4) | st.sampled_from([-1, 0, 1.0, "auto", "hagmann66"])
)  # fmt: skip
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS | st.text(max_size=5) | st.integers(), inner, max_size=6)
    ),
    max_leaves=25,
)
YAML_LIKE = st.lists(
    st.sampled_from(
        ["seed", "brain", "circuits", ":", ": ", "- ", "\n", "\n  ", "{", "}", "[", "]", ",", "&a ",
         "*a", "!", "!!", "!!set", "|", ">", "'", '"', "#", "?", "<<", "=", "%", "@", "---", "...",
         "1", "1e-3", "0x", "0b_", "1:2", ".nan", "2020-99-99", "~", "\t", "\\", "é", "\x85",
         "\ufeff"]
    )
    | st.text(max_size=3),
    max_size=25,
).map("".join)  # fmt: skip


def experiment_or_lines(make):
    """The experiment, or the lines of the refusal; anything else propagates."""
    try:
        return make()
    except ConfigurationError as error:
        return error.problems


def is_experiment_or_lines(result):
    if isinstance(result, Experiment):
        return isinstance(result.resolved(), dict)
    return len(result) > 0 and all(line and "\n" not in line for line in result)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS | st.text(max_size=5), DOCUMENTS, max_size=6))
def test_any_nested_document_gives_an_experiment_or_lines(document):
    assert is_experiment_or_lines(experiment_or_lines(lambda: validate(document)))


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(YAML_LIKE)
@example("seed: =")
@example("? {a: b}\n: c")
@example("<<: [1]")
@example("seed: 190:20:30")
@example("*a")
@example("seed: 0x_")
@example("9" * 5000)
def test_any_text_gives_an_experiment_or_lines(read, text):
    assert is_experiment_or_lines(experiment_or_lines(lambda: read(text)))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.text(max_size=12) | st.builds("{}.{}={}".format, KEYS, KEYS | st.integers(-1, 1), YAML_LIKE)
)
def test_any_override_gives_an_experiment_or_lines(read, override):
    text = "seed: 1\ncircuits: [{circuit: a, regions: [V1]}]"
    assert is_experiment_or_lines(experiment_or_lines(lambda: read(text, override)))
