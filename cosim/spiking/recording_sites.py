"""Where in NEURON's network each recording is read: pointers, units, resistances."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import ConfigurationError
from cosim.spiking.chatter import quiet
from cosim.spiking.interpreter import field_electrode
from cosim.spiking.probe import ProbeSite, Reading, pointer_to
from cosim.spiking.recording import Recording, RecordingPort, Sampler

# NEURON knows no unit of it.
_UNITS = {"i_membrane_": "nA"}
_CONCENTRATION_UNIT = "mM"
_KINDS_OF_SPECIES = ("species", "states", "parameters")


def of_cells(
    h: Any,
    sim: Any,
    recording: Recording,
    cells: Mapping[int, Any],
    first_gid: int,
    n_cells: int,
    receptors: Mapping[str, str],
) -> RecordingPort:
    """Record a variable or a concentration of some cells.

    Args:
        h: NEURON's interpreter.
        sim: NetPyNE's module of the network.
        recording: What is recorded.
        cells: NetPyNE's cells on this rank by gid.
        first_gid: Smallest id of the population.
        n_cells: Cells of the population, over all ranks.
        receptors: Composed label per synaptic mechanism of the circuit.

    Raises:
        ConfigurationError: If there is no such cell, section, variable or species there.
    """
    beyond = [index for index in recording.columns if index >= n_cells]
    if beyond:
        raise ConfigurationError(cell_problem(recording, beyond[0], n_cells))
    assert recording.site is not None
    mine = [i for i, index in enumerate(recording.columns) if first_gid + index in cells]
    here = [cells[first_gid + recording.columns[i]] for i in mine]
    if recording.kind == "concentrations":
        pointers = [_concentration(sim, recording, recording.site, cell) for cell in here]
        unit = _CONCENTRATION_UNIT
    else:
        reading = Reading(recording.population, recording.site, f"{recording.where}.variable")
        if recording.site.var == "i_membrane_":
            _have_membrane_currents(h, sim)
        pointers = [pointer_to(cell, reading, receptors) for cell in here]
        unit = _unit(h, sim, recording.site, receptors)
    sampler = Sampler(h, pointers, recording.period_ms)
    return RecordingPort(recording, unit, sampler, np.array(mine, dtype=np.int64))


def of_field(
    h: Any, sim: Any, recording: Recording, cells: Sequence[Any], copy_of: Mapping[str, str]
) -> RecordingPort:
    """Record the field potential of the cells of one circuit copy, as NetPyNE defines it.

    Each segment is a line source in a homogeneous medium of 0.3 S/m. NetPyNE's own code gives
    shapes to cells that have none, and the resistances. It would take the segments of every cell
    from the first cell of the population on the rank, shifted, which rounds differently on each
    number of ranks; here each cell has its own.

    Args:
        h: NEURON's interpreter.
        sim: NetPyNE's module of the network.
        recording: What is recorded.
        cells: NetPyNE's cells on this rank, by gid.
        copy_of: Circuit copy of each population.

    References:
        Holt & Koch (1999) J Comput Neurosci 6:169-184, doi:10.1023/A:1008832702585.
    """
    _have_membrane_currents(h, sim)
    with quiet():
        if not getattr(sim.net, "_shaped_for_field", False):
            if not sim.net.params.defineCellShapes:
                sim.net.defineCellShapes()
            sim.net._shaped_for_field = True
    electrode = field_electrode(recording.electrodes_um)
    pointers: list[Any] = []
    parts: list[NDArray[np.float64]] = [np.empty((len(recording.electrodes_um), 0))]
    for cell in cells:
        if copy_of[cell.tags["pop"]] != recording.copy or not vars(cell).get("secs"):
            continue
        segments = [segment for section in cell.secs.values() for segment in section["hObj"]]
        pointers += [segment._ref_i_membrane_ for segment in segments]
        electrode.calcTransferResistance(cell.gid, _segment_ends(cell))
        parts.append(electrode.getTransferResistance(cell.gid))
    resistance_MOhm = np.concatenate(parts, axis=1)
    sampler = Sampler(h, pointers, recording.period_ms)
    return RecordingPort(recording, "mV", sampler, np.empty(0, np.int64), resistance_MOhm)


def _segment_ends(cell: Any) -> dict[str, NDArray[np.float64]]:
    """Where each segment of a cell begins (p0) and ends (p1), shape ``(3, n_segments)``, um."""
    begin, end = [], []
    for section in cell.secs.values():
        body = section["hObj"]
        points = np.array(
            [[body.x3d(i), body.y3d(i), body.z3d(i), body.arc3d(i)] for i in range(body.n3d())]
        )
        edges = np.linspace(0.0, points[-1, 3], body.nseg + 1)
        places = np.array([np.interp(edges, points[:, 3], axis) for axis in points[:, :3].T])
        begin.append(places[:, :-1])
        end.append(places[:, 1:])
    return {"p0": np.concatenate(begin, axis=1), "p1": np.concatenate(end, axis=1)}


def cell_problem(recording: Recording, index: int, n_cells: int) -> str:
    """The line for a cell that a population does not have."""
    return (
        f"{recording.where}.cells: {index} is beyond the {n_cells} cells of population "
        f"{recording.population!r}; indices go from 0 to {n_cells - 1}."
    )


def _have_membrane_currents(h: Any, sim: Any) -> None:
    sim.cfg.use_fast_imem = True  # NetPyNE sets NEURON accordingly before the run
    h.CVode().use_fast_imem(1)


def _unit(h: Any, sim: Any, site: ProbeSite, receptors: Mapping[str, str]) -> str:
    name = site.var if site.mech is None else f"{site.var}_{site.mech}"
    if site.synMech is not None:
        label = receptors.get(site.synMech, site.synMech)
        name = f"{sim.net.params.synMechParams[label]['mod']}.{site.var}"
    with quiet():
        try:
            return str(h.units(name)) or _UNITS.get(name, "")
        except RuntimeError:  # a variable that NEURON was told no unit of
            return ""


def _concentration(sim: Any, recording: Recording, site: ProbeSite, cell: Any) -> Any:
    where = recording.where
    rxd = sim.net.rxd
    label = f"{recording.copy}.{site.var}"
    rules = next(rxd[kind] for kind in _KINDS_OF_SPECIES if label in (rxd.get(kind) or {}))
    species = rules[label]["hObj"]
    region = rxd["regions"][recording.region]["hObj"]
    if site.sec not in cell.secs:
        raise ConfigurationError(
            f"{where}.sec: population {recording.population!r} has no section {site.sec!r}; its "
            f"sections are {', '.join(cell.secs)}."
        )
    nodes = [] if region is None else species[region].nodes(cell.secs[site.sec]["hObj"](site.loc))
    if not len(nodes):
        raise ConfigurationError(
            f"{where}: there is no {site.var!r} in section {site.sec!r} of population "
            f"{recording.population!r}; name a section and population that its rxd regions cover."
        )
    if len(nodes) > 1:
        raise ConfigurationError(
            f"{where}: section {site.sec!r} has {len(nodes)} nodes of {site.var!r} at "
            f"{site.loc:g}, and 1 is the limit; take a region in one dimension."
        )
    return nodes[0]._ref_concentration
