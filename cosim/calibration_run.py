"""`cosim calibrate`: from an experiment file to a calibration file, in one process or on ranks."""

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from cosim.calibrate import Calibrator
from cosim.calibration_figure import draw_curves, draw_sweeps
from cosim.calibration_file import (
    Calibration,
    RegionCalibration,
    rounded,
    with_values,
    write_calibration,
)
from cosim.calibration_settings import NotCalibratableError, Settings
from cosim.clock import require_whole_steps
from cosim.closed_loop_check import closed_loop
from cosim.config import Circuit, Experiment
from cosim.errors import ConfigurationError
from cosim.experiment_file import load
from cosim.placement import regions_of
from cosim.plan import plan
from cosim.protocols import Group
from cosim.transport.in_process import SingleProcessGroup
from cosim.transport.launcher import launched_size


def calibrate_file(
    file: Path,
    overrides: Iterable[str],
    target: Path,
    settings: Settings,
    check_ms: float,
    timeout_s: float,
) -> list[str]:
    """Calibrate the circuits of an experiment file and write what was found.

    Args:
        file: The experiment.
        overrides: ``key=value`` of the command line.
        target: Calibration file; the figure gets the same name with .png.
        settings: How.
        check_ms: Length of the closed-loop check, ms; 0 leaves it out.
        timeout_s: Wall-clock limit for one wait for the other ranks, s.

    Returns:
        Lines to show; none on other ranks than the first.

    Raises:
        ConfigurationError: If there is nothing to calibrate, or the experiment has mistakes.
        NotCalibratableError: If a circuit cannot follow its mean field.
    """
    size = launched_size()
    if size == 1:
        group: Group = SingleProcessGroup()
        return _calibrate(file, overrides, target, settings, check_ms, group)
    from cosim.spiking.interpreter import load_neuron
    from cosim.transport.failure import end_world
    from cosim.transport.mpi import check_world, whole_world

    try:
        check_world(size)
        load_neuron(size)
        group = whole_world(timeout_s)
        lines = _calibrate(file, overrides, target, settings, check_ms, group)
        group.barrier()
    except BaseException as error:  # noqa: BLE001  (whatever ends one rank must end the world)
        end_world(error, "calibrating")
    return lines


def _calibrate(
    file: Path,
    overrides: Iterable[str],
    target: Path,
    settings: Settings,
    check_ms: float,
    group: Group,
) -> list[str]:
    started = time.process_time()
    experiment = _without_calibration(load(file, overrides))
    if check_ms > 0:
        require_whole_steps("--check-ms", check_ms, experiment.brain.dt_ms, "brain.dt_ms")
    planned = plan(experiment)
    if planned.circuits is None:
        raise ConfigurationError(f"{file}: no region is replaced, so that nothing is calibrated.")
    figure, first = target.with_suffix(".png"), group.rank == 0
    begun = time.monotonic()

    def tell(stage: str) -> None:
        if first:
            sys.stderr.write(f"{time.monotonic() - begun:4.0f} s: {stage}\n")
            sys.stderr.flush()

    calibrator = Calibrator(planned, planned.circuits, group, settings, tell)
    try:
        found = calibrator.run()
    except NotCalibratableError as error:
        if first and (error.curves or error.sweeps):
            draw_sweeps(error.sweeps, error.curves, figure)
            raise NotCalibratableError(
                f"{error} The curves: {figure}.", error.sweeps, error.curves
            ) from None
        raise
    open_loop_cpu_s = time.process_time() - started
    sections = calibrated_sections(calibrator.sections, found)
    made = {
        "low": settings.low,
        "high": settings.high,
        "simulated_s": calibrator.simulated_s,
        "open_loop_cpu_s": open_loop_cpu_s,
    }

    def write() -> None:
        calibration = Calibration(
            experiment=file.name, seed=experiment.seed, made=made, regions=found
        )
        write_calibration(calibration, target)

    if first:
        write()  # what was found stays if the brain does not run with it
        draw_curves(found, figure)
    if check_ms > 0:
        tell("running the brain with them, as written, and without")
        checks = closed_loop(
            experiment, calibrator.sections, sections, list(found), check_ms, group
        )
        for name, check in checks.items():
            found[name] = found[name].model_copy(update={"closed_loop": check})
        if first:
            write()
    if not first:
        return []
    return [*_lines(found), f"Calibration: {target}", f"Curves:      {figure}"]


def _without_calibration(experiment: Experiment) -> Experiment:
    """The experiment as if it included no calibration: the file may not be there yet."""
    bare = [circuit.model_copy(update={"calibration": None}) for circuit in experiment.circuits]
    return experiment.model_copy(update={"circuits": bare})


def calibrated_sections(
    sections: Sequence[Circuit], found: dict[str, RegionCalibration]
) -> list[Circuit]:
    """Sections of one region each with the numbers found, as the file will give them."""
    return [
        with_values(
            section,
            {item.input: rounded(item.values) for item in found[regions_of(section)[0]].inputs},
        )
        for section in sections
    ]


def _lines(found: dict[str, RegionCalibration]) -> list[str]:
    lines = []
    for region, result in found.items():
        for item in result.inputs:
            values = ", ".join(f"{key} {value:.4g}" for key, value in item.values.items())
            lines.append(f"{region}: input {item.input} to {item.to}: {values}")
        off = result.residual
        lines.append(
            f"{region}: excitatory rate off by {100 * off['rest']:+.1f} % at rest, "
            f"{100 * off['largest']:+.1f} % at most, {100 * off['rms']:.1f} % rms"
            + (
                f"; inhibitory by {100 * off['inhibitory_rest']:+.1f} % at rest, which is fitted "
                f"but not judged"
                if "inhibitory_rest" in off
                else ""
            )
        )
        check = result.closed_loop
        if check is not None:
            lines += [
                f"{region}: in the brain {name} {value:.4g}"
                + (f", before {check.before[name]:.4g}" if check.before else "")
                + f", mean field {check.mean_field[name]:.4g}"
                for name, value in check.circuit.items()
                if name in check.mean_field
            ]
    return lines
