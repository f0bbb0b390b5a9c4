"""What a run had to clip, and what a user brought, is written down."""

import numpy as np
import pytest

import cosim
from cosim.spiking.interpreter import netpyne_specs


def generators(n_cells=40, rate_hz=200.0):
    """A circuit whose only population fires at a given rate."""
    params = netpyne_specs().NetParams()
    params.popParams["P"] = {
        "cellModel": "NetStim",
        "numCells": int(n_cells),
        "rate": float(rate_hz),
        "noise": 1.0,
        "start": 0,
    }
    return params


def experiment(rate_hz, limit=1.0, **parameters):
    circuit = cosim.Circuit(
        circuit=generators,
        regions=["rPCUN"],
        parameters={"rate_hz": rate_hz, **parameters},
        outputs=[{"from": "P", "to": "R_e"}, {"from": "P", "to": "R_i"}],
    )
    return cosim.Experiment(
        duration_ms=300.0,
        brain=cosim.Brain(monitors={"raw": cosim.Monitor(period_ms=0.1)}),
        circuits=[circuit],
        limits=cosim.Limits(clipped_fraction=limit),
    )


def test_a_replaced_regions_clipped_steps_are_counted():
    """S_i settles at tau_i gamma_i R = 2 for 200 Hz, so it is clipped to 1 most of the time."""
    result = cosim.run(experiment(200.0))
    S_i = result.mean_field["raw"].sel(region="rPCUN", variable="S_i").values
    counted = result.provenance["participants"]["TVB"]["clipped_steps"]["rPCUN"]
    assert counted == (S_i == 1.0).sum() > 1000


def test_too_many_clipped_steps_stop_the_run():
    with pytest.raises(cosim.CosimError, match=r"most in region 'rPCUN'.*clipped_fraction"):
        cosim.run(experiment(200.0, limit=0.001))


def test_numpy_parameters_are_plain_numbers_in_the_provenance():
    result = cosim.run(experiment(np.float64(50.0), n_cells=np.int64(8)))
    written = result.provenance["experiment"]["circuits"][0]["parameters"]
    assert written == {"rate_hz": 50.0, "n_cells": 8}


def test_a_window_that_nothing_bounds_is_taken_as_asked():
    plain = cosim.Experiment(
        duration_ms=400.0, synchronization=cosim.Synchronization(window_ms=200.0)
    )
    assert cosim.check(plain).clock.window_ms == 200.0


def test_check_finds_a_gating_variable_that_is_not_there():
    gating = {"synMech": "exx", "var": "g"}
    circuit = cosim.Circuit(
        circuit="balanced_ei",
        regions=["rPCUN"],
        outputs=[{"from": "E", "to": "S_e", "gating": gating}],
    )
    with pytest.raises(cosim.CosimError, match=r"Unknown synMech 'exx'.*Did you mean 'exc'"):
        cosim.check(cosim.Experiment(circuits=[circuit]))
