"""A SONATA network of point neurons as NetPyNE's netParams.

NetPyNE's own import builds straight into its one network, needs PyTables and pyNeuroML, and knows
only cells with a morphology; several copies could not stand side by side. So the files are read
here: HDF5 tables of nodes and edges, and tables of their types. Each node type becomes a
population of NEURON's artificial cells, each pair of populations of an edge type a rule with a
list of pairs. Virtual nodes are left out: what they would send comes from the mean field here.

References:
    Dai et al. (2020), The SONATA data format for efficient description of large-scale network
    models, PLOS Computational Biology 16:e1007696, doi:10.1371/journal.pcbi.1007696.
"""

import csv
import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cosim.errors import ConfigurationError
from cosim.spiking.interpreter import netpyne_specs

# Artificial cells of NEURON that SONATA names, and the factor from the file's values to NEURON's:
# time constants stand in seconds (as the Brain Modeling Toolkit reads them).
_CELLS: Mapping[str, Mapping[str, float]] = {"IntFire1": {"tau": 1000.0, "refrac": 1000.0}}
_NONE = ("", "NULL", "NONE", "None", "nan")
# Weight functions that give syn_weight times nsyns, by the names that BMTK has for them.
_WEIGHT_TIMES_SYNAPSES = {*_NONE, "wmax", "default_weight_fnc", "set_syn_weight"}
Row = dict[str, str]


@dataclass(frozen=True)
class _Nodes:
    """Nodes of one SONATA population: type of each, and the types."""

    type_ids: NDArray[np.int64]
    types: Mapping[int, Row]


def is_sonata(document: object) -> bool:
    """Whether a JSON document is a SONATA circuit configuration."""
    return isinstance(document, dict) and "networks" in document


def read_sonata(name: str, path: Path, document: Mapping[str, Any]) -> Any:
    """The network of a circuit configuration.

    Args:
        name: How the user calls it, for messages.
        path: The configuration, which relative paths start from.
        document: Its content.

    Returns:
        NetPyNE's netParams: a population for each node type, named by its ``pop_name``, else
        ``model_name``, else its id; weights are those of the file.

    Raises:
        ConfigurationError: If a file is missing or broken, or the network holds what this does
            not translate; one line each.
    """
    try:
        return _Reader(name, path, document).net_params()
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        where = f"{error.filename}" if error.filename else "a file of the network"
        raise ConfigurationError(
            f"Circuit {name!r}: {where} cannot be read ({reason}); paths are relative to {path}."
        ) from error
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ConfigurationError(
            f"Circuit {name!r}: {path} is no SONATA network that can be read "
            f"({type(error).__name__}: {' '.join(str(error).split())}); it needs networks.nodes "
            f"and networks.edges with their files."
        ) from error


class _Reader:
    """The files of one configuration."""

    def __init__(self, name: str, path: Path, document: Mapping[str, Any]):
        self._name, self._folder, self._document = name, path.parent, document
        self._names = {key: str(value) for key, value in document.get("manifest", {}).items()}
        self._net = netpyne_specs().NetParams()
        self._problems: list[str] = []
        # Population and position within it of every node, by SONATA population.
        self._place: dict[str, tuple[NDArray[np.object_], NDArray[np.int64]]] = {}
        self._rows: dict[str, Row] = {}

    def net_params(self) -> Any:
        """The network."""
        networks = self._document["networks"]
        for entry in networks["nodes"]:
            types = self._table(entry["node_types_file"], "node_type_id")
            with self._tables(entry["nodes_file"]) as file:
                for population, group in file["nodes"].items():
                    ids = np.asarray(group["node_type_id"][:], dtype=np.int64)
                    if "node_id" in group and (group["node_id"][:] != np.arange(ids.size)).any():
                        self._problems.append(
                            f"Circuit {self._name!r}: node_id of {population!r} is not 0, 1, 2, .. "
                            f"in the order of the file; sort its nodes."
                        )
                    self._add_nodes(population, _Nodes(ids, types))
        for entry in networks.get("edges", ()):
            types = self._table(entry["edge_types_file"], "edge_type_id")
            with self._tables(entry["edges_file"]) as file:
                for label, group in file["edges"].items():
                    self._add_edges(label, group, types)
        if self._problems:
            raise ConfigurationError(*dict.fromkeys(self._problems))
        return self._net

    def _path(self, text: str) -> Path:
        """A path of the configuration with the manifest's names put in."""
        # The longest names first: $NETWORK_DIR is not $NET and the rest of a word.
        for _ in self._names:
            for key, value in sorted(self._names.items(), key=lambda item: -len(item[0])):
                text = text.replace(f"${{{key.strip('${}')}}}", value).replace(key, value)
        return self._folder / text.replace("${configdir}", ".").replace("$configdir", ".")

    def _tables(self, text: str) -> Any:
        path = self._path(text)
        if not path.is_file():  # HDF5's own message runs over many words
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return h5py.File(path, "r")

    def _table(self, text: str, key: str) -> dict[int, Row]:
        with self._path(text).open(encoding="utf-8", newline="") as file:
            return {int(row[key]): row for row in csv.DictReader(file, delimiter=" ")}

    def _add_nodes(self, population: str, nodes: _Nodes) -> None:
        names = np.empty(nodes.type_ids.size, dtype=object)
        positions = np.zeros(nodes.type_ids.size, dtype=np.int64)
        for type_id in dict.fromkeys(nodes.type_ids.tolist()):
            row = nodes.types[type_id]
            mine = nodes.type_ids == type_id
            label = self._label(population, type_id, row)
            names[mine], positions[mine] = label, np.arange(mine.sum())
            self._rows[label] = row
            if row.get("model_type") != "virtual":
                self._add_population(label, row, int(mine.sum()))
        self._place[population] = names, positions

    def _label(self, population: str, type_id: int, row: Row) -> str:
        for key in ("pop_name", "model_name"):
            if row.get(key, "") not in _NONE:
                return row[key] if row[key] not in self._rows else f"{population}_{row[key]}"
        return f"{population}_{type_id}"

    def _add_population(self, label: str, row: Row, n_cells: int) -> None:
        kind, template = row.get("model_type", ""), row.get("model_template", "")
        model = template.removeprefix("nrn:")
        if kind not in ("point_process", "point_neuron") or model not in _CELLS:
            self._problems.append(
                f"Circuit {self._name!r}: population {label!r} is {kind} {template}; of SONATA "
                f"only point neurons of NEURON ({', '.join(f'nrn:{c}' for c in _CELLS)}) are read. "
                f"Give the circuit as netParams."
            )
            return
        values = self._parameters("point_neuron_models_dir", row)
        factors = _CELLS[model]
        params = {key: float(values[key]) * factors[key] for key in factors if key in values}
        self._net.cellParams[label] = {"cellModel": model, "params": params}
        self._net.popParams[label] = {"cellType": label, "numCells": n_cells}

    def _parameters(self, folder: str, row: Row) -> dict[str, Any]:
        if row.get("dynamics_params", "") in _NONE:
            return {}
        place = self._document.get("components", {})[folder]
        file = self._path(f"{place}/{row['dynamics_params']}")
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    def _add_edges(self, label: str, group: Any, types: Mapping[int, Row]) -> None:
        sources, source_id = self._ends(label, group["source_node_id"], 0)
        targets, target_id = self._ends(label, group["target_node_id"], 1)
        type_ids = np.asarray(group["edge_type_id"][:], dtype=np.int64)
        weights, counts, delays = self._values(group, types, type_ids)
        for key, edges in _groups(
            type_ids, sources[0][source_id].tolist(), targets[0][target_id].tolist()
        ):
            type_id, pre, post = key
            if "virtual" in (self._rows[pre]["model_type"], self._rows[post]["model_type"]):
                continue
            a, b = sources[1][source_id[edges]], targets[1][target_id[edges]]
            if pre == post and (a == b).any():
                self._problems.append(
                    f"Circuit {self._name!r}: {int((a == b).sum())} edge(s) of {label!r} join a "
                    f"cell to itself, which NetPyNE leaves out; remove them."
                )
            row = types[type_id]
            function = row.get("weight_function", "")
            if function not in _WEIGHT_TIMES_SYNAPSES:
                self._problems.append(
                    f"Circuit {self._name!r}: edges of type {type_id} have the weight_function "
                    f"{function!r}, which is code of the simulator that the file was made for; "
                    f"write the weights that it gives into syn_weight, and leave it out."
                )
            weight = weights[edges] * counts[edges]
            if self._sign(row) < 0:  # some files write the weight of such a synapse positive
                weight = -np.abs(weight)
            self._net.connParams[f"{label}_{type_id}_{pre}_{post}"] = {
                "preConds": {"pop": pre},
                "postConds": {"pop": post},
                "connList": [[i, j] for i, j in zip(a.tolist(), b.tolist(), strict=True)],
                "weight": weight.tolist(),
                # A list: of a plain 0 NetPyNE makes its default.
                "delay": delays[edges].tolist(),
            }

    def _ends(
        self, label: str, ids: Any, end: int
    ) -> tuple[tuple[NDArray[np.object_], NDArray[np.int64]], NDArray[np.int64]]:
        named = ids.attrs.get("node_population", label.split("_to_")[end])
        population = named.decode() if isinstance(named, bytes) else str(named)
        return self._place[population], np.asarray(ids[:], dtype=np.int64)

    def _values(
        self, group: Any, types: Mapping[int, Row], type_ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], ...]:
        """Weight, number of synapses and delay of every edge: its own, else its type's."""
        found = []
        for key, default in (("syn_weight", 1.0), ("nsyns", 1.0), ("delay", 0.0)):
            values = np.array([float(types[t].get(key) or default) for t in type_ids.tolist()])
            own = np.asarray(group["edge_group_id"][:]) if "edge_group_id" in group else None
            for number in np.unique(own) if own is not None else ():
                if f"{number}/{key}" in group:
                    mine = own == number
                    rows = np.asarray(group["edge_group_index"][:])[mine]
                    values[mine] = np.asarray(group[f"{number}/{key}"][:], dtype=np.float64)[rows]
            found.append(values)
        return tuple(found)

    def _sign(self, row: Row) -> float:
        """-1 for a synapse that the file calls inhibitory."""
        return float(self._parameters("synaptic_models_dir", row).get("sign", 1))


def _groups(
    type_ids: NDArray[np.int64], pre: Iterable[str], post: Iterable[str]
) -> Iterator[tuple[tuple[int, str, str], NDArray[np.int64]]]:
    """Edges of one type between two populations, in the order of the file."""
    found: dict[tuple[int, str, str], list[int]] = {}
    for number, key in enumerate(zip(type_ids.tolist(), pre, post, strict=True)):
        found.setdefault(key, []).append(number)
    for key, numbers in found.items():
        yield key, np.array(numbers, dtype=np.int64)
