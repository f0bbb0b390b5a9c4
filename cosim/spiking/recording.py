"""What is recorded of a circuit beside its spikes, and how it is read in NEURON.

A sample is taken by an event of NEURON's own queue at every whole multiple of the period, from 0
on. NEURON delivers it before the step that starts there, so it is the state at that time, as
``Vector.record`` and NetPyNE's ``recordTraces`` give it, wherever the run pauses for an exchange.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosim.saved_state import State
from cosim.spiking.probe import ProbeSite

Kind = Literal["traces", "lfp", "concentrations"]

# Potentials are added over cells and ranks as integers, so that their order cannot matter: steps
# of 6e-14 mV, with room up to 5e5 mV.
_FIXED_POINT = 2.0**44
_SEGMENTS_AT_ONCE = 64


@dataclass(frozen=True)
class Recording:
    """One table of samples: cells or electrodes side by side.

    Attributes:
        kind: File that it goes to.
        name: Its name there, unique.
        period_ms: Sampling period, ms.
        columns: Index of each cell within the population, or of each electrode.
        where: Its place in the experiment file, for messages.
        copy: Label of the circuit copy.
        population: ``REGION.POP``; empty for the field potential.
        site: For traces and concentrations: variable or species, and its place on the cell.
        region: For concentrations: composed label of the rxd region.
        electrodes_um: For the field potential: positions, um.
    """

    kind: Kind
    name: str
    period_ms: float
    columns: tuple[int, ...]
    where: str
    copy: str
    population: str = ""
    site: ProbeSite | None = None
    region: str = ""
    electrodes_um: tuple[tuple[float, float, float], ...] = ()


# NEURON saves a statement that waits in its queue, but not a function of Python: samplers are
# called by their number in a list that HOC knows by name.
_HOC_NAME = "cosim_samplers"


class _Samplers:
    """The samplers of the network that this process has built."""

    def __init__(self) -> None:
        self._all: list[Sampler] = []

    def add(self, h: Any, sampler: "Sampler") -> str:
        """File a sampler; returns the statement of HOC that lets it sample."""
        if not self._all:
            h(f"objref {_HOC_NAME}")
            setattr(h, _HOC_NAME, self)
        self._all.append(sampler)
        return f"{_HOC_NAME}.sample({len(self._all) - 1})"

    def sample(self, number: float) -> None:
        self._all[int(number)].sample()

    def clear(self) -> None:
        self._all.clear()


_samplers = _Samplers()


def forget_samplers() -> None:
    """Forget the samplers of a network that is taken down."""
    _samplers.clear()


class Sampler:
    """Reads variables of this rank's cells at whole multiples of a period.

    Args:
        h: NEURON's interpreter.
        pointers: Pointers to the variables.
        period_ms: Sampling period, ms; a whole number of NEURON's steps.
    """

    def __init__(self, h: Any, pointers: Sequence[Any], period_ms: float):
        self._queue, self._period_ms, self._n = h.CVode(), period_ms, len(pointers)
        self._statement = _samplers.add(h, self)
        self._rows: list[NDArray[np.float64]] = []
        self._next = 0
        self._first = 0
        self._values, self._gather = h.Vector(max(self._n, 1)), h.PtrVector(max(self._n, 1))
        for index, pointer in enumerate(pointers):
            self._gather.pset(index, pointer)

    def begin(self) -> None:
        """Take the first sample, at t = 0, just after NEURON was initialised."""
        self._rows, self._next, self._first = [], 0, 0
        if self._n:
            self.sample()

    def take(self, stop_ms: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Samples before a time, since the last call.

        Args:
            stop_ms: A time that the run has reached, ms.

        Returns:
            Times ``(n_samples,)``, ms, and values ``(n_samples, n_pointers)``; the same times on
            every rank.
        """
        # A sample at the very end of a window belongs to the next one, wherever it was taken.
        n = max(int(np.ceil(stop_ms / self._period_ms - 1e-6)) - self._first, 0)
        times_ms = np.arange(self._first, self._first + n, dtype=np.float64) * self._period_ms
        self._first += n
        values = np.array(self._rows[:n], dtype=np.float64).reshape(n, self._n)
        del self._rows[:n]
        return times_ms, values

    def sample(self) -> None:
        """Take a sample and ask for the next; NEURON calls this."""
        self._gather.gather(self._values)
        self._rows.append(np.array(self._values))
        self._next += 1
        self._queue.event(self._next * self._period_ms, self._statement)

    def state(self) -> State:
        """Samples not taken yet, and which comes next; its event is in NEURON's own queue."""
        rows = np.array(self._rows, dtype=np.float64).reshape(len(self._rows), self._n)
        return {"rows": rows, "next": np.array(self._next), "first": np.array(self._first)}

    def restore(self, state: State) -> None:
        """Go on from a state, once NEURON's own is restored."""
        self._rows = list(np.array(state["rows"]))
        self._next, self._first = int(state["next"]), int(state["first"])


class RecordingPort:
    """A recording on this rank.

    Args:
        recording: What is recorded.
        unit: Its unit.
        sampler: Reads this rank's part.
        mine: Which columns that part is, shape ``(n_local,)``; for the field potential unused.
        resistance_MOhm: For the field potential: what each segment's current makes of potential
            at each electrode, shape ``(n_electrodes, n_segments)``.
    """

    def __init__(
        self,
        recording: Recording,
        unit: str,
        sampler: Sampler,
        mine: NDArray[np.int64],
        resistance_MOhm: NDArray[np.float64] | None = None,
    ):
        self.recording, self.unit, self.mine = recording, unit, mine
        self.sampler, self._resistance_MOhm = sampler, resistance_MOhm

    @property
    def adds_up(self) -> bool:
        """Whether the ranks' parts are added up instead of standing side by side."""
        return self._resistance_MOhm is not None

    def take(self, stop_ms: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """This rank's columns since the last call, as :meth:`Sampler.take` gives them."""
        return self.sampler.take(stop_ms)

    def take_sum(self, stop_ms: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Potential of this rank's cells, fixed point, shape ``(n_samples, n_electrodes)``."""
        assert self._resistance_MOhm is not None
        times_ms, current_nA = self.sampler.take(stop_ms)
        total = np.zeros((times_ms.size, len(self._resistance_MOhm)), dtype=np.int64)
        for start in range(0, current_nA.shape[1], _SEGMENTS_AT_ONCE):
            some = slice(start, start + _SEGMENTS_AT_ONCE)
            made_mV = current_nA[:, None, some] * self._resistance_MOhm[None, :, some]
            total += np.rint(made_mV * _FIXED_POINT).astype(np.int64).sum(axis=-1)
        return times_ms, total

    @staticmethod
    def in_mV(total: NDArray[np.int64]) -> NDArray[np.float64]:
        """Potential, mV, from sums over all ranks."""
        return total / _FIXED_POINT
