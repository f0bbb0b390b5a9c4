"""Everything that follows from an experiment before anything is simulated, all mistakes at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.clock import SyncClock, choose_window_steps, require_whole_steps
from cosim.config import Experiment
from cosim.errors import ConfigurationError, Problems
from cosim.meanfield.connectome import Connectome, load_connectome
from cosim.meanfield.feedback_inhibition import inhibition_for_rate
from cosim.meanfield.models import ModelFamily, model_family
from cosim.meanfield.monitors import check_monitor
from cosim.meanfield.resting_state import rates_at, resting_state
from cosim.plan_circuits import CircuitPlan, plan_circuits
from cosim.registry import unknown_name

# Nothing bounds the window of a run without circuits; this keeps what it holds in memory small.
_UNBOUNDED_WINDOW_MS = 100.0
_DEFAULT_PARAMETERS = {"G": 0.2}
_FIC_PRECISION_HZ = 1e-6
_LARGEST_PARAMETER = 1e6


@dataclass(frozen=True)
class Plan:
    """An experiment with every reference resolved; plain data, the same on every rank.

    Attributes:
        experiment: What the user asked for.
        connectome: The brain's regions, weights and delays.
        family: The mean-field model.
        parameters: Its parameters, scalar or ``(n_regions,)``.
        sigma: Noise per gating variable, per sqrt(ms), shape ``(n_gating,)``.
        circuits: What replaces which regions; None for a plain TVB run.
        clock: Steps and windows.
    """

    experiment: Experiment
    connectome: Connectome
    family: ModelFamily
    parameters: Mapping[str, NDArray[np.float64]]
    sigma: NDArray[np.float64]
    circuits: CircuitPlan | None
    clock: SyncClock

    @cached_property
    def initial(self) -> NDArray[np.float64]:
        """Gating variables at all times up to 0, shape ``(n_gating, n_regions)``.

        Raises:
            ConfigurationError: If the resting state is asked for and there is none.
        """
        given = self.experiment.brain.initial or {}
        shape = (len(self.family.gating), self.connectome.n_regions)
        if set(given) == set(self.family.gating):
            rest = np.empty(shape)
        else:
            model = self.family.build(self.parameters)
            model.configure()
            rest = resting_state(model, self.connectome.weights)
        for row, name in enumerate(self.family.gating):
            if name in given:
                rest[row] = given[name]
        return rest

    @cached_property
    def initial_rates_hz(self) -> NDArray[np.float64]:
        """Rates that go with :attr:`initial`, shape ``(n_rates, n_regions)``, Hz."""
        model = self.family.build(self.parameters)
        model.configure()
        return rates_at(model, self.connectome.weights, self.initial)


def plan(experiment: Experiment) -> Plan:
    """Resolve and check an experiment.

    Args:
        experiment: What to run.

    Raises:
        ConfigurationError: With one line per mistake, all that can be found at once.
    """
    brain = experiment.brain
    problems = Problems()
    n_steps = problems.attempt(
        lambda: require_whole_steps(
            "duration_ms", experiment.duration_ms, brain.dt_ms, "brain.dt_ms"
        )
    )
    family = problems.attempt(lambda: model_family(brain.model))
    connectome = problems.attempt(
        lambda: load_connectome(
            brain.connectome,
            brain.normalize,
            brain.conduction_speed_mm_per_ms,
            experiment.base,
        )
    )
    for name, monitor in brain.monitors.items():
        problems.lines += check_monitor(name, monitor.period_ms, brain.dt_ms)
    if family is None or connectome is None:
        problems.raise_if_any()
        raise AssertionError("unreachable: a missing part leaves a line")
    parameters = problems.attempt(lambda: _parameters(experiment, family, connectome))
    if parameters is not None and brain.fic is not None:
        given = parameters
        J_i = problems.attempt(lambda: _controlled(experiment, family, given, connectome))
        parameters = parameters if J_i is None else {**parameters, "J_i": J_i}
    sigma = problems.attempt(lambda: _sigma(experiment, family))
    problems.attempt(lambda: _check_initial(experiment, family, connectome))
    circuits = None
    if experiment.circuits:
        model = family.build(parameters or _DEFAULT_PARAMETERS)
        circuits = problems.attempt(
            lambda: plan_circuits(experiment, family, connectome, model.G, model.J_N)
        )
    if n_steps is not None and (circuits is not None or not experiment.circuits):
        window_steps = problems.attempt(
            lambda: _window_steps(experiment, connectome, circuits, n_steps)
        )
    else:
        window_steps = None
    problems.raise_if_any()
    if parameters is None or sigma is None or n_steps is None or window_steps is None:
        raise AssertionError("unreachable: a missing part leaves a line")
    if circuits is not None:
        experiment = experiment.model_copy(update={"circuits": list(circuits.sections)})
    experiment.resolved()  # what cannot be written down must not cost a finished run
    clock = SyncClock(brain.dt_ms, window_steps, n_steps)
    result = Plan(experiment, connectome, family, parameters, sigma, circuits, clock)
    _check_resting_rates(result)
    _check_controlled_rates(result)
    return result


def check(experiment: Experiment) -> Plan:
    """Find every mistake of an experiment without simulating anything.

    Args:
        experiment: What would be run.

    Returns:
        What would be run, resolved.

    Raises:
        ConfigurationError: With one line per mistake.
    """
    return plan(experiment)


def _parameters(
    experiment: Experiment, family: ModelFamily, connectome: Connectome
) -> dict[str, NDArray[np.float64]]:
    problems, arrays = [], {}
    for name, value in {**_DEFAULT_PARAMETERS, **experiment.brain.parameters}.items():
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
        if name == "G" and experiment.circuits and array.min() < 0:
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
    experiment: Experiment,
    family: ModelFamily,
    parameters: Mapping[str, NDArray[np.float64]],
    connectome: Connectome,
) -> NDArray[np.float64]:
    """J_i by feedback inhibition control."""
    assert experiment.brain.fic is not None
    if "J_i" not in family.parameters:
        raise ConfigurationError(
            f"brain.fic: the model {family.name} has no J_i; use reduced_wong_wang_exc_inh, or "
            f"remove fic."
        )
    if "J_i" in experiment.brain.parameters:
        raise ConfigurationError(
            "brain.fic sets J_i, and brain.parameters.J_i is given too; remove one of them."
        )
    model = family.build(parameters)
    model.configure()
    rate_hz = experiment.brain.fic.rate_hz
    return inhibition_for_rate(model, connectome.weights, rate_hz, connectome.regions)


def _sigma(experiment: Experiment, family: ModelFamily) -> NDArray[np.float64]:
    problems = [
        f"brain.noise: {unknown_name('state variable', name, family.gating)}"
        for name in experiment.brain.noise
        if name not in family.gating
    ]
    if problems:
        raise ConfigurationError(*problems)
    return np.array([experiment.brain.noise.get(name, 0.0) for name in family.gating])


def _check_initial(experiment: Experiment, family: ModelFamily, connectome: Connectome) -> None:
    problems = []
    for name, value in (experiment.brain.initial or {}).items():
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


def _window_steps(
    experiment: Experiment,
    connectome: Connectome,
    circuits: CircuitPlan | None,
    n_steps: int,
) -> int:
    dt_ms = experiment.brain.dt_ms
    requested = experiment.synchronization.window_ms
    window_ms = None if requested == "auto" else float(requested)
    unbounded = max(min(n_steps, round(_UNBOUNDED_WINDOW_MS / dt_ms)), 1)
    if circuits is None or not circuits.crossing.any():
        return choose_window_steps(window_ms, dt_ms, None, unbounded, "")
    delays = np.where(circuits.crossing, connectome.delays_ms, np.inf)
    target, source = np.unravel_index(int(np.argmin(delays)), delays.shape)
    crossing = f"{connectome.regions[source]} to {connectome.regions[target]}"
    return choose_window_steps(window_ms, dt_ms, float(delays[target, source]), n_steps, crossing)


def _check_resting_rates(result: Plan) -> None:
    """Compute the start here, so that a network without one is refused before the build."""
    if not np.isfinite(result.initial_rates_hz).all():
        raise ConfigurationError(
            "brain: the initial state gives rates that are not finite; check brain.parameters."
        )


def _check_controlled_rates(result: Plan) -> None:
    """Beyond a critical G the network has other fixed points and may rest at one of those."""
    brain = result.experiment.brain
    if brain.fic is None or brain.initial:
        return
    R_e = result.initial_rates_hz[result.family.rates.index("R_e")]
    if np.abs(R_e - brain.fic.rate_hz).max() > _FIC_PRECISION_HZ:
        raise ConfigurationError(
            f"brain.fic.rate_hz = {brain.fic.rate_hz:g}: the network rests at {R_e.min():.4g} to "
            f"{R_e.max():.4g} Hz instead, as the wanted state is not the one it reaches from low "
            f"activity; lower brain.parameters.G."
        )


def resolved_summary(result: Plan) -> dict[str, Any]:
    """What ``cosim check`` prints: the numbers that the file does not show by itself."""
    replaced = sorted(result.circuits.replaced) if result.circuits else []
    return {
        "regions": result.connectome.n_regions,
        "replaced": replaced,
        "window_ms": result.clock.window_ms,
        "windows": result.clock.n_windows,
        "steps": result.clock.n_steps,
        "initial_rates_hz": {
            name: (float(row.min()), float(row.max()))
            for name, row in zip(result.family.rates, result.initial_rates_hz, strict=True)
        },
    }
