"""Several circuits as one NetPyNE network, each confined to itself: plain data in, plain data out.

NetPyNE matches rules to cells by labels and tags that are global to a network. So every label is
prefixed with its copy, and every rule whose conditions name neither a population nor a cell type
gets the populations of its copy as a further condition. Nothing of NEURON is touched here, and
the user's netParams are never changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cosim.errors import ConfigurationError
from cosim.registry import unknown_name
from cosim.spiking.circuit import Circuit
from cosim.spiking.conditions import connected
from cosim.spiking.interpreter import netpyne_specs
from cosim.spiking.receptors import check_receptor, receptors_of, undefined_synapses
from cosim.spiking.rules import rename_circuit
from cosim.spiking.rxd_rules import has_extracellular
from cosim.spiking.sim_config import merge_sim_configs

_RULES = (
    "cellParams", "popParams", "synMechParams", "connParams", "subConnParams",
    "stimSourceParams", "stimTargetParams", "rxdParams",
)  # fmt: skip
# What is no single value of the network: rules, what is merged or applied, what only draws.
_NO_SCALAR = (*_RULES, "popTagsCopiedToCells", "mapping", "cellsVisualizationSpacingMultiplier")


@dataclass(frozen=True)
class CircuitCopy:
    """One instance of a circuit in the network.

    Attributes:
        circuit: The circuit.
        label: Unique name of this instance; the region, when it fills one.
        region_of: Region of each population of the circuit.
    """

    circuit: Circuit
    label: str
    region_of: Mapping[str, str]


@dataclass(frozen=True)
class Population:
    """One population of the composed network.

    Attributes:
        label: ``REGION.POP``, unique.
        region: Region it belongs to.
        name: Its name in the circuit.
        copy: Label of the circuit copy it comes from.
    """

    label: str
    region: str
    name: str
    copy: str


@dataclass(frozen=True)
class Composition:
    """A network that NetPyNE can build, and what is where in it.

    Attributes:
        net_params: ``netpyne.specs.NetParams`` of the whole.
        sim_config_values: Attributes of NetPyNE's simConfig that the circuits ask for;
            ``hParams`` holds celsius, v_init and other globals of NEURON.
        populations: Every population, in the order in which NetPyNE creates them.
        receptors: By copy label, then by the user's receptor name: the composed label.
        population_receptors: The same by population label, of what its cells can receive on.
        connected_regions: Pairs (from, to) of different regions that a circuit's own
            connection rules join.
        warnings: What looks like an oversight and is no error, one line each.
    """

    net_params: Any
    sim_config_values: Mapping[str, Any]
    populations: tuple[Population, ...]
    receptors: Mapping[str, Mapping[str, str]]
    population_receptors: Mapping[str, Mapping[str, str]]
    connected_regions: frozenset[tuple[str, str]]
    warnings: tuple[str, ...] = ()


def compose(copies: Sequence[CircuitCopy]) -> Composition:
    """Put circuits side by side in one network.

    Args:
        copies: The instances, in the order in which they get their cell ids.

    Raises:
        ConfigurationError: If a population is empty, has no region or shares its label, or if
            circuits want different values of what a network has only one of; all at once.
    """
    populations = tuple(_populations(copies))
    problems = [*_label_problems(copies, populations), *_size_problems(copies)]
    if problems:
        raise ConfigurationError(*problems)
    specs = netpyne_specs()
    merged = specs.NetParams()
    receptors: dict[str, Mapping[str, str]] = {}
    for copy in copies:
        labels = {p.name: p.label for p in populations if p.copy == copy.label}
        renamed, receptors[copy.label] = rename_circuit(
            copy.circuit, copy.label, labels, confine=len(copies) > 1
        )
        for kind in _RULES[:-1]:
            getattr(merged, kind).update(renamed[kind])
        for kind, rules in renamed["rxdParams"].items():
            merged.rxdParams.setdefault(kind, {}).update(rules)
        merged.popTagsCopiedToCells += [
            tag for tag in renamed["popTagsCopiedToCells"] if tag not in merged.popTagsCopiedToCells
        ]
        for name, value in _scalars(renamed):
            setattr(merged, name, value)
    problems = [
        *_scalar_problems(copies),
        *_rxd_problems(copies),
        *undefined_synapses(merged, (p.label for p in populations)),
    ]
    config, config_problems = merge_sim_configs([copy.circuit for copy in copies])
    if problems or config_problems:
        raise ConfigurationError(*problems, *config_problems)
    pairs, warnings = connected(merged, {p.label: p.region for p in populations})
    return Composition(
        net_params=merged,
        sim_config_values=config,
        populations=populations,
        receptors=receptors,
        population_receptors={
            p.label: receptors_of(merged, p.label, receptors[p.copy]) for p in populations
        },
        connected_regions=frozenset(pairs),
        warnings=tuple(warnings),
    )


def check_target(composition: Composition, population: str, receptor: str) -> None:
    """Make sure that a population can receive on a receptor, before anything is built.

    Args:
        composition: The network.
        population: ``REGION.POP``.
        receptor: The user's name of the receptor.

    Raises:
        ConfigurationError: If either is unknown.
    """
    check_receptor(composition.population_receptors, population, receptor)


def _populations(copies: Sequence[CircuitCopy]) -> Iterator[Population]:
    for copy in copies:
        for name in copy.circuit.population_names:
            region = copy.region_of.get(name)
            if region is not None:
                yield Population(f"{region}.{name}", region, name, copy.label)


def _label_problems(
    copies: Sequence[CircuitCopy], populations: tuple[Population, ...]
) -> Iterator[str]:
    labels = [copy.label for copy in copies]
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        yield f"Circuit copy {label!r} is given {labels.count(label)} times; labels are unique."
    for copy in copies:
        names = copy.circuit.population_names
        for name in copy.region_of:
            if name not in names:
                yield unknown_name(f"population of circuit {copy.circuit.name!r}:", name, names)
        for name in names:
            if name not in copy.region_of:
                yield (
                    f"Population {name!r} of circuit {copy.circuit.name!r} has no region; the "
                    f"circuit's populations are {', '.join(names)}: give each a region."
                )
    circuit_of = {copy.label: copy.circuit.name for copy in copies}
    first: dict[str, Population] = {}
    for population in populations:
        other = first.setdefault(population.label, population)
        if other is not population:
            yield (
                f"Circuits {circuit_of[other.copy]!r} and {circuit_of[population.copy]!r} both "
                f"have a population {population.name!r} in region {population.region!r}; rename "
                f"one or move it to another region."
            )


def _size_problems(copies: Sequence[CircuitCopy]) -> Iterator[str]:
    seen: list[Circuit] = []
    for circuit in (copy.circuit for copy in copies):
        if any(circuit is other for other in seen):
            continue
        seen.append(circuit)
        for name, rule in circuit.net_params.popParams.items():
            emptiness = _why_empty(rule, circuit.net_params.scale)
            if emptiness:
                yield (
                    f"Population {name!r} of circuit {circuit.name!r} has no cells: {emptiness}; "
                    f"at least one cell is needed. Raise it or remove the population."
                )


def _why_empty(rule: Mapping[str, Any], scale: float) -> str | None:
    if "numCells" in rule and int(rule["numCells"] * scale) <= 0:
        return f"numCells is {rule['numCells']}{f' times scale {scale:g}' if scale != 1 else ''}"
    if "cellsList" in rule and not rule["cellsList"]:
        return "cellsList has 0 entries"
    density = rule.get("density", 1)
    return f"density is {density}" if isinstance(density, int | float) and density <= 0 else None


def _scalars(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        if name not in _NO_SCALAR and not name.startswith("_"):
            yield name, value


def _scalar_problems(copies: Sequence[CircuitCopy]) -> Iterator[str]:
    first: dict[str, tuple[Circuit, Any]] = {}
    reported = set()
    for circuit in (copy.circuit for copy in copies):
        for name, value in _scalars(vars(circuit.net_params)):
            other, given = first.setdefault(name, (circuit, value))
            # repr compares arrays and nested lists as well, and these values are all small.
            if repr(given) != repr(value) and name not in reported:
                reported.add(name)
                yield (
                    f"netParams.{name} is {given!r} in circuit {other.name!r} and {value!r} in "
                    f"circuit {circuit.name!r}; one network has one value. Set the same in both."
                )


def _rxd_problems(copies: Sequence[CircuitCopy]) -> Iterator[str]:
    for circuit in (copy.circuit for copy in copies):
        if len(copies) > 1 and has_extracellular(circuit.net_params.rxdParams):
            # NEURON's extracellular space takes in every section of the network that lies in its
            # box, and sets the ion styles of all others.
            yield (
                f"Circuit {circuit.name!r} has an extracellular space in rxdParams and is one of "
                f"{len(copies)} circuit copies, which would share it; 1 is the limit. Replace one "
                f"region, or leave out the extracellular space."
            )
            return
