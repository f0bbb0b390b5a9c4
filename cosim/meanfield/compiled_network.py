"""A network of TVB's objects whose steps are compiled instead of interpreted."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvb.simulator import coupling
from tvb.simulator.history import SparseHistory

from cosim.clock import SyncWindow
from cosim.errors import ConfigurationError
from cosim.keyed_random import NOISE_STREAM, wiener_increments
from cosim.meanfield import kernels
from cosim.meanfield.integration import Heun, NoisyHeun
from cosim.meanfield.models import (
    ExcInhWithRates,
    OneStateWithRate,
    TanhWithRates,
)
from cosim.meanfield.sampling import restore_samplers, samplers, samplers_state
from cosim.meanfield.simulation import MeanField, build_simulator
from cosim.saved_state import State, joined, part

KERNELS: dict[type[Any], int] = {
    ExcInhWithRates: kernels.EXC_INH,
    TanhWithRates: kernels.TANH,
    OneStateWithRate: kernels.ONE_STATE,
}
PRECISIONS: dict[str, type[np.floating[Any]]] = {"single": np.float32, "double": np.float64}
# Steps whose noise is drawn at once: what fits a core's cache beside the past.
_CHUNK = 64
# NumPy sums up to this many terms without splitting them.
_LEAF = 128
# Steps, and inputs of a region, from which on summing steps at once is faster than one by one:
# 1.7 to 2.3 times at 1,000 regions with 100 inputs or more, not below 300 regions.
_WORTHWHILE = 8, 96


class CompiledNetwork:
    """A Reduced Wong-Wang network that a caller advances in windows, as ``MeanFieldNetwork``.

    TVB configures the experiment: delays in steps, weights and past in float32, noise scales. Its
    loop over steps is then replaced by one compiled loop with the same operations in the same
    order, so that the numbers are TVB's. In double precision the past and the weights are float64,
    which TVB does not offer. The past lies in a buffer longer than the longest delay,
    whose end is copied to its start when it is full: reading needs no division. Where no delay of a
    region's inputs is shorter than some steps, they are summed for that many steps at once.

    Args:
        brain: What is to be stepped.

    Raises:
        ConfigurationError: If TVB's objects are not ones that the compiled loop stands for.
    """

    def __init__(self, brain: MeanField):
        self.regions = brain.connectome.regions
        self.family = brain.family
        self.dt_ms = brain.dt_ms
        self.monitors = dict(brain.monitors)
        tvb, self._initial = build_simulator(brain)
        self._samplers = samplers(self.monitors)
        _check(tvb)
        n = len(self.regions)
        self._seed = brain.seed
        self._step = 0
        self._state = np.array(tvb.current_state[..., 0], dtype=np.float64)
        self._n_clipped = np.zeros(n, dtype=np.int64)
        self._params = np.ascontiguousarray(
            [np.broadcast_to(np.ravel(v), n) for v in tvb.model._values(tvb.model._drift_names)],
            dtype=np.float64,
        ).T.copy()
        self._root, self._scales = _noise(tvb, len(brain.family.gating))
        self._noise = np.empty((_CHUNK if self._scales.any() else 0, len(brain.family.gating), n))
        self._felt_variable = int(tvb.model.cvar[0])
        history = tvb.history
        self._n_past = int(history.n_time)
        real = PRECISIONS[brain.precision]
        diffusive = isinstance(tvb.coupling, coupling.Difference)
        back = self._n_past - 1 - history.nnz_idelays.astype(np.int64)
        ahead = np.ones(n, dtype=np.int64) if diffusive else _ahead(history, n)
        n_rows = 2 * self._n_past + _CHUNK
        self._flat, self._felt, pitch = _past(n_rows, n, real, bool(ahead.max() > 1))
        self._felt[: self._n_past] = self._state[self._felt_variable]
        self._row = self._n_past
        inputs = np.bincount(history.nnz_row_el_idx, minlength=n)
        self._sum = (
            pitch,
            ahead,
            (back * pitch[1] + history.nnz_col_el_idx * pitch[0]).astype(np.uint32),
            tvb.connectivity.weights[history.nnz_row_el_idx, history.nnz_col_el_idx].astype(real),
            np.concatenate([[0], inputs.cumsum()]),
            *_leaves(inputs),
            diffusive,
            float(tvb.coupling.a[0]),
            float(getattr(tvb.coupling, "b", np.zeros(1))[0]),
        )
        # Compiled or loaded here, so that it does not happen in the first window.
        self.advance(SyncWindow(0, 0, 0, brain.dt_ms))

    def initial_state(self) -> NDArray[np.float64]:
        """Every variable at all times up to 0, shape ``(n_variables, n_regions)``."""
        return self._initial.copy()

    @property
    def step(self) -> int:
        """Steps done."""
        return self._step

    @property
    def n_clipped(self) -> NDArray[np.int64]:
        """Steps in which each region's gating was clipped, shape ``(n_regions,)``."""
        return self._n_clipped.copy()

    def advance(self, window: SyncWindow) -> NDArray[np.float64]:
        """Integrate over one window.

        Args:
            window: The window; its start must be where the network stands.

        Returns:
            State at the end of each step, shape ``(n_steps, n_variables, n_regions)``. Row ``n``
            holds the gating after step ``start_step + n`` and the rates over that step.
        """
        out = np.empty((window.n_steps, *self._state.shape))
        kind = KERNELS[self.family.tvb_class]
        # Once even without a step, which compiles.
        for begin in range(0, max(window.n_steps, 1), _CHUNK):
            n = min(_CHUNK, window.n_steps - begin)
            if self._row + n > len(self._felt):
                self._felt[: self._n_past] = self._felt[self._row - self._n_past : self._row]
                self._row = self._n_past
            noise = self._noise[:n]
            first = window.start_step + begin
            wiener_increments(self._seed, NOISE_STREAM, first, self._root, self._scales, noise)
            kernels.advance(
                kind, n, self.dt_ms, self._params, noise, self._state,
                self._flat, self._row, self._n_past, *self._sum,
                out[begin : begin + n], self._n_clipped,
            )  # fmt: skip
            self._row += n
        self._step = window.stop_step
        return out

    def impose(
        self, window: SyncWindow, columns: NDArray[np.int64], states: NDArray[np.float64]
    ) -> None:
        """Write the states of replaced regions into the past and the present.

        Args:
            window: The window just simulated.
            columns: Positions of the replaced regions, shape ``(n_replaced,)``.
            states: Their variables at the end of each step, shape
                ``(n_steps, n_variables, n_replaced)``.
        """
        kept = min(window.n_steps, self._n_past)
        felt = states[window.n_steps - kept :, self._felt_variable]
        self._felt[self._row - kept : self._row, columns] = felt
        # NaN marks what a circuit does not provide; the network's own value then goes on unseen.
        last = states[-1]
        self._state[:, columns] = np.where(np.isnan(last), self._state[:, columns], last)

    def sample(
        self, window: SyncWindow, states: NDArray[np.float64]
    ) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Let every monitor see the window's states, now complete.

        Args:
            window: The window.
            states: Shape ``(n_steps, n_variables, n_regions)``.

        Returns:
            Per monitor, sample times ``(n,)`` in ms and values ``(n, n_variables, n_regions)``.
        """
        return {name: take(window.start_step, states) for name, take in self._samplers.items()}

    def state(self) -> State:
        """The present state, the past as far as it is felt, and what monitors have gathered."""
        own = {
            "step": np.array(self._step),
            "present": self._state.copy(),
            "past": self._felt[self._row - self._n_past : self._row].copy(),
            "n_clipped": self._n_clipped.copy(),
        }
        return joined(own=own, monitors=samplers_state(self._samplers))

    def restore(self, state: State) -> None:
        """Go on from a state of a network that was built alike."""
        own = part(state, "own")
        self._step = int(own["step"])
        self._state[:] = own["present"]
        self._felt[: self._n_past] = own["past"]
        self._row = self._n_past
        self._n_clipped[:] = own["n_clipped"]
        restore_samplers(self._samplers, part(state, "monitors"))


def _ahead(history: SparseHistory, n_regions: int) -> NDArray[np.int64]:
    """Steps of each region, none of which has a part in what arrives over them."""
    ahead = np.full(n_regions, _CHUNK)
    # What is sent in a step arrives in the next one at the earliest.
    np.minimum.at(ahead, history.nnz_row_el_idx, history.nnz_idelays.astype(np.int64) + 1)
    inputs = np.bincount(history.nnz_row_el_idx, minlength=n_regions)
    ahead[(ahead < _WORTHWHILE[0]) | (inputs < _WORTHWHILE[1])] = 1
    return ahead


def _past(
    n_rows: int, n_regions: int, real: type[np.floating[Any]], by_region: bool
) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]], tuple[int, int]]:
    """Room for the past: flat; as ``(n_rows, n_regions)``; places to the next region and row."""
    flat = np.zeros(n_rows * n_regions, dtype=real)
    if by_region:
        return flat, flat.reshape(n_regions, n_rows).T, (n_rows, 1)
    return flat, flat.reshape(n_rows, n_regions), (1, n_regions)


def _check(tvb: Any) -> None:
    """Refuse objects that the loop does not stand for; TVB's own loop takes any.

    Raises:
        ConfigurationError: Naming the first of them.
    """
    parts = (
        ("model", tvb.model, tuple(KERNELS)),
        ("coupling", tvb.coupling, (coupling.Linear, coupling.Difference)),
        ("integrator", tvb.integrator, (Heun, NoisyHeun)),
        ("history", tvb.history, (SparseHistory,)),
    )
    for what, found, known in parts:
        if type(found) not in known:
            raise ConfigurationError(
                f"brain.engine = 'compiled': has no kernel for the {what} "
                f"{type(found).__name__}; take engine: tvb, or auto."
            )


def _noise(tvb: Any, n_gating: int) -> tuple[float, NDArray[np.float64]]:
    """Square root of the step, and TVB's scale of each gating variable's noise."""
    noise = getattr(tvb.integrator, "noise", None)
    if noise is None:
        return 0.0, np.zeros(n_gating)
    scales = np.broadcast_to(np.ravel(noise.gfun(None)), n_gating)
    return float(np.sqrt(noise.dt)), np.array(scales, dtype=np.float64)


def _leaves(
    inputs: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The order in which NumPy sums each target's inputs after the first.

    Args:
        inputs: Connections per target, shape ``(n_regions,)``.

    Returns:
        First leaf of each target ``(n_regions + 1,)``; per leaf its end, as a connection, and how
        often the two last partial sums are joined after it.
    """
    first, stop, joins, position = [0], [], [], 0
    for n in inputs.tolist():
        place = position + 1
        for length, n_joins in _pairwise(n - 1):
            place += length
            stop.append(place)
            joins.append(n_joins)
        first.append(len(stop))
        position += n
    return np.array(first), np.array(stop, dtype=np.int64), np.array(joins, dtype=np.int64)


def _pairwise(n: int) -> list[tuple[int, int]]:
    """NumPy's pairwise sum of n terms as leaves: length, and joins after it."""
    if n <= 0:
        return []
    if n <= _LEAF:
        return [(n, 0)]
    half = n // 2
    half -= half % 8
    *most, (length, joins) = _pairwise(n - half)
    return [*_pairwise(half), *most, (length, joins + 1)]
