"""The mean field of an experiment with every reference resolved: named, read, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.config import Brain
from cosim.errors import ConfigurationError, Problems
from cosim.meanfield.connectome import Connectome, load_connectome
from cosim.meanfield.engine import Engine, choose_engine
from cosim.meanfield.feedback_inhibition import inhibition_for_rate
from cosim.meanfield.fitted import FittedBrain, read_fitted
from cosim.meanfield.models import ModelFamily, model_family
from cosim.meanfield.resting_state import rates_after_high_activity, rates_at, resting_state
from cosim.registry import unknown_name

_DEFAULT_PARAMETERS = {"G": 0.2}
_FIC_PRECISION_HZ = 1e-6
# Rate over the wanted one beyond which a state is another one.
_OTHER_STATE = 1.01
_LARGEST_PARAMETER = 1e6

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BrainPlan:
    """A mean-field network; plain data, the same on every rank.

    Attributes:
        connectome: Regions, weights and delays.
        family: The model.
        parameters: Its parameters, scalar or ``(n_regions,)``.
        sigma: Noise per gating variable, per sqrt(ms), shape ``(n_gating,)``.
        given: Initial value per gating variable, where one is given.
        engine: The loop that steps it.
        notices: What a user should know and is no mistake, one line each.
    """

    connectome: Connectome
    family: ModelFamily
    parameters: Mapping[str, Array]
    sigma: Array
    given: Mapping[str, Array]
    engine: Engine
    notices: tuple[str, ...] = ()

    def value(self, name: str, region: str) -> float | None:
        """A parameter, or a gating variable at the start, of one region; None if it has none.

        With diffusive coupling a region's own gating counts against it, ``-G J_N sum_j C_ij S_i``;
        its effective recurrence is ``w_p - G sum_j C_ij``.

        Args:
            name: Parameter or gating variable of the model.
            region: Label of the region.
        """
        i = self.connectome.index(region)
        if name in self.family.gating:
            return float(self.initial[self.family.gating.index(name), i])
        if name not in self.family.parameters:
            return None
        found = self._parameter(name)[i]
        if name == "w_p" and self.connectome.diffusive:
            found = found - self._parameter("G")[i] * self.connectome.weights[i].sum()
        return float(found)

    def _parameter(self, name: str) -> Array:
        """A parameter of every region, shape ``(n_regions,)``."""
        values = np.asarray(getattr(self.family.build(self.parameters), name), float).ravel()
        return np.broadcast_to(values, (self.connectome.n_regions,))

    @cached_property
    def initial(self) -> Array:
        """Gating variables at all times up to 0, shape ``(n_gating, n_regions)``.

        Raises:
            ConfigurationError: If the resting state is asked for and there is none.
        """
        shape = (len(self.family.gating), self.connectome.n_regions)
        if set(self.given) == set(self.family.gating):
            rest = np.empty(shape)
        else:
            model = self.family.build(self.parameters)
            model.configure()
            rest = resting_state(model, self.connectome.operator)
        for row, name in enumerate(self.family.gating):
            if name in self.given:
                rest[row] = self.given[name]
        return rest

    @cached_property
    def initial_rates_hz(self) -> Array:
        """Rates that go with :attr:`initial`, shape ``(n_rates, n_regions)``, Hz."""
        model = self.family.build(self.parameters)
        model.configure()
        return rates_at(model, self.connectome.operator, self.initial)


def plan_brain(brain: Brain, base: Path, driven: bool) -> BrainPlan:
    """Resolve and check the mean field.

    Args:
        brain: What the user asked for.
        base: Folder that relative paths start from.
        driven: Whether circuits replace regions, whose inputs scale with G.

    Raises:
        ConfigurationError: With one line per mistake, all that can be found at once.
    """
    fitted = None if brain.fitted is None else read_fitted(brain.fitted, base)
    problems = Problems()
    family = problems.attempt(lambda: model_family(fitted.model if fitted else brain.model))
    connectome = problems.attempt(lambda: _connectome(brain, fitted, base))
    if family is None or connectome is None:
        problems.raise_if_any()
        raise AssertionError("unreachable: a missing part leaves a line")
    own = fitted.parameters if fitted else {}
    parameters = problems.attempt(lambda: _parameters(brain, own, family, connectome, driven))
    if parameters is not None and brain.fic is not None:
        uncontrolled = parameters
        J_i = problems.attempt(lambda: _controlled(brain, family, uncontrolled, connectome))
        parameters = parameters if J_i is None else {**parameters, "J_i": J_i}
    sigma = problems.attempt(lambda: _sigma(brain, fitted, family))
    engine = problems.attempt(lambda: choose_engine(brain.engine, family, brain.precision))
    problems.attempt(lambda: _check_initial(brain, family, connectome))
    problems.raise_if_any()
    assert parameters is not None
    assert sigma is not None
    assert engine is not None
    given = {key: np.asarray(value, float) for key, value in (brain.initial or {}).items()}
    changed = brain.parameters or brain.fic is not None
    if fitted is not None and not brain.initial and not changed:
        given = dict(zip(family.gating, fitted.rest, strict=True))
    notices = _notices(brain, fitted, connectome, driven)
    return BrainPlan(connectome, family, parameters, sigma, given, engine, notices)


def connectome_of(brain: Brain, base: Path) -> Connectome:
    """The regions, weights and delays of a mean field.

    Args:
        brain: What the user asked for.
        base: Folder that relative paths start from.

    Raises:
        ConfigurationError: If they cannot be read.
    """
    fitted = None if brain.fitted is None else read_fitted(brain.fitted, base)
    return _connectome(brain, fitted, base)


def check_start(brain: Brain, planned: BrainPlan) -> None:
    """Compute the start here, so that a network without one is refused before the build.

    Raises:
        ConfigurationError: If there is none, or not at the rate that was asked for.
    """
    rates_hz = planned.initial_rates_hz
    if not np.isfinite(rates_hz).all():
        raise ConfigurationError(
            "brain: the initial state gives rates that are not finite; check brain.parameters."
        )
    if brain.fic is None or brain.initial:
        return
    R_e = rates_hz[planned.family.rates.index("R_e")]
    if np.abs(R_e - brain.fic.rate_hz).max() > _FIC_PRECISION_HZ:
        # Beyond a critical G the network has other fixed points.
        raise ConfigurationError(
            f"brain.fic.rate_hz = {brain.fic.rate_hz:g}: the network rests at {R_e.min():.4g} to "
            f"{R_e.max():.4g} Hz instead, as the wanted state is not the one it reaches from low "
            f"activity; lower brain.parameters.G."
        )


def start_notices(brain: Brain, planned: BrainPlan) -> tuple[str, ...]:
    """What to know of the state at which a run starts: whether it is the only stable one.

    Args:
        brain: What the user asked for.
        planned: The brain, whose start was checked.
    """
    if brain.fic is None:
        return ()
    model = planned.family.build(planned.parameters)
    model.configure()
    rates_hz = rates_after_high_activity(model, planned.connectome.operator)
    R_e = rates_hz[planned.family.rates.index("R_e")]
    if R_e.max() < _OTHER_STATE * brain.fic.rate_hz:
        return ()
    highest = int(R_e.argmax())
    return (
        f"brain.fic.rate_hz = {brain.fic.rate_hz:g}: the run starts there, but there is another "
        f"branch: 20 s after high activity the mean field is at {R_e.mean():.3g} Hz on average "
        f"({planned.connectome.regions[highest]} at {R_e[highest]:.3g} Hz). Noise, or a circuit "
        f"that fires more than the rate, can carry it there; lower brain.parameters.G to have one "
        f"branch alone.",
    )


def _connectome(brain: Brain, fitted: FittedBrain | None, base: Path) -> Connectome:
    speed = brain.conduction_speed_mm_per_ms
    if fitted is None:
        connectome = load_connectome(brain.connectome, brain.normalize, speed, base)
        connectome = replace(connectome, diffusive=brain.coupling == "diffusive")
    else:
        n = len(fitted.regions)
        lengths = np.zeros((n, n)) if fitted.lengths_mm is None else fitted.lengths_mm
        connectome = Connectome(
            f"fit of {fitted.subject}",
            fitted.regions,
            fitted.weights,
            lengths,
            np.zeros((n, 3)),
            speed,
            fitted.diffusive,
        )
    delays = brain.delays or ("tract" if fitted is None else "none")
    if delays == "tract":
        if fitted is not None and fitted.lengths_mm is None:
            raise ConfigurationError(
                f"brain.delays = 'tract': {brain.fitted} holds no tract lengths; give one delay "
                f"for all connections, ms, or fit with lengths."
            )
        return connectome
    length_mm = 0.0 if delays == "none" else float(delays) * speed
    return replace(connectome, lengths_mm=np.full_like(connectome.lengths_mm, length_mm))


def _overruled(brain: Brain, fitted: FittedBrain | None) -> tuple[str, ...]:
    """What the experiment sets in the place of the fit's own values."""
    given = [f"parameters.{name}" for name in brain.parameters]
    given += [name for name, value in (("noise", brain.noise), ("fic", brain.fic)) if value]
    if fitted is None or not given:
        return ()
    return (
        f"brain.{', brain.'.join(given)} of the experiment overrule {brain.fitted}: the brain "
        f"is no longer the fitted one.",
    )


def _notices(
    brain: Brain, fitted: FittedBrain | None, connectome: Connectome, driven: bool
) -> tuple[str, ...]:
    notices = [*_overruled(brain, fitted)]
    if driven and connectome.diffusive:
        notices.append(
            "brain.coupling is diffusive, and a replaced region is told only what comes from the "
            "others, sum_j C_ij R_j or sum_j C_ij S_j: what its own activity takes off, "
            "-S_i sum_j C_ij, is no input of a circuit."
        )
    if fitted is not None and brain.delays not in (None, "none"):
        delays_ms = connectome.delays_ms[connectome.weights > 0]
        least, most = f"{delays_ms.min():.3g}", f"{delays_ms.max():.3g}"
        notices.append(
            f"{brain.fitted} was fitted without delays; with delays of "
            f"{least if least == most else f'{least} to {most}'} ms (brain.delays) its resting "
            f"state is the same, its dynamics and functional connectivity are not."
        )
    return tuple(notices)


def _parameters(
    brain: Brain,
    fitted: Mapping[str, Array],
    family: ModelFamily,
    connectome: Connectome,
    driven: bool,
) -> dict[str, Array]:
    problems, arrays = [], {}
    for name, value in {**(fitted or _DEFAULT_PARAMETERS), **brain.parameters}.items():
        where = f"brain.parameters.{name}"
        if name not in family.parameters:
            problems.append(
                f"brain.parameters: "
                f"{unknown_name(f'parameter of {family.name}', name, family.parameters)}"
            )
            continue
        array = np.atleast_1d(np.asarray(value, dtype=np.float64))
        if array.size not in (1, connectome.n_regions):
            problems.append(
                f"{where} has {array.size} values; give one, or {connectome.n_regions}: one per "
                f"region of {connectome.name}."
            )
        if name == "G" and driven and array.min() < 0:
            problems.append(
                f"{where} = {array.min():g}: weights and rates into a circuit scale with it and "
                f"cannot be negative; give 0 or more."
            )
        if np.abs(array).max() > _LARGEST_PARAMETER:
            problems.append(
                f"{where} = {array[np.abs(array).argmax()]:g}: is beyond {_LARGEST_PARAMETER:g}, "
                f"where no solver follows; give a value in the model's units (nA, Hz, ms)."
            )
        if name.startswith("tau") and array.min() <= 0:
            problems.append(f"{where} = {array.min():g}: a time constant must be above 0 ms.")
        arrays[name] = array
    if problems:
        raise ConfigurationError(*problems)
    return arrays


def _controlled(
    brain: Brain, family: ModelFamily, parameters: Mapping[str, Array], connectome: Connectome
) -> Array:
    """J_i by feedback inhibition control."""
    assert brain.fic is not None
    if family.name != "reduced_wong_wang_exc_inh":
        raise ConfigurationError(
            f"brain.fic: is solved for the model reduced_wong_wang_exc_inh, not {family.name}; "
            f"use that, or remove fic."
        )
    if "J_i" in brain.parameters:
        raise ConfigurationError(
            "brain.fic sets J_i, and brain.parameters.J_i is given too; remove one of them."
        )
    model = family.build(parameters)
    model.configure()
    return inhibition_for_rate(model, connectome.operator, brain.fic.rate_hz, connectome.regions)


def _sigma(brain: Brain, fitted: FittedBrain | None, family: ModelFamily) -> Array:
    problems = [
        f"brain.noise: {unknown_name('state variable', name, family.gating)}"
        for name in brain.noise
        if name not in family.gating
    ]
    if problems:
        raise ConfigurationError(*problems)
    otherwise = 0.0 if fitted is None or brain.noise else fitted.sigma
    return np.array([brain.noise.get(name, otherwise) for name in family.gating])


def _check_initial(brain: Brain, family: ModelFamily, connectome: Connectome) -> None:
    problems = []
    for name, value in (brain.initial or {}).items():
        array = np.atleast_1d(np.asarray(value, dtype=np.float64))
        if name not in family.gating:
            problems.append(f"brain.initial: {unknown_name('state variable', name, family.gating)}")
        elif array.size not in (1, connectome.n_regions):
            problems.append(
                f"brain.initial.{name} has {array.size} values; give one, or "
                f"{connectome.n_regions}: one per region."
            )
        elif array.min() < 0 or array.max() > 1:
            worst = array.min() if array.min() < 0 else array.max()
            problems.append(f"brain.initial.{name} = {worst:g}: a gating variable lies in [0, 1].")
    if problems:
        raise ConfigurationError(*problems)
