"""A mechanism that NEURON does not have is said by `cosim check`, with what would help."""

import pytest

import cosim
from cosim.spiking.interpreter import netpyne_specs


def circuit(**changes):
    net = netpyne_specs().NetParams()
    soma = {"geom": {"L": 18.8, "diam": 18.8}, "mechs": {"hh": {}}}
    net.cellParams["cell"] = {"secs": {"soma": soma | changes.pop("soma", {})}}
    net.popParams["E"] = {"cellType": "cell", "numCells": 2}
    net.synMechParams["exc"] = {"mod": changes.pop("mod", "Exp2Syn")}
    return cosim.Experiment(circuits=[cosim.Circuit(circuit=net, regions=["rPCUN"])])


def test_what_neuron_has_is_no_mistake():
    cosim.check(circuit())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"soma": {"mechs": {"kslow_x": {}}}}, r"section 'soma', names the mechanism 'kslow_x'"),
        ({"soma": {"pointps": {"p": {"mod": "NoCell"}}}}, "names the mechanism 'NoCell'"),
        ({"mod": "Exp2Sin"}, r"synMechParams 'rPCUN.exc' .* Did you mean 'Exp2Syn'\? Name the"),
    ],
)
def test_what_it_lacks_is_named_with_its_place(changes, said):
    with pytest.raises(cosim.CosimError, match=said):
        cosim.check(circuit(**changes))
