"""Balloon-Windkessel against The Virtual Brain's, its rest and its order."""

import numpy as np
import pytest
import torch
from tvb.analyzers.fmri_balloon import BalloonModel
from tvb.datatypes.time_series import TimeSeries

from fitting.errors import ConfigurationError
from fitting.hemodynamics import BalloonWindkessel


def rest(n_regions=3):
    return BalloonWindkessel().steady(torch.zeros(1, n_regions, dtype=torch.float64))


def test_bold_is_that_of_tvb():
    """Same equations, same scheme, 1500 steps: rounding only.

    TVB's constants come from k1 = 4.3 nu_0 E0 TE, k2 = epsilon r_0 E0 TE, k3 = 1 - epsilon.
    """
    n_steps, step_s = 1500, 0.02
    drive = 0.3 * np.random.default_rng(0).random((n_steps, 3))
    tvb = BalloonModel(
        time_series=TimeSeries(
            data=drive[:, None, :, None],
            time=np.arange(n_steps) * step_s,
            sample_period=step_s,
            sample_period_unit="s",
        ),
        tau_s=1 / 0.65,
        tau_f=1 / 0.41,
        tau_o=0.98,
        alpha=0.32,
        E0=0.34,
        V0=0.02,
        epsilon=np.array([0.52]),
        TE=0.04,
        nu_0=2.38 / (4.3 * 0.34 * 0.04),
        r_0=2.0 / (0.52 * 0.34 * 0.04),
    )
    theirs = tvb.evaluate().data[1:, 0, :, 0]
    ours, _ = BalloonWindkessel(dt_ms=20.0).run(rest(), torch.from_numpy(drive[1:, None]))
    np.testing.assert_allclose(ours[:, 0].numpy(), theirs, rtol=1e-10, atol=1e-15)


def test_steady_state_stays():
    model = BalloonWindkessel()
    state = model.steady(torch.tensor([[0.0, 0.1, 0.4]], dtype=torch.float64))
    drift = model.drift(state, torch.tensor([[0.0, 0.1, 0.4]], dtype=torch.float64))
    assert float(drift.abs().max()) < 1e-14


def test_no_activity_gives_no_signal():
    """q at rest is 1 to an ulp, so BOLD is 0 to V_0 (k1 + k2) ulp."""
    assert float(BalloonWindkessel().bold(rest()).abs().max()) < 0.02 * 4.4 * 2.3e-16


def test_rates_are_per_second():
    """The signal decays with .65 per second and oscillates at the flow's natural frequency.

    Linearised, s and f obey s'' + .65 s' + .41 s = 0: after a kick the first zero of s comes at
    atan(2 w / .65) / w with w = sqrt(.41 - .65^2 / 4), 1.99 s. With time constants of .65 and .41 s
    in their place it would come at 0.7 s.
    """
    model = BalloonWindkessel(dt_ms=1.0)
    state = rest(1)
    state[:, 0] = 1e-6
    elapsed_ms = 0
    while float(state[0, 0, 0]) > 0 and elapsed_ms < 4000:
        state = model.step(state, torch.zeros(1, 1, dtype=torch.float64))
        elapsed_ms += 1
    omega = np.sqrt(0.41 - 0.65**2 / 4)
    assert elapsed_ms / 1000 == pytest.approx(np.arctan(2 * omega / 0.65) / omega, abs=2e-3)


def test_error_falls_with_the_square_of_the_step():
    """A drive at 0.2 Hz, held at its mean over each step; halving the step divides by four."""

    def end(dt_ms):
        edges = np.arange(0, 10_000 + dt_ms / 2, dt_ms) / 1000
        integral = -0.2 * np.cos(2 * np.pi * 0.2 * edges) / (2 * np.pi * 0.2) + 0.3 * edges
        mean = torch.from_numpy(np.diff(integral) / (dt_ms / 1000))[:, None, None]
        return float(BalloonWindkessel(dt_ms=dt_ms).run(rest(1), mean)[0][-1])

    exact = end(1.0)
    errors = [abs(end(step) - exact) for step in (80.0, 40.0, 20.0)]
    assert errors[0] / errors[1] == pytest.approx(4, abs=0.5)
    assert errors[1] / errors[2] == pytest.approx(4, abs=0.5)


def test_step_of_seconds_is_refused():
    with pytest.raises(ConfigurationError, match="720 ms; give one above 0 and at most 100 ms"):
        BalloonWindkessel(dt_ms=720.0)
