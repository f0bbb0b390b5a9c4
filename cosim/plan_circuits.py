"""All circuits of a run, resolved and checked before the build."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.calibration_file import apply_calibration
from cosim.circuit_outputs import Mixture, fill_outputs, to_brain, with_defaults
from cosim.circuit_recordings import recordings_of
from cosim.config import Circuit as CircuitSection
from cosim.config import Experiment
from cosim.drives import Drive, drives_of, heavy_spikes, input_problems, to_circuits, unknown_rates
from cosim.errors import ConfigurationError, Problems
from cosim.meanfield.connectome import Connectome
from cosim.placement import common_dt, copies_of, placement_problems, regions_of
from cosim.plan_brain import BrainPlan
from cosim.signals import PacketLayout
from cosim.spiking.circuit import Circuit, load_circuit
from cosim.spiking.circuit import circuits as circuits_by_name
from cosim.spiking.compose import Composition, compose
from cosim.spiking.interpreter import known_mechanisms
from cosim.spiking.probe import Reading
from cosim.spiking.recording import Recording
from cosim.spiking.used_mechanisms import unknown_mechanisms


@dataclass(frozen=True)
class CircuitPlan:
    """All circuits of a run.

    Attributes:
        composition: The NetPyNE network of all copies.
        dt_ms: NEURON's step, ms.
        replaced: Replaced regions, in connectome order.
        drives: Inputs.
        origin: Populations behind each (rate, region) that the circuits provide.
        readings: Gating variable behind each (gating variable, region) that they provide.
        recordings: What is recorded beside the spikes.
        sections: The experiment's circuits with their default inputs and outputs written out.
        parameters: What each copy of a circuit was built with, by its label.
        to_circuits: What TVB tells.
        to_brain: What the circuits tell.
        notices: What a user should know and is no mistake, one line each.
        crossing: Connections whose delay bounds the window, ``[target, source]``, booleans.
    """

    composition: Composition
    dt_ms: float
    replaced: tuple[str, ...]
    drives: tuple[Drive, ...]
    origin: Mapping[tuple[str, str], Mixture]
    readings: Mapping[tuple[str, str], Reading]
    recordings: tuple[Recording, ...]
    sections: tuple[CircuitSection, ...]
    parameters: Mapping[str, Mapping[str, Any]]
    notices: tuple[str, ...]
    to_circuits: PacketLayout
    to_brain: PacketLayout
    crossing: NDArray[np.bool_]


def plan_circuits(experiment: Experiment, brain: BrainPlan) -> CircuitPlan:
    """Resolve the circuits of an experiment.

    Args:
        experiment: What to run; has at least one circuit.
        brain: The mean field.

    Raises:
        ConfigurationError: With one line per mistake.
    """
    sections = list(experiment.circuits)
    family, connectome = brain.family, brain.connectome
    model = family.build(brain.parameters)
    problems = Problems()
    problems.lines += placement_problems(sections, connectome)
    loaded = [
        problems.attempt(
            partial(_load, section, brain, experiment.base), where=f"circuits.{number}"
        )
        for number, section in enumerate(sections)
    ]
    problems.raise_if_any()
    by_region = [circuits for circuits in loaded if circuits is not None]
    circuits = [next(iter(of_section.values())) for of_section in by_region]
    dt_brain_ms = experiment.brain.dt_ms
    dt_ms = problems.attempt(lambda: common_dt(sections, circuits, dt_brain_ms))
    copies = [
        copy
        for section, of_section in zip(sections, by_region, strict=True)
        for copy in copies_of(section, of_section)
    ]
    composition = problems.attempt(lambda: compose(copies))
    if composition is None or dt_ms is None:
        problems.raise_if_any()
        raise AssertionError("unreachable: a missing part leaves a line")
    problems.lines += unknown_mechanisms(composition.net_params, known_mechanisms())
    origin: dict[tuple[str, str], Mixture] = {}
    readings: dict[tuple[str, str], Reading] = {}
    recordings: list[Recording] = []
    by_default = [section.outputs is None for section in sections]
    sections = [
        with_defaults(section, circuit, family)
        for section, circuit in zip(sections, circuits, strict=True)
    ]
    for number, section in enumerate(sections):
        where = f"circuits.{number}"
        problems.lines += fill_outputs(
            where, section, by_default[number], family, composition, origin, readings
        )
        problems.lines += input_problems(where, section, family, composition)
        problems.lines += recordings_of(where, section, composition, dt_ms, recordings)
    calibrated, notices = _calibrated(sections, experiment.base, problems)
    problems.raise_if_any()
    sections = calibrated
    replaced = tuple(r for r in connectome.regions if any(r in regions_of(s) for s in sections))
    drives = drives_of(
        sections,
        family,
        connectome,
        composition,
        np.asarray(model.G, dtype=np.float64),
        np.asarray(model.J_N, dtype=np.float64),
        dt_brain_ms,
    )
    problems.lines += unknown_rates(drives, replaced, origin, family)
    problems.raise_if_any()
    return CircuitPlan(
        composition=composition,
        dt_ms=dt_ms,
        replaced=replaced,
        drives=drives,
        origin=origin,
        readings=readings,
        recordings=tuple(recordings),
        sections=tuple(sections),
        parameters={copy.label: copy.circuit.parameters for copy in copies},
        notices=(*notices, *heavy_spikes(drives, composition)),
        to_circuits=to_circuits(drives, replaced, connectome, family),
        to_brain=to_brain(origin, readings, family, connectome),
        crossing=_crossing(drives, replaced, connectome),
    )


def _load(section: CircuitSection, brain: BrainPlan, base: Path) -> dict[str, Circuit]:
    """The circuit of each replaced region; they differ where parameters follow the brain."""
    load = partial(load_circuit, section.circuit, base=base, mechanisms=section.mechanisms)
    entry = circuits_by_name[section.circuit] if _is_registered(section.circuit) else None
    free = {} if entry is None or section.regions is None else entry.from_brain
    known_regions = [r for r in regions_of(section) if r in brain.connectome.regions]
    if not free or not known_regions:
        return dict.fromkeys(regions_of(section), load(parameters=section.parameters))
    found = {}
    for region in known_regions:
        values = {name: brain.value(source, region) for name, source in free.items()}
        if (values.get("w_p") or 0.0) < 0 and "w_p" not in section.parameters:
            raise ConfigurationError(_no_recurrence(str(section.circuit), brain, region))
        known = {name: value for name, value in values.items() if value is not None}
        found[region] = load(parameters={**known, **section.parameters})
    return found


def _no_recurrence(circuit: str, brain: BrainPlan, region: str) -> str:
    """One line for a region whose diffusive coupling takes off more than its recurrence is."""
    regions = brain.connectome.regions
    able = [r for r in regions if (brain.value("w_p", r) or 0.0) >= 0]
    listed = f", such as {', '.join(able[:3])}" if able else ""
    return (
        f"{circuit} cannot stand in region {region!r}: with diffusive coupling its own gating "
        f"counts with w_p - G sum_j C_ij = {brain.value('w_p', region):.3g}, which no recurrent "
        f"excitation makes. It can in {len(able)} of {len(regions)} regions{listed}; take one of "
        f"them, or another circuit."
    )


def _is_registered(reference: object) -> bool:
    return isinstance(reference, str) and reference in circuits_by_name


def _calibrated(
    sections: Sequence[CircuitSection], base: Path, problems: Problems
) -> tuple[list[CircuitSection], tuple[str, ...]]:
    """The sections with the values of their calibrations, and what to know about these."""
    calibrated: list[CircuitSection] = []
    notices: list[str] = []
    for number, section in enumerate(sections):
        where = f"circuits.{number}.calibration"
        found = problems.attempt(partial(apply_calibration, section, base), where=where)
        if found is not None:
            calibrated += found[0]
            notices += found[1]
    return calibrated, tuple(notices)


def _crossing(
    drives: Sequence[Drive], replaced: tuple[str, ...], connectome: Connectome
) -> NDArray[np.bool_]:
    """What bounds the window: connections into a driven circuit, and out of a replaced region."""
    crossing = np.zeros_like(connectome.weights, dtype=bool)
    inside = np.array([region in replaced for region in connectome.regions])
    crossing[np.ix_(~inside, inside)] = connectome.weights[np.ix_(~inside, inside)] > 0
    for drive in drives:
        sources = [connectome.index(source) for source in drive.sources]
        crossing[connectome.index(drive.region), sources] = True
    return crossing
