"""What a run says at its end."""

import numpy as np
import pytest

from cosim.closing_lines import silent_populations
from cosim.results import Spikes


def fired(*times_ms):
    return Spikes(np.array(times_ms), np.zeros(len(times_ms), dtype=np.int64), n_cells=3)


@pytest.mark.parametrize("times_ms", [(50.0, 300.0), (250.0,)])
def test_populations_that_go_on_are_not_named(times_ms):
    assert silent_populations({"V1.E": fired(*times_ms)}, 500.0) == []


def test_silent_populations_are_named_with_their_last_spike():
    spikes = {"V1.E": fired(2.0, 6.25), "V1.I": fired(), "V2.E": fired(499.0)}
    (line,) = silent_populations(spikes, 500.0)
    assert "half of the run: V1.E (last at 6.25 ms), V1.I (none at all). Too little" in line


def test_a_short_run_says_nothing_of_populations_that_may_fire_later():
    assert silent_populations({"V1.E": fired(2.0)}, 499.0) == []


def test_a_run_without_circuits_has_none():
    assert silent_populations({}, 100.0) == []
