"""What `cosim circuits` shows, held against the network that NetPyNE builds."""

import math
from pathlib import Path

import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from cosim.circuit_card import card_of
from cosim.circuit_text import card_text, drawing, one_line
from cosim.cli import app
from cosim.errors import ConfigurationError
from cosim.spiking.circuit import Circuit, circuits, load_circuit
from cosim.spiking.compose import CircuitCopy, compose
from cosim.spiking.engine import NeuronEngine
from cosim.spiking.interpreter import netpyne_specs

DATA = Path(__file__).parent / "spiking" / "data"


def card(reference, **parameters):
    return card_of(load_circuit(reference, parameters, DATA))


def signs(receptors, mod="Exp2Syn", weight=0.01, points=None):
    """Sign of a connection onto a cell with each of the receptors."""
    net = netpyne_specs().NetParams()
    soma = {"geom": {"L": 10, "diam": 10}, "mechs": {"pas": {}}}
    if points:
        soma["pointps"] = points
    net.cellParams["C"] = {"secs": {"soma": soma}}
    net.popParams["A"] = {"cellType": "C", "numCells": 2}
    for label, values in receptors.items():
        net.synMechParams[label] = {"mod": mod, **values}
    both = {"preConds": {"pop": "A"}, "postConds": {"pop": "A"}, "weight": weight}
    for label in receptors or points["p"]["synList"]:
        net.connParams[label] = {**both, "synMech": label}
    return [c.sign for c in card_of(Circuit("net", net, None, {})).connections]


def test_expected_synapses_are_those_that_netpyne_makes():
    """Binomial: order 250 has about 1000 synapses a rule; 4 standard deviations of each."""
    circuit = load_circuit("balanced_ei", {"order": 250}, DATA)
    engine = NeuronEngine(compose([CircuitCopy(circuit, "r", {"E": "r", "I": "r"})]), 0.05, 0.1, 3)
    try:
        made = {(a, b): 0 for a in "EI" for b in "EI"}
        n_excitatory = engine.network.n_cells("r.E")
        for gid, cell in engine.network.cells.items():
            for conn in cell.conns:
                pre = "E" if conn["preGid"] < n_excitatory else "I"
                made[pre, "E" if gid < n_excitatory else "I"] += 1
    finally:
        engine.close()
    for connection in card_of(circuit).connections:
        expected = connection.synapses
        assert abs(made[connection.pre, connection.post] - expected) < 4 * math.sqrt(expected)


def test_sizes_scale_with_the_parameters():
    assert [p.cells for p in card("balanced_ei", order=50).populations] == [60, 20]
    assert card("balanced_ei", order=50).n_cells == 80


def test_arguments_come_with_their_value_and_their_docstring():
    parameters = card("balanced_ei", order=50).parameters
    assert list(parameters)[:2] == ["order", "recurrent_excitation"]
    assert parameters["order"][0] == 50
    assert parameters["order"][1].startswith("Size: round(1.2 * order) excitatory")
    assert parameters["recurrent_excitation"][0] == 0.35


@pytest.mark.parametrize(
    ("reversal_mV", "sign"),
    [(0, "excitatory"), (-39.9, "excitatory"), (-45, "undetermined"), (-55.1, "inhibitory"),
     (-90, "inhibitory")],
)  # fmt: skip
def test_the_reversal_of_the_receptor_decides_the_sign(reversal_mV, sign):
    assert signs({"s": {"e": reversal_mV}}) == [sign]


def test_a_receptor_without_a_reversal_is_undetermined_but_for_neurons_own():
    assert signs({"s": {}}, mod="Unheard") == ["undetermined"]
    assert signs({"s": {}}, mod="Exp2Syn") == ["excitatory"]  # NEURON's default, 0 mV


def test_a_point_neurons_own_reversals_are_found_by_the_receptors_name():
    point = {"mod": "X", "vref": "V", "synList": ["ampa", "gaba", "other"]}
    point |= {"e_ampa": 0.0, "egaba": -90.0, "tau_other": 5.0}
    assert signs({}, points={"p": point}) == ["excitatory", "inhibitory", "undetermined"]


def test_an_expression_for_a_weight_has_no_strength():
    rule = next(c for c in card("layers.py:network").connections if c.rule == "E->all")
    assert rule.weight == "0.005*post_ynorm"
    assert rule.strength is None


def test_artificial_cells_receive_by_their_model():
    fire = next(c for c in card("artificial.py:network").connections if c.post == "fire")
    assert (fire.receptor, fire.sign, fire.synapses) == ("IntFire1", "excitatory", 12)
    clock = next(c for c in card("artificial.py:network").connections if c.pre == "clock")
    assert clock.synapses == 8  # convergence 2 onto 4 cells


def test_the_list_has_a_line_with_name_cells_and_paper_for_every_circuit():
    line = one_line("balanced_ei", card("balanced_ei"))
    assert line.startswith("balanced_ei: 160 cells (120 E, 40 I). Bragin et al.")
    shown = CliRunner().invoke(app, ["circuits"])
    assert shown.exit_code == 0
    assert [text.split(":")[0] for text in shown.stdout.splitlines()] == list(circuits)
    assert "cannot be built" not in shown.stdout


@pytest.mark.parametrize("name", list(circuits))
def test_every_registered_circuit_has_a_card_and_a_picture(name, tmp_path):
    picture = tmp_path / "circuit.png"
    shown = CliRunner().invoke(app, ["circuits", name, "--draw", str(picture)])
    assert shown.exit_code == 0, shown.stderr
    assert circuits[name].paper in shown.stdout
    assert "Drawing: from row to column" in shown.stdout
    assert imread(picture).std() > 0.02  # not an empty page


def test_the_terminal_drawing_shows_decades_of_strength():
    """Weight times synapses of the layers' known rule is the only one, hence the weakest: one +."""
    rows = drawing(card("balanced_ei", recurrent_excitation=0.01))
    table = {line.split()[0]: line.split()[1:] for line in rows[3:]}
    # .0002 x 142.8 = .0286 and .0001 x 48 = .0048 against .01 x 144 = 1.44 and .01 x 46.8 = .468.
    assert table == {"E": ["+", "+"], "I": ["---", "--"]}


def test_a_saved_network_is_shown_like_any_other(tmp_path):
    net = load_circuit("two_areas.py:network", {}, DATA).net_params
    net.save(str(tmp_path / "net.json"))
    text = card_text(card_of(load_circuit("net.json", {}, tmp_path)))
    assert "S->M" not in text  # rules are shown by what they join
    assert "probability 0.5" in text
    assert "bkg->PYR: NetStim (noise 0.5, rate 10) to M, S on exc, weight 0.01" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["balanced_ie"], "Unknown circuit 'balanced_ie'"),
        (["balanced_ei", "--set", "ordr=3"], "Did you mean 'order'?"),
        (["balanced_ei", "--set", "order"], "is not key=value"),
        (["balanced_ei", "--region", "X=rV1"], "Unknown population of circuit 'balanced_ei': 'X'"),
        (["balanced_ei", "--draw", "x.bmp"], "a picture ends in .png, .pdf or .svg, not '.bmp'"),
        (["--draw", "x.png"], "--draw needs the NAME of a circuit"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, message):
    shown = CliRunner().invoke(app, ["circuits", *arguments])
    assert shown.exit_code == 2
    assert message in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_a_region_of_an_unknown_population_is_refused():
    with pytest.raises(ConfigurationError, match="Unknown population"):
        card_of(load_circuit("balanced_ei", {}, DATA), {"P": "rV1"})
