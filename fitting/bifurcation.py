"""Where a Wong-Wang region rests: its fixed points, their stability, and where they merge.

At given excitation E the inhibitory gating has exactly one rest I(E), since its drift falls with I.
So the fixed points of a region are the zeros of one function of E, its drift along I(E): positive
at E = 0, negative at E = 1, with one zero (one regime) or three (two stable ones and a saddle
between). Scanning E for changes of sign finds them all at once for thousands of parameter sets,
where Newton's method from random starts would find some.

References:
    Griffiths, Wang et al. (2022), doi:10.1101/2022.05.19.492664, eqs 19-24 and figure 2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from fitting.errors import ConfigurationError
from fitting.models.base import complete
from fitting.models.reduced_wong_wang import ReducedWongWang

# Zeros of the drift closer than this in E are seen as none or one: a sliver beside a fold.
SCAN_POINTS = 256
MOST_FIXED_POINTS = 9


@dataclass(frozen=True, slots=True)
class FixedPoints:
    """Fixed points of many uncoupled regions, each with parameters of its own.

    Attributes:
        states: E and I of each, NaN where a region has fewer, ``(point, rank, 2)``; rank grows
            with E.
        eigenvalues: Eigenvalues of the Jacobian, per ms, ``(point, rank, 2)``.
    """

    states: NDArray[np.float64]
    eigenvalues: NDArray[np.complex128]

    @property
    def count(self) -> NDArray[np.int64]:
        """Number of fixed points, ``(point,)``."""
        count: NDArray[np.int64] = np.isfinite(self.states[..., 0]).sum(-1)
        return count

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Whether a fixed point attracts, ``(point, rank)``."""
        real = self.eigenvalues.real
        return np.isfinite(real[..., 0]) & (real < 0).all(-1)

    @property
    def n_stable(self) -> NDArray[np.int64]:
        """Stable fixed points: 1 monostable, 2 bistable, 0 oscillating, ``(point,)``."""
        count: NDArray[np.int64] = self.stable.sum(-1)
        return count


@njit(cache=True, error_model="numpy")
def _rate(x, d):  # type: ignore[no-untyped-def]
    """``x / (1 - exp(-d x))`` and its slope; near zero by their series."""
    s = d * x
    if abs(s) < 1e-4:
        return (1 + s / 2 + s * s / 12) / d, 0.5 + s / 6
    decay = math.expm1(-s)
    return -s / decay / d, -1 / decay - s * (1 + decay) / (decay * decay)


@njit(cache=True, error_model="numpy")
def _resting_inhibition(E, I, p, c, squash):  # type: ignore[no-untyped-def]  # noqa: E741
    """I(E) by Newton's method from a guess, kept within a bracket; 1 if it would rest above."""
    low, high = 0.0, 1.0
    for _ in range(100):
        current = c[1, 0] * p[3] + p[2] * E - I
        slope = 1.0
        if squash:
            current = math.tanh(current)
            slope = 1 - current * current
        rate, steepness = _rate(c[1, 3] * current - c[1, 4], c[1, 5])
        drift = c[1, 2] * rate - I / c[1, 1]
        if drift > 0:
            low = I
        else:
            high = I
        new = I + drift / (c[1, 2] * steepness * c[1, 3] * slope + 1 / c[1, 1])
        if not low <= new <= high:
            new = (low + high) / 2
        if abs(new - I) < 1e-15:
            return new
        I = new  # noqa: E741
    return I


@njit(cache=True, error_model="numpy")
def _drift_of_E(E, I, p, c, squash):  # type: ignore[no-untyped-def]  # noqa: E741
    current = c[0, 0] * p[3] + p[0] * E - p[1] * I + p[4]
    if squash:
        current = math.tanh(current)
    rate, _ = _rate(c[0, 3] * current - c[0, 4], c[0, 5])
    return (1 - E) * c[0, 2] * rate - E / c[0, 1]


@njit(cache=True, error_model="numpy")
def _scan(p, c, squash, grid, states):  # type: ignore[no-untyped-def]
    """Write E and I of the fixed points of each region to ``states``, by E; return the most."""
    most = 0
    for point in range(p.shape[0]):
        q = p[point]
        I = _resting_inhibition(grid[0], 0.05, q, c, squash)  # noqa: E741
        before = _drift_of_E(grid[0], I, q, c, squash)
        n = 0
        for k in range(1, grid.size):
            left, right = grid[k - 1], grid[k]
            I = _resting_inhibition(right, I, q, c, squash)  # noqa: E741
            after = _drift_of_E(right, I, q, c, squash)
            if (before > 0) != (after > 0) and n < states.shape[1]:
                low, high, inner = left, right, I
                while high - low > 4e-16 * high:
                    E = (low + high) / 2
                    if E in (low, high):
                        break
                    inner = _resting_inhibition(E, inner, q, c, squash)
                    if (_drift_of_E(E, inner, q, c, squash) > 0) == (before > 0):
                        low = E
                    else:
                        high = E
                states[point, n, 0] = high
                states[point, n, 1] = _resting_inhibition(high, inner, q, c, squash)
                n += 1
            before = after
        most = max(most, n)
    return most


def fixed_points(model: ReducedWongWang, parameters: Mapping[str, Tensor]) -> FixedPoints:
    """Return all fixed points of uncoupled regions.

    Args:
        model: Either variant of the two-state model.
        parameters: Values that differ from the defaults, each a scalar or ``(point,)``.
    """
    p = complete(model, {k: v.detach() for k, v in parameters.items()}, torch.float64)
    n_points = max(value.numel() for value in p.values())
    p = {name: value.expand(n_points) for name, value in p.items()}
    states = np.full((n_points, MOST_FIXED_POINTS, 2), np.nan)
    most = _scan(
        np.stack([p[name].numpy() for name in ("g_EE", "g_IE", "g_EI", "I_o", "I_ext")], -1),
        np.array(
            [
                (q.W, q.tau_ms, q.gamma, q.a, q.b_hz, q.d_s)
                for q in (model.excitatory, model.inhibitory)
            ]
        ),
        model.squash_currents,
        # Finer near zero, where the low rest of a region lies.
        np.linspace(0, 1, SCAN_POINTS) ** 2,
        states,
    )
    states = states[:, :most]
    x = torch.from_numpy(states).movedim(0, -1)
    local, _ = model.jacobian(x, torch.zeros_like(x[..., 0, :]), p)
    # Inhibition held at 1 by the clip does not follow E.
    held = (x[..., 1, :] >= 1).unsqueeze(-1)
    local[..., 1, 0] = torch.where(held[..., 0], 0.0, local[..., 1, 0])
    trace, half = _trace_and_discriminant(local)
    eigenvalues = torch.stack((trace / 2 + half, trace / 2 - half), -1).movedim(0, 1)
    return FixedPoints(states, eigenvalues.numpy())


def _trace_and_discriminant(local: Tensor) -> tuple[Tensor, Tensor]:
    """Trace of 2 x 2 matrices and half the distance of their eigenvalues, complex."""
    trace = local[..., 0, 0] + local[..., 1, 1]
    apart = (local[..., 0, 0] - local[..., 1, 1]) / 2
    inside = apart**2 + local[..., 0, 1] * local[..., 1, 0]
    return trace, torch.sqrt(inside.to(torch.complex128))


@dataclass(frozen=True, slots=True)
class RegimeMap:
    """Number and place of the stable rests over a grid of parameters.

    Attributes:
        axes: Values of each parameter, in the order of the arrays' axes.
        n_stable: 1 monostable, 2 bistable, 0 oscillating.
        lowest_E: E of the lowest stable rest, NaN where there is none.
        highest_E: E of the highest.
    """

    axes: dict[str, NDArray[np.float64]]
    n_stable: NDArray[np.int64]
    lowest_E: NDArray[np.float64]
    highest_E: NDArray[np.float64]


def regime_map(
    model: ReducedWongWang,
    axes: Mapping[str, NDArray[np.float64]],
    parameters: Mapping[str, Tensor] | None = None,
) -> RegimeMap:
    """Return the regimes over a grid, such as (I_o, g_EE, g_IE, g_EI) in [0, 2].

    Args:
        model: Either variant of the two-state model.
        axes: Values of the parameters to vary.
        parameters: Values of others that differ from their defaults.
    """
    known = {spec.name for spec in model.parameters}
    unknown = sorted(set(axes) - known)
    if unknown or not axes:
        raise ConfigurationError(
            f"Cannot map regimes over {unknown or 'nothing'}; name parameters of {model.name}: "
            f"{', '.join(sorted(known))}."
        )
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    varied = {
        name: torch.from_numpy(np.ascontiguousarray(values.ravel(), dtype=np.float64))
        for name, values in zip(axes, mesh, strict=True)
    }
    points = fixed_points(model, {**(parameters or {}), **varied})
    E = np.where(points.stable, points.states[..., 0], np.nan)
    none = ~points.stable.any(-1)
    lowest = np.where(none, np.nan, np.min(np.where(points.stable, E, np.inf), -1))
    highest = np.where(none, np.nan, np.max(np.where(points.stable, E, -np.inf), -1))
    shape = mesh[0].shape
    return RegimeMap(
        {name: np.asarray(values, float) for name, values in axes.items()},
        points.n_stable.reshape(shape),
        lowest.reshape(shape),
        highest.reshape(shape),
    )


@dataclass(frozen=True, slots=True)
class Boundary:
    """Edges of the bistable band in the plane of g_IE and g_EI.

    Inhibition grows with both. Below the band a region has only its active rest, above it only
    the quiet one, within it both; the band ends at a cusp, below which nothing is critical.

    Attributes:
        g_IE: Values at which the band exists, ``(n,)``.
        quiet_lost: g_EI below which the quiet rest is gone, ``(n,)``.
        active_lost: g_EI above which the active rest is gone, ``(n,)``.
        quiet_polynomial: Coefficients of ``quiet_lost`` in g_IE, constant first.
        active_polynomial: Coefficients of ``active_lost``.
    """

    g_IE: NDArray[np.float64]
    quiet_lost: NDArray[np.float64]
    active_lost: NDArray[np.float64]
    quiet_polynomial: NDArray[np.float64]
    active_polynomial: NDArray[np.float64]


def bistable_boundary(
    model: ReducedWongWang,
    parameters: Mapping[str, Tensor] | None = None,
    g_IE: NDArray[np.float64] | None = None,
    g_EI: NDArray[np.float64] | None = None,
    degree: int = 2,
) -> Boundary:
    """Return the edges of the bistable band and a polynomial through each.

    Args:
        model: Either variant of the two-state model.
        parameters: Values of others that differ from their defaults, scalars.
        g_IE: Where to look, by default 41 values in [0, 2].
        g_EI: Grid to start from, by default 201 values in [0, 2]; edges are then halved to 1e-9.
        degree: Degree of the polynomials.

    Raises:
        ConfigurationError: If there are too few edges for the polynomial.
    """
    rows = np.linspace(0, 2, 41) if g_IE is None else np.asarray(g_IE, float)
    columns = np.linspace(0, 2, 201) if g_EI is None else np.asarray(g_EI, float)
    given = dict(parameters or {})

    def bistable(row: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.bool_]:
        varied = {"g_IE": torch.from_numpy(row), "g_EI": torch.from_numpy(column)}
        return fixed_points(model, given | varied).n_stable >= 2

    grid = np.meshgrid(rows, columns, indexing="ij")
    inside = bistable(grid[0].ravel(), grid[1].ravel()).reshape(grid[0].shape)
    first = inside.argmax(1)
    # The first run of bistable columns; a region of saturated inhibition may follow it.
    after = np.array(
        [int(np.append(~row[i:], True).argmax()) for row, i in zip(inside, first, strict=True)]
    )
    use = inside.any(1)
    if use.sum() <= degree:
        raise ConfigurationError(
            f"The bistable band was met at {use.sum()} values of g_IE, too few for a polynomial of "
            f"degree {degree}; give more values, or more recurrent excitation (g_EE)."
        )
    x, start, stop = rows[use], first[use], (first + after)[use]
    edges = []
    for outer, inner in ((start - 1, start), (stop, stop - 1)):
        # A band that reaches the end of the grid has no edge there.
        outside = columns[np.clip(outer, 0, len(columns) - 1)]
        within = columns[inner]
        for _ in range(30):
            middle = (outside + within) / 2
            hit = bistable(x, middle)
            within, outside = np.where(hit, middle, within), np.where(hit, outside, middle)
        open_end = (outer < 0) | (outer >= len(columns))
        edges.append(np.where(open_end, np.nan, within))
    polynomials = []
    for edge in edges:
        known = np.isfinite(edge)
        enough = known.sum() > degree
        polynomials.append(
            np.polynomial.polynomial.polyfit(x[known], edge[known], degree)
            if enough
            else np.full(degree + 1, np.nan)
        )
    return Boundary(x, edges[0], edges[1], polynomials[0], polynomials[1])
