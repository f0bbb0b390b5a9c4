"""Keyed noise: standard normal, independent, and the same however it is asked for."""

import numpy as np
import pytest
import torch
from scipy import stats

from fitting.errors import ConfigurationError
from fitting.keyed_noise import KeyedNoise


def test_numbers_do_not_depend_on_how_they_are_asked_for():
    noise = KeyedNoise(7, (0, 5))
    whole = noise.draw(0, 40, 2, 96)
    assert torch.equal(noise.draw(3, 8, 2, 83), whole[:, 3:11, :, :83])
    assert torch.equal(KeyedNoise(7, (5,)).draw(1, 5, 1, 10), whole[1:, 1:6, :1, :10])
    assert torch.equal(noise.draw(0, 40, 2, 96, torch.float64).float(), whole)


def test_keys_give_different_numbers():
    base = KeyedNoise(7).draw(0, 2, 2, 16)
    for other in (KeyedNoise(8), KeyedNoise(7 + 2**32), KeyedNoise(7, (1,))):
        assert not (other.draw(0, 2, 2, 16) == base).any()
    assert not (KeyedNoise(7).draw(2, 2, 2, 16) == base).any()
    assert len(torch.unique(base)) == base.numel()


def test_moments_and_shape_are_those_of_the_normal_distribution():
    """768,000 numbers: the SD of their mean is .0011, of their variance .0016, of m4 .011."""
    z = KeyedNoise(3).draw(0, 4000, 2, 96).numpy().ravel().astype(float)
    n = z.size
    assert abs(z.mean()) < 4 / np.sqrt(n)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((z**4).mean() - 3) < 4 * np.sqrt(96 / n)
    assert stats.kstest(z, "norm").pvalue > 1e-4


def test_neighbours_in_time_space_and_variable_are_uncorrelated():
    """Correlation of 384,000 pairs has SD .0016."""
    z = KeyedNoise(4, (0, 1)).draw(0, 4001, 2, 96).numpy().astype(float)
    pairs = [
        (z[0, 1:, 0], z[0, :-1, 0]),
        (z[0, :, 0, 1:], z[0, :, 0, :-1]),
        (z[0, :, 0], z[0, :, 1]),
        (z[0, :, 0], z[1, :, 0]),
        (z[0, :, 0] ** 2, z[0, :, 1] ** 2),
    ]
    for a, b in pairs:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(a.size)


def test_more_than_two_variables_are_independent():
    z = KeyedNoise(4).draw(0, 3000, 5, 16).numpy()[0].transpose(1, 0, 2).reshape(5, -1)
    off = np.corrcoef(z) - np.eye(5)
    assert np.abs(off).max() < 4.5 / np.sqrt(z.shape[1])


@pytest.mark.parametrize("arguments", [(-1,), (2**64,), (0, (-1,)), (0, (2**32,)), (0, ())])
def test_keys_out_of_range_are_refused(arguments):
    with pytest.raises(ConfigurationError, match="noise"):
        KeyedNoise(*arguments)
