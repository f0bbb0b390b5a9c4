"""What the mean field does in place of each circuit while the brain drives it more or less."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim.meanfield.node_curve import stationary_nodes
from cosim.meanfield.resting_state import rates_at
from cosim.plan import Plan

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OperatingPoint:
    """One state of all source regions, held for ever.

    Attributes:
        factor: Rate of every source over its rate at rest.
        sent: Per mean-field variable, what each region sends, shape ``(n_regions,)``.
    """

    factor: float
    sent: Mapping[str, Array]


@dataclass(frozen=True)
class TargetCurve:
    """The mean-field node of one region over the operating range.

    Attributes:
        factors: Rates of all sources over their rates at rest, ascending, shape ``(n,)``.
        coupling_nA: Long-range current G J_N sum_j C_ij S_j at each, nA, shape ``(n,)``.
        rates_hz: The node's stationary rates, shape ``(n, n_rates)``, Hz.
    """

    factors: Array
    coupling_nA: Array
    rates_hz: Array

    @property
    def rest(self) -> int:
        """The point at which the sources are at rest."""
        return int(np.argmin(np.abs(self.factors - 1.0)))


class OperatingRange:
    """The brain at rest, its source regions scaled up and down.

    At factor f every source region has f times its resting rates, and the gating variable that its
    rate drives is the stationary one, S = tau gamma R / (1 + tau gamma R) where it saturates. So
    an input from the rate and one from the coupling current see the same brain.

    Args:
        plan: The experiment.
    """

    def __init__(self, plan: Plan):
        brain = plan.brain
        if plan.experiment.brain.initial:  # where a run starts is then not where it rests
            brain = replace(brain, given={})
        self._family, self._connectome = brain.family, brain.connectome
        self._parameters = brain.parameters
        self._rest = brain.initial
        model = self._family.build(self._parameters)
        model.configure()
        self._model = model
        self.rest_hz = rates_at(model, self._connectome.operator, self._rest)

    def point(self, factor: float) -> OperatingPoint:
        """The state of the brain at one factor."""
        rates = dict(zip(self._family.rates, factor * self.rest_hz, strict=True))
        gated = {
            gate.variable: self._gated(rates[rate], gate.tau, gate.gamma, gate.saturating)
            for rate, gate in self._family.gates.items()
        }
        return OperatingPoint(factor, {**rates, **gated})

    def _gated(self, rate_hz: Array, tau: str, gamma: str, saturating: bool) -> Array:
        drive = np.ravel(getattr(self._model, tau)) * np.ravel(getattr(self._model, gamma))
        drive = drive * rate_hz
        return np.asarray(drive / (1.0 + drive) if saturating else np.minimum(drive, 1.0))

    def target(self, region: str, factors: Sequence[float]) -> TargetCurve:
        """The curve that the circuit of a region should have.

        Args:
            region: Replaced region.
            factors: Ascending.
        """
        i = self._connectome.index(region)
        own = float(self._connectome.operator[i, i])
        weights = self._connectome.weights[i]
        coupling = self._family.coupling
        external = np.array([weights @ self.point(f).sent[coupling] for f in factors])
        one = {
            name: value[i : i + 1] if value.size > 1 else value
            for name, value in self._parameters.items()
        }
        node = self._family.build(one)
        node.configure()
        # From rest outwards, so that each point starts at the fixed point of its neighbour.
        ascending = np.flatnonzero(np.asarray(factors) >= 1.0)
        descending = np.flatnonzero(np.asarray(factors) < 1.0)[::-1]
        rates = np.empty((len(factors), len(self._family.rates)))
        for order in (ascending, descending):
            _, rates[order] = _reshaped(
                stationary_nodes(node, own, external[order].tolist(), self._rest[:, i]),
                len(self._family.rates),
            )
        strength = float(np.ravel(node.G)[0] * np.ravel(node.J_N)[0])
        return TargetCurve(np.asarray(factors, float), strength * external, rates)


def _reshaped(found: tuple[Array, Array], n_rates: int) -> tuple[Array, Array]:
    return found[0], found[1].reshape(-1, n_rates)
