"""How spikes from outside enter NEURON's event queue: many in one compiled call, or one by one.

Both ways put the same items, each a NetCon and the time at which it is delivered, into the same
queue in the same order, so that the spikes of a run do not depend on the way, bit for bit. Neither
holds a state between windows: an event goes into the queue at once, ``psolve`` delivers every event
up to where it ends, and whatever a caller queues for later is an event like any other, which
``SaveState`` saves and restores. A checkpoint needs nothing from here.

The compiled way needs a library of two functions, made from ``injection_mechanism`` and kept like
that of any mechanism. An event then costs .04 to .2 us instead of .4 to .8.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from operator import call
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cosim.errors import ConfigurationError
from cosim.spiking.interpreter import load_functions, neuron_hoc
from cosim.spiking.mechanisms import can_compile, compiled, made_before

FOLDER = Path(__file__).parent / "injection_mechanism"

# Compiling takes 1.3 s of CPU, a loop .5 us an event more: from here on the run itself gains.
WORTH_COMPILING = 3_000_000


class Firing(Protocol):
    """Queues events of a list of connections."""

    def __call__(self, which: NDArray[np.int64], times_ms: NDArray[np.float64]) -> None:
        """Queue one event for each pair of a connection's number and a time, in this order."""

    def close(self) -> None:
        """Forget the connections."""


class OneByOne:
    """A loop over ``NetCon.event``.

    Args:
        connections: NEURON's ``NetCon`` objects.
    """

    def __init__(self, connections: Sequence[Any]):
        # Looking the method up once makes an event a third cheaper.
        self._events = [connection.event for connection in connections]

    def __call__(self, which: NDArray[np.int64], times_ms: NDArray[np.float64]) -> None:
        """See :class:`Firing`."""
        events = map(self._events.__getitem__, which.tolist())
        deque(map(call, events, times_ms.tolist()), maxlen=0)

    def close(self) -> None:
        """Forget the connections."""
        self._events.clear()


class AllAtOnce:
    """One call of compiled code, which must be loaded.

    Args:
        connections: NEURON's ``NetCon`` objects. The caller keeps them: only their addresses are
            noted here.
    """

    def __init__(self, connections: Sequence[Any]):
        self._h = neuron_hoc()
        self._fire = self._h.cosim_fire
        together = self._h.List()
        for connection in connections:
            together.append(connection)
        self._noted = self._h.Vector(len(connections))
        self._h.cosim_note(together, self._noted)
        self._make_room(256)

    def _make_room(self, n_events: int) -> None:
        self._which, self._times = self._h.Vector(n_events), self._h.Vector(n_events)
        self._whose, self._when = self._which.as_numpy(), self._times.as_numpy()

    def __call__(self, which: NDArray[np.int64], times_ms: NDArray[np.float64]) -> None:
        """See :class:`Firing`."""
        n_events = times_ms.size
        if n_events > self._when.size:
            self._make_room(2 * n_events)
        self._whose[:n_events] = which
        self._when[:n_events] = times_ms
        self._fire(self._noted, self._which, self._times, n_events)

    def close(self) -> None:
        """Forget the connections."""
        self._noted.resize(0)


@dataclass(frozen=True)
class Injection:
    """The way of a run.

    Attributes:
        name: ``compiled`` or ``netcon``.
        why: The reason, for whoever reads the provenance.
    """

    name: str
    why: str

    def onto(self, connections: Sequence[Any]) -> Firing:
        """What queues events of these connections."""
        return AllAtOnce(connections) if self.name == "compiled" else OneByOne(connections)


def foresee_injection(wanted: str, n_events: float | None = None) -> Injection:
    """The way that a run would take; compiles and loads nothing.

    Args:
        wanted: ``auto``, ``compiled`` or ``netcon``.
        n_events: Events that this process expects to queue; None: not known yet.

    Raises:
        ConfigurationError: If ``compiled`` is wanted where nothing can be compiled.
    """
    if wanted == "netcon":
        return Injection("netcon", "asked for")
    if made_before(FOLDER, _version()) is not None:
        return Injection("compiled", "asked for" if wanted == "compiled" else "compiled before")
    if not can_compile():
        if wanted == "compiled":
            raise ConfigurationError(
                "synchronization.injection = 'compiled': there is no C++ compiler and make; "
                "install them (Debian: apt install g++ make), or take injection: auto or netcon."
            )
        return Injection("netcon", "no C++ compiler and make")
    if wanted == "compiled":
        return Injection("compiled", "asked for")
    if n_events is None:
        return Injection(
            "netcon",
            f"not compiled yet; runs of {WORTH_COMPILING:.0e} events on a rank compile it, and "
            f"injection: compiled does at once",
        )
    if n_events < WORTH_COMPILING:
        return Injection("netcon", f"not compiled yet, and {n_events:.2g} events do not pay for it")
    return Injection("compiled", f"{n_events:.2g} events expected")


def choose_injection(wanted: str, n_events: float) -> Injection:
    """The way of a run, compiled and loaded where that is needed.

    Ranks may choose differently: the spikes are the same.

    Args:
        wanted: ``auto``, ``compiled`` or ``netcon``.
        n_events: Events that this rank expects to queue.

    Raises:
        ConfigurationError: If ``compiled`` is wanted and cannot be had.
    """
    chosen = foresee_injection(wanted, n_events)
    if chosen.name == "compiled":
        try:
            load_functions(FOLDER)
        except ConfigurationError as error:
            if wanted == "compiled":
                raise
            return Injection("netcon", str(error))
    return chosen


def _version() -> str:
    return str(neuron_hoc().nrnversion(0))


if __name__ == "__main__":
    try:
        compiled(FOLDER, _version())
    except ConfigurationError as problem:
        raise SystemExit(f"cosim: {problem}") from None
