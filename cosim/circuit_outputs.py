"""What each circuit gives the brain: rates from its spikes, or gating variables that it keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cosim.config import Circuit as CircuitSection
from cosim.config import Input, Output
from cosim.meanfield.connectome import Connectome
from cosim.meanfield.models import ModelFamily
from cosim.placement import populations_in, regions_of
from cosim.registry import unknown_name
from cosim.signals import PacketLayout, SignalLayout
from cosim.spiking.circuit import Circuit
from cosim.spiking.compose import Composition
from cosim.spiking.probe import ProbeSite, Reading, reading_problem
from cosim.spiking.receptors import sections_of


@dataclass(frozen=True)
class Mixture:
    """Populations that feed one rate together.

    Attributes:
        populations: Their labels, ``REGION.POP``.
        weights: Factor on each population's rate; None pools their cells.
    """

    populations: tuple[str, ...]
    weights: tuple[float, ...] | None = None

    def __str__(self) -> str:
        return " + ".join(self.populations)


def with_defaults(section: CircuitSection, circuit: Circuit, family: ModelFamily) -> CircuitSection:
    """The section with inputs and outputs written out where the user left them out.

    They are those registered with the circuit; without such, there is no input, E feeds the first
    rate and, if both exist, I the second.
    """
    entry = circuit.entry
    changes: dict[str, Any] = {}
    if section.inputs is None:
        named = entry.inputs if entry else ()
        changes["inputs"] = [Input.model_validate(_in_terms_of(family, i, "from")) for i in named]
    if section.outputs is None:
        changes["outputs"] = _default_outputs(circuit, family)
    return section.model_copy(update=changes)


def _in_terms_of(family: ModelFamily, item: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A registered input or output, whose R_e and R_i are the excitatory and inhibitory rate."""
    names = dict(zip(("R_e", "R_i"), family.rates, strict=False))
    return {**item, key: names.get(item[key], item[key])} if key in item else dict(item)


def _default_outputs(circuit: Circuit, family: ModelFamily) -> list[Output]:
    if circuit.entry is not None and circuit.entry.outputs is not None:
        named = [_in_terms_of(family, output, "to") for output in circuit.entry.outputs]
        # A model with one rate has no use for the output to a second one.
        return [Output.model_validate(item) for item in named if item["to"] in family.variables]
    pairs = list(zip(("E", "I"), family.rates, strict=False))
    return [
        Output(source=population, to=rate)
        for population, rate in pairs
        if population == "E" or population in circuit.population_names
    ]


def fill_outputs(
    where: str,
    section: CircuitSection,
    by_default: bool,
    family: ModelFamily,
    composition: Composition,
    origin: dict[tuple[str, str], Mixture],
    readings: dict[tuple[str, str], Reading],
) -> list[str]:
    """File what one circuit gives, and tell what is wrong with it.

    Args:
        where: The circuit's place in the experiment, for messages.
        section: The circuit.
        by_default: Whether the user left its outputs out.
        family: The mean-field model.
        composition: The network of all circuits.
        origin: Filled with the populations behind each (rate, region).
        readings: Filled with what is behind each (gating variable, region).

    Returns:
        One line per mistake.
    """
    problems: list[str] = []
    for position, output in enumerate(section.outputs or ()):
        here = f"{where}.outputs.{position}"
        problem = _output_problem(here, output, family)
        if problem:
            problems.append(problem)
            continue
        found, missing = False, output.populations[0]
        for region in regions_of(section):
            there = populations_in(composition, region)
            absent = [name for name in output.populations if name not in there]
            if absent:
                missing = absent[0] if len(absent) < len(output.populations) else missing
                continue
            found = True
            labels = tuple(there[name] for name in output.populations)
            key = (output.to, region)
            if key in origin or key in readings:
                before = origin[key] if key in origin else readings[key].population
                problems.append(
                    f"{here}: {output.to} of region {region!r} is already fed by {str(before)!r}; "
                    f"give each variable one output."
                )
            elif output.gating is None:
                origin[key] = Mixture(labels, output.weights)
            else:
                site = ProbeSite(**output.gating.model_dump())
                readings[key] = Reading(labels[0], site, here)
                copy = next(p.copy for p in composition.populations if p.label == labels[0])
                sections = sections_of(composition.net_params, labels[0])
                problem = reading_problem(readings[key], sections, composition.receptors[copy])
                problems += [problem] if problem else []
        if not found and by_default:
            problems.append(
                f"{where}.outputs: is omitted, and no population is called {missing!r}; say "
                f"which population feeds the brain: {{from: POPULATION, to: {output.to}}}."
            )
        elif not found:
            known = sorted({n for r in regions_of(section) for n in populations_in(composition, r)})
            if missing in known:
                problems.append(
                    f"{here}.from: populations {', '.join(output.populations)} stand in different "
                    f"regions; what feeds a region stands in it. Write one output for each region."
                )
            else:
                problems.append(f"{here}.from: {unknown_name('population', missing, known)}")
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
    origin: Mapping[tuple[str, str], Mixture],
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
