"""The share of a spike input that comes from the brain, on curves whose answer is known."""

import numpy as np
import pytest

from cosim.background_share import next_share

LOWEST = np.log(0.05)


def searched(slope_of, start=0.0):
    """Shares tried, with the log of slope over the wanted one, until the search ends."""
    seen = [(start, slope_of(start))]
    while (share := next_share(seen, LOWEST)) is not None:
        seen.append((share, slope_of(share)))
    return seen


def nearest(seen):
    return min(abs(slope) for _, slope in seen)


@pytest.mark.parametrize("wanted", [0.2, 0.4, 0.7])
@pytest.mark.parametrize("power", [0.7, 1.0, 2.0])
def test_the_share_of_a_power_law_is_found(wanted, power):
    """The slope goes as share^power and is 1/wanted of what is wanted without background."""
    seen = searched(lambda share: power * share - np.log(wanted))
    expected = np.log(wanted) / power
    if expected > LOWEST:
        assert nearest(seen) < 0.15
        assert min(seen, key=lambda pair: abs(pair[1]))[0] == pytest.approx(expected, abs=0.25)
    else:
        assert seen[-1][0] == LOWEST


def test_a_slope_that_stands_still_at_first_is_passed():
    """As measured of 160 Hodgkin-Huxley cells: slopes 1.21, 1.08, .91 at shares 1, .56, .41; .29
    at .14; wanted is .68. The linear rule of thumb, a share of .56, would stay at 1.08.
    """
    shares = np.log([0.05, 0.14, 0.31, 0.41, 0.56, 1.0])
    slopes = np.log(np.array([0.1, 0.29, 0.74, 0.91, 1.08, 1.21]) / 0.68)
    seen = searched(lambda share: float(np.interp(share, shares, slopes)))
    assert nearest(seen) < 0.15
    assert len(seen) <= 5


def test_a_slope_that_is_right_needs_no_background():
    assert searched(lambda _: 0.1) == [(0.0, 0.1)]


def test_a_circuit_that_follows_too_little_gets_all_from_the_brain():
    """Nothing can be added to a share of 1; a written background is taken away."""
    assert searched(lambda _: -0.8) == [(0.0, -0.8)]
    assert searched(lambda share: 0.5 * share - 0.3, start=-0.7)[-1][0] == 0.0


def test_a_circuit_that_stays_too_steep_ends_at_the_least_share():
    seen = searched(lambda _: 1.0)
    assert seen[-1][0] == LOWEST
    assert np.all(np.diff([share for share, _ in seen]) < 0)
