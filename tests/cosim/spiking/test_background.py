"""Spikes that an input brings whatever the brain does."""

import numpy as np
import pytest

from cosim.deliveries import SpikeDelivery
from cosim.drives import Trains
from cosim.transformers.rate_to_poisson import RateToPoisson

GIDS = np.arange(50)


class Port:
    """Counts what is scheduled."""

    def __init__(self, n_sources):
        self.n_sources, self.gids, self.shares = n_sources, GIDS, np.ones(1)
        self.source = np.empty(0, dtype=np.int64)

    def schedule(self, cell, source, times_ms):
        self.source = np.concatenate((self.source, source))

    def set_weights(self, weights_uS):
        self.weights_uS = weights_uS


def delivery(background_hz, n_sources=4, per_source=3):
    port = Port(n_sources)
    target = Trains("exc", np.full(n_sources, 0.1), background_hz, per_source, None, None)
    return port, SpikeDelivery(port, RateToPoisson(7, 0, GIDS, per_source), target, 0.1), target


@pytest.mark.parametrize("hz", [0.0, 5.0])
def test_the_background_is_a_rate_per_cell_spread_over_all_trains(hz):
    """50 cells, 1 s: sources 4 x 3 x hz and 400 Hz of background; Poisson, 4 standard errors."""
    port, deliver, _ = delivery(400.0)
    assert deliver(np.full((10_000, 4), hz), 0) == port.source.size
    expected = 50 * (4 * 3 * hz + 400.0)
    assert abs(port.source.size - expected) < 4 * np.sqrt(expected)
    each = np.bincount(port.source, minlength=4)
    assert np.all(np.abs(each - expected / 4) < 4 * np.sqrt(expected / 4))


def test_without_background_the_trains_are_as_they_were():
    port, deliver, _ = delivery(0.0)
    deliver(np.full((1000, 4), 20.0), 0)
    events = RateToPoisson(7, 0, GIDS, 3)(np.full((1000, 4), 20.0), 0, 0.1)
    assert np.array_equal(port.source, events.source)


def test_silence_ends_the_background_and_a_change_brings_it_back():
    port, deliver, target = delivery(400.0)
    deliver.silence()
    assert deliver(np.zeros((1000, 4)), 0) == 0
    deliver.change(target, seed=8)
    assert deliver(np.zeros((1000, 4)), 1000) > 0
    assert np.array_equal(port.weights_uS, target.weights_uS)
