"""What drives each circuit: connected regions, with the brain's weights and delays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.circuit_outputs import Mixture
from cosim.config import Circuit as CircuitSection
from cosim.config import Correlation, Input, Where
from cosim.config_circuit import COUPLING
from cosim.errors import ConfigurationError
from cosim.meanfield.connectome import Connectome
from cosim.meanfield.models import ModelFamily
from cosim.placement import populations_in, regions_of
from cosim.registry import unknown_name
from cosim.signals import PacketLayout, SignalLayout
from cosim.spiking.compose import Composition, check_target
from cosim.spiking.locations import where_problem
from cosim.spiking.probe import ProbeSite, Reading, reading_problem
from cosim.spiking.receptors import (
    point_neuron,
    section_lists_of,
    sections_of,
    target_section,
)

# NEURON's synapses whose weight is a conductance, and from where on a spike is told as heavy, uS.
_CONDUCTANCES, _HEAVY_US = ("ExpSyn", "Exp2Syn"), 1.0


@dataclass(frozen=True)
class Trains:
    """Poisson spike trains.

    Attributes:
        receptor: Receptor of the circuit.
        weights_uS: Weight of each train, shape ``(n_trains,)``.
        background_hz: Rate of the spikes that each cell gets whatever the sources do, over all
            trains, Hz.
        per_source: Trains of each cell from each source.
        correlation: Between the trains of one source; None: independent.
        where: Place on the cells; None: the middle of the soma.
    """

    receptor: str
    weights_uS: NDArray[np.float64]
    background_hz: float
    per_source: int
    correlation: Correlation | None
    where: Where | None


@dataclass(frozen=True)
class Value:
    """A number that holds over each mean-field step.

    Attributes:
        reading: The variable of the cells that it sets; None for an injected current, nA.
        offset: Value without any source.
        where: For a current: place on the cells.
    """

    reading: Reading | None
    offset: float
    where: Where | None


@dataclass(frozen=True)
class Drive:
    """One input of one replaced region, as numbers.

    Attributes:
        number: Number of the input within the run; keys its random numbers.
        region: Replaced region.
        population: Target population, ``REGION.POP``.
        variable: Mean-field variable that drives it: a rate, or the gating variable of the
            long-range coupling.
        sources: Source regions, those with a connection.
        delays: Delay from each, mean-field steps, shape ``(n_sources,)``.
        gains: Factor on each source before they are added up, else None.
        target: What it becomes in the cells.
    """

    number: int
    region: str
    population: str
    variable: str
    sources: tuple[str, ...]
    delays: NDArray[np.int64]
    gains: NDArray[np.float64] | None
    target: Trains | Value


def input_problems(
    where: str, section: CircuitSection, family: ModelFamily, composition: Composition
) -> list[str]:
    """One line per input that names an unknown rate, population, receptor, place or variable."""
    problems: list[str] = []
    for position, item in enumerate(section.inputs or ()):
        here = f"{where}.inputs.{position}"
        known_sources = (*family.rates, COUPLING)
        if item.source is not None and item.source not in known_sources:
            problems.append(
                f"{here}.from: {unknown_name(f'rate of {family.name}', item.source, known_sources)}"
            )
        labels = _targets(section, item, composition)
        if not labels:
            known = sorted({n for r in regions_of(section) for n in populations_in(composition, r)})
            problems.append(f"{here}.to: {unknown_name('population', item.to, known)}")
        for label in labels.values():
            found = _target_problems(here, item, composition, label)
            problems += found
            if found:
                break
    return problems


def heavy_spikes(drives: Sequence[Drive], composition: Composition) -> list[str]:
    """One line on inputs whose single spikes open more than a whole cell rests on, if any do.

    A cell at rest has some tens of nS (the 34 nS of .3 mS/cm2 on a sphere of 60 um), and a weight
    written in nS is a thousand times too large. Told only of synapses of NEURON's own, whose weight
    is a conductance.
    """
    heavy: dict[str, float] = {}
    for drive in drives:
        if not isinstance(drive.target, Trains) or not drive.target.weights_uS.size:
            continue
        label = composition.population_receptors[drive.population][drive.target.receptor]
        # Point neurons and artificial cells take events themselves: there is no such synapse.
        synapse = composition.net_params.synMechParams.get(label, {}).get("mod")
        largest_uS = float(np.abs(drive.target.weights_uS).max())
        if synapse in _CONDUCTANCES and largest_uS > _HEAVY_US:
            heavy[drive.population] = max(largest_uS, heavy.get(drive.population, 0.0))
    if not heavy:
        return []
    return [
        f"inputs to {', '.join(heavy)} open up to {max(heavy.values()):.3g} uS a spike (weight_uS, "
        f"times G and C_ij where per_source), more than a cell's own conductance; if weight_uS was "
        f"meant in nS, divide it by 1000."
    ]


def _target_problems(here: str, item: Input, composition: Composition, label: str) -> list[str]:
    sections = sections_of(composition.net_params, label)
    if item.as_ == "variable":
        reading = _reading(item, label, here)
        copy = next(p.copy for p in composition.populations if p.label == label)
        problem = reading_problem(reading, sections, composition.receptors[copy], "variable")
        return [problem] if problem else []
    problems = []
    if item.as_ == "spikes":
        try:
            check_target(composition, label, item.receptor)
        except ConfigurationError as error:
            problems += [f"{here}.receptor: {line}" for line in error.problems]
    elif not sections:
        problems.append(
            f"{here}: as: current needs a membrane, and the cells of population {item.to!r} are "
            f"artificial; use as: spikes."
        )
    elif point_neuron(target_section(sections)[1]) is not None:
        problems.append(
            f"{here}: as: current charges the membrane of a section, and the cells of population "
            f"{item.to!r} keep a voltage of their own in a point process, which would not feel it; "
            f"use as: variable or as: spikes."
        )
    lists = section_lists_of(composition.net_params, label)
    problem = where_problem(here, item.where, sections, lists)
    return [*problems, problem] if problem else problems


def _reading(item: Input, label: str, here: str) -> Reading:
    assert item.variable is not None
    return Reading(label, ProbeSite(**item.variable.model_dump()), here)


def _targets(section: CircuitSection, item: Input, composition: Composition) -> dict[str, str]:
    """Target population per replaced region that has one of that name."""
    return {
        region: populations[item.to]
        for region in regions_of(section)
        if item.to in (populations := populations_in(composition, region))
    }


def drives_of(
    sections: Sequence[CircuitSection],
    family: ModelFamily,
    connectome: Connectome,
    composition: Composition,
    G: NDArray[np.float64],
    J_N: NDArray[np.float64],
    dt_ms: float,
) -> tuple[Drive, ...]:
    """Every input of every replaced region.

    Args:
        sections: The circuits of the experiment.
        family: The mean-field model.
        connectome: The brain.
        composition: The network of all circuits.
        G: Global coupling, shape ``(1,)`` or ``(n_regions,)``.
        J_N: Excitatory coupling of the model, nA, shape ``(1,)`` or ``(n_regions,)``.
        dt_ms: Mean-field step, ms.
    """
    delays = connectome.delay_steps(dt_ms)
    drives: list[Drive] = []
    for number, section in enumerate(sections):
        for position, item in enumerate(section.inputs or ()):
            here = f"circuits.{number}.inputs.{position}"
            is_coupling = item.source == COUPLING
            for region, label in _targets(section, item, composition).items():
                i = connectome.index(region)
                sources = [
                    j
                    for j in np.flatnonzero(connectome.weights[i])
                    # A connection that the circuit makes itself is not made a second time.
                    if (connectome.regions[j], region) not in composition.connected_regions
                ]
                strength = G[i if G.size > 1 else 0] * connectome.weights[i, sources]
                if is_coupling:
                    strength = strength * J_N[i if J_N.size > 1 else 0]
                scale = item.rate_scale if item.as_ == "spikes" else item.scale
                drives.append(
                    Drive(
                        number=len(drives),
                        region=region,
                        population=label,
                        variable=(
                            family.coupling if is_coupling else item.source or family.rates[0]
                        ),
                        sources=tuple(connectome.regions[j] for j in sources),
                        # The gating of a step is known at its end, the rate over it: what the
                        # mean field feels at the start of a step was the end of the one before.
                        delays=delays[i, sources] + (1 if is_coupling else 0),
                        gains=scale * strength if item.aggregated else None,
                        target=_target(item, label, here, strength),
                    )
                )
    return tuple(drives)


def _target(item: Input, label: str, here: str, strength: NDArray[np.float64]) -> Trains | Value:
    if item.as_ == "variable":
        return Value(_reading(item, label, here), item.offset, None)
    if item.as_ == "current":
        return Value(None, item.offset, item.where)
    if item.background_hz > 0 and not item.aggregated and not strength.size:
        raise ConfigurationError(
            f"{here}.background_hz: no region projects to that of {label!r}, so that there are no "
            f"trains for it; use coupling: aggregated."
        )
    return Trains(
        receptor=item.receptor,
        weights_uS=(np.array([item.weight_uS]) if item.aggregated else item.weight_uS * strength),
        background_hz=item.background_hz,
        per_source=1 if item.aggregated else item.trains_per_source,
        correlation=item.correlation,
        where=item.where,
    )


def unknown_rates(
    drives: Sequence[Drive],
    replaced: Sequence[str],
    origin: Mapping[tuple[str, str], Mixture],
    family: ModelFamily,
) -> list[str]:
    """A replaced region has the rates that its circuit gives, and no others."""
    missing = {
        (drive.variable, source): drive.population
        for drive in drives
        for source in drive.sources
        if source in replaced
        and (drive.variable, source) not in origin
        # The coupling's gating variable follows from what every circuit must give.
        and drive.variable in family.rates
    }
    return [
        f"circuits: an input of population {population!r} needs {variable} of region {source!r}, "
        f"whose circuit does not give it; add {{from: POPULATION, to: {variable}}} to its outputs."
        for (variable, source), population in missing.items()
    ]


def to_circuits(
    drives: Sequence[Drive],
    replaced: tuple[str, ...],
    connectome: Connectome,
    family: ModelFamily,
) -> PacketLayout:
    """What the circuits need and do not make themselves."""
    signals = []
    for variable in dict.fromkeys(drive.variable for drive in drives):
        needed = {s for d in drives if d.variable == variable for s in d.sources} - set(replaced)
        regions = tuple(region for region in connectome.regions if region in needed)
        if regions:
            signals.append(SignalLayout(variable, regions, is_rate=variable in family.rates))
    return PacketLayout("TVB", tuple(signals))
