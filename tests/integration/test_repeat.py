"""Runs in one process do not leave traces in each other."""

import numpy as np
import pytest

import cosim


def experiment(seed=7, regions=("rPCUN",), order=100, dt_ms=0.05):
    circuit = {
        "circuit": "balanced_ei",
        "regions": list(regions),
        "parameters": {"order": order},
        "dt_ms": dt_ms,
        "inputs": [{"from": "R_e", "to": "E"}],
    }
    brain = {
        "noise": {"S_e": 0.001, "S_i": 0.001},
        "monitors": {"temporal_average": {"period_ms": 1.0}},
    }
    return cosim.Experiment(seed=seed, duration_ms=100.0, brain=brain, circuits=[circuit])


@pytest.fixture(scope="module")
def runs():
    """One circuit, then two others with another step and seed, then the first again."""
    other = experiment(seed=3, regions=("lPCUN", "rISTC"), order=10, dt_ms=0.025)
    return [cosim.run(one) for one in (experiment(), other, experiment())]


def test_a_run_after_another_gives_the_same_arrays(runs):
    first, _, again = runs
    assert list(first.spikes) == list(again.spikes)
    for population, spikes in first.spikes.items():
        np.testing.assert_array_equal(spikes.times_ms, again.spikes[population].times_ms)
        np.testing.assert_array_equal(spikes.node_ids, again.spikes[population].node_ids)
    for one, other in ((first.mean_field, again.mean_field), (first.exchange, again.exchange)):
        assert set(one.variables) == set(other.variables)
        for name in one.variables:
            np.testing.assert_array_equal(one[name].values, other[name].values)


def test_the_runs_are_worth_comparing(runs):
    first, other, _ = runs
    assert first.spikes["rPCUN.E"].times_ms.size > 100
    assert set(other.spikes) == {"lPCUN.E", "lPCUN.I", "rISTC.E", "rISTC.I"}
