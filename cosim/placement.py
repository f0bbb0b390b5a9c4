"""Where each circuit stands: which regions it replaces, as how many copies, at which step."""

from collections.abc import Mapping, Sequence

from cosim.clock import MAX_STEPS, whole_steps
from cosim.config import Circuit as CircuitSection
from cosim.errors import ConfigurationError
from cosim.meanfield.connectome import ALL_REGIONS, Connectome
from cosim.registry import unknown_name
from cosim.spiking.circuit import Circuit
from cosim.spiking.compose import CircuitCopy, Composition

_DEFAULT_DT_MS = 0.05


def regions_of(section: CircuitSection) -> tuple[str, ...]:
    """Regions that a circuit replaces."""
    if section.regions is not None:
        return tuple(section.regions)
    return tuple(dict.fromkeys((section.populations or {}).values()))


def placement_problems(sections: Sequence[CircuitSection], connectome: Connectome) -> list[str]:
    """One line per region that does not exist or is replaced twice."""
    problems: list[str] = []
    taken: dict[str, int] = {}
    for number, section in enumerate(sections):
        for region in regions_of(section):
            if region not in connectome.regions:
                problems.append(
                    f"circuits.{number}: "
                    + unknown_name("region", region, connectome.regions, ALL_REGIONS)
                )
            elif taken.setdefault(region, number) != number:
                problems.append(
                    f"circuits.{number}: region {region!r} is already replaced by "
                    f"circuits.{taken[region]}; a region has one circuit."
                )
    return problems


def copies_of(section: CircuitSection, circuits: Mapping[str, Circuit]) -> list[CircuitCopy]:
    """A copy per region, or the one copy that spans regions.

    Args:
        section: What the user asked for.
        circuits: The circuit of each replaced region.
    """
    if section.regions is not None:
        return [
            CircuitCopy(circuits[r], r, dict.fromkeys(circuits[r].population_names, r))
            for r in section.regions
        ]
    circuit = next(iter(circuits.values()))
    placed = section.populations or {}
    return [CircuitCopy(circuit, "+".join(dict.fromkeys(placed.values())), dict(placed))]


def common_dt(
    sections: Sequence[CircuitSection], circuits: Sequence[Circuit], brain_dt_ms: float
) -> float:
    """NEURON's step, ms.

    Raises:
        ConfigurationError: If a circuit's step does not divide the brain's, or two differ.
    """
    wanted: dict[float, str] = {}
    problems = []
    for number, (section, circuit) in enumerate(zip(sections, circuits, strict=True)):
        where = f"circuits.{number}.dt_ms ({circuit.name})"
        own = _DEFAULT_DT_MS if circuit.sim_config is None else float(circuit.sim_config.dt)
        dt_ms = own if section.dt_ms is None else section.dt_ms
        if not whole_steps(brain_dt_ms, dt_ms):
            nearest = brain_dt_ms / max(round(min(brain_dt_ms / dt_ms, MAX_STEPS)), 1)
            problems.append(
                f"{where} = {dt_ms:g} does not divide brain.dt_ms = {brain_dt_ms:g}; the nearest "
                f"that does is {nearest:g}."
            )
        wanted.setdefault(dt_ms, where)
    if len(wanted) > 1:
        listed = " and ".join(f"{where} = {dt_ms:g}" for dt_ms, where in wanted.items())
        problems.append(f"{listed} differ, and NEURON has one step; give them the same.")
    if problems:
        raise ConfigurationError(*problems)
    return next(iter(wanted))


def populations_in(composition: Composition, region: str) -> dict[str, str]:
    """Labels of a region's populations by their name in the circuit."""
    return {p.name: p.label for p in composition.populations if p.region == region}
