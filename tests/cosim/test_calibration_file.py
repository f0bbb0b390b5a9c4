"""What is written is read, what is read runs, and what no longer fits is refused."""

import json
import resource

import numpy as np
import pytest
import yaml

from cosim import Brain, Circuit, Experiment, Input
from cosim.calibration_file import (
    Calibration,
    Curves,
    InputValues,
    RegionCalibration,
    read_calibration,
    write_calibration,
)
from cosim.errors import ConfigurationError, ResultsError
from cosim.plan import plan


def region(weight_uS, **changes):
    one = {"R_e": [1.0, 2.0]}
    curves = Curves(
        source_factor=[0.5, 1.0],
        coupling_nA=[0.01, 0.02],
        mean_field_hz=one,
        circuit_hz=one,
        standard_error_hz=one,
        before_hz=one,
    )
    found = {
        "circuit": "balanced_ei",
        "parameters": {"order": 10},
        "inputs": [InputValues(input=0, to="E", weight_uS=weight_uS, background_hz=50.0)],
        "curves": curves,
        "residual": {"rest": 0.01, "largest": -0.04, "rms": 0.02},
    }
    return RegionCalibration(**{**found, **changes})


@pytest.fixture
def folder(tmp_path):
    regions = {"rPCUN": region(0.2), "lPCUN": region(1 / 3)}
    write_calibration(Calibration(regions=regions), tmp_path / "found.yaml")
    return tmp_path


def test_a_full_disk_leaves_the_file_before(folder):
    """Hours went into it; the kernel refuses to write past a limit, as a full disk does."""
    file = folder / "found.yaml"
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(ResultsError, match="File too large"):
            write_calibration(Calibration(regions={"rPCUN": region(0.1)}), file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    assert [*folder.iterdir()] == [file]


def experiment(folder, **changes):
    section = {
        "circuit": "balanced_ei",
        "regions": ["rPCUN", "lPCUN"],
        "parameters": {"order": 10},
        "inputs": [Input(to="E", trains_per_source=2)],
        "calibration": "found.yaml",
    }
    return Experiment(
        duration_ms=100.0,
        brain=Brain(parameters={"G": 0.2}),
        circuits=[Circuit(**{**section, **changes})],
        base=folder,
    )


def test_each_region_runs_with_its_own_values_and_provenance_shows_them(folder):
    planned = plan(experiment(folder))
    sections = planned.experiment.resolved()["circuits"]
    assert [s["regions"] for s in sections] == [["rPCUN"], ["lPCUN"]]
    inputs = [s["inputs"][0] for s in sections]
    assert [i["weight_uS"] for i in inputs] == [0.2, 0.333333]
    assert [(i["background_hz"], i["trains_per_source"]) for i in inputs] == [(50.0, 2)] * 2
    assert all(s["calibration"] is None for s in sections)
    json.dumps(sections)
    assert any("found.yaml" in notice and "4 %" in notice for notice in planned.notices)


def test_the_resolved_experiment_is_the_same_without_the_file(folder, tmp_path_factory):
    planned = plan(experiment(folder))
    elsewhere = planned.experiment.model_copy(update={"base": tmp_path_factory.mktemp("empty")})
    again = plan(elsewhere)
    for one, other in zip(planned.circuits.drives, again.circuits.drives, strict=True):
        assert np.array_equal(one.target.weights_uS, other.target.weights_uS)
        assert (one.number, one.region) == (other.number, other.region)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parameters": {"order": 20}}, "made for balanced_ei with parameters {'order': 10}"),
        ({"inputs": [Input(to="I")]}, "values for input 0 to 'E'"),
        ({"regions": ["rCUN"]}, "has no region 'rCUN', only rPCUN, lPCUN"),
        ({"calibration": "absent.yaml"}, "cannot read 'absent.yaml': No such file"),
    ],
)
def test_what_does_not_fit_is_refused(folder, changes, said):
    with pytest.raises(ConfigurationError) as caught:
        plan(experiment(folder, **changes))
    (line,) = caught.value.problems
    assert line.startswith("circuits.0.calibration: ")
    assert said in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n", "no key cosim_calibration"),
        ("cosim_calibration: 9\nregions: {}\n", "format 9, this program reads 1"),
        ("cosim_calibration: 1\n", "regions: is required"),
        ("{", "not plain YAML"),
    ],
)
def test_another_file_is_no_calibration(tmp_path, text, said):
    (tmp_path / "other.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read_calibration("other.yaml", tmp_path)


def test_the_file_is_plain_yaml_with_six_digits(folder):
    document = yaml.safe_load((folder / "found.yaml").read_text())
    assert document["regions"]["lPCUN"]["inputs"][0]["weight_uS"] == 0.333333
    assert "closed_loop" not in document["regions"]["lPCUN"]


def test_a_background_cannot_be_correlated():
    with pytest.raises(ValueError, match="cannot be correlated"):
        Input(to="E", correlation={"process": "single", "c": 0.1}, background_hz=10.0)
