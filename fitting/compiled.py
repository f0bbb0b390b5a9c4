"""The production path: the compiled kernels as one differentiable operation of PyTorch.

The window is cut into chunks of about 256 steps. The forward pass keeps the state at the start of
each and, up to a budget, the tapes of the last ones; the backward pass walks back, running a chunk
forward again where its tape was not kept, with noise drawn anew from its keys. So memory is the
budget plus one chunk plus 24 numbers a region and chunk, whatever the length of the run.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from fitting import adjoint, kernels
from fitting.coupling import Coupling
from fitting.hemodynamics import BalloonWindkessel
from fitting.integrate import NetworkState, Scheme, Simulation
from fitting.keyed_noise import KeyedNoise
from fitting.models.base import MeanFieldModel, Parameters
from fitting.models.reduced_wong_wang import ReducedWongWang
from fitting.tiles import BLOOD_TAPE_ROWS, LANES, TAPE_ROWS, from_tiles, pad_last, padded, to_tiles
from fitting.time_grid import SamplePlan, TimeGrid

Array = NDArray[Any]

STEPS_PER_CHUNK = 256
TAPE_BUDGET_BYTES = 64 * 2**20


def obstacle(model: MeanFieldModel, coupling: Coupling) -> str | None:
    """Say why the compiled engine cannot run something, or return none if it can."""
    if not isinstance(model, ReducedWongWang):
        return f"it has no kernel for the model {model.name}"
    if coupling.delays_ms is not None:
        return "it has no delays"
    if coupling.weights.device.type != "cpu":
        return f"it runs on the CPU and the weights are on {coupling.weights.device}"
    if coupling.weights.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64 and the weights are {coupling.weights.dtype}"
    return None


@dataclass(slots=True)
class Window:
    """One window, ready for the kernels.

    Attributes:
        plan: Blocks and samples.
        constants: Constants in the order of the kernels.
        noise: Keys of the noise, or none.
        per_block: Steps in a block.
        heun: Whether the scheme is Heun's.
        squash: Whether tanh acts on the currents.
        dtype: NumPy dtype of the run.
        n_regions: Regions without padding.
    """

    plan: SamplePlan
    constants: Array
    noise: KeyedNoise | None
    per_block: int
    heun: bool
    squash: bool
    dtype: Any
    n_regions: int
    samples: Array = field(init=False)
    weights: Array = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        self.samples = plan.sample_of_block
        self.weights = np.stack((plan.share_of_block, plan.weight_before, plan.weight_after))
        self.weights = self.weights.astype(self.dtype)

    @property
    def n_tiles(self) -> int:
        """Tiles of 16 regions."""
        return -(-self.n_regions // LANES)

    @property
    def stages(self) -> int:
        """Evaluations of the drift in one step."""
        return 2 if self.heun else 1

    def chunks(self) -> list[tuple[int, int]]:
        """First and last block of each chunk."""
        size = max(1, STEPS_PER_CHUNK // self.per_block)
        n = self.plan.n_blocks
        return [(first, min(first + size, n)) for first in range(0, n, size)]

    def draw(self, first: int, last: int) -> Array:
        """Noise of some blocks, ``(1 or batch, step, 2, padded region)``."""
        streams = 1 if self.noise is None else len(self.noise.streams)
        n_steps = (last - first) * self.per_block
        shape = (streams, n_steps, 2, self.n_tiles * LANES)
        if self.noise is None:
            return np.zeros(shape, np.float32)
        out = np.empty(shape, np.float32)
        self.noise.fill((self.plan.first_block + first) * self.per_block, out)
        return out

    def new_tapes(self, batch: int, n_blocks: int) -> tuple[Array, Array]:
        """Room for the tapes of some blocks."""
        evaluations = n_blocks * self.per_block * self.stages + 1
        tape = (batch, evaluations, self.n_tiles, TAPE_ROWS * LANES)
        blood = (batch, n_blocks, self.n_tiles, BLOOD_TAPE_ROWS * LANES)
        return np.empty(tape, self.dtype), np.empty(blood, self.dtype)


@contextmanager
def _threads_of_torch() -> Iterator[None]:
    """Let numba use as many threads as PyTorch may, and no more."""
    before = numba.get_num_threads()
    numba.set_num_threads(max(1, min(torch.get_num_threads(), before)))
    try:
        yield
    finally:
        numba.set_num_threads(before)


class _Simulate(torch.autograd.Function):
    """BOLD, mean state and last state of a window, from start, coupling matrix and parameters."""

    @staticmethod
    @_threads_of_torch()
    def forward(
        ctx: Any, window: Window, neural: Tensor, blood: Tensor, matrix: Tensor, parameters: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        batch, width = neural.shape[0], padded(window.n_regions)
        matrix_t = pad_last(matrix.mT, 2)
        states, vessels = to_tiles(neural), to_tiles(blood, (0.0, 1.0, 1.0, 1.0))
        p = to_tiles(parameters)
        bold = np.zeros((batch, window.plan.n_samples, width), window.dtype)
        mean = np.zeros((batch, window.plan.n_samples, 2, width), window.dtype)
        no_tapes = window.new_tapes(1, 0)
        chunks = window.chunks()
        wanted = any(ctx.needs_input_grad)
        starts, tapes = [], []
        budget = TAPE_BUDGET_BYTES if wanted else 0
        n_kept = int(budget // sum(tape.nbytes for tape in window.new_tapes(batch, chunks[0][1])))
        for index, (first, last) in enumerate(chunks):
            keep = wanted and index >= len(chunks) - n_kept
            kept = window.new_tapes(batch, last - first) if keep else no_tapes
            if wanted:
                starts.append((states.copy(), vessels.copy()))
                tapes.append(kept if keep else None)
            kernels.forward(
                matrix_t, states, vessels, p, window.constants, window.draw(first, last),
                window.samples, window.weights, first, last, window.per_block, window.heun,
                window.squash, bold, mean, *kept, keep,
            )  # fmt: skip
        if wanted:
            ctx.window, ctx.starts, ctx.tapes, ctx.p = window, starts, tapes, p
            ctx.save_for_backward(matrix)
        n = window.n_regions
        return (
            torch.from_numpy(bold[..., :n]),
            torch.from_numpy(mean[..., :n]),
            from_tiles(states, n),
            from_tiles(vessels, n),
        )

    @staticmethod
    @once_differentiable
    @_threads_of_torch()
    def backward(
        ctx: Any, to_bold: Tensor, to_mean: Tensor, to_neural: Tensor, to_blood: Tensor
    ) -> tuple[Tensor | None, ...]:
        window: Window = ctx.window
        (matrix,) = ctx.saved_tensors
        batch, width = to_neural.shape[0], padded(window.n_regions)
        plain, transposed = pad_last(matrix, 2), pad_last(matrix.mT, 2)
        bold, mean = pad_last(to_bold), pad_last(to_mean)
        states, vessels = to_tiles(to_neural), to_tiles(to_blood)
        to_parameters = np.zeros(ctx.p.shape, np.float64)
        to_matrix = torch.zeros(matrix.shape[0], width, width, dtype=torch.float64)
        chunks = window.chunks()
        scratch = window.new_tapes(batch, chunks[0][1])
        unused = np.zeros((batch, window.plan.n_samples, width), window.dtype)
        unused_mean = np.zeros((batch, window.plan.n_samples, 2, width), window.dtype)
        for index in range(len(chunks) - 1, -1, -1):
            first, last = chunks[index]
            noise = window.draw(first, last)
            common = (
                ctx.p, window.constants, noise, window.samples, window.weights, first, last,
                window.per_block, window.heun, window.squash,
            )  # fmt: skip
            kept = ctx.tapes[index]
            if kept is None:
                kept = scratch
                start, start_blood = (x.copy() for x in ctx.starts[index])
                kernels.forward(
                    transposed, start, start_blood, *common, unused, unused_mean, *kept, True
                )
            evaluations = (last - first) * window.per_block * window.stages
            z = np.empty((batch, evaluations, width), window.dtype)
            share = np.zeros(ctx.p.shape, window.dtype)
            adjoint.backward(plain, states, vessels, *common[:-1], bold, mean, *kept, share, z)
            to_parameters += share
            if ctx.needs_input_grad[3]:
                sent = kept[0][:, :evaluations, :, :LANES].reshape(batch, evaluations, width)
                _accumulate(to_matrix, torch.from_numpy(z), torch.from_numpy(sent))
        n = window.n_regions
        return (
            None,
            from_tiles(states, n),
            from_tiles(vessels, n),
            to_matrix[:, :n, :n].to(matrix.dtype),
            from_tiles(to_parameters.astype(window.dtype), n),
        )


def _accumulate(total: Tensor, z: Tensor, sent: Tensor) -> None:
    """Add the derivative to the coupling matrix: ``z^T sent`` over evaluations (and members)."""
    if total.shape[0] == 1:
        z, sent = z.reshape(1, -1, z.shape[-1]), sent.reshape(1, -1, sent.shape[-1])
    total += torch.bmm(z.mT, sent)


def _constants(
    model: ReducedWongWang, hemodynamics: BalloonWindkessel, dt_ms: float, dtype: Any
) -> Array:
    populations = [
        value
        for q in (model.excitatory, model.inhibitory)
        for value in (q.W, 1 / q.tau_ms, q.gamma, q.a, q.b_hz, q.d_s)
    ]
    h = hemodynamics
    vessels = [
        dt_ms,
        h.dt_ms / 1000,
        h.decay_per_s,
        h.autoregulation_per_s,
        1 / h.transit_s,
        1 / h.alpha,
        math.log(1 - h.rho),
        1 / h.rho,
        h.V_0 * h.k1,
        h.V_0 * h.k2,
        h.V_0 * h.k3,
    ]
    return np.array(populations + vessels, dtype)


def simulate_compiled(
    model: ReducedWongWang,
    coupling: Coupling,
    p: Parameters,
    grid: TimeGrid,
    plan: SamplePlan,
    noise: KeyedNoise | None,
    start: NetworkState,
    hemodynamics: BalloonWindkessel,
    scheme: Scheme,
) -> Simulation:
    """Run one window with the compiled kernels; see `fitting.integrate.simulate`."""
    batch, _, n = start.neural.shape
    weights = coupling.weights
    root_dt = grid.dt_ms**0.5
    rows = []
    for spec in model.parameters:
        value = p[spec.name] * root_dt if spec.name == model.noise_parameter else p[spec.name]
        rows.append(value.expand(batch, n))
    matrix = coupling.matrix()
    dtype = np.float32 if weights.dtype == torch.float32 else np.float64
    window = Window(
        plan=plan,
        constants=_constants(model, hemodynamics, grid.dt_ms, dtype),
        noise=noise,
        per_block=grid.steps_per_block,
        heun=scheme == "heun",
        squash=model.squash_currents,
        dtype=dtype,
        n_regions=n,
    )
    bold, mean, neural, blood = _Simulate.apply(  # type: ignore[no-untyped-call]
        window,
        start.neural,
        start.blood,
        matrix if matrix.ndim == 3 else matrix.unsqueeze(0),
        torch.stack(rows, 1),
    )
    end = NetworkState(neural, blood, plan.first_block + plan.n_blocks)
    return Simulation(bold, mean, torch.from_numpy(plan.times_ms), end)
