"""What drives each circuit: rates of connected regions, with the brain's weights and delays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.config import Circuit as CircuitSection
from cosim.config import Input
from cosim.errors import ConfigurationError
from cosim.meanfield.connectome import Connectome
from cosim.meanfield.models import ModelFamily
from cosim.placement import populations_in, regions_of
from cosim.registry import unknown_name
from cosim.signals import PacketLayout, SignalLayout
from cosim.spiking.compose import Composition, check_target


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


def input_problems(
    where: str, section: CircuitSection, family: ModelFamily, composition: Composition
) -> list[str]:
    """One line per input that names an unknown rate, population or receptor."""
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
            known = sorted({n for r in regions_of(section) for n in populations_in(composition, r)})
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
        for region in regions_of(section)
        if item.to in (populations := populations_in(composition, region))
    }


def drives_of(
    sections: Sequence[CircuitSection],
    family: ModelFamily,
    connectome: Connectome,
    composition: Composition,
    G: NDArray[np.float64],
    dt_ms: float,
) -> tuple[Drive, ...]:
    """Every input of every replaced region.

    Args:
        sections: The circuits of the experiment.
        family: The mean-field model.
        connectome: The brain.
        composition: The network of all circuits.
        G: Global coupling, shape ``(1,)`` or ``(n_regions,)``.
        dt_ms: Mean-field step, ms.
    """
    delays = connectome.delay_steps(dt_ms)
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


def unknown_rates(
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


def to_circuits(
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
