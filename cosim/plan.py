"""Everything that follows from an experiment before anything is simulated, all mistakes at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.clock import SyncClock, choose_window_steps, require_whole_steps
from cosim.config import Experiment
from cosim.errors import ConfigurationError, Problems
from cosim.meanfield.connectome import Connectome
from cosim.meanfield.models import ModelFamily
from cosim.meanfield.monitors import check_monitor, check_sensors
from cosim.plan_brain import BrainPlan, check_start, plan_brain, start_notices
from cosim.plan_circuits import CircuitPlan, plan_circuits
from cosim.spiking.injection import foresee_injection

# Nothing bounds the window of a run without circuits; this keeps what it holds in memory small.
_UNBOUNDED_WINDOW_MS = 100.0


@dataclass(frozen=True)
class Plan:
    """An experiment with every reference resolved; plain data, the same on every rank.

    Attributes:
        experiment: What the user asked for.
        brain: The mean field.
        circuits: What replaces which regions; None for a plain TVB run.
        clock: Steps and windows.
        start: What to know of the state at which the run starts, one line each.
    """

    experiment: Experiment
    brain: BrainPlan
    circuits: CircuitPlan | None
    clock: SyncClock
    start: tuple[str, ...] = ()

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should know and is no mistake, one line each."""
        of_circuits = self.circuits.notices if self.circuits else ()
        return (*self.brain.notices, *self.start, *of_circuits)

    @property
    def connectome(self) -> Connectome:
        """The brain's regions, weights and delays."""
        return self.brain.connectome

    @property
    def family(self) -> ModelFamily:
        """The mean-field model."""
        return self.brain.family

    @property
    def parameters(self) -> Mapping[str, NDArray[np.float64]]:
        """The model's parameters, scalar or ``(n_regions,)``."""
        return self.brain.parameters

    @property
    def sigma(self) -> NDArray[np.float64]:
        """Noise per gating variable, per sqrt(ms), shape ``(n_gating,)``."""
        return self.brain.sigma

    @property
    def initial(self) -> NDArray[np.float64]:
        """Gating variables at all times up to 0, shape ``(n_gating, n_regions)``."""
        return self.brain.initial

    @property
    def initial_rates_hz(self) -> NDArray[np.float64]:
        """Rates that go with :attr:`initial`, shape ``(n_rates, n_regions)``, Hz."""
        return self.brain.initial_rates_hz


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
    for name, monitor in brain.monitors.items():
        problems.lines += check_monitor(name, monitor.period_ms, brain.dt_ms)
    planned = problems.attempt(
        lambda: plan_brain(brain, experiment.base, driven=bool(experiment.circuits))
    )
    # With a mistake in its parameters the brain still tells which circuits could stand in it.
    known = planned or _without_parameters(experiment)
    if known is not None:
        problems.lines += check_sensors(brain.monitors, known.connectome)
    circuits = None
    if experiment.circuits and known is not None:
        circuits = problems.attempt(lambda: plan_circuits(experiment, known))
        problems.attempt(lambda: foresee_injection(experiment.synchronization.injection))
    window_steps = None
    if n_steps is not None and known is not None and (circuits or not experiment.circuits):
        window_steps = problems.attempt(
            lambda: _window_steps(experiment, known.connectome, circuits, n_steps)
        )
    problems.raise_if_any()
    if planned is None or n_steps is None or window_steps is None:
        raise AssertionError("unreachable: a missing part leaves a line")
    if circuits is not None:
        experiment = experiment.model_copy(update={"circuits": list(circuits.sections)})
    experiment.resolved()  # what cannot be written down must not cost a finished run
    check_start(brain, planned)
    _check_ceiling(experiment, planned, circuits)
    clock = SyncClock(brain.dt_ms, window_steps, n_steps)
    return Plan(experiment, planned, circuits, clock, start_notices(brain, planned))


def _check_ceiling(experiment: Experiment, brain: BrainPlan, circuits: CircuitPlan | None) -> None:
    """A mean field that rests above the ceiling would end its run within 100 ms."""
    if experiment.brain.initial:  # where it goes from there only the run can tell
        return
    replaced = circuits.replaced if circuits else ()
    kept = np.array([region not in replaced for region in brain.connectome.regions])
    rates_hz = np.where(kept, brain.initial_rates_hz, 0.0)
    row, column = np.unravel_index(int(rates_hz.argmax()), rates_hz.shape)
    if rates_hz[row, column] > experiment.limits.rate_hz:
        wanted = experiment.brain.fic
        cause = "" if wanted is None else f" with brain.fic.rate_hz = {wanted.rate_hz:g}"
        raise ConfigurationError(
            f"limits.rate_hz = {experiment.limits.rate_hz:g}: {brain.family.rates[row]} of "
            f"{brain.connectome.regions[column]} rests at {rates_hz[row, column]:.4g} Hz{cause}, "
            f"so that the run would stop at once; raise limits.rate_hz, or lower the rate at rest."
        )


def _without_parameters(experiment: Experiment) -> BrainPlan | None:
    """The brain with its model's defaults, None if it is not even that."""
    bare: dict[str, object] = {"parameters": {}, "noise": {}, "initial": None, "fic": None}
    try:
        return plan_brain(experiment.brain.model_copy(update=bare), experiment.base, driven=False)
    except ConfigurationError:
        return None


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
    if delays[target, source] == 0 and experiment.brain.fitted is not None:
        raise ConfigurationError(
            f"brain.fitted was fitted without delays, and connections between circuits and mean "
            f"field need one of at least brain.dt_ms = {dt_ms:g} ms; give brain.delays: 1.0 (ms, "
            f"for all connections) or tract."
        )
    crossing = f"{connectome.regions[source]} to {connectome.regions[target]}"
    return choose_window_steps(window_ms, dt_ms, float(delays[target, source]), n_steps, crossing)


def resolved_summary(result: Plan) -> dict[str, Any]:
    """What ``cosim check`` prints: the numbers that the file does not show by itself."""
    replaced = sorted(result.circuits.replaced) if result.circuits else []
    injection = foresee_injection(result.experiment.synchronization.injection)
    return {
        "regions": result.connectome.n_regions,
        "replaced": ", ".join(replaced) or "none",
        "window_ms": result.clock.window_ms,
        "windows": result.clock.n_windows,
        "steps": result.clock.n_steps,
        **({"injection": f"{injection.name} ({injection.why})"} if replaced else {}),
        "initial_rates_hz": ", ".join(
            f"{name} {row.min():.4g} to {row.max():.4g}"
            for name, row in zip(result.family.rates, result.initial_rates_hz, strict=True)
        ),
    }
