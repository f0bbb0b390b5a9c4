"""What each circuit gives the brain: rates from its spikes, or gating variables that it keeps."""

from collections.abc import Mapping, Sequence

from cosim.config import Circuit as CircuitSection
from cosim.config import Output
from cosim.meanfield.connectome import Connectome
from cosim.meanfield.models import ModelFamily
from cosim.placement import populations_in, regions_of
from cosim.registry import unknown_name
from cosim.signals import PacketLayout, SignalLayout
from cosim.spiking.circuit import Circuit
from cosim.spiking.compose import Composition
from cosim.spiking.probe import ProbeSite, Reading, reading_problem
from cosim.spiking.receptors import sections_of


def outputs_of(section: CircuitSection, circuit: Circuit, family: ModelFamily) -> list[Output]:
    """What the user wrote; else E feeds the first rate and, if both exist, I the second."""
    if section.outputs is not None:
        return section.outputs
    pairs = list(zip(("E", "I"), family.rates, strict=False))
    return [
        Output(source=population, to=rate)
        for population, rate in pairs
        if population == "E" or population in circuit.population_names
    ]


def fill_outputs(
    where: str,
    section: CircuitSection,
    outputs: Sequence[Output],
    family: ModelFamily,
    composition: Composition,
    origin: dict[tuple[str, str], str],
    readings: dict[tuple[str, str], Reading],
) -> list[str]:
    """File what one circuit gives, and tell what is wrong with it.

    Args:
        where: The circuit's place in the experiment, for messages.
        section: The circuit.
        outputs: What it is to give.
        family: The mean-field model.
        composition: The network of all circuits.
        origin: Filled with the population behind each (rate, region).
        readings: Filled with what is behind each (gating variable, region).

    Returns:
        One line per mistake.
    """
    problems: list[str] = []
    for position, output in enumerate(outputs):
        here = f"{where}.outputs.{position}"
        problem = _output_problem(here, output, family)
        if problem:
            problems.append(problem)
            continue
        found = False
        for region in regions_of(section):
            label = populations_in(composition, region).get(output.source)
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
                copy = next(p.copy for p in composition.populations if p.label == label)
                sections = sections_of(composition.net_params, label)
                problem = reading_problem(readings[key], sections, composition.receptors[copy])
                problems += [problem] if problem else []
        if not found and section.outputs is None:
            problems.append(
                f"{where}.outputs: is omitted, and no population is called {output.source!r}; say "
                f"which population feeds the brain: {{from: POPULATION, to: {output.to}}}."
            )
        elif not found:
            known = sorted({n for r in regions_of(section) for n in populations_in(composition, r)})
            problems.append(f"{here}.from: {unknown_name('population', output.source, known)}")
    needed = next(rate for rate, gate in family.gates.items() if gate.variable == family.coupling)
    for region in regions_of(section):
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


def to_brain(
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
