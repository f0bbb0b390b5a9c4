"""One batch member through one window, chunk by chunk, forward and back, in memory that stays flat.

The window is cut into chunks of about 256 steps. The forward pass keeps the state at the start of
each and, up to a budget, the tapes of the last ones; the backward pass walks back, running a chunk
forward again where its tape was not kept, with noise drawn anew from its keys. So memory is the
budget plus one chunk plus, for each chunk, six numbers a region and what is still under way through
delays, whatever the length of the run.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fitting import adjoint, kernels
from fitting.keyed_noise import KeyedNoise
from fitting.tiles import BLOOD_TAPE_ROWS, LANES, TAPE_ROWS
from fitting.time_grid import SamplePlan

Array = NDArray[Any]
Tapes = tuple[Array, Array, Array]

STEPS_PER_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Window:
    """What all members of a batch share in a window.

    Attributes:
        plan: Blocks and samples.
        constants: Constants in the order of `fitting.tiles`.
        noise: Keys of the noise, or none.
        per_block: Steps in a block.
        heun: Whether the scheme is Heun's.
        squash: Whether tanh acts on the currents.
        n_tiles: Tiles of regions.
        tape_bytes: What the tapes of one member may take.
        recorded: Whether PyTorch records gradients: inside an operation it no longer says so.
        delays: Steps from sender (column) to receiver, ``(padded, padded)``; without rows, none.
        weights: Share of each block in its mean, and its weights of BOLD, ``(3, block)``.
    """

    plan: SamplePlan
    constants: Array
    noise: KeyedNoise | None
    per_block: int
    heun: bool
    squash: bool
    n_tiles: int
    tape_bytes: int
    recorded: bool
    delays: NDArray[np.int64]
    weights: Array = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        rows = np.stack((plan.share_of_block, plan.weight_before, plan.weight_after))
        object.__setattr__(self, "weights", rows.astype(self.constants.dtype))

    @property
    def width(self) -> int:
        """Regions, padded to whole tiles."""
        return self.n_tiles * LANES

    @property
    def stages(self) -> int:
        """Evaluations of the drift in one step."""
        return 2 if self.heun else 1

    @property
    def horizon(self) -> int:
        """Steps that the longest delay reaches back."""
        return int(self.delays.max()) if self.delays.size else 0

    def chunks(self) -> list[tuple[int, int]]:
        """First and last block of each chunk."""
        size = max(1, STEPS_PER_CHUNK // self.per_block)
        n = self.plan.n_blocks
        return [(first, min(first + size, n)) for first in range(0, n, size)]


@dataclass(slots=True)
class ChunkedRun:
    """One member of the batch; see `fitting.kernels.forward` for the arrays.

    Attributes:
        window: What all members share.
        member: Index in the batch, which picks the noise stream.
        matrix: Coupling matrix, ``(padded, padded)``.
        matrix_t: Its transpose.
        parameters: Shape ``(tile, 8 * LANES)``.
        starts: State, haemodynamic state and history at the start of each chunk.
        tapes: Tapes of each chunk and what was sent, or none where they were not kept.
    """

    window: Window
    member: int
    matrix: Array
    matrix_t: Array
    parameters: Array
    starts: list[tuple[Array, Array, Array]] = field(default_factory=list)
    tapes: list[Tapes | None] = field(default_factory=list)

    def forward(
        self, state: Array, blood: Array, history: Array, bold: Array, mean: Array, keep: bool
    ) -> None:
        """Advance the first three through the window and add to ``bold`` and ``mean``.

        ``history`` is what was sent, the present last, ``(horizon + 1, padded)``. With ``keep`` the
        run can be pulled back.
        """
        chunks = self.window.chunks()
        n_kept = 0
        if keep:
            first_tapes = self._new_tapes(*chunks[0], True)
            n_kept = self.window.tape_bytes // sum(tape.nbytes for tape in first_tapes)
        for index, (first, last) in enumerate(chunks):
            kept = keep and index >= len(chunks) - n_kept
            tapes = self._new_tapes(first, last, kept)
            if keep:
                self.starts.append((state.copy(), blood.copy(), history.copy()))
                self.tapes.append(tapes if kept else None)
            noise = self._draw(first, last)
            self._advance(first, last, state, blood, history, noise, bold, mean, tapes, kept)

    def backward(
        self,
        to_state: Array,
        to_blood: Array,
        to_history: Array,
        to_bold: Array,
        to_mean: Array,
        to_parameters: Array,
        to_matrix: Array | None,
    ) -> None:
        """Pull derivatives back through the window.

        Args:
            to_state: To the last state; becomes that to the first, as do the next two.
            to_blood: To the last haemodynamic state.
            to_history: To the last history, ``(horizon + 1, padded)``.
            to_bold: To BOLD, ``(sample, padded)``.
            to_mean: To the mean state, ``(sample, 2, padded)``.
            to_parameters: Added to, float64, ``(tile, 8 * LANES)``.
            to_matrix: Added to, float64, ``(padded, padded)``, or none where it is not wanted.
        """
        window = self.window
        horizon = window.horizon
        # The present is the state: it is passed on with it.
        to_state[:, :LANES] += to_history[-1].reshape(-1, LANES)
        to_history[-1] = 0
        for index, (first, last) in reversed(list(enumerate(window.chunks()))):
            noise = self._draw(first, last)
            tapes = self.tapes[index]
            if tapes is None:
                tapes = self._new_tapes(first, last, True)
                state, blood, history = (x.copy() for x in self.starts[index])
                bold, mean = np.zeros_like(to_bold), np.zeros_like(to_mean)
                self._advance(first, last, state, blood, history, noise, bold, mean, tapes, True)
            tape, blood_tape, past = tapes
            evaluations = (last - first) * window.per_block * window.stages
            z = np.empty((evaluations, window.width), to_state.dtype)
            share = np.zeros_like(self.parameters)
            share_matrix = np.zeros((window.width,) * 2 if horizon else (0, 0), to_state.dtype)
            to_past = np.zeros_like(past)
            to_past[len(to_past) - 1 - horizon :] = to_history
            adjoint.backward(
                self.matrix, window.delays, past, to_past, to_state, to_blood, self.parameters,
                window.constants, noise, window.plan.sample_of_block, window.weights, first, last,
                window.per_block, window.heun, to_bold, to_mean, tape, blood_tape, share,
                share_matrix, z,
            )  # fmt: skip
            # Sums of a chunk are rounded in the dtype of the run, sums of chunks in float64.
            to_parameters += share
            if horizon:
                to_history[:-1] = to_past[:horizon]
            if to_matrix is not None and horizon:
                to_matrix += share_matrix
            elif to_matrix is not None:
                sent = tape[:evaluations, :, :LANES].reshape(evaluations, window.width)
                to_matrix += torch.mm(torch.from_numpy(z).T, torch.from_numpy(sent)).numpy()

    def _advance(
        self,
        first: int,
        last: int,
        state: Array,
        blood: Array,
        history: Array,
        noise: Array,
        bold: Array,
        mean: Array,
        tapes: Tapes,
        keep: bool,
    ) -> None:
        window = self.window
        tape, blood_tape, past = tapes
        past[: len(history)] = history
        kernels.forward(
            self.matrix_t, window.delays.T.copy(), past, state, blood, self.parameters,
            window.constants, noise, window.plan.sample_of_block, window.weights, first, last,
            window.per_block, window.heun, window.squash, bold, mean, tape, blood_tape, keep,
        )  # fmt: skip
        history[:] = past[-len(history) :]

    def _draw(self, first: int, last: int) -> Array:
        window = self.window
        n_steps = (last - first) * window.per_block
        out = np.zeros((n_steps, 2, window.width), np.float32)
        if window.noise is not None:
            streams = window.noise.streams
            stream = streams[self.member if len(streams) > 1 else 0]
            window.noise.fill(stream, (window.plan.first_block + first) * window.per_block, out)
        return out

    def _new_tapes(self, first: int, last: int, keep: bool) -> Tapes:
        """Room for the tape, the haemodynamic tape and what is sent; only the last if not kept."""
        window = self.window
        dtype = window.constants.dtype
        n_steps = (last - first) * window.per_block
        n_blocks, evaluations = (last - first, n_steps * window.stages + 1) if keep else (0, 0)
        rows = window.horizon + n_steps + 1 if window.horizon else 1
        return (
            np.empty((evaluations, window.n_tiles, TAPE_ROWS * LANES), dtype),
            np.empty((n_blocks, window.n_tiles, BLOOD_TAPE_ROWS * LANES), dtype),
            np.empty((rows, window.width), dtype),
        )
