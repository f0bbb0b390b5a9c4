"""What the cells of a population can receive on, read from netParams without building them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cosim.errors import ConfigurationError
from cosim.registry import unknown_name
from cosim.spiking.conditions import cell_tags, matches

# They only send; what they do with an event that arrives is not what a synapse does.
_GENERATORS = ("NetStim", "DynamicNetStim", "VecStim", "PatternStim")


def receptors_of(net_params: Any, population: str, known: Mapping[str, str]) -> dict[str, str]:
    """Receptors of a population by the user's name.

    Cells with sections have the circuit's synaptic mechanisms; a point neuron whose mechanism
    lists its own (``synList``) has those; an artificial cell (IntFire1, ...) is its own receptor,
    under the name of its model; a generator has none.

    Args:
        net_params: The composed netParams.
        population: Composed label.
        known: Composed label of every receptor of the circuit copy by the user's name.
    """
    found: dict[str, str] = {}
    for tags in cell_tags(net_params, population):
        sections = _sections(net_params, tags)
        if not sections:
            model = tags.get("cellModel")
            if model is not None and model not in _GENERATORS:
                found[str(model)] = str(model)
            continue
        own = point_neuron(target_section(sections)[1])
        if own is None:
            found |= {
                name: label
                for name, label in known.items()
                # Gap junctions are coupled by pointers; no event can arrive there.
                if "pointerParams" not in net_params.synMechParams.get(label, {"pointerParams": 0})
            }
        else:
            name, point = own
            found |= {receptor: receptor for receptor in point.get("synList", (name,))}
    return found


def undefined_synapses(net_params: Any, populations: Iterable[str]) -> Iterator[str]:
    """Rules that name a synaptic mechanism that is not there, one line each.

    Point neurons and artificial cells need none, so only cells with sections count.

    Args:
        net_params: The composed netParams.
        populations: Labels of all populations.
    """
    needing = [
        tags
        for population in populations
        for tags in cell_tags(net_params, population)
        if (sections := _sections(net_params, tags))
        and point_neuron(target_section(sections)[1]) is None
    ]
    known = list(net_params.synMechParams)
    for kind, side in (("connParams", "postConds"), ("stimTargetParams", "conds")):
        for label, rule in net_params[kind].items():
            named = rule.get("synMech") or []
            for name in named if isinstance(named, list) else [named]:
                if name not in known and any(matches(rule[side], tags) for tags in needing):
                    yield unknown_name(f"synMech in {kind} rule {label!r}:", name, known)


def check_receptor(known: Mapping[str, Mapping[str, str]], population: str, receptor: str) -> None:
    """Make sure that a population can receive on a receptor.

    Args:
        known: By population label, its receptors.
        population: ``REGION.POP``.
        receptor: The user's name of the receptor.

    Raises:
        ConfigurationError: If either is unknown.
    """
    if population not in known:
        raise ConfigurationError(unknown_name("population", population, known))
    if receptor not in known[population]:
        raise ConfigurationError(
            unknown_name(f"receptor of population {population!r}:", receptor, known[population])
        )


def _sections(net_params: Any, tags: Mapping[str, Any]) -> dict[str, Any]:
    sections: dict[str, Any] = {}
    for label, rule in net_params.cellParams.items():
        if rule.get("secs") and matches(rule.get("conds") or {"cellType": label}, tags):
            sections.update(rule["secs"])
    return sections


def sections_of(net_params: Any, population: str) -> dict[str, Any]:
    """Sections of a population's cells, read from netParams; empty for artificial cells.

    Args:
        net_params: The composed netParams.
        population: Composed label.
    """
    sections: dict[str, Any] = {}
    for tags in cell_tags(net_params, population):
        for label, rule in net_params.cellParams.items():
            if rule.get("secs") and matches(rule.get("conds") or {"cellType": label}, tags):
                sections.update(rule["secs"])
    return sections


def section_lists_of(net_params: Any, population: str) -> tuple[str, ...]:
    """Names of the lists of sections (``secLists``) that a population's cells have.

    Args:
        net_params: The composed netParams.
        population: Composed label.
    """
    names: dict[str, None] = {}
    for tags in cell_tags(net_params, population):
        for label, rule in net_params.cellParams.items():
            if rule.get("secLists") and matches(rule.get("conds") or {"cellType": label}, tags):
                names.update(dict.fromkeys(rule["secLists"]))
    return tuple(names)


def target_section(sections: Mapping[str, Any]) -> tuple[str, Any]:
    """Name and content of the section that inputs arrive at: the soma, else the first."""
    name = "soma" if "soma" in sections else next(iter(sections))
    return name, sections[name]


def point_neuron(section: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Name and parameters of the mechanism that fires for the section, None if its voltage does."""
    found = None
    for name, point in dict(section.get("pointps") or {}).items():
        if "vref" in point:
            found = (name, point)  # NetPyNE, too, takes the last
    return found
