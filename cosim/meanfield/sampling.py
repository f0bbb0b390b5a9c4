"""What TVB's monitors say of a window, without asking them at every step.

A monitor that takes single steps or means of blocks is read off the window's array; TVB's BOLD is
asked only at the steps at which it does something. The values are those of TVB's own ``sample``,
for windows that divide a block anywhere.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tvb.simulator import monitors as tvb_monitors

from cosim.meanfield.balloon import Balloon
from cosim.saved_state import State, joined, part

Array = NDArray[np.float64]


class Sampler(Protocol):
    """What one monitor sees, window after window."""

    def __call__(self, start_step: int, states: Array) -> tuple[Array, Array]:
        """Sample times ``(n,)``, ms, and values of the window that begins after a step."""

    def state(self) -> State:
        """What it has gathered for samples to come."""

    def restore(self, state: State) -> None:
        """Go on with what another one had gathered."""


def samplers(monitors: Mapping[str, Any]) -> dict[str, Sampler]:
    """A sampler for each monitor.

    Args:
        monitors: TVB monitors by name, configured for a simulator.

    Returns:
        Functions of the step before a window and of its states, shape
        ``(n_steps, n_variables, n_regions)``, that return sample times ``(n,)`` in ms and values
        ``(n, n_variables, n_regions)``. They must see every window once, in order.
    """
    return {
        name: _KINDS.get(type(monitor), _EachStep)(monitor) for name, monitor in monitors.items()
    }


def samplers_state(samplers: Mapping[str, Sampler]) -> State:
    """What all samplers have gathered."""
    return joined(**{name: sampler.state() for name, sampler in samplers.items()})


def restore_samplers(samplers: Mapping[str, Sampler], state: State) -> None:
    """Go on with what samplers of the same names had gathered."""
    for name, sampler in samplers.items():
        sampler.restore(part(state, name))


def _due(start_step: int, n_steps: int, period: int) -> NDArray[np.int64]:
    """Steps of a window that are whole periods; its first step is ``start_step + 1``."""
    first = (start_step // period + 1) * period
    return np.arange(first, start_step + n_steps + 1, period)


class _Gathering:
    """A monitor that gathers steps in arrays of its own."""

    # Where TVB's monitors and the balloon do.
    _ARRAYS = ("_stock", "_interim_stock", "_state", "_sum", "_last")

    def __init__(self, monitor: Any):
        self._monitor = monitor

    def state(self) -> State:
        held = vars(self._monitor)
        return {
            name: held[name].copy()
            for name in self._ARRAYS
            if isinstance(held.get(name), np.ndarray)
        }

    def restore(self, state: State) -> None:
        for name in self._ARRAYS:
            if name in state:
                setattr(self._monitor, name, np.array(state[name]))


class _EachStep(_Gathering):
    """Any monitor: asked at every step, as TVB does."""

    def __call__(self, start_step: int, states: Array) -> tuple[Array, Array]:
        times, values = [], []
        for n, state in enumerate(states):
            sampled = self._monitor.record(start_step + n + 1, state[..., np.newaxis])
            if sampled is not None:
                times.append(sampled[0])
                values.append(np.array(sampled[1])[..., 0])
        # Without a sample nothing tells the shape (sensors, not regions), and nothing is recorded.
        return np.array(times, float), np.array(values)


class _Picked:
    """Raw and SubSample: the states of some steps."""

    def __init__(self, monitor: Any):
        self._monitor = monitor

    def __call__(self, start_step: int, states: Array) -> tuple[Array, Array]:
        steps = _due(start_step, len(states), self._monitor.istep)
        rows = steps - start_step - 1
        return steps * self._monitor.dt, states[rows][:, self._monitor.voi]

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> None:
        """Nothing was gathered."""


class _Averaged:
    """TemporalAverage: means of blocks, over time in order as NumPy's mean takes them."""

    def __init__(self, monitor: Any):
        self._monitor = monitor
        self._stock: Array | None = None

    def __call__(self, start_step: int, states: Array) -> tuple[Array, Array]:
        monitor, length = self._monitor, int(self._monitor.istep)
        states = states[:, monitor.voi]
        n, shape = len(states), states.shape[1:]
        if self._stock is None:
            self._stock = np.zeros((length, *shape))
        steps = _due(start_step, n, length)
        kept = start_step % length  # steps of the present block, seen in windows before
        if not steps.size:
            self._stock[kept : kept + n] = states
            return np.empty(0), np.empty((0, *shape))
        values = np.empty((steps.size, *shape))
        head = int(steps[0]) - start_step
        self._stock[kept:] = states[:head]
        values[0] = self._stock.mean(axis=0)
        whole = head + (steps.size - 1) * length
        if steps.size > 1:
            blocks = states[head:whole].reshape(steps.size - 1, length, *shape)
            blocks.mean(axis=1, out=values[1:])
        self._stock[: n - whole] = states[whole:]
        return (steps - length / 2.0) * monitor.dt, values

    def state(self) -> State:
        return {} if self._stock is None else {"stock": self._stock.copy()}

    def restore(self, state: State) -> None:
        self._stock = np.array(state["stock"]) if "stock" in state else None


class _Bold(_Gathering):
    """TVB's Bold: its first stock is filled by slices; TVB is asked where it averages or emits."""

    def __call__(self, start_step: int, states: Array) -> tuple[Array, Array]:
        monitor, n = self._monitor, len(states)
        block = int(monitor._interim_istep)
        busy = np.union1d(_due(start_step, n, block), _due(start_step, n, int(monitor.istep)))
        states = states[..., np.newaxis]
        stock, times, values = monitor._interim_stock, [], []
        row = 0
        for step in [*busy.tolist(), start_step + n + 1]:
            # TVB keeps step s at (s mod block) - 1: a block's last step at -1, the end.
            stop = step - start_step - 1
            while row < stop:
                place = (start_step + row) % block
                taken = min(stop - row, block - place)
                stock[place : place + taken] = states[row : row + taken, monitor.voi]
                row += taken
            if step > start_step + n:
                break
            sampled = monitor.record(step, states[row])
            row += 1
            if sampled is not None:
                times.append(sampled[0])
                values.append(np.array(sampled[1])[..., 0])
        if not values:
            return np.empty(0), np.empty((0, *states.shape[1:3]))
        return np.array(times, float), np.array(values)


class _Balloon(_Gathering):
    """The fit's BOLD, which takes whole windows itself."""

    def __call__(self, start_step: int, states: Array) -> tuple[Array, Array]:
        sampled: tuple[Array, Array] = self._monitor.sample_window(start_step, states)
        return sampled


_KINDS: dict[type[Any], Callable[[Any], Sampler]] = {
    tvb_monitors.Raw: _Picked,
    tvb_monitors.SubSample: _Picked,
    tvb_monitors.TemporalAverage: _Averaged,
    tvb_monitors.Bold: _Bold,
    Balloon: _Balloon,
}
