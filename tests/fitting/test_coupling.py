"""The connectome with its gains, and what regions receive."""

import pytest
import torch

from fitting.coupling import Connectome, Coupling
from fitting.errors import ConfigurationError


def measured(n=5, seed=0):
    weights = torch.rand(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (10 * weights).fill_diagonal_(0)


def test_no_gain_is_the_measurement():
    connectome = Connectome(measured())
    torch.testing.assert_close(connectome.weights(torch.zeros(5, 5).double()), connectome.prior)


@pytest.mark.parametrize(
    ("normalisation", "size"),
    [
        ("frobenius", torch.linalg.matrix_norm),
        ("largest", torch.amax),
        ("spectral", lambda w: torch.linalg.eigvalsh(w)[-1]),
    ],
)
def test_weights_are_symmetric_and_of_size_one(normalisation, size):
    weights = Connectome(measured(), normalisation=normalisation).weights(measured(seed=1) / 10)
    torch.testing.assert_close(weights, weights.mT)
    assert float(size(weights)) == pytest.approx(1)


def test_gain_multiplies_both_directions():
    gains = torch.zeros(5, 5).double()
    gains[1, 3] = 0.8
    plain = Connectome(measured(), normalisation="none")
    ratio = plain.weights(gains) / plain.prior
    assert float(ratio[1, 3]) == pytest.approx(float(torch.exp(torch.tensor(0.4))))
    assert float(ratio[3, 1]) == float(ratio[1, 3])
    assert float(ratio[0, 1]) == 1


def test_absent_connections_stay_absent():
    weights = measured()
    weights[0, 1] = weights[1, 0] = 0
    fitted = Connectome(weights).weights(torch.full((5, 5), 3.0).double())
    assert float(fitted[0, 1]) == float(fitted[1, 0]) == 0


def test_diffusive_coupling_vanishes_where_regions_agree():
    """Five products of size one cancel: below 5 ulp."""
    sent = torch.full((2, 5), 0.3).double()
    assert float(Coupling(measured()).instant(sent).abs().max()) < 5 * 10 * 2.3e-16


def test_direct_coupling_is_the_weighted_sum():
    sent = torch.rand(2, 5).double()
    received = Coupling(measured(), diffusive=False).instant(sent)
    torch.testing.assert_close(received, sent @ measured().T)


def test_members_may_have_their_own_weights():
    both = torch.stack((measured(), measured(seed=3)))
    sent = torch.rand(2, 5).double()
    received = Coupling(both).instant(sent)
    torch.testing.assert_close(received[1:], Coupling(both[1]).instant(sent[1:]))


def test_absent_connections_do_not_lengthen_the_history():
    weights, delays = measured(), torch.full((5, 5), 4.0)
    weights[0, 1], delays[0, 1] = 0, 1000.0
    assert int(Coupling(weights, delays_ms=delays).delay_steps(0.5).max()) == 8


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (torch.ones(2, 3), r"shape \(2, 3\)"),
        (-torch.ones(2, 2), r"Connection \(0, 0\) is -1"),
        (torch.eye(3), "Region 0 is connected to itself"),
        (torch.zeros(3, 3), "no connection"),
        (torch.full((2, 2), torch.nan), "is nan"),
    ],
)
def test_unusable_connectome_is_refused_with_its_reason(matrix, message):
    with pytest.raises(ConfigurationError, match=message):
        Connectome(matrix)


def test_negative_delay_is_refused():
    with pytest.raises(ConfigurationError, match="shortest delay is -1 ms"):
        Coupling(measured(), delays_ms=-torch.ones(5, 5))
