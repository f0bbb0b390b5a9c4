"""What a schedule of simulated windows minimises: FC, the state's entropy and the priors."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from fitting.config import RefinementSection, WindowsSection
from fitting.critical_line import Array, critical_polynomial
from fitting.errors import ConfigurationError
from fitting.models.reduced_wong_wang import ReducedWongWang
from fitting.network import FreeNetwork, Network
from fitting.objective import (
    BoldAmplitude,
    FCCorrelation,
    FCDDistribution,
    FCMean,
    FCVariance,
    LaggedCovariance,
    LossTerm,
    PowerSpectrum,
    RestingState,
    StateEntropy,
)
from fitting.priors import GainPrior, GaussianPrior, ParameterPrior

Terms = dict[str, tuple[float, LossTerm]]


def window_terms(section: WindowsSection | RefinementSection, network: Network) -> Terms:
    """Terms and weights of a schedule of windows.

    Args:
        section: The weights.
        network: The candidate; the published priors are those of free weights.
    """
    terms: Terms = {
        "fc_correlation": (section.fc_correlation, FCCorrelation()),
        "fc_mean": (section.fc_mean, FCMean()),
        "fc_variance": (section.fc_variance, FCVariance()),
        "fcd": (section.fcd, FCDDistribution()),
        "bold_amplitude": (section.bold_amplitude, BoldAmplitude()),
        "power_spectrum": (section.power_spectrum, PowerSpectrum()),
        "lagged_covariance": (section.lagged_covariance, LaggedCovariance()),
        "state_entropy": (section.state_entropy, StateEntropy()),
    }
    if section.resting_state:
        rest_E = float(network.rest()[0, 0])
        terms["resting_state"] = (section.resting_state, RestingState(rest_E))
    if "log_gains" in network.free:
        present = network.connectome.prior > 0
        terms["gain_prior"] = (section.gain_prior, GainPrior(present))
    if isinstance(network, FreeNetwork) and isinstance(section, WindowsSection):
        terms |= published_priors(section, network)
    return terms


def published_priors(section: WindowsSection, network: FreeNetwork) -> Terms:
    """Normal priors on the weights, their spreads learned within bounds, and the boundary's.

    The spreads join the network's free quantities.
    """
    specs = {spec.name: spec for spec in network.model.parameters}
    priors: Terms = {}
    for name in section.free:
        width = specs[name].upper - specs[name].lower
        key = f"spread_of_{name}"
        network.free[key] = torch.zeros((), dtype=torch.float64)
        prior = GaussianPrior(name, specs[name].default, 0.02 * width, 0.2 * width, key)
        priors[f"prior_{name}"] = (section.parameter_prior, prior)
    if section.bifurcation_prior:
        priors["bifurcation_prior"] = (
            section.bifurcation_prior,
            ParameterPrior(_bifurcation_cost(network)),
        )
    return priors


@lru_cache(maxsize=4)
def _critical_line(model: ReducedWongWang) -> Array:
    return critical_polynomial(model)


def _bifurcation_cost(network: FreeNetwork) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """Squared distance of g_EI from the critical line at this g_IE and g_EE (eq. 41).

    The paper's line is the edge of bistability at one g_EE; here it follows g_EE, which is fitted.
    """
    needed = {"g_EE", "g_IE", "g_EI"}
    if not isinstance(network.model, ReducedWongWang) or not needed <= set(network.intervals):
        raise ConfigurationError(
            f"windows.bifurcation_prior needs a reduced_wong_wang model whose g_EE, g_IE and g_EI "
            f"are free, not {network.model.name} with {', '.join(network.intervals)}; set it to 0."
        )
    c = torch.as_tensor(_critical_line(network.model))

    def cost(quantities: Mapping[str, Tensor]) -> Tensor:
        powers = torch.arange(len(c))
        line = quantities["g_IE"] ** powers @ c @ quantities["g_EE"] ** powers
        return (quantities["g_EI"] - line) ** 2

    return cost
