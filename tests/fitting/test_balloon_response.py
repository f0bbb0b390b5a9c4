import numpy as np
import pytest
import torch

from fitting.balloon_response import BalloonResponse
from fitting.hemodynamics import BalloonWindkessel

RESPONSE = BalloonResponse(0.18)


def test_the_steady_state_is_one_of_the_full_equations():
    blood = BalloonWindkessel()
    state = torch.tensor([0.0, *RESPONSE.steady_state()], dtype=torch.float64)[:, None]
    drive = torch.tensor([0.18], dtype=torch.float64)
    assert blood.drift(state, drive).abs().max() < 1e-15
    assert float(blood.bold(state)) == pytest.approx(RESPONSE.steady_bold(), rel=1e-12)


def test_the_gain_at_zero_frequency_is_the_slope_of_steady_bold():
    gain = RESPONSE(np.array([1e-6]))[0]
    assert np.sqrt(gain) == pytest.approx(abs(RESPONSE.steady_slope()), rel=1e-5)


@pytest.mark.parametrize("frequency_hz", [0.05, 0.1, 0.25])
def test_the_gain_is_that_of_a_small_sine_through_the_full_equations(frequency_hz):
    """An amplitude of 1e-4 leaves nonlinear terms of 1e-3; steps of 20 ms,
    Heun, 1e-4; after three periods the start is forgotten to 1e-4."""
    blood = BalloonWindkessel(dt_ms=20.0)
    period = round(50 / frequency_hz)
    times_s = (np.arange(period * 5) + 0.5) * 0.02
    drive = 0.18 + 1e-4 * np.sin(2 * np.pi * frequency_hz * times_s)
    state = blood.steady(torch.tensor([[0.18]], dtype=torch.float64))
    bold, _ = blood.run(state, torch.as_tensor(drive)[:, None, None])
    last = bold[-2 * period :, 0, 0].numpy()
    phase = np.exp(-2j * np.pi * frequency_hz * 0.02 * np.arange(len(last)))
    amplitude = 2 * np.abs(((last - last.mean()) * phase).mean())
    assert amplitude / 1e-4 == pytest.approx(
        np.sqrt(RESPONSE(np.array([frequency_hz]))[0]), rel=0.01
    )
