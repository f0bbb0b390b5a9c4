"""How the kernels lay a network out in memory: tiles of 16 regions, rows of 16 lanes.

What belongs to one tile (its state, its parameters, its scratch) lies together, variable after
variable at constant offsets: LLVM then sees constant distances between all reads and writes, needs
no aliasing checks, and every loop over lanes becomes vector code without a remainder. Names in
capitals are offsets of rows in a tile; the last, padded regions compute along and are cut off.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LANES = 16

# Work tile: state, parameters, and the scratch of one evaluation.
E, I, G, G_EE, G_IE, G_EI, I_O, I_EXT, LAMBDA, SIGMA = (LANES * k for k in range(10))  # noqa: E741
COUPLING, I_E, I_I, S_E, S_I, V_E, V_I, D_E, D_I = (LANES * k for k in range(10, 19))
E_0, I_0, D_E0, D_I0, SUM_E, SUM_I, RATE = (LANES * k for k in range(19, 26))
WORK_ROWS = 26
# Blood tile.
B_S, B_F, B_V, B_Q, DRIVE, BOLD, K_S, K_F, K_V, K_Q = (LANES * k for k in range(10))
X_S, X_F, X_V, X_Q = (LANES * k for k in range(10, 14))
BLOOD_ROWS = 14
# Tape tile: one evaluation of the drift.
T_E, T_I, T_C, T_SLOPE_E, T_LEAK_E, T_SLOPE_I = (LANES * k for k in range(6))
TAPE_ROWS = 6
# Blood tape tile: the state before a block, and its drive.
BLOOD_TAPE_ROWS = 5
# Adjoint tile: derivatives to the state, to the drift, and to the parameters.
L_E, L_I, A_E, A_I, M_E, M_I, Z = (LANES * k for k in range(7))
Q_G, Q_EE, Q_IE, Q_EI, Q_O, Q_EXT, Q_LAMBDA, Q_SIGMA = (LANES * k for k in range(7, 15))
L_SUM_E, L_SUM_I = (LANES * k for k in range(15, 17))
ADJOINT_ROWS = 17
# Blood adjoint tile.
L_S, L_F, L_V, L_Q, L_DRIVE = (LANES * k for k in range(5))
N_S, N_F, N_V, N_Q = (LANES * k for k in range(5, 9))
H_S, H_F, H_V, H_Q = (LANES * k for k in range(9, 13))
BLOOD_ADJOINT_ROWS = 13
N_PARAMETERS = 8

# Constants, in the order in which the caller lists them.
(
    C_W_E, C_RATE_E, C_GAMMA_E, C_A_E, C_B_E, C_CURVE_E,
    C_W_I, C_RATE_I, C_GAMMA_I, C_A_I, C_B_I, C_CURVE_I,
    C_DT, C_H, C_DECAY, C_AUTO, C_TRANSIT, C_STIFF, C_LOG_KEPT, C_PER_RHO, C_Y1, C_Y2, C_Y3,
) = range(23)  # fmt: skip


def padded(n_regions: int) -> int:
    """Return the number of regions, rounded up to whole tiles."""
    return -(-n_regions // LANES) * LANES


def to_tiles(x: Tensor, fill: tuple[float, ...] | float = 0.0) -> NDArray[Any]:
    """Return ``(batch, row, region)`` as ``(batch, tile, row * LANES)``, padded with ``fill``."""
    batch, rows, n_regions = x.shape
    values = x.detach().numpy()
    out = np.empty((batch, rows, padded(n_regions)), values.dtype)
    out[:] = np.reshape(np.broadcast_to(fill, rows), (rows, 1))
    out[..., :n_regions] = values
    tiles = out.reshape(batch, rows, -1, LANES).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(tiles).reshape(batch, -1, rows * LANES)


def from_tiles(tiles: NDArray[Any], n_regions: int) -> Tensor:
    """Undo `to_tiles`."""
    batch, n_tiles, width = tiles.shape
    rows = width // LANES
    flat = tiles.reshape(batch, n_tiles, rows, LANES).transpose(0, 2, 1, 3)
    out = flat.reshape(batch, rows, n_tiles * LANES)[..., :n_regions]
    return torch.from_numpy(np.ascontiguousarray(out))


def pad_last(x: Tensor, axes: int = 1) -> NDArray[Any]:
    """Return an array whose last axes are padded with zeros to whole tiles."""
    values = x.detach().numpy()
    widths = [(0, 0)] * (values.ndim - axes)
    widths += [(0, padded(n) - n) for n in values.shape[values.ndim - axes :]]
    return np.ascontiguousarray(np.pad(values, widths))
