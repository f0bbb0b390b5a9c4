"""The production path: the compiled kernels as one differentiable operation of PyTorch."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from fitting.chunked_run import ChunkedRun, Window
from fitting.coupling import Coupling
from fitting.hemodynamics import BalloonWindkessel
from fitting.integrate import NetworkState, Scheme, Simulation, initial_history
from fitting.keyed_noise import KeyedNoise
from fitting.models.base import MeanFieldModel, Parameters
from fitting.models.reduced_wong_wang import ReducedWongWang
from fitting.tiles import LANES, from_tiles, pad_last, padded, to_tiles
from fitting.time_grid import SamplePlan, TimeGrid

# Shared by all members of a batch. Within it the backward pass repeats no forward step.
TAPE_BUDGET_BYTES = 64 * 2**20


def obstacle(model: MeanFieldModel, coupling: Coupling) -> str | None:
    """Say why the compiled engine cannot run something, or return none if it can."""
    if not isinstance(model, ReducedWongWang):
        return f"it has no kernel for the model {model.name}"
    if coupling.delays_ms is not None and bool(
        (coupling.weights.diagonal(dim1=-2, dim2=-1) != 0).any()
    ):
        return "it has no delay from a region to itself, set the diagonal of the weights to zero"
    if coupling.weights.device.type != "cpu":
        return f"it runs on the CPU and the weights are on {coupling.weights.device}"
    if coupling.weights.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64 and the weights are {coupling.weights.dtype}"
    return None


class _Simulate(torch.autograd.Function):
    """BOLD, mean state and last state of a window, from start, coupling matrix and parameters."""

    @staticmethod
    def forward(
        ctx: Any,
        window: Window,
        neural: Tensor,
        blood: Tensor,
        history: Tensor,
        matrix: Tensor,
        parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        batch, _, n = neural.shape
        dtype = window.constants.dtype
        plain, transposed = pad_last(matrix, 2), pad_last(matrix.mT, 2)
        states, vessels = to_tiles(neural), to_tiles(blood, (0.0, 1.0, 1.0, 1.0))
        p, past = to_tiles(parameters), pad_last(history)
        bold = np.zeros((batch, window.plan.n_samples, window.width), dtype)
        mean = np.zeros((batch, window.plan.n_samples, 2, window.width), dtype)
        keep = window.recorded and any(ctx.needs_input_grad)
        runs = []
        for m in range(batch):
            own = m if len(plain) > 1 else 0
            runs.append(ChunkedRun(window, m, plain[own], transposed[own], p[m]))
        _for_each_member(
            batch,
            lambda m: runs[m].forward(states[m], vessels[m], past[m], bold[m], mean[m], keep),
        )
        if keep:
            ctx.runs = runs
        return (
            torch.from_numpy(bold[..., :n]),
            torch.from_numpy(mean[..., :n]),
            from_tiles(states, n),
            from_tiles(vessels, n),
            torch.from_numpy(past[..., :n]),
        )

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        to_bold: Tensor,
        to_mean: Tensor,
        to_neural: Tensor,
        to_blood: Tensor,
        to_history: Tensor,
    ) -> tuple[Tensor | None, ...]:
        runs: list[ChunkedRun] = ctx.runs
        batch, _, n = to_neural.shape
        window = runs[0].window
        bold, mean = pad_last(to_bold), pad_last(to_mean)
        states, vessels, past = to_tiles(to_neural), to_tiles(to_blood), pad_last(to_history)
        to_parameters = np.zeros((batch, *runs[0].parameters.shape))
        wanted = ctx.needs_input_grad[4]
        to_matrix = np.zeros((batch if wanted else 0, window.width, window.width))
        _for_each_member(
            batch,
            lambda m: runs[m].backward(
                states[m], vessels[m], past[m], bold[m], mean[m], to_parameters[m],
                to_matrix[m] if wanted else None,
            ),
        )  # fmt: skip
        matrix = None
        if wanted:
            shared = all(run.matrix is runs[0].matrix for run in runs) and batch > 1
            total = to_matrix.sum(0, keepdims=True) if shared else to_matrix
            matrix = torch.from_numpy(total[:, :n, :n]).to(to_bold.dtype)
        return (
            None,
            from_tiles(states, n),
            from_tiles(vessels, n),
            torch.from_numpy(past[..., :n]),
            matrix,
            from_tiles(to_parameters, n).to(to_bold.dtype),
        )


def _for_each_member(batch: int, work: Callable[[int], None]) -> None:
    """Do the work of every batch member, on as many threads as PyTorch may use.

    Members never wait for each other, and the kernels hold no lock of the interpreter. PyTorch's
    own threads are kept out meanwhile: a member's matrix products are small.
    """
    allowed = torch.get_num_threads()
    threads = min(allowed, batch)
    torch.set_num_threads(1)
    try:
        if threads == 1:
            for member in range(batch):
                work(member)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, range(batch)))
    finally:
        torch.set_num_threads(allowed)


def _constants(
    model: ReducedWongWang, hemodynamics: BalloonWindkessel, dt_ms: float
) -> NDArray[np.float64]:
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
    return np.array(populations + vessels)


def _padded_delays(coupling: Coupling, dt_ms: float) -> NDArray[np.int64]:
    """Delays in steps, padded with none; no rows where no delay is longer than half a step."""
    steps = coupling.delay_steps(dt_ms).clone().fill_diagonal_(0)
    return pad_last(steps, 2) if bool(steps.any()) else np.zeros((0, 0), np.int64)


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
        constants=_constants(model, hemodynamics, grid.dt_ms).astype(dtype),
        noise=noise,
        per_block=grid.steps_per_block,
        heun=scheme == "heun",
        squash=model.squash_currents,
        n_tiles=padded(n) // LANES,
        tape_bytes=TAPE_BUDGET_BYTES // batch,
        recorded=torch.is_grad_enabled(),
        delays=_padded_delays(coupling, grid.dt_ms),
    )
    bold, mean, neural, blood, history = _Simulate.apply(  # type: ignore[no-untyped-call]
        window,
        start.neural,
        start.blood,
        initial_history(model, coupling, start, grid.dt_ms),
        matrix if matrix.ndim == 3 else matrix.unsqueeze(0),
        torch.stack(rows, 1),
    )
    past = None if coupling.delays_ms is None else history
    end = NetworkState(neural, blood, plan.first_block + plan.n_blocks, past)
    return Simulation(bold, mean, torch.from_numpy(plan.times_ms), end)
