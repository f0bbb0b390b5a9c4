"""How much fit is bought with how much departure from the measured connectome."""

from collections.abc import Sequence

import numpy as np
import torch

from fitting.dataset import Array, lower_triangle, pattern_correlation
from fitting.descent import Descent, DescentSettings
from fitting.fit import one_thread
from fitting.linear_noise_schedule import LinearNoiseLoss, LinearPrediction
from fitting.objective import FCCorrelation, FCMean, FCVariance, Objective, Target
from fitting.priors import GainPrior


def log_weight_correlation(fitted: Array, measured: Array) -> float:
    """Correlation of log weights over the pairs that are connected.

    Logarithms, because gains multiply and a few strong weights would decide a plain correlation.
    """
    ours, theirs = lower_triangle(fitted), lower_triangle(measured)
    present = theirs > 0
    return float(np.corrcoef(np.log(ours[present]), np.log(theirs[present]))[0, 1])


def frontier(
    prediction: LinearPrediction,
    target: Target,
    fc_test: Array | None,
    gain_priors: Sequence[float],
    n_effective: float,
    steps: int,
    learning_rate: float = 0.05,
    mean_weight: float = 6.0,
    spread_weight: float = 2.5,
) -> Array:
    """Refit with ever stronger priors on the connectome's gains, each from the last.

    The network is left as it was found.

    Args:
        prediction: Of a fitted network with gains.
        target: What was fitted.
        fc_test: FC kept aside, or None.
        gain_priors: Weights of the prior, increasing.
        n_effective: Independent samples of the simulated scan.
        steps: Descent steps for each.
        learning_rate: At the start of each.
        mean_weight: Weight of the mean of FC.
        spread_weight: Weight of its spread over pairs.

    Returns:
        Shape ``(1 + n, 4)``: weight of the prior (0 for the fit itself), correlation of
        its log weights with the measured ones, linear FC r in training and in test.
    """
    network = prediction.network
    kept = {name: value.detach().clone() for name, value in network.free.items()}
    leaves = {name: network.free[name] for name in ("log_g", "log_gains")}
    rows = [_row(prediction, target, fc_test, 0.0)]
    with one_thread():
        for weight in gain_priors:
            objective = Objective(
                {
                    "fc_correlation": (1.0, FCCorrelation(n_effective)),
                    "fc_mean": (mean_weight, FCMean()),
                    "fc_variance": (spread_weight, FCVariance()),
                    "gain_prior": (weight, GainPrior(network.connectome.prior > 0)),
                }
            )
            loss = LinearNoiseLoss(prediction, objective, target)
            Descent(leaves, loss, DescentSettings(steps, learning_rate)).run()
            rows.append(_row(prediction, target, fc_test, weight))
    with torch.no_grad():
        for name, value in network.free.items():
            value.requires_grad_(False)
            value.copy_(kept[name])
    return np.array(rows)


def _row(
    prediction: LinearPrediction, target: Target, fc_test: Array | None, weight: float
) -> tuple[float, float, float, float]:
    network = prediction.network
    with torch.no_grad():
        fc = prediction().fc.numpy()
        weights = network.weights().numpy()
    return (
        weight,
        log_weight_correlation(weights, network.connectome.prior.numpy()),
        pattern_correlation(fc, target.fc.numpy()),
        float("nan") if fc_test is None else pattern_correlation(fc, fc_test),
    )
