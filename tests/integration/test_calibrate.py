"""Circuits are calibrated to their mean field, or it is said why not.

Tolerances: a rate R measured over T s in N cells has R N T spikes; the scatter of spikes of a
weakly coupled network is at most twice Poisson's, so 4 standard errors are 8 / sqrt(R N T). Fit and
check are two measurements with different random numbers: times sqrt(2).
"""

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from cosim import load
from cosim.calibrate import Calibrator
from cosim.calibration_settings import NotCalibratableError, Settings
from cosim.cli import app
from cosim.errors import ConfigurationError
from cosim.plan import plan
from cosim.transport.in_process import SingleProcessGroup

BALANCED = """
seed: 5
duration_ms: 100.0
brain: {connectome: hagmann66, parameters: {G: 0.2}}
circuits:
  - circuit: balanced_ei
    regions: [rPCUN]
    parameters: {order: 40, recurrent_excitation: 0.1}
    calibration: experiment.calibrated.yaml
    inputs:
      - {from: R_e, to: E, trains_per_source: 1, weight_uS: 0.05}
      - {from: R_e, to: I, trains_per_source: 1, weight_uS: 0.05}
"""


@pytest.fixture
def balanced(tmp_path):
    (tmp_path / "experiment.yaml").write_text(BALANCED)
    return tmp_path / "experiment.yaml"


def calibrator(file, *overrides, **settings):
    planned = plan(load(file, ["circuits.0.calibration=null", *overrides]))
    return Calibrator(planned, planned.circuits, SingleProcessGroup(), Settings(**settings))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_balanced_ei_follows_the_mean_field_and_the_file_runs(balanced):
    """48 E cells, 4 s: at rest 6.58 Hz, 1264 spikes, so 8 sqrt(2) / sqrt(1264) = 32 % at the very
    most and, for the scatter that Poisson alone would give, 16 %; 16 I cells at 5.1 Hz, 327
    spikes: 63 %. The written weights miss by more.
    """
    arguments = ["calibrate", str(balanced), "--seconds", "4", "--check-ms", "1000"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    found = yaml.safe_load((balanced.parent / "experiment.calibrated.yaml").read_text())
    region = found["regions"]["rPCUN"]
    assert abs(region["residual"]["rest"]) < 0.16
    assert abs(region["residual"]["inhibitory_rest"]) < 0.63
    curves = region["curves"]
    rest = curves["source_factor"].index(1.0)
    assert curves["mean_field_hz"]["R_e"][rest] == pytest.approx(6.58, abs=0.01)
    before = np.array(curves["before_hz"]["R_e"]) / curves["mean_field_hz"]["R_e"] - 1
    assert np.abs(before).max() > 2 * abs(region["residual"]["largest"])
    assert (balanced.parent / "experiment.calibrated.png").stat().st_size > 10_000
    sections = plan(load(balanced)).experiment.circuits
    assert sections[0].inputs[0].weight_uS == region["inputs"][0]["weight_uS"]
    check = region["closed_loop"]
    assert abs(check["circuit"]["S_e"] / check["mean_field"]["S_e"] - 1) < 0.2


DEMO = ["brain.dt_ms=0.5", "circuits.0.parameters={order: 100, recurrent_excitation: 0.1}"]
DEMO_INPUTS = (
    "circuits.0.inputs=[{from: R_e, to: E, trains_per_source: 1, weight_uS: 0.14}, "
    "{from: R_e, to: I, trains_per_source: 2, weight_uS: 0.1}]"
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_circuit_of_the_demo_follows_over_the_whole_range(balanced):
    """120 E cells, 8 s: 4600 to 9100 spikes; 4 standard errors of Poisson, fit and check, are 4 x
    sqrt(2 / 4600) = 8.3 % at the low end, 7.1 % at rest, 5.9 % at the high end. As written it is
    12 to 40 % off, and too steep; background makes up for that.
    """
    found = calibrator(balanced, "seed=1", *DEMO, DEMO_INPUTS).run()["rPCUN"]
    curves = found.curves
    off = np.array(curves.circuit_hz["R_e"]) / curves.mean_field_hz["R_e"] - 1
    assert np.all(np.abs(off) < 4 * np.sqrt(2 / (120 * 8 * np.array(curves.mean_field_hz["R_e"]))))
    assert np.abs(np.array(curves.before_hz["R_e"]) / curves.mean_field_hz["R_e"] - 1).max() > 0.3
    assert found.inputs[0].background_hz > 100


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_circuit_that_sustains_itself_is_refused_with_its_factor(balanced):
    """The published node, 160 cells: 10 Hz for ever; with .35 of it, it falls silent."""
    overrides = ["circuits.0.parameters={order: 100, recurrent_excitation: 1.0}"]
    with pytest.raises(NotCalibratableError, match="goes on firing at") as caught:
        calibrator(balanced, *overrides).run()
    said = str(caught.value)
    factor = float(said.split("recurrent_excitation: ")[1].split(")")[0])
    assert 0.3 <= factor < 1.0
    assert caught.value.sweeps[0].rates_hz.max() > 6.58


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_default_circuit_is_refused_with_a_factor_that_was_tried(balanced):
    """160 cells, 3 s a point: at .35 it ignites now and then, and half of it can be calibrated."""
    overrides = ["seed=7", "brain.dt_ms=0.5", "circuits.0.parameters={order: 100}", DEMO_INPUTS]
    with pytest.raises(NotCalibratableError, match=r"recurrent_excitation: 0\.175.*tried: off by"):
        calibrator(balanced, *overrides, seconds=3.0).run()


def test_an_unreachable_target_is_said_in_one_line_and_drawn(balanced):
    """With I_o .9 nA the mean field rests beyond the cells' depolarisation block."""
    arguments = ["calibrate", str(balanced), "--set", "brain.parameters.I_o=0.9"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    begun = [line.partition(" s: ")[2] for line in done.stderr.splitlines()]
    assert begun[:2] == ["measuring the circuits as written", "sweeping the drive of R_e"]
    assert "Hz at most" in done.output
    assert (balanced.parent / "experiment.calibrated.png").exists()
    assert not (balanced.parent / "experiment.calibrated.yaml").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_wong_wang_without_its_offsets_is_brought_back(tmp_path):
    """Offsets 0 and kappa 4.4 (where its own calibration began); 200 E cells, 4 s at 6.58 Hz.

    Its rates scatter 3 to 4 times as much as Poisson's (slow S): 4 standard errors of 5264 spikes
    are 4 x 3.5 / sqrt(5264) = 19 %.
    """
    file = tmp_path / "experiment.yaml"
    file.write_text(
        "duration_ms: 100.0\n"
        "brain: {connectome: hagmann66, parameters: {G: 0.2}}\n"
        "circuits:\n"
        "  - circuit: wong_wang\n"
        "    regions: [rPCUN]\n"
        "    parameters: {n_excitatory: 200, n_inhibitory: 50, in_degree_excitatory: 80,\n"
        "      in_degree_inhibitory: 20, offset_E_nA: 0.0, offset_I_nA: 0.0,\n"
        "      kappa_kHz_per_nA: 4.4, bend_per_nA: 0.0, S_E_start: 0.297}\n"
    )
    found = calibrator(file, seconds=4.0, tolerance=0.2).run()["rPCUN"]
    assert abs(found.residual["rest"]) < 0.19
    (values,) = found.inputs
    assert set(values.values) == {"scale", "offset"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"low": 1.5}, "rest, 1, must lie inside"),
        ({"tolerance": 0.0}, "must be above 0"),
        ({"seconds": 0.1}, "use 1 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(Exception, match=said):
        Settings(**settings)


def test_nothing_to_calibrate_is_said(balanced):
    with pytest.raises(Exception, match="no input from the brain drives E"):
        calibrator(balanced, "circuits.0.inputs=[{to: I}]")


def test_a_circuit_over_several_regions_is_refused_in_one_line(balanced):
    place = [
        "circuits.0.regions=null",
        "circuits.0.populations={E: rPCUN, I: rCUN}",
        "circuits.0.outputs=[{from: E, to: R_e}, {from: I, to: R_e}]",
    ]
    with pytest.raises(ConfigurationError, match=r"over several regions .* is not calibrated") as e:
        calibrator(balanced, *place)
    assert "\n" not in str(e.value)
