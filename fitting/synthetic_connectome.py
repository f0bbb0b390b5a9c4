"""Recovery of parameters and connectome together, from a connectome that is only roughly known.

Estimation knows the connectome that all subjects share, and that a subject's own differs from it by
errors of one size; it starts from the estimate with the shared connectome. Three things bias such
an estimate (mean over subjects on Hagmann 66):

- What is believed of the errors. Jitter raises all connections, the weak ones several times; gains
  believed to be one on average make g_IE 10 % low, from data without any noise. With the errors'
  mean left free (`UncertainConnectome`) that bias is below .2 %.
- Sampling noise that the 658 connections absorb: 1 % of g, 2 % of g_IE.
- The noise that moves the mean of a nonlinear system: 7 % of g_EI.

Simulating at the estimate shows the last two, and they are taken off, as with a known connectome;
every simulated subject has a connectome of its own, drawn from what the data leave open.
"""

import numpy as np

from fitting.models.reduced_wong_wang import ReducedWongWang
from fitting.synthetic import (
    Likelihood,
    Observables,
    Recovery,
    RecoverySettings,
    estimate,
    make_up,
    without_bias,
)
from fitting.synthetic_brain import (
    Array,
    Brain,
)
from fitting.synthetic_scoring import N_COORDINATES, JointScoring
from fitting.uncertain_connectome import UncertainConnectome


def recover_with_connectome(
    weights: Array,
    model: ReducedWongWang,
    observables: Observables,
    seed: int,
    settings: RecoverySettings | None = None,
) -> Recovery:
    """Make up a subject and estimate its parameters and its connectome together.

    Args:
        weights: The connectome that is jittered, which is all that is known of the subject's.
        model: The two-state model.
        observables: What the estimation sees.
        seed: Of the subject, which is that of `fitting.synthetic.recover`.
        settings: How.
    """
    chosen = settings or RecoverySettings()
    subject = make_up(weights, model, seed, chosen)
    connectome = UncertainConnectome(weights)
    shared = Brain(connectome.weights(np.zeros(len(connectome.base))), model)
    start = estimate(Likelihood(shared, subject.recording, observables), subject.starts)
    found = JointScoring(shared, connectome, subject.recording, observables).run(start)
    seen = found.unknowns.x[:N_COORDINATES]

    def estimate_again(x: Array, fake_seed: int) -> Array:
        drawn = found.draw_errors(connectome, np.random.default_rng([fake_seed, 2]))
        fake = Brain(connectome.weights(drawn), model)
        recorded = fake.record(x, chosen.minutes, chosen.tr_s, fake_seed)
        fit = JointScoring(shared, connectome, recorded, observables).run(x)
        return fit.unknowns.x[:N_COORDINATES]

    x = without_bias(seen, shared, observables, seed, chosen, estimate_again)
    own = subject.brain
    return Recovery(own.weights_of(subject.truth), own.weights_of(x))
