"""The stationary curve of one node against the printed equations and the whole network."""

import numpy as np
import pytest
from scipy.optimize import fsolve

from cosim import Brain, Circuit, Experiment, Input
from cosim.meanfield.models import model_family
from cosim.meanfield.node_curve import stationary_nodes
from cosim.operating_range import OperatingRange
from cosim.plan import plan

EXPERIMENT = Experiment(
    duration_ms=100.0,
    brain=Brain(parameters={"G": 0.2}),
    circuits=[Circuit(circuit="balanced_ei", regions=["rPCUN"], inputs=[Input(to="E")])],
)


def transfer_hz(current_nA, a, b, d):
    x = a * current_nA - b
    return x / (1 - np.exp(-d * x))


def test_rates_solve_the_printed_equations():
    """Deco et al. 2014, defaults, I_c 0, .0076, .0153 nA; G = 1 and sum C S = I_c / (G J_N)."""
    model = model_family("reduced_wong_wang_exc_inh").build({"G": 1.0})
    model.configure()
    couplings_nA = (0.0, 0.0076, 0.0153)
    external = [x / 0.15 for x in couplings_nA]
    _, rates = stationary_nodes(model, 0.0, external, np.array([0.1, 0.05]))
    for I_c, found in zip(couplings_nA, rates, strict=True):

        def printed(S, I_c=I_c):
            R_E = transfer_hz(0.382 + 0.21 * S[0] - S[1] + I_c, 310.0, 125.0, 0.16)
            R_I = transfer_hz(0.7 * 0.382 + 0.15 * S[0] - S[1], 615.0, 177.0, 0.087)
            return R_E, R_I

        def change(S, printed=printed):
            R_E, R_I = printed(S)
            return -S[0] / 100 + (1 - S[0]) * 0.641e-3 * R_E, -S[1] / 10 + 1e-3 * R_I

        assert found == pytest.approx(printed(fsolve(change, (0.2, 0.05), xtol=1e-13)), rel=1e-9)


def test_at_factor_one_the_node_rests_where_the_network_does():
    planned = plan(EXPERIMENT)
    curve = OperatingRange(planned).target("rPCUN", [0.5, 1.0, 2.0])
    rest = planned.initial_rates_hz[:, planned.connectome.index("rPCUN")]
    assert curve.rates_hz[1] == pytest.approx(rest, rel=1e-9)
    assert np.all(np.diff(curve.rates_hz, axis=0) > 0)


def test_the_coupling_follows_from_the_scaled_rates_of_the_sources():
    """S = tau gamma R / (1 + tau gamma R), tau gamma = .0641 s; I_c = G J_N sum C S."""
    planned = plan(EXPERIMENT)
    i = planned.connectome.index("rPCUN")
    drive = 0.0641 * 2.0 * planned.initial_rates_hz[0]
    by_hand_nA = 0.2 * 0.15 * planned.connectome.weights[i] @ (drive / (1 + drive))
    curve = OperatingRange(planned).target("rPCUN", [1.0, 2.0])
    assert curve.coupling_nA[1] == pytest.approx(by_hand_nA, rel=1e-9)
