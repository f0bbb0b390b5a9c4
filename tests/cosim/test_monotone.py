"""Numerics of a calibration on curves whose answer is known."""

import numpy as np
import pytest

from cosim.monotone import bounded_step, broyden, drive_for, rising_branch


def test_the_inverse_of_a_known_monotone_curve_is_found():
    """rate = 3 drive^1.7 is a line in log-log, where the interpolation is exact: rounding only."""
    drive = np.array([0.1, 0.3, 1.0, 2.5, 9.0])
    wanted = np.array([0.2, 3.0, 40.0])
    found = drive_for(drive, 3.0 * drive**1.7, wanted)
    assert found == pytest.approx((wanted / 3.0) ** (1 / 1.7), rel=1e-12)


def test_the_inverse_is_monotone_where_the_curve_bends_hard():
    drive = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    rate = np.array([0.0, 0.01, 5.0, 5.1, 30.0])
    found = drive_for(drive, rate, np.linspace(0, 30, 500))
    assert np.all(np.diff(found) > 0)
    assert drive_for(drive, rate, rate) == pytest.approx(drive, abs=1e-12)


def test_drives_may_be_of_either_sign():
    """A line through zero, which logarithms could not hold."""
    drive = np.array([-2.0, 0.0, 2.0])
    assert drive_for(drive, 5.0 + drive, np.array([4.0]))[0] == pytest.approx(-1.0)


def test_what_lies_outside_the_curve_gets_its_end():
    drive, rate = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    assert drive_for(drive, rate, np.array([1.0, 9.0])).tolist() == [1.0, 2.0]


def test_the_branch_ends_at_the_peak_and_leaves_noise_out():
    """Depolarisation block: 34 Hz at most, then fewer; one noisy point below its neighbour."""
    drive = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    rate = np.array([0.0, 8.0, 7.5, 20.0, 34.0, 3.0])
    found = rising_branch(drive, rate)
    assert found[0].tolist() == [1.0, 2.0, 4.0, 5.0]
    assert found[1].tolist() == [0.0, 8.0, 20.0, 34.0]


def test_the_step_solves_a_line_and_stays_within_bounds():
    """Residual r + J s with s = (0.5, -2e-4): found; with s_0 <= 0.2 the bound is met."""
    J = np.array([[2.0, 100.0], [1.0, 3000.0], [1.0, -500.0]])
    wanted = np.array([0.5, -2e-4])
    weights = np.array([1.0, 2.0, 1.0])
    wide = np.array([9.0, 9.0])
    assert bounded_step(J, -J @ wanted, weights, -wide, wide) == pytest.approx(wanted, rel=1e-9)
    narrow = np.array([0.2, 9.0])
    assert bounded_step(J, -J @ wanted, weights, -wide, narrow)[0] == pytest.approx(0.2)


def test_an_unknown_without_room_does_not_move():
    J = np.array([[1.0, 1.0], [0.0, 1.0]])
    step = bounded_step(J, np.array([1.0, 1.0]), np.ones(2), np.array([-1.0, 0.0]), np.zeros(2))
    assert step[0] == pytest.approx(-1.0)
    assert abs(step[1]) < 1e-9


def test_the_updated_jacobian_explains_the_last_step_and_leaves_the_rest():
    """Secant condition; along a direction across the step (in units of scale) nothing changes."""
    J, scale = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.1, 10.0])
    step, change = np.array([0.1, 0.0]), np.array([0.5, 0.2])
    after = broyden(J, step, change, scale)
    assert after @ step == pytest.approx(change)
    assert after @ np.array([0.0, 10.0]) == pytest.approx(J @ np.array([0.0, 10.0]))
