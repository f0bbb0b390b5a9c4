"""What a circuit is made of, read from its netParams without building a cell."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cosim.errors import ConfigurationError
from cosim.registry import unknown_name
from cosim.spiking.circuit import Circuit
from cosim.spiking.conditions import PER_CELL, cell_tags, matches
from cosim.spiking.mechanisms import mechanisms_in
from cosim.spiking.receptor_sign import Sign, plain_number, sign_of
from cosim.spiking.receptors import point_neuron, receptors_of, sections_of, target_section


@dataclass(frozen=True)
class PopulationCard:
    """One population.

    Attributes:
        name: Its name in the circuit.
        cells: Number of cells; None where it follows from a density or a grid.
        size: The number, or what it follows from, for people.
        cell: Cell type, and what it is made of.
        receptors: What its cells can receive on.
        region: Region that it is placed in; empty where none was given.
    """

    name: str
    cells: int | None
    size: str
    cell: str
    receptors: tuple[str, ...]
    region: str = ""


@dataclass(frozen=True)
class ConnectionCard:
    """What one rule makes between two populations on one receptor.

    Attributes:
        rule: Label in connParams.
        pre: Population that sends.
        post: Population that receives.
        receptor: Synaptic mechanism; empty for artificial cells.
        how: Which pairs are joined: probability, convergence, ...
        weight: Weight (uS where the receptor is a conductance), or NetPyNE's expression for it.
        delay: Delay, ms, or NetPyNE's expression.
        synapses: Expected number; None where it depends on an expression or on positions.
        sign: From the reversal of the receptor, see :func:`cosim.spiking.receptor_sign.sign_of`.
    """

    rule: str
    pre: str
    post: str
    receptor: str
    how: str
    weight: Any
    delay: Any
    synapses: float | None
    sign: Sign

    @property
    def strength(self) -> float | None:
        """Weight times number of synapses; None where either is an expression."""
        weight = plain_number(self.weight)
        return None if weight is None or self.synapses is None else abs(weight) * self.synapses


@dataclass(frozen=True)
class CircuitCard:
    """Everything that a person wants to know of a circuit before naming it.

    Attributes:
        name: What an experiment file calls it.
        summary: Docstring of its function, without the sections.
        paper: Where it is published.
        populations: In the order in which NetPyNE creates them.
        connections: By rule, then population pair, then receptor.
        stimuli: Its own stimuli, one line each.
        parameters: Value and description by name.
        inputs: Inputs of an experiment that names none, with the file's keys.
        outputs: Outputs of an experiment that names none; None: E and I, if there are such.
        mechanisms: Names of the mechanisms that are compiled for it.
        uses: Names of all others: density mechanisms, synapses, point processes.
        cpu_s_per_s: CPU time per simulated second, s.
    """

    name: str
    summary: str
    paper: str
    populations: tuple[PopulationCard, ...]
    connections: tuple[ConnectionCard, ...]
    stimuli: tuple[str, ...]
    parameters: Mapping[str, tuple[Any, str]]
    inputs: Sequence[Mapping[str, Any]]
    outputs: Sequence[Mapping[str, Any]] | None
    mechanisms: tuple[str, ...]
    uses: tuple[str, ...]
    cpu_s_per_s: float | None = field(default=None)

    @property
    def n_cells(self) -> int | None:
        """Cells of all populations; None where one is not known before it is built."""
        sizes = [population.cells for population in self.populations]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def card_of(
    circuit: Circuit,
    regions: Mapping[str, str] | None = None,
    mechanisms: Path | None = None,
) -> CircuitCard:
    """Describe a circuit.

    Args:
        circuit: The circuit, loaded.
        regions: Region of populations that have one.
        mechanisms: Folder of .mod files that it needs beside those registered with it.

    Raises:
        ConfigurationError: If a region is given for a population that is not there.
    """
    regions = regions or {}
    problems = [
        unknown_name(f"population of circuit {circuit.name!r}:", name, circuit.population_names)
        for name in regions
        if name not in circuit.population_names
    ]
    if problems:
        raise ConfigurationError(*problems)
    net, entry = circuit.net_params, circuit.entry
    told = _described(circuit.builder)
    own = entry.mechanisms if entry else None
    folders = [f for f in (own, circuit.mechanisms, mechanisms) if f is not None]
    compiled = tuple(m.name for folder in folders for m in mechanisms_in(folder))
    return CircuitCard(
        name=circuit.name,
        summary=told.pop("", ""),
        paper=entry.paper if entry else "",
        populations=tuple(
            _population(net, name, regions.get(name, "")) for name in circuit.population_names
        ),
        connections=tuple(_connections(net, circuit.population_names)),
        stimuli=tuple(_stimuli(net, circuit.population_names)),
        parameters={name: (v, told.get(name, "")) for name, v in circuit.parameters.items()},
        inputs=tuple(entry.inputs) if entry else (),
        outputs=entry.outputs if entry else None,
        mechanisms=compiled,
        uses=tuple(name for name in _used_mechanisms(net) if name not in compiled),
        cpu_s_per_s=entry.cpu_s_per_s if entry else None,
    )


def _population(net: Any, name: str, region: str) -> PopulationCard:
    rule = net.popParams[name]
    cells, size = _size(rule, float(net.scale))
    synapses = {str(label): str(label) for label in net.synMechParams}
    return PopulationCard(
        name, cells, size, _cell(net, name), tuple(receptors_of(net, name, synapses)), region
    )


def _size(rule: Mapping[str, Any], scale: float) -> tuple[int | None, str]:
    if "cellsList" in rule:
        return len(rule["cellsList"]), str(len(rule["cellsList"]))
    if "numCells" in rule:
        n_cells = int(rule["numCells"] * scale)
        return n_cells, str(n_cells)
    for key, unit in (("density", "cells/mm3"), ("gridSpacing", "um grid")):
        if key in rule:
            return None, f"{rule[key]} {unit}"
    return 1, "1"


def _cell(net: Any, population: str) -> str:
    kinds = dict.fromkeys(
        str(tags.get("cellType") or tags.get("cellModel") or "?")
        for tags in cell_tags(net, population)
    )
    names = ", ".join(kinds)
    sections = sections_of(net, population)
    if not sections:
        models = {str(t.get("cellModel")) for t in cell_tags(net, population)} - {"None", *kinds}
        return f"{names} ({', '.join(sorted(models))})" if models else names
    own = point_neuron(target_section(sections)[1])
    if own is not None:
        return f"{names} ({own[1].get('mod', own[0])})"
    inside = dict.fromkeys(str(m) for s in sections.values() for m in s.get("mechs") or {})
    for section in sections.values():
        points = (section.get("pointps") or {}).values()
        inside |= dict.fromkeys(str(point.get("mod")) for point in points)
    count = f"{len(sections)} section{'s' * (len(sections) > 1)}"
    return f"{names} ({count}: {', '.join(inside) or 'passive'})"


def _connections(net: Any, populations: Sequence[str]) -> Iterator[ConnectionCard]:
    tags = {name: list(cell_tags(net, name)) for name in populations}
    sizes = {name: _size(net.popParams[name], float(net.scale))[0] for name in populations}
    for label, rule in net.connParams.items():
        conditions = (rule.get("preConds") or {}, rule.get("postConds") or {})
        pre, post = (
            [name for name in populations if any(matches(side, one) for one in tags[name])]
            for side in conditions
        )
        exact = not any(key in PER_CELL for side in conditions for key in side)
        how = _how(rule)
        for a in pre:
            for b in post:
                n_pairs = _expected(rule, sizes[a], sizes[b], a == b) if exact else None
                if "connList" in rule and (len(pre), len(post)) != (1, 1):
                    n_pairs = None
                receptors = _receptors(net, rule, b)
                for number, receptor in enumerate(receptors):
                    n = len(receptors)
                    weight = _item(rule.get("weight", 1), number, n)
                    per_pair = plain_number(_item(rule.get("synsPerConn", 1), number, n))
                    yield ConnectionCard(
                        rule=str(label),
                        pre=a,
                        post=b,
                        receptor=receptor,
                        how=how,
                        weight=weight,
                        delay=_item(rule.get("delay", 1), number, n),
                        synapses=None
                        if n_pairs is None or per_pair is None
                        else n_pairs * per_pair,
                        sign=sign_of(net, b, receptor, weight),
                    )


def _how(rule: Mapping[str, Any]) -> str:
    for key in ("probability", "convergence", "divergence"):  # NetPyNE's own order
        if key in rule:
            return (
                f"{key} {rule[key]:g}"
                if plain_number(rule[key]) is not None
                else f"{key} {rule[key]}"
            )
    return f"list of {len(rule['connList'])} pairs" if "connList" in rule else "all to all"


def _expected(
    rule: Mapping[str, Any], n_pre: int | None, n_post: int | None, same: bool
) -> float | None:
    """Pairs that a rule joins, on average."""
    if n_pre is None or n_post is None:
        return None
    pairs = n_post * (n_pre - same)  # no cell is joined to itself
    for key, times in (("probability", pairs), ("convergence", n_post), ("divergence", n_pre)):
        if key in rule:
            value = plain_number(rule[key])
            return None if value is None else value * times
    return len(rule["connList"]) if "connList" in rule else pairs


def _receptors(net: Any, rule: Mapping[str, Any], post: str) -> list[str]:
    named = rule.get("synMech")
    if named:
        return [str(name) for name in named] if isinstance(named, list) else [str(named)]
    synapses = {str(label): str(label) for label in net.synMechParams}
    return list(receptors_of(net, post, synapses))[:1] or [""]


def _item(value: Any, number: int, n_receptors: int) -> Any:
    """The entry for one of several receptors; of a list with one for each pair, the mean."""
    if not isinstance(value, list | tuple):
        return value
    if n_receptors > 1 and len(value) == n_receptors:
        return value[number]
    numbers = [n for item in value if (n := plain_number(item)) is not None]
    return sum(numbers) / len(numbers) if numbers and len(numbers) == len(value) else str(value)


def _stimuli(net: Any, populations: Sequence[str]) -> Iterator[str]:
    for label, rule in net.stimTargetParams.items():
        source = dict(net.stimSourceParams.get(rule.get("source")) or {})
        kind = source.pop("type", "?")
        hit = [
            name
            for name in populations
            if any(matches(rule.get("conds") or {}, tags) for tags in cell_tags(net, name))
        ]
        told = {k: v for k, v in source.items() if k not in ("label", "originalFormat")}
        values = ", ".join(f"{k} {v}" for k, v in told.items() if isinstance(v, int | float | str))
        values = f" ({values})" if values else ""
        where = (
            f" on {rule['synMech']}, weight {rule.get('weight', 1)}" if "synMech" in rule else ""
        )
        yield f"{label}: {kind}{values} to {', '.join(hit) or 'none'}{where}"


def _used_mechanisms(net: Any) -> list[str]:
    found: dict[str, None] = {}
    for rule in net.cellParams.values():
        if rule.get("cellModel"):
            found[str(rule["cellModel"])] = None
        for section in (rule.get("secs") or {}).values():
            found |= dict.fromkeys(str(name) for name in section.get("mechs") or {})
            for point in (section.get("pointps") or {}).values():
                found[str(point.get("mod"))] = None
    for rule in net.popParams.values():
        if rule.get("cellModel") and not any(
            rule.get("cellType") in (str(label), (other.get("conds") or {}).get("cellType"))
            for label, other in net.cellParams.items()
        ):
            found[str(rule["cellModel"])] = None
    found |= dict.fromkeys(str(rule.get("mod")) for rule in net.synMechParams.values())
    return list(found)


def _described(builder: Callable[..., Any] | None) -> dict[str, str]:
    """Text of a Google docstring: under "" what stands before its sections, else by argument."""
    if builder is None:
        return {}
    text = inspect.getdoc(builder) or ""
    body, *sections = re.split(r"^(Args|Returns|Raises|References|Attributes):\n", text, flags=re.M)
    told = {"": body.strip()}
    arguments = dict(zip(sections[::2], sections[1::2], strict=True)).get("Args", "")
    for match in re.finditer(r"^    (\w+):((?:.*\n?)(?:^     +.*\n?)*)", arguments, flags=re.M):
        told[match.group(1)] = " ".join(match.group(2).split())
    return told
