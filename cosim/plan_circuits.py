"""Which circuit stands where, what drives it and what it drives, checked before the build."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.clock import whole_steps
from cosim.config import Circuit as CircuitSection
from cosim.config import Experiment, Input, Output
from cosim.errors import ConfigurationError
from cosim.meanfield.connectome import Connectome
from cosim.meanfield.models import ModelFamily
from cosim.registry import unknown_name
from cosim.signals import PacketLayout, SignalLayout
from cosim.spiking.circuit import Circuit, load_circuit
from cosim.spiking.compose import CircuitCopy, Composition, check_target, compose
from cosim.spiking.probe import ProbeSite, Reading

_DEFAULT_DT_MS = 0.05


@dataclass(frozen=True)
class Drive:
    """One input of one replaced region, as numbers.

    Attributes:
        number: Number of the input within the run; keys its random numbers.
        region: Replaced region.
        population: Target population, ``REGION.POP``.
        receptor: Receptor of the circuit.
        variable: Rate that drives it.
        sources: Source regions, those with a connection.
        delays: Delay from each, mean-field steps, shape ``(n_sources,)``.
        weights_uS: Weight of each train, shape ``(n_trains,)``.
        gains: Factor on each source's rate where rates are added, else None.
        trains: Trains of each cell from each source.
    """

    number: int
    region: str
    population: str
    receptor: str
    variable: str
    sources: tuple[str, ...]
    delays: NDArray[np.int64]
    weights_uS: NDArray[np.float64]
    gains: NDArray[np.float64] | None
    trains: int


@dataclass(frozen=True)
class CircuitPlan:
    """All circuits of a run.

    Attributes:
        composition: The NetPyNE network of all copies.
        dt_ms: NEURON's step, ms.
        replaced: Replaced regions, in connectome order.
        drives: Inputs.
        origin: Population behind each (rate, region) that the circuits provide.
        readings: Gating variable behind each (gating variable, region) that they provide.
        to_circuits: What TVB tells.
        to_brain: What the circuits tell.
        crossing: Connections whose delay bounds the window, ``[target, source]``, booleans.
    """

    composition: Composition
    dt_ms: float
    replaced: tuple[str, ...]
    drives: tuple[Drive, ...]
    origin: Mapping[tuple[str, str], str]
    readings: Mapping[tuple[str, str], Reading]
    to_circuits: PacketLayout
    to_brain: PacketLayout
    crossing: NDArray[np.bool_]


def plan_circuits(
    experiment: Experiment,
    family: ModelFamily,
    connectome: Connectome,
    G: NDArray[np.float64] | float,
) -> CircuitPlan:
    """Resolve the circuits of an experiment.

    Args:
        experiment: What to run; has at least one circuit.
        family: The mean-field model.
        connectome: The brain.
        G: Global coupling, scalar, ``(1,)`` or ``(n_regions,)``.

    Raises:
        ConfigurationError: With one line per mistake.
    """
    sections = experiment.circuits
    _raise([*_placement_problems(sections, connectome)])
    loaded, problems = [], []
    for number, section in enumerate(sections):
        try:
            loaded.append(load_circuit(section.circuit, section.parameters, experiment.base))
        except ConfigurationError as error:
            problems += [f"circuits.{number}: {line}" for line in error.problems]
    _raise(problems)
    copies = [
        copy
        for section, circuit in zip(sections, loaded, strict=True)
        for copy in _copies(section, circuit)
    ]
    composition = compose(copies)
    dt_ms = _common_dt(sections, loaded, experiment.brain.dt_ms)
    outputs = [_outputs(s, c, family) for s, c in zip(sections, loaded, strict=True)]
    problems = []
    origin: dict[tuple[str, str], str] = {}
    readings: dict[tuple[str, str], Reading] = {}
    for number, section in enumerate(sections):
        where = f"circuits.{number}"
        problems += _fill_outputs(
            where, section, outputs[number], family, composition, origin, readings
        )
        problems += _input_problems(where, section, family, composition)
    _raise(problems)
    replaced = tuple(r for r in connectome.regions if any(r in _regions_of(s) for s in sections))
    drives = _drives(sections, family, connectome, composition, np.atleast_1d(G), experiment)
    _raise(_unknown_rates(drives, replaced, origin))
    return CircuitPlan(
        composition=composition,
        dt_ms=dt_ms,
        replaced=replaced,
        drives=drives,
        origin=origin,
        readings=readings,
        to_circuits=_to_circuits(drives, replaced, connectome),
        to_brain=_to_brain(origin, readings, family, connectome),
        crossing=_crossing(drives, replaced, connectome),
    )


def _raise(problems: Sequence[str]) -> None:
    if problems:
        raise ConfigurationError(*problems)


def _regions_of(section: CircuitSection) -> tuple[str, ...]:
    if section.regions is not None:
        return tuple(section.regions)
    return tuple(dict.fromkeys((section.populations or {}).values()))


def _placement_problems(sections: Sequence[CircuitSection], connectome: Connectome) -> list[str]:
    problems: list[str] = []
    taken: dict[str, int] = {}
    for number, section in enumerate(sections):
        for region in _regions_of(section):
            if region not in connectome.regions:
                problems.append(
                    f"circuits.{number}: {unknown_name('region', region, connectome.regions)}"
                )
            elif taken.setdefault(region, number) != number:
                problems.append(
                    f"circuits.{number}: region {region!r} is already replaced by "
                    f"circuits.{taken[region]}; a region has one circuit."
                )
    return problems


def _copies(section: CircuitSection, circuit: Circuit) -> list[CircuitCopy]:
    if section.regions is not None:
        return [
            CircuitCopy(circuit, region, dict.fromkeys(circuit.population_names, region))
            for region in section.regions
        ]
    placed = section.populations or {}
    return [CircuitCopy(circuit, "+".join(dict.fromkeys(placed.values())), dict(placed))]


def _common_dt(
    sections: Sequence[CircuitSection], circuits: Sequence[Circuit], brain_dt_ms: float
) -> float:
    wanted: dict[float, str] = {}
    for number, (section, circuit) in enumerate(zip(sections, circuits, strict=True)):
        where = f"circuits.{number}.dt_ms ({circuit.name})"
        own = _DEFAULT_DT_MS if circuit.sim_config is None else float(circuit.sim_config.dt)
        dt_ms = own if section.dt_ms is None else section.dt_ms
        if not whole_steps(brain_dt_ms, dt_ms):
            nearest = brain_dt_ms / max(round(brain_dt_ms / dt_ms), 1)
            raise ConfigurationError(
                f"{where} = {dt_ms:g} does not divide brain.dt_ms = {brain_dt_ms:g}; the nearest "
                f"that does is {nearest:g}."
            )
        wanted.setdefault(dt_ms, where)
    if len(wanted) > 1:
        listed = " and ".join(f"{where} = {dt_ms:g}" for dt_ms, where in wanted.items())
        raise ConfigurationError(f"{listed} differ, and NEURON has one step; give them the same.")
    return next(iter(wanted))


def _outputs(section: CircuitSection, circuit: Circuit, family: ModelFamily) -> list[Output]:
    """What the user wrote; else E feeds the first rate and, if both exist, I the second."""
    if section.outputs is not None:
        return section.outputs
    pairs = list(zip(("E", "I"), family.rates, strict=False))
    return [
        Output(source=population, to=rate)
        for population, rate in pairs
        if population == "E" or population in circuit.population_names
    ]


def _populations(composition: Composition, region: str) -> dict[str, str]:
    """Labels of a region's populations by their name in the circuit."""
    return {p.name: p.label for p in composition.populations if p.region == region}


def _fill_outputs(
    where: str,
    section: CircuitSection,
    outputs: Sequence[Output],
    family: ModelFamily,
    composition: Composition,
    origin: dict[tuple[str, str], str],
    readings: dict[tuple[str, str], Reading],
) -> list[str]:
    problems: list[str] = []
    for position, output in enumerate(outputs):
        here = f"{where}.outputs.{position}"
        problem = _output_problem(here, output, family)
        if problem:
            problems.append(problem)
            continue
        found = False
        for region in _regions_of(section):
            label = _populations(composition, region).get(output.source)
            if label is None:
                continue
            found = True
            key = (output.to, region)
            if key in origin or key in readings:
                before = origin[key] if key in origin else readings[key].population
                problems.append(
                    f"{here}: {output.to} of region {region!r} is already fed by {before!r}; give "
                    f"each variable one population."
                )
            elif output.gating is None:
                origin[key] = label
            else:
                site = ProbeSite(**output.gating.model_dump())
                readings[key] = Reading(label, site, here)
        if not found:
            known = sorted({n for r in _regions_of(section) for n in _populations(composition, r)})
            problems.append(f"{here}.from: {unknown_name('population', output.source, known)}")
    needed = next(rate for rate, gate in family.gates.items() if gate.variable == family.coupling)
    for region in _regions_of(section):
        fed = (needed, region) in origin or (family.coupling, region) in readings
        if not fed and not problems:
            problems.append(
                f"{where}.outputs: nothing feeds {needed} of region {region!r}, from which the "
                f"other regions feel it; add {{from: POPULATION, to: {needed}}}."
            )
    return problems


def _output_problem(here: str, output: Output, family: ModelFamily) -> str | None:
    if output.to not in family.variables:
        known = unknown_name(f"variable of {family.name}", output.to, family.variables)
        return f"{here}.to: {known}"
    if output.to in family.gating and output.gating is None:
        return (
            f"{here}: {output.to} is a gating variable; say what to average with gating: "
            f"{{pointp: NAME, var: NAME}}, or feed a rate ({', '.join(family.rates)}) from spikes."
        )
    if output.to in family.rates and output.gating is not None:
        return (
            f"{here}.gating: {output.to} is a rate and comes from spikes; remove gating, or feed "
            f"{' or '.join(family.gating)}."
        )
    return None


def _input_problems(
    where: str, section: CircuitSection, family: ModelFamily, composition: Composition
) -> list[str]:
    problems: list[str] = []
    for position, item in enumerate(section.inputs):
        here = f"{where}.inputs.{position}"
        variable = item.source or family.rates[0]
        if variable not in family.rates:
            problems.append(
                f"{here}.from: {unknown_name(f'rate of {family.name}', variable, family.rates)}"
            )
        labels = _targets(section, item, composition)
        if not labels:
            known = sorted({n for r in _regions_of(section) for n in _populations(composition, r)})
            problems.append(f"{here}.to: {unknown_name('population', item.to, known)}")
        for label in labels.values():
            try:
                check_target(composition, label, item.receptor)
            except ConfigurationError as error:
                problems += [f"{here}.receptor: {line}" for line in error.problems]
                break
    return problems


def _targets(section: CircuitSection, item: Input, composition: Composition) -> dict[str, str]:
    """Target population per replaced region that has one of that name."""
    return {
        region: populations[item.to]
        for region in _regions_of(section)
        if item.to in (populations := _populations(composition, region))
    }


def _drives(
    sections: Sequence[CircuitSection],
    family: ModelFamily,
    connectome: Connectome,
    composition: Composition,
    G: NDArray[np.float64],
    experiment: Experiment,
) -> tuple[Drive, ...]:
    delays = connectome.delay_steps(experiment.brain.dt_ms)
    drives: list[Drive] = []
    for section in sections:
        for item in section.inputs:
            for region, label in _targets(section, item, composition).items():
                i = connectome.index(region)
                sources = [
                    j
                    for j in np.flatnonzero(connectome.weights[i])
                    # A connection that the circuit makes itself is not made a second time.
                    if (connectome.regions[j], region) not in composition.connected_regions
                ]
                strength = G[i if G.size > 1 else 0] * connectome.weights[i, sources]
                added = item.coupling == "aggregated"
                drives.append(
                    Drive(
                        number=len(drives),
                        region=region,
                        population=label,
                        receptor=item.receptor,
                        variable=item.source or family.rates[0],
                        sources=tuple(connectome.regions[j] for j in sources),
                        delays=delays[i, sources],
                        weights_uS=(
                            np.array([item.weight_uS]) if added else item.weight_uS * strength
                        ),
                        gains=item.rate_scale * strength if added else None,
                        trains=1 if added else item.trains_per_source,
                    )
                )
    return tuple(drives)


def _unknown_rates(
    drives: Sequence[Drive], replaced: Sequence[str], origin: Mapping[tuple[str, str], str]
) -> list[str]:
    """A replaced region has the rates that its circuit gives, and no others."""
    missing = {
        (drive.variable, source): drive.population
        for drive in drives
        for source in drive.sources
        if source in replaced and (drive.variable, source) not in origin
    }
    return [
        f"circuits: an input of population {population!r} needs {variable} of region {source!r}, "
        f"whose circuit does not give it; add {{from: POPULATION, to: {variable}}} to its outputs."
        for (variable, source), population in missing.items()
    ]


def _to_circuits(
    drives: Sequence[Drive], replaced: tuple[str, ...], connectome: Connectome
) -> PacketLayout:
    """The rates that the circuits need and do not make themselves."""
    signals = []
    for variable in dict.fromkeys(drive.variable for drive in drives):
        needed = {s for d in drives if d.variable == variable for s in d.sources} - set(replaced)
        regions = tuple(region for region in connectome.regions if region in needed)
        if regions:
            signals.append(SignalLayout(variable, regions, is_rate=True))
    return PacketLayout("TVB", tuple(signals))


def _to_brain(
    origin: Mapping[tuple[str, str], str],
    readings: Mapping[tuple[str, str], Reading],
    family: ModelFamily,
    connectome: Connectome,
) -> PacketLayout:
    """Rates first: a gating variable that a circuit gives itself overrules what its rate drives."""
    signals = []
    for variable in (*family.rates, *family.gating):
        given = origin if variable in family.rates else readings
        regions = tuple(r for r in connectome.regions if (variable, r) in given)
        if regions:
            signals.append(SignalLayout(variable, regions, is_rate=variable in family.rates))
    return PacketLayout("NEURON", tuple(signals))


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
