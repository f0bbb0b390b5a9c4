"""All that NEURON needs on one rank to go on as if it had never stopped.

NEURON's SaveState holds potentials, the STATE variables of mechanisms, everything of those that
receive events, weights, thresholds, RxD's concentrations and the event queue in its order. Beside
it are kept the other variables that mechanisms make public, because a recording may read one before
the next step computes it anew, and the positions of the random numbers' streams.

SaveState trusts that the network it is given was built in the same order; a checksum of the network
at t = 0 shows that it was.
"""

import hashlib
import os
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cosim.errors import ConfigurationError, SimulationError
from cosim.saved_state import State
from cosim.spiking.savable import PYTHON_EVENT, mechanism_problems, python_event, self_event

# Diameters do not change during a run, and SaveState holds the outer potentials.
_LEFT_OUT = ("morphology", "extracellular")


class NetworkState:
    """Reads and writes the state of the network that this process has built and initialised.

    Args:
        h: NEURON's interpreter, at t = 0.

    Raises:
        ConfigurationError: If the network holds something that cannot be saved; one line each.
    """

    # NEURON files the targets of such events when it reads the first, and never anew.
    _read_self_events: ClassVar[bool] = False

    def __init__(self, h: Any):
        self._h = h
        density, points = _Mechanisms(h, 0), _Mechanisms(h, 1)
        pointers: list[Any] = []
        self._streams: list[Any] = []
        text: list[str] = []
        for section in h.allsec():
            text.append(f"{section.name()} {section.nseg}")
            for segment in section:
                for name in _names_of(segment):
                    # A mechanism's stream is known by its name in the mechanism.
                    found = density.streams(name, getattr(segment, name, None), f"_{name}")
                    self._streams += found.values()
                    for variable, size in density.variables(name):
                        if variable not in found:
                            pointers += _references(segment, variable, size)
        for name in points.names:
            objects = h.List(name)
            for number in range(int(objects.count())):
                point = objects.o(number)
                found = points.streams(name, point, "")
                self._streams += found.values()
                text.append(f"{point.hname()} {len(found)}")
                for variable, size in points.variables(name):
                    if variable not in found:
                        pointers += _references(point, variable, size)
        problems = [*mechanism_problems({**density.used(), **points.used()})]
        if int(h.List("LinearMechanism").count()):
            problems.append("checkpoint: NEURON does not save the state of a LinearMechanism.")
        if problems:
            raise ConfigurationError(*problems)
        self._pointers = h.PtrVector(max(len(pointers), 1))
        for index, pointer in enumerate(pointers):
            self._pointers.pset(index, pointer)
        self._n = len(pointers)
        randoms = h.List("Random")
        self._randoms = [randoms.o(number) for number in range(int(randoms.count()))]
        self._mechanisms = np.array([*density.names, *points.names], dtype=np.str_)
        self._built = self._checksum(text)
        if python_event(_saved(h)):
            raise ConfigurationError(PYTHON_EVENT)

    def state(self) -> State:
        """The state as it stands.

        Raises:
            SimulationError: If a function of Python waits in NEURON's event queue.
        """
        saved = _saved(self._h)
        if python_event(saved):
            raise SimulationError(PYTHON_EVENT)
        return {
            "mechanisms": self._mechanisms,
            "built": self._built,
            "savestate": saved,
            "values": self._values(),
            "streams": np.array([stream.get_seq() for stream in self._streams], dtype=np.float64),
            "randoms": np.array([random.seq() for random in self._randoms], dtype=np.float64),
        }

    def restore(self, state: State) -> None:
        """Make the network what it was.

        Raises:
            ConfigurationError: If it was not built as the one that was saved.
        """
        # NEURON knows mechanisms by their numbers in the order in which they were loaded.
        if not np.array_equal(self._mechanisms, state["mechanisms"]):
            other = sorted({*self._mechanisms.tolist()} ^ {*state["mechanisms"].tolist()})
            raise ConfigurationError(
                f"resume: NEURON has loaded other mechanisms than at the checkpoint, or in another "
                f"order ({', '.join(other) or 'the same ones'} differ); resume in a new process, "
                f"in the folder from which the run was started."
            )
        if not np.array_equal(self._built, state["built"]):
            raise ConfigurationError(
                "resume: NEURON built another network than the one of the checkpoint (cells, "
                "connections, weights or start values differ); restore the circuit's files, or "
                "start the run anew."
            )
        if self_event(state["savestate"]):
            if NetworkState._read_self_events:
                raise ConfigurationError(
                    "resume: this process has resumed a run before, and NEURON would look for the "
                    "cells of that one; resume in a new process."
                )
            NetworkState._read_self_events = True
        with _MemoryFile() as path:
            path.write(state["savestate"])
            saved = self._h.SaveState()
            saved.fread(self._h.File(path.name), 1)
            saved.restore()
        if self._n:
            self._pointers.scatter(self._h.Vector(state["values"]))
        for stream, position in zip(self._streams, state["streams"].tolist(), strict=True):
            stream.set_seq(position)
        for random, position in zip(self._randoms, state["randoms"].tolist(), strict=True):
            random.seq(position)

    def _values(self) -> NDArray[np.float64]:
        if not self._n:
            return np.empty(0)
        values = self._h.Vector(self._n)
        self._pointers.gather(values)
        return np.array(values, dtype=np.float64)

    def _checksum(self, text: list[str]) -> NDArray[np.uint8]:
        """Of the network's parts in the order in which they were built, with their values."""
        digest = hashlib.sha256("\n".join(text).encode())
        digest.update(self._values().tobytes())
        connections = self._h.List("NetCon")
        for number in range(int(connections.count())):
            one = connections.o(number)
            target = one.syn()
            weight = one.weight[0] if one.wcnt() else 0.0
            named = "" if target is None else target.hname()
            digest.update(f"{one.srcgid()} {named} {one.delay!r} {weight!r}\n".encode())
        return np.frombuffer(digest.digest(), dtype=np.uint8).copy()


class _Mechanisms:
    """The density mechanisms (kind 0) or point processes (kind 1) that NEURON knows."""

    def __init__(self, h: Any, kind: int):
        self._h = h
        self._types = h.MechanismType(kind)
        self._variables: dict[str, list[tuple[str, int]]] = {}
        self._streams: dict[str, list[str]] = {}
        name = h.ref("")
        self.names = []
        for index in range(int(self._types.count())):
            self._types.select(index)
            self._types.selected(name)
            self.names.append(str(name[0]))

    def variables(self, mechanism: str) -> list[tuple[str, int]]:
        """Public variables of a mechanism and their lengths; remembers that it is used."""
        if mechanism not in self._variables:
            standard, name = self._h.MechanismStandard(mechanism, 0), self._h.ref("")
            found = []
            for index in range(int(standard.count())):
                size = int(standard.name(name, index))
                found.append((str(name[0]), size))
            self._variables[mechanism] = found
        return self._variables[mechanism]

    def streams(self, mechanism: str, owner: Any, suffix: str) -> dict[str, Any]:
        """Random streams of one instance, by the names that :meth:`variables` gives them."""
        if mechanism not in self._streams:
            self._streams[mechanism] = [
                name
                for name, _ in self.variables(mechanism)
                if hasattr(getattr(owner, name.removesuffix(suffix), None), "get_seq")
            ]
        names = self._streams[mechanism]
        return {name: getattr(owner, name.removesuffix(suffix)) for name in names}

    def used(self) -> dict[str, str]:
        """Source text of every mechanism that was asked for, by name."""
        found = {}
        for index, name in enumerate(self.names):
            if name in self._variables:
                self._types.select(index)
                found[name] = str(self._types.code())
        return found


def _names_of(segment: Any) -> Iterator[str]:
    yield "capacitance"
    yield from (name for mech in segment if (name := mech.name()) not in _LEFT_OUT)


def _references(owner: Any, variable: str, size: int) -> list[Any]:
    """References to a variable of a segment or point process, one per element."""
    reference = getattr(owner, f"_ref_{variable}", None)
    if reference is None:
        return []
    return [reference] if size == 1 else [reference[index] for index in range(size)]


class _MemoryFile:
    """A file without a place: NEURON writes by name and does not tell when a disk is full."""

    def __enter__(self) -> "_MemoryFile":
        self._descriptor = os.memfd_create("cosim")
        self.name = f"/proc/self/fd/{self._descriptor}"
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self) -> NDArray[np.uint8]:
        with open(self._descriptor, "rb", closefd=False) as file:
            file.seek(0)
            return np.frombuffer(file.read(), dtype=np.uint8)

    def write(self, values: NDArray[np.uint8]) -> None:
        with open(self._descriptor, "wb", closefd=False) as file:
            file.write(values.tobytes())


def _saved(h: Any) -> NDArray[np.uint8]:
    """What NEURON's SaveState writes."""
    with _MemoryFile() as path:
        saved = h.SaveState()
        saved.save()
        saved.fwrite(h.File(path.name), 1)
        return path.read()
