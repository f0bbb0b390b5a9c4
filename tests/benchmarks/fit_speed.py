"""Seconds that one simulated minute costs: forward, backward, noise and loss.

Prints a line ``CASE: X s per simulated minute`` for each case, the best of several runs after one
that compiles. The loss is the correlation of simulated with given functional connectivity, the
gradient goes to the connectome, to g and to one g_IE a region. Euler-Maruyama at 5 ms,
haemodynamics at 20 ms and a TR of .72 s where nothing else is said; the wall clock counts, so an
idle machine gives the figures that can be compared.

    python tests/benchmarks/fit_speed.py [--only TEXT] [--quick]
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from fitting.coupling import Connectome, Coupling
from fitting.hemodynamics import BalloonWindkessel
from fitting.integrate import Scheme, network_block, simulate, start_state
from fitting.keyed_noise import KeyedNoise
from fitting.models import named_model
from fitting.models.base import column, complete
from fitting.time_grid import TimeGrid

MODEL = named_model("reduced_wong_wang_tanh")
TR_MS = 720.0
MINUTE = 60_000.0


def connectome(n_regions: int, dtype: torch.dtype) -> Tensor:
    """A symmetric connectome with log-normal weights, unit Frobenius norm, as a leaf."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.exp(2 * torch.randn(n_regions, n_regions, generator=generator, dtype=dtype))
    return Connectome(raw.fill_diagonal_(0)).prior.requires_grad_()


def fc_loss(bold: Tensor, target: Tensor) -> Tensor:
    """``-log(.5 + .5 r)`` between functional connectivity and a target, mean over the batch."""
    centred = bold - bold.mean(1, keepdim=True)
    scaled = centred / torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    fc = scaled.mT @ scaled
    row, column_ = torch.tril_indices(fc.shape[-1], fc.shape[-1], -1)
    both = torch.stack(torch.broadcast_tensors(fc[:, row, column_], target[row, column_]))
    both = both - both.mean(-1, keepdim=True)
    r = (both[0] * both[1]).sum(-1) / torch.linalg.vector_norm(both, dim=-1).prod(0)
    return -torch.log(0.5 + 0.5 * r).mean()


def leaves(n_regions: int, dtype: torch.dtype) -> tuple[Tensor, dict[str, Tensor]]:
    """Weights and parameters that the gradient is asked for."""
    g_IE = torch.ones(n_regions, dtype=dtype, requires_grad=True)
    g = torch.tensor(0.5, dtype=dtype, requires_grad=True)
    return connectome(n_regions, dtype), {"g": g, "g_IE": g_IE}


def adjoint(
    n_regions: int = 83,
    dtype: torch.dtype = torch.float32,
    dt_ms: float = 5.0,
    batch: int = 1,
    threads: int = 1,
    scheme: Scheme = "euler",
    minutes: float = 1.0,
    repeats: int = 5,
    longest_delay_ms: float = 0.0,
) -> float:
    """Seconds per simulated minute of one batch member, compiled engine."""
    grid = TimeGrid(dt_ms, TR_MS)
    n_samples = grid.samples_in(minutes * MINUTE)
    weights, p = leaves(n_regions, dtype)
    target = torch.rand(n_regions, n_regions, generator=torch.Generator().manual_seed(1)).to(dtype)
    noise = KeyedNoise(0, tuple(range(batch)))
    delays = longest_delay_ms * torch.rand(n_regions, n_regions) if longest_delay_ms else None
    torch.set_num_threads(threads)

    def work() -> None:
        sim = simulate(
            MODEL, Coupling(weights, delays_ms=delays), p, grid, n_samples,
            noise=noise, scheme=scheme, engine="compiled",
        )  # fmt: skip
        fc_loss(sim.bold, target).backward()

    best = best_time(work, repeats)
    torch.set_num_threads(1)
    return best / (n_samples * TR_MS / MINUTE) / batch


def best_time(work: Callable[[], None], repeats: int) -> float:
    """Shortest of several runs after a first that may compile."""
    work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def eager(compile_blocks: bool, n_samples: int) -> float:
    """Seconds per simulated minute of the same work in PyTorch, plain or with torch.compile."""
    dtype = torch.float32
    grid, vessels = TimeGrid(5.0, TR_MS), BalloonWindkessel()
    weights, p = leaves(83, dtype)
    target = torch.rand(83, 83, generator=torch.Generator().manual_seed(1)).to(dtype)
    noise = KeyedNoise(0)
    torch.set_num_threads(1)

    def advance(state: Tensor, blood: Tensor, kicks: Tensor, W: Tensor, g: Tensor, J: Tensor):  # type: ignore[no-untyped-def]
        full = complete(MODEL, {"g": g, "g_IE": J}, dtype)
        history = state[:, None, 0]
        block = network_block(MODEL, Coupling(W), full, grid, vessels, "euler")
        state, _, blood, _ = block(state, history, blood, kicks)
        return state, blood

    step = torch.compile(advance, dynamic=False) if compile_blocks else advance

    def work() -> None:
        start = start_state(MODEL, MODEL.start(83, 1, dtype))
        state, blood = start.neural, start.blood
        amplitude = column(complete(MODEL, p, dtype)["sigma"]) * grid.dt_ms**0.5
        bold = []
        plan = grid.plan(0, n_samples)
        for b in range(plan.n_blocks):
            kicks = amplitude * noise.draw(4 * b, 4, 2, 83, dtype).movedim(1, 0)
            state, blood = step(state, blood, kicks, weights, p["g"], p["g_IE"])
            if plan.weight_after[b]:
                bold.append(vessels.bold(blood))
        fc_loss(torch.stack(bold, 1), target).backward()

    return best_time(work, 1) / (n_samples * TR_MS / MINUTE)


def peak_mb() -> float:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cases(quick: bool) -> list[tuple[str, Callable[[], float]]]:
    """Names and work, the first as the issue names it."""
    single, double = torch.float32, torch.float64
    repeats = 3 if quick else 15
    listed: list[tuple[str, Callable[[], float]]] = [
        ("adjoint float32 83 regions 1 thread", lambda: adjoint(repeats=repeats)),
        ("adjoint float64 83 regions 1 thread", lambda: adjoint(dtype=double, repeats=repeats)),
        (
            "adjoint float32 83 regions 1 thread Heun",
            lambda: adjoint(scheme="heun", repeats=repeats),
        ),
        (
            "adjoint float32 83 regions 1 thread delays to 60 ms",
            lambda: adjoint(longest_delay_ms=60.0, repeats=3),
        ),
        ("adjoint float32 83 regions 1 thread dt 1 ms", lambda: adjoint(dt_ms=1.0, repeats=2)),
        (
            "adjoint float64 83 regions 1 thread dt 1 ms",
            lambda: adjoint(83, double, 1.0),
        ),
    ]
    for n in (66, 200, 400) if quick else (66, 100, 200, 400, 700, 1000):
        minutes = 1.0 if n < 300 else 0.2
        listed.append(
            (
                f"adjoint float32 {n} regions 1 thread",
                lambda n=n, m=minutes: adjoint(n, single, minutes=m, repeats=2),  # type: ignore[misc]
            )
        )
    for batch in (1, 2, 4, 8):
        listed.append(
            (
                f"adjoint float32 83 regions 2 threads, each of a batch of {batch}",
                lambda b=batch: adjoint(batch=b, threads=2, repeats=repeats),  # type: ignore[misc]
            )
        )
    listed.append(("eager PyTorch float32 83 regions 1 thread", lambda: eager(False, 4)))
    listed.append(("torch.compile float32 83 regions 1 thread", lambda: eager(True, 8)))
    return listed


def memory() -> None:
    """Print how peak memory grows from 4 simulated minutes to 40, the tape budget being full."""
    adjoint(minutes=4.0, repeats=1)
    before = peak_mb()
    adjoint(minutes=40.0, repeats=1)
    print(f"peak memory, 4 then 40 simulated minutes: {before:.0f} then {peak_mb():.0f} MB")


def main() -> None:
    """Print every case that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repetitions")
    options = parser.parse_args()
    for name, work in cases(options.quick):
        if options.only not in name:
            continue
        try:
            print(f"{name}: {work():.4f} s per simulated minute", flush=True)
        except Exception as error:  # noqa: BLE001 - torch.compile fails in many ways without a compiler
            print(f"{name}: skipped, {type(error).__name__}: {str(error).splitlines()[0]}")
    if options.only in "memory":
        memory()


if __name__ == "__main__":
    sys.exit(main())
