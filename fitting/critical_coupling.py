"""The rest of a whole network as the coupling grows, and the coupling at which it is lost.

A rest is followed from the uncoupled regions by Newton's method on all regions at once. It ends
where an eigenvalue of the network's Jacobian reaches zero: a fold, after which the network jumps,
or a Hopf point, after which it oscillates. With diffusive coupling of equal regions the rest never
ends, since the coupling only adds leak to what differs between regions.

References:
    Deco et al. (2013) J. Neurosci. 33(27):11239-11252, doi:10.1523/JNEUROSCI.1091-13.2013.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fitting.bifurcation import fixed_points
from fitting.coupling import Coupling
from fitting.errors import ConfigurationError
from fitting.models.base import MeanFieldModel, Parameters, complete
from fitting.models.reduced_wong_wang import ReducedWongWang

# A rest that moves further at once is another one: beyond a fold the network jumps by more.
LARGEST_MOVE = 0.03


@dataclass(frozen=True, slots=True)
class NetworkRest:
    """A fixed point of a network.

    Attributes:
        g: Strength of the coupling.
        state: Shape ``(variable, region)``.
        leading: Largest real part among the eigenvalues of the network, per ms.
    """

    g: float
    state: Tensor
    leading: float


@dataclass(frozen=True, slots=True)
class CriticalCoupling:
    """What following the rest found.

    Attributes:
        g: Coupling at which the rest is lost, infinite if it is not up to the largest asked for.
        path: The rests on the way.
    """

    g: float
    path: tuple[NetworkRest, ...]

    @property
    def slowest(self) -> NetworkRest:
        """The rest that returns most slowly: where the network is critical without a fold."""
        return max(self.path, key=lambda rest: rest.leading)


def network_jacobian(
    model: MeanFieldModel, coupling: Coupling, state: Tensor, p: Parameters
) -> Tensor:
    """Return the Jacobian of an undelayed network, ``(variable * region, variable * region)``."""
    matrix = coupling.matrix()
    n_variables, n = state.shape
    local, gain = model.jacobian(state, matrix @ state[model.sent_variable], p)
    full = torch.zeros(n_variables, n, n_variables, n, dtype=state.dtype)
    diagonal = torch.arange(n)
    full[:, diagonal, :, diagonal] = local
    full[:, :, model.sent_variable] += gain.T[..., None] * matrix
    return full.reshape(n_variables * n, n_variables * n)


def network_rest(
    model: MeanFieldModel, coupling: Coupling, parameters: Mapping[str, Tensor], guess: Tensor
) -> NetworkRest | None:
    """Return the fixed point that Newton's method reaches from a guess, or none.

    Args:
        model: Any model.
        coupling: Weights; delays do not move a fixed point and are left out.
        parameters: Values that differ from the defaults, scalars or ``(region,)``.
        guess: Shape ``(variable, region)``.
    """
    p = complete(model, parameters, torch.float64)
    state = guess.to(torch.float64)
    matrix = coupling.matrix().to(torch.float64)
    lower = torch.tensor(model.lower, dtype=torch.float64)[:, None]
    upper = torch.tensor(model.upper, dtype=torch.float64)[:, None]
    doubled = replace(coupling, weights=coupling.weights.to(torch.float64), delays_ms=None)
    with torch.no_grad():
        for _ in range(40):
            drift = model.drift(state, matrix @ state[model.sent_variable], p)
            jacobian = network_jacobian(model, doubled, state, p)
            # A singular Jacobian gives infinities, not an error.
            step = torch.linalg.solve_ex(jacobian, drift.reshape(-1))[0].reshape(state.shape)
            largest = float(step.abs().max())
            if not math.isfinite(largest):
                return None
            # Steps of a tenth at most keep to the branch that is followed.
            state = state - step * min(1.0, 0.1 / max(largest, 1e-300))
            if ((state < lower) | (state > upper)).any():
                return None
            if largest < 1e-12:
                values = torch.linalg.eigvals(network_jacobian(model, doubled, state, p))
                return NetworkRest(float(p["g"]), state, float(values.real.max()))
    return None


def critical_coupling(
    model: ReducedWongWang,
    coupling: Coupling,
    parameters: Mapping[str, Tensor] | None = None,
    g_max: float = 10.0,
    n_steps: int = 50,
) -> CriticalCoupling:
    """Follow the quiet rest from g = 0 and return the g at which it is lost.

    Args:
        model: Either variant of the two-state model.
        coupling: Weights, ``(region, region)``.
        parameters: Values that differ from the defaults, scalars or ``(region,)``; not ``g``.
        g_max: Largest coupling to try.
        n_steps: Rests to compute on the way; towards the end steps shrink to 1e-6 of that.

    Raises:
        ConfigurationError: If the uncoupled regions have no stable rest.
    """
    given = {name: value for name, value in (parameters or {}).items() if name != "g"}
    n = coupling.n_regions
    uncoupled = fixed_points(model, {**given, "g_EE": _per_region(model, given, n)})
    if not uncoupled.stable.any(-1).all():
        raise ConfigurationError("An uncoupled region has no stable rest; lower g_IE or g_EI.")
    quiet = uncoupled.states[range(n), uncoupled.stable.argmax(-1)]

    def rest(g: float, guess: Tensor) -> NetworkRest | None:
        found = network_rest(model, coupling, given | {"g": torch.tensor(g)}, guess)
        if found is None or found.leading >= 0:
            return None
        return found if float((found.state - guess).abs().max()) < LARGEST_MOVE else None

    here = rest(0.0, torch.from_numpy(quiet).T)
    if here is None:
        raise ConfigurationError("The uncoupled rest could not be followed; check the parameters.")
    path = [here]
    longest = step = g_max / n_steps
    while here.g < g_max:
        there = rest(min(here.g + step, g_max), here.state)
        if there is not None:
            here, step = there, min(2 * step, longest)
            path.append(here)
        elif step < 1e-6 * longest:
            return CriticalCoupling(here.g, tuple(path))
        else:
            step /= 2
    return CriticalCoupling(math.inf, tuple(path))


def _per_region(model: ReducedWongWang, given: Mapping[str, Tensor], n_regions: int) -> Tensor:
    """Return g_EE as one value a region, so that every region is analysed."""
    return complete(model, given, torch.float64)["g_EE"].expand(n_regions)
