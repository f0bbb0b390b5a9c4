"""TVB's monitors by the names of an experiment file, their periods checked instead of rounded."""

from collections.abc import Iterable, Mapping
from typing import Any

from tvb.simulator import monitors as tvb_monitors

from cosim.clock import require_whole_steps, whole_steps
from cosim.errors import ConfigurationError
from cosim.meanfield.balloon import Balloon
from cosim.meanfield.connectome import Connectome
from cosim.meanfield.models import ModelFamily
from cosim.meanfield.projections import PROJECTED, build_projected, projection_problem
from cosim.registry import unknown_name

MONITORS: dict[str, type[Any]] = {
    "raw": tvb_monitors.Raw,
    "subsample": tvb_monitors.SubSample,
    "temporal_average": tvb_monitors.TemporalAverage,
    "bold": tvb_monitors.Bold,
    "balloon": Balloon,
}

# TVB's Bold averages over 4 ms before it convolves, and rounds that to whole steps.
_BOLD_INTERIM_MS = 4.0


def check_monitor(name: str, period_ms: float, dt_ms: float) -> list[str]:
    """One line per reason why TVB could not sample as asked; none if it can.

    Args:
        name: Monitor name.
        period_ms: Sampling period, ms.
        dt_ms: Mean-field step, ms.
    """
    where = f"brain.monitors.{name}"
    if name not in MONITORS and name not in PROJECTED:
        known = (*MONITORS, *PROJECTED)
        return [f"brain.monitors: {unknown_name('monitor', name, known)}"]
    try:
        n_steps = require_whole_steps(f"{where}.period_ms", period_ms, dt_ms, "brain.dt_ms")
    except ConfigurationError as error:
        return list(error.problems)
    if name == "raw" and n_steps != 1:
        return [
            f"{where}.period_ms = {period_ms:g}: raw keeps every step, so its period is "
            f"brain.dt_ms = {dt_ms:g}; take subsample for a longer one."
        ]
    if name == "bold" and not whole_steps(_BOLD_INTERIM_MS, dt_ms):
        return [
            f"{where}: TVB averages BOLD over {_BOLD_INTERIM_MS:g} ms first, which is not a whole "
            f"number of steps of brain.dt_ms = {dt_ms:g}; take a dt_ms that divides "
            f"{_BOLD_INTERIM_MS:g}, such as 0.1."
        ]
    return []


def check_sensors(names: Iterable[str], connectome: Connectome) -> list[str]:
    """One line per monitor that cannot see the regions of a connectome.

    Args:
        names: Monitor names.
        connectome: The brain.
    """
    lines = (projection_problem(name, connectome) for name in names if name in PROJECTED)
    return [line for line in lines if line]


def recorded(name: str, family: ModelFamily) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Variables that a monitor records, and their units where they are not the variables' own.

    Args:
        name: Monitor name.
        family: The mean-field model.
    """
    if name == "balloon":
        return (family.coupling,), ("1",)
    if name in PROJECTED:
        return (family.coupling,), ("a.u.",)
    # BOLD of a rate is a signal change too, without a unit.
    units = ("1",) * len(family.variables) if name == "bold" else None
    return family.variables, units


def build_monitors(periods_ms: Mapping[str, float]) -> dict[str, Any]:
    """TVB monitors of every variable of the model, or of the one that sensors see.

    Args:
        periods_ms: Sampling period per monitor name, ms.

    Raises:
        ConfigurationError: If a name is unknown.
    """
    built = {}
    for name, period_ms in periods_ms.items():
        if name in PROJECTED:
            built[name] = build_projected(name, float(period_ms))
        elif name in MONITORS:
            built[name] = MONITORS[name](period=float(period_ms))
        else:
            raise ConfigurationError(*check_monitor(name, 1.0, 1.0))
    return built


def columns(monitor: Any, regions: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """What the last axis of a monitor's samples is, and its labels.

    Args:
        monitor: One that a network has configured.
        regions: Region labels.
    """
    labels = getattr(monitor, "labels", None)
    return ("region", regions) if labels is None else ("sensor", labels)
