import numpy as np
import pytest
import torch

from fitting.coupling import Connectome
from fitting.identifiability import COORDINATES, identified, information
from fitting.models import named_model
from fitting.network import RestingNetwork

DURATION_S = 900.0


def network(g=0.8, n=20, seed=0):
    rng = np.random.default_rng(seed)
    weights = np.exp(rng.standard_normal((n, n)))
    weights = weights + weights.T
    np.fill_diagonal(weights, 0)
    free = {
        "log_g": torch.tensor(np.log(g), dtype=torch.float64),
        "log_kappa": torch.tensor(np.log(0.004), dtype=torch.float64),
    }
    model = named_model("reduced_wong_wang_tanh")
    return RestingNetwork(model, Connectome(torch.as_tensor(weights)), free)


def test_fc_alone_determines_one_direction():
    """PHYSICS: the Fisher rank of FC is about 1."""
    assert information(network(), DURATION_S, "fc").rank() == 1


def test_each_observation_adds_directions():
    ranks = [
        information(network(), DURATION_S, kind).rank()
        for kind in ("fc", "covariance", "covariance+mean_state", "spectra+mean_state")
    ]
    assert ranks == sorted(ranks)
    assert ranks[-1] == len(COORDINATES)


def test_information_is_symmetric_and_not_negative():
    known = information(network(), DURATION_S, "spectra")
    assert np.allclose(known.matrix, known.matrix.T, rtol=1e-9)
    assert known.eigenvalues.min() > -1e-6 * known.eigenvalues.max()


def test_information_about_fc_grows_with_the_scan():
    """Independent samples are proportional to the duration; the band's edge moves a little."""
    short = information(network(), DURATION_S, "fc").eigenvalues[-1]
    long = information(network(), 4 * DURATION_S, "fc").eigenvalues[-1]
    assert long / short == pytest.approx(4.0, rel=0.1)


def test_fc_identifies_the_ratio_and_none_of_the_weights():
    found = {one.name: one for one in identified(network(), DURATION_S, "fc")}
    ratio = found["g b / kappa"]
    assert ratio.is_identified
    assert ratio.low < ratio.value < ratio.high
    for name in ("g", "g_EE", "g_IE", "g_EI", "kappa_per_ms"):
        assert not found[name].is_identified
        assert np.isinf(found[name].high) or found[name].high > 2 * found[name].value


def test_spectra_and_mean_states_identify_every_weight():
    found = {one.name: one for one in identified(network(), DURATION_S, "spectra+mean_state")}
    assert all(found[name].is_identified for name in ("g", "g_EE", "g_IE", "g_EI"))
