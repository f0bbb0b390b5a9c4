"""A circuit may give a gating variable itself: what its synapses carry, averaged over its cells."""

import numpy as np
import pytest

import cosim
from cosim.spiking.interpreter import netpyne_specs


def circuit():
    """Ten cells whose NMDA-like synapse has a conductance g that can stand for a gate."""
    params = netpyne_specs().NetParams()
    params.popParams["E"] = {"cellType": "HH", "numCells": 10}
    soma = {"geom": {"L": 18.8, "diam": 18.8, "Ra": 123.0}, "mechs": {"hh": {"gnabar": 0.12}}}
    params.cellParams["HH"] = {"secs": {"soma": soma}}
    params.synMechParams["slow"] = {"mod": "Exp2Syn", "tau1": 2.0, "tau2": 100.0, "e": 0}
    return params


def run(window_ms="auto", **gating):
    experiment = cosim.Experiment(
        seed=2,
        duration_ms=50.0,
        brain=cosim.Brain(monitors={"raw": cosim.Monitor(period_ms=0.1)}),
        synchronization=cosim.Synchronization(window_ms=window_ms),
        circuits=[
            cosim.Circuit(
                circuit=circuit(),
                regions=["rPCUN"],
                inputs=[cosim.Input(to="E", receptor="slow", weight_uS=0.2)],
                outputs=[
                    {"from": "E", "to": "R_e"},
                    {"from": "E", "to": "S_e", "gating": {"synMech": "slow", "var": "g", **gating}},
                ],
            )
        ],
    )
    return cosim.run(experiment)


def test_the_brain_feels_the_populations_average_of_the_variable():
    """The average of Exp2Syn's g over ten cells rises from 0 as the first inputs arrive; the gating
    that the rate alone would drive starts at the resting 0.29."""
    result = run()
    S_e = result.mean_field["raw"].sel(region="rPCUN", variable="S_e").values
    exchanged = result.exchange["to_brain_S_e"].values[:, 0]
    np.testing.assert_array_equal(S_e, exchanged)
    assert S_e[0] < 0.01
    assert S_e.max() > 0.02


def test_the_average_does_not_depend_on_the_window():
    longest, shortest = run(), run(window_ms=0.1)
    for name in longest.exchange.data_vars:
        np.testing.assert_array_equal(longest.exchange[name], shortest.exchange[name])


@pytest.mark.parametrize(
    ("gating", "message"),
    [
        ({"var": "nope"}, "no variable 'nope'"),
        ({"synMech": "slo"}, "Did you mean"),
        ({"sec": "dend"}, "Unknown section 'dend'"),
        ({"mech": "hh"}, "name one of mech, synMech, pointp"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(gating, message):
    with pytest.raises((cosim.CosimError, ValueError), match=message):
        run(**gating)


def test_a_gating_variable_needs_to_be_told_what_it_is():
    experiment = cosim.Experiment(
        circuits=[
            cosim.Circuit(
                circuit="balanced_ei", regions=["rPCUN"], outputs=[{"from": "E", "to": "S_e"}]
            )
        ]
    )
    with pytest.raises(cosim.CosimError, match="say what to average with gating"):
        cosim.check(experiment)
