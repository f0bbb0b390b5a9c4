"""The eager engine on a CUDA GPU: the CPU's numbers, in value and gradient. Skipped without one."""

import pytest
import torch

from fitting.coupling import Connectome, Coupling
from fitting.integrate import simulate, start_state
from fitting.keyed_noise import KeyedNoise
from fitting.models import named_model
from fitting.time_grid import TimeGrid

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

GRID = TimeGrid(5.0, 75.0)
N = 19


def leaves(model, batch, device, dtype):
    generator = torch.Generator().manual_seed(0)

    def rand(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    values = {
        "weights": Connectome(rand(N, N).fill_diagonal_(0)).prior,
        "neural": model.start(N, batch) * (1 + 0.2 * rand(batch, 2, N)),
        "g": torch.tensor(0.4, dtype=torch.float64),
        "g_IE": 1 + 0.1 * rand(batch, N),
    }
    return {
        name: value.to(dtype).to(device).requires_grad_(name != "neural")
        for name, value in values.items()
    }


def outcome(device, *, scheme="heun", batch=2, delays_ms=None, dtype=torch.float64):
    model = named_model("reduced_wong_wang_tanh")
    given = leaves(model, batch, device, dtype)
    run = simulate(
        model,
        Coupling(given["weights"], True, delays_ms),
        {"g": given["g"], "g_IE": given["g_IE"]},
        GRID,
        12,
        noise=KeyedNoise(1, tuple(range(batch))),
        start=start_state(model, given["neural"]),
        scheme=scheme,
        engine="eager",
    )
    loss = (100 * run.bold).square().sum() + run.mean_state.sum()
    wanted = [given[name] for name in ("weights", "g", "g_IE")]
    return run, torch.autograd.grad(loss, wanted)


@pytest.mark.parametrize("scheme", ["euler", "heun"])
@pytest.mark.parametrize("longest_ms", [None, 60.0])
def test_value_and_gradient_are_those_of_the_cpu(scheme, longest_ms):
    """180 steps in double precision: sums in another order, 1e-16 each, grow to 1e-13 at most."""
    delays = None
    if longest_ms is not None:
        delays = longest_ms * torch.rand(N, N, generator=torch.Generator().manual_seed(9))
    here, expected = outcome("cpu", scheme=scheme, delays_ms=delays)
    there, found = outcome("cuda", scheme=scheme, delays_ms=delays)
    assert there.bold.device.type == "cuda"
    torch.testing.assert_close(there.bold.cpu(), here.bold, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(there.state.neural.cpu(), here.state.neural, rtol=1e-10, atol=0)
    for a, b in zip(expected, found, strict=True):
        assert float((a - b.cpu()).abs().max() / a.abs().max()) < 1e-10


def test_single_precision_sees_the_same_noise():
    here, _ = outcome("cpu", dtype=torch.float32)
    there, _ = outcome("cuda", dtype=torch.float32)
    torch.testing.assert_close(there.bold.cpu(), here.bold, rtol=0, atol=1e-6)


def test_auto_takes_the_eager_engine_there():
    model = named_model("reduced_wong_wang_tanh")
    weights = Connectome(torch.ones(N, N, dtype=torch.float64).fill_diagonal_(0)).prior.cuda()
    run = simulate(model, Coupling(weights), {}, GRID, 2, noise=KeyedNoise(0, (0,)))
    assert run.bold.device.type == "cuda"
