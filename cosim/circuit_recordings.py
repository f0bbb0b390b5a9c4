"""What each circuit records beside its spikes: the experiment file's words, resolved, checked."""

from collections.abc import Mapping
from typing import Any

from cosim.clock import require_whole_steps
from cosim.config import Circuit as CircuitSection
from cosim.config_record import Concentration, Trace
from cosim.errors import ConfigurationError
from cosim.placement import populations_in, regions_of
from cosim.registry import unknown_name
from cosim.spiking.compose import Composition, Population
from cosim.spiking.probe import ProbeSite, Reading, reading_problem
from cosim.spiking.receptors import sections_of
from cosim.spiking.recording import Kind, Recording
from cosim.spiking.recording_sites import cell_problem

_KINDS_OF_SPECIES = ("species", "states", "parameters")


def recordings_of(
    where: str,
    section: CircuitSection,
    composition: Composition,
    dt_ms: float,
    found: list[Recording],
) -> list[str]:
    """File what one circuit records, and tell what is wrong with it.

    Args:
        where: The circuit's place in the experiment, for messages.
        section: The circuit.
        composition: The network of all circuits.
        dt_ms: NEURON's step, ms.
        found: Filled with what is recorded.

    Returns:
        One line per mistake.
    """
    record = section.record
    if record is None:
        return []
    traces, concentrations = record.traces, record.concentrations
    wanted: list[tuple[str, Trace | Concentration]] = [
        *((f"{where}.record.traces.{n}", one) for n, one in enumerate(traces)),
        *((f"{where}.record.concentrations.{n}", one) for n, one in enumerate(concentrations)),
    ]
    problems: list[str] = []
    for here, one in wanted:
        problems += _period_problem(here, one.period_ms, dt_ms)
        here_too = False
        for region in regions_of(section):
            there = populations_in(composition, region)
            if one.population not in there:
                continue
            here_too = True
            label = there[one.population]
            population = next(p for p in composition.populations if p.label == label)
            recording = _resolved(here, one, population, composition, problems)
            if recording is None:
                break
            problems += _problems_of(recording, one, population, composition)
            problems += _doubled(recording, found)
            found.append(recording)
        if not here_too:
            known = sorted({n for r in regions_of(section) for n in populations_in(composition, r)})
            problems.append(
                f"{here}.population: {unknown_name('population', one.population, known)}"
            )
    if record.lfp is not None:
        here = f"{where}.record.lfp"
        problems += _period_problem(here, record.lfp.period_ms, dt_ms)
        sites = tuple((x, y, z) for x, y, z in record.lfp.electrodes_um)
        problems += _field_problem(here, section, composition)
        copies = {p.copy: None for p in composition.populations if p.region in regions_of(section)}
        found += [
            Recording("lfp", copy, record.lfp.period_ms, tuple(range(len(sites))), here, copy,
                      electrodes_um=sites)
            for copy in copies
        ]  # fmt: skip
    return list(dict.fromkeys(problems))


def _field_problem(here: str, section: CircuitSection, composition: Composition) -> list[str]:
    compartments = [
        sum(int((rule.get("geom") or {}).get("nseg", 1)) for rule in sections.values())
        for p in composition.populations
        if p.region in regions_of(section)
        for sections in [sections_of(composition.net_params, p.label)]
    ]
    if max(compartments, default=0) > 1:
        return []
    return [
        f"{here}: every cell of circuit {section.circuit!r} has {max(compartments, default=0)} "
        f"compartments, and it takes 2: the currents through the membrane of one add up to 0 and "
        f"make no field. Take cells with dendrites, or remove lfp."
    ]


def _period_problem(here: str, period_ms: float, dt_ms: float) -> list[str]:
    try:
        require_whole_steps(f"{here}.period_ms", period_ms, dt_ms, "the circuits' dt_ms")
    except ConfigurationError as error:
        return list(error.problems)
    return []


def _resolved(
    here: str,
    one: Trace | Concentration,
    population: Population,
    composition: Composition,
    problems: list[str],
) -> Recording | None:
    kind: Kind = "traces"
    region = ""
    if isinstance(one, Trace):
        site = ProbeSite(**one.variable.model_dump())
    else:
        kind, site = "concentrations", ProbeSite(one.species, one.sec, one.loc)
        known = _species(composition, population.copy)
        if one.species not in known:
            problems.append(f"{here}.species: {unknown_name('species', one.species, known)}")
            return None
        regions = known[one.species]
        if one.region is None and len(regions) > 1:
            problems.append(
                f"{here}.region: is omitted, and {one.species!r} is in {len(regions)} rxd regions "
                f"({', '.join(regions)}); name one of them."
            )
            return None
        name = regions[0] if one.region is None else one.region
        if name not in regions:
            problems.append(f"{here}.region: {unknown_name('rxd region', name, regions)}")
            return None
        region = f"{population.copy}.{name}"
        if composition.net_params.rxdParams["regions"][region].get("extracellular"):
            problems.append(
                f"{here}.region: {name!r} is outside the cells, where a section has no place; name "
                f"a region of cells."
            )
            return None
    label = f"{population.label}.{_called(site, one)}"
    return Recording(
        kind, label, one.period_ms, tuple(one.cells), here, population.copy, population.label,
        site, region,
    )  # fmt: skip


def _called(site: ProbeSite, one: Trace | Concentration) -> str:
    """``v``, ``hh.gna``, ``ca[er]``; with the place where it is not the middle of the soma."""
    owner = site.mech or site.synMech or site.pointp
    name = site.var if owner is None else f"{owner}.{site.var}"
    if isinstance(one, Concentration) and one.region is not None:
        name += f"[{one.region}]"
    return name if (site.sec, site.loc) == ("soma", 0.5) else f"{name}.{site.sec}({site.loc:g})"


def _species(composition: Composition, copy: str) -> dict[str, list[str]]:
    """Regions of every species, state and parameter of one circuit copy, by its own labels."""
    rxd: Mapping[str, Any] = composition.net_params.rxdParams or {}
    prefix = f"{copy}."
    return {
        str(label).removeprefix(prefix): [str(r).removeprefix(prefix) for r in rule["regions"]]
        for kind in _KINDS_OF_SPECIES
        for label, rule in (rxd.get(kind) or {}).items()
        if str(label).startswith(prefix)
    }


def _problems_of(
    recording: Recording,
    one: Trace | Concentration,
    population: Population,
    composition: Composition,
) -> list[str]:
    net_params, problems = composition.net_params, []
    rule = net_params.popParams[population.label]
    if "numCells" in rule:
        n_cells = int(rule["numCells"] * net_params.scale)
        beyond = [index for index in recording.columns if index >= n_cells]
        problems += [cell_problem(recording, index, n_cells) for index in beyond[:1]]
    assert recording.site is not None
    sections = sections_of(net_params, population.label)
    key = "variable" if isinstance(one, Trace) else "place"
    reading = Reading(population.label, recording.site, recording.where)
    receptors = composition.receptors[population.copy]
    problem = reading_problem(reading, sections, receptors, key)
    return [*problems, problem] if problem else problems


def _doubled(recording: Recording, found: list[Recording]) -> list[str]:
    same = [r for r in found if (r.kind, r.name) == (recording.kind, recording.name)]
    return [
        f"{recording.where}: {one.name} is recorded by {one.where} too; name all cells in one of "
        f"them."
        for one in same[:1]
    ]
