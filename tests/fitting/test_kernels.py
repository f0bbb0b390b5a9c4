"""The compiled engine: equal to the eager one in value and gradient, however it is cut up."""

import tracemalloc

import pytest
import torch

from fitting import chunked_run, compiled
from fitting.coupling import Connectome, Coupling
from fitting.errors import ConfigurationError
from fitting.integrate import NetworkState, simulate, start_state
from fitting.keyed_noise import KeyedNoise
from fitting.models import named_model
from fitting.time_grid import TimeGrid

VARIANTS = ["reduced_wong_wang_tanh", "reduced_wong_wang_exc_inh"]
GRID = TimeGrid(5.0, 75.0)
DOUBLE = torch.float64


def inputs(model, n=19, batch=2, own_weights=False, sigma=0.03, seed=0):
    """Every input of a run, each a leaf: weights, blood, neural start and all parameters.

    The noise of .03 is loud enough that some states are clipped, which the gradient must know.
    """
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        return torch.rand(shape, generator=generator, dtype=DOUBLE)

    shape = (batch, n, n) if own_weights else (n, n)
    leaves = {"weights": Connectome(rand(n, n).fill_diagonal_(0)).prior * (1 + 0.1 * rand(*shape))}
    neural = model.start(n, batch) * (1 + 0.2 * rand(batch, 2, n))
    leaves["neural"] = neural
    leaves["blood"] = start_state(model, neural).blood * (1 + 0.01 * rand(batch, 4, n))
    shapes = {"g": (), "g_EE": (n,), "g_EI": (batch, 1)}
    for spec in model.parameters:
        value = spec.default + 0.1 * (spec.default + (spec.default == 0)) * rand(
            *shapes.get(spec.name, (batch, n))
        )
        leaves[spec.name] = value
    leaves["sigma"] = torch.tensor(sigma, dtype=DOUBLE)
    return {name: value.detach().requires_grad_() for name, value in leaves.items()}


def delays(n, longest_ms=60.0):
    """From none to the longest, other ones each way."""
    return longest_ms * torch.rand(n, n, generator=torch.Generator().manual_seed(9))


def run(
    model, leaves, engine, n_samples=12, scheme="heun", grid=GRID, seed=1,
    diffusive=True, delays_ms=None,
):  # fmt: skip
    p = {k: v for k, v in leaves.items() if k not in ("weights", "neural", "blood")}
    batch = leaves["neural"].shape[0]
    return simulate(
        model,
        Coupling(leaves["weights"], diffusive, delays_ms),
        p,
        grid,
        n_samples,
        noise=KeyedNoise(seed, tuple(range(batch))),
        start=NetworkState(leaves["neural"], leaves["blood"]),
        scheme=scheme,
        engine=engine,
    )


def loss(sim):
    """A loss that weighs every output differently."""
    generator = torch.Generator().manual_seed(5)
    total = torch.zeros((), dtype=DOUBLE)
    for out, size in [(sim.bold, 100), (sim.mean_state, 1), (sim.state.neural, 1)]:
        total = total + size * (torch.randn(out.shape, generator=generator) * out).sum()
    return total + (torch.randn(sim.state.blood.shape, generator=generator) * sim.state.blood).sum()


def gradients(model, leaves, engine, **options):
    sim = run(model, leaves, engine, **options)
    return sim, torch.autograd.grad(loss(sim), list(leaves.values()))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("scheme", ["euler", "heun"])
@pytest.mark.parametrize("own_weights", [False, True])
def test_value_and_gradient_are_those_of_autograd(variant, scheme, own_weights):
    """Rounding of 180 steps: 1e-13 of the value, and 1e-10 of each gradient, as asked for."""
    model = named_model(variant)
    leaves = inputs(model, own_weights=own_weights)
    eager, expected = gradients(model, leaves, "eager", scheme=scheme)
    fast, found = gradients(model, leaves, "compiled", scheme=scheme)
    torch.testing.assert_close(fast.bold, eager.bold, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(fast.mean_state, eager.mean_state, rtol=1e-12, atol=1e-14)
    for name, a, b in zip(leaves, expected, found, strict=True):
        error = float((a - b).abs().max() / a.abs().max())
        assert error < 1e-10, f"{name}: {error:.1e}"


@pytest.mark.parametrize("steps_per_chunk", [256, 8])
@pytest.mark.parametrize("diffusive", [True, False])
@pytest.mark.parametrize("scheme", ["euler", "heun"])
def test_delays_are_those_of_the_eager_engine(monkeypatch, scheme, diffusive, steps_per_chunk):
    """Delays of 0 to 12 steps, also with chunks shorter than the longest of them."""
    monkeypatch.setattr(chunked_run, "STEPS_PER_CHUNK", steps_per_chunk)
    monkeypatch.setattr(compiled, "TAPE_BUDGET_BYTES", 200_000)
    model = named_model(VARIANTS[0])
    leaves = inputs(model, own_weights=True)
    leaves["weights"] = leaves["weights"].detach().requires_grad_()
    options = {"scheme": scheme, "diffusive": diffusive, "delays_ms": delays(19)}
    eager, expected = gradients(model, leaves, "eager", **options)
    fast, found = gradients(model, leaves, "compiled", **options)
    torch.testing.assert_close(fast.bold, eager.bold, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(fast.state.history, eager.state.history, rtol=1e-12, atol=1e-14)
    for name, a, b in zip(leaves, expected, found, strict=True):
        error = float((a - b).abs().max() / a.abs().max())
        assert error < 1e-10, f"{name}: {error:.1e}"


def test_gradient_passes_through_the_history_of_joined_windows():
    """The derivative of three windows is that of one; a window is shorter than the delays."""
    model = named_model(VARIANTS[0])
    leaves = inputs(model, n=7)
    p = {k: v for k, v in leaves.items() if k not in ("weights", "neural", "blood")}
    coupling = Coupling(leaves["weights"], True, delays(7))
    start = NetworkState(leaves["neural"], leaves["blood"])
    noise, grid = KeyedNoise(1, (0, 1)), TimeGrid(5.0, 40.0)

    def bold_of(*windows):
        state, parts = start, []
        for n_samples in windows:
            sim = simulate(
                model, coupling, p, grid, n_samples, noise=noise, start=state, engine="compiled"
            )
            parts.append(sim.bold)
            state = sim.state
        return torch.cat(parts, 1)

    whole, cut = bold_of(8), bold_of(1, 1, 6)
    assert torch.equal(whole, cut)
    weight = torch.randn(whole.shape, generator=torch.Generator().manual_seed(2))
    values = list(leaves.values())
    expected = torch.autograd.grad((whole * weight).sum(), values)
    found = torch.autograd.grad((cut * weight).sum(), values)
    for name, a, b in zip(leaves, expected, found, strict=True):
        assert float((a - b).abs().max() / a.abs().max()) < 1e-11, name


@pytest.mark.parametrize("scheme", ["euler", "heun"])
def test_clipped_states_occur_in_that_comparison(scheme):
    """Else the test above would say nothing about them."""
    model = named_model(VARIANTS[0])
    leaves = inputs(model)
    one_step = TimeGrid(5.0, 5.0, 5.0)
    clipped = 0
    state = None
    for _ in range(20):
        sim = simulate(
            model, Coupling(leaves["weights"]), {"sigma": leaves["sigma"]}, one_step, 1,
            noise=KeyedNoise(1), start=state, scheme=scheme,
        )  # fmt: skip
        state = sim.state.detach()
        clipped += int((state.neural == 0).sum())
    assert clipped > 0


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("scheme", ["euler", "heun"])
def test_gradcheck_passes(variant, scheme):
    model = named_model(variant)
    leaves = inputs(model, n=3, batch=1, sigma=0.002)

    def function(*values):
        sim = run(model, dict(zip(leaves, values, strict=True)), "compiled", 2, scheme)
        return 100 * sim.bold, sim.mean_state, sim.state.neural, sim.state.blood

    assert torch.autograd.gradcheck(function, tuple(leaves.values()), eps=1e-6, atol=1e-6)


def test_gradient_is_that_of_finite_differences_over_a_long_run():
    """Central differences of 3600 steps; truncation h^2 and rounding 1e-16/h balance at 1e-5."""
    model = named_model(VARIANTS[0])
    leaves = inputs(model, n=5, batch=1, sigma=0.005)
    _, found = gradients(model, leaves, "compiled", n_samples=240)
    for name in ("g", "g_IE", "sigma", "weights"):
        values = {k: v.detach().clone() for k, v in leaves.items()}
        direction = torch.randn(values[name].shape, generator=torch.Generator().manual_seed(1))
        ends = []
        for sign in (1, -1):
            shifted = values | {name: values[name] + sign * 1e-5 * direction.double()}
            ends.append(float(loss(run(model, shifted, "compiled", 240))))
        index = list(leaves).index(name)
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(
            float((found[index] * direction).sum()), rel=1e-6
        ), name


def test_single_precision_agrees_with_double():
    """180 steps of rounding at 6e-8: 1e-5 of the value, 1e-3 of the gradient's largest entry."""
    model = named_model(VARIANTS[0])
    double = inputs(model, sigma=0.005)
    single = {k: v.detach().float().requires_grad_() for k, v in double.items()}
    exact, expected = gradients(model, double, "compiled")
    rough, found = gradients(model, single, "compiled")
    assert rough.bold.dtype == torch.float32
    torch.testing.assert_close(rough.mean_state.double(), exact.mean_state, rtol=1e-5, atol=1e-6)
    for name, a, b in zip(double, expected, found, strict=True):
        assert float((a - b).abs().max() / a.abs().max()) < 1e-3, name


def test_chunks_and_tapes_change_nothing(monkeypatch):
    """The same operations in the same order: bit for bit, but for sums over chunks."""
    model = named_model(VARIANTS[0])
    leaves = inputs(model)
    whole, expected = gradients(model, leaves, "compiled")
    for steps, budget in [(256, 0), (4, 2**26), (12, 0), (40, 200_000)]:
        monkeypatch.setattr(chunked_run, "STEPS_PER_CHUNK", steps)
        monkeypatch.setattr(compiled, "TAPE_BUDGET_BYTES", budget)
        cut, found = gradients(model, leaves, "compiled")
        assert torch.equal(cut.bold, whole.bold)
        for name, a, b in zip(leaves, expected, found, strict=True):
            assert float((a - b).abs().max() / a.abs().max()) < 1e-13, name


def test_memory_does_not_grow_with_the_run(monkeypatch):
    """Four times the run adds the output and one start a chunk, 1.5 % of what its tape would."""
    monkeypatch.setattr(compiled, "TAPE_BUDGET_BYTES", 2**20)
    model = named_model(VARIANTS[0])
    leaves = inputs(model, n=32, batch=1, sigma=0.005)
    grid = TimeGrid(5.0, 1000.0)
    gradients(model, leaves, "compiled", n_samples=1, grid=grid)

    def peak(n_samples):
        tracemalloc.start()
        gradients(model, leaves, "compiled", n_samples=n_samples, grid=grid)
        _, top = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return top

    grown = peak(80) - peak(20)
    # 60 more samples: BOLD and mean state, their derivatives, a padded copy and a discarded one;
    # six rows a chunk of 1.28 s; eight numbers for each of 50 blocks a second. A quarter to spare.
    allowed = 1.25 * 8 * (32 * (60 * 3 * 4 + 6 * 60 / 1.28) + 60 * 50 * 8)
    assert grown < allowed
    full_tape = 8 * 32 * 6 * 2 * 60 * 200
    assert allowed < 0.02 * full_tape


@pytest.mark.parametrize("recorded", [True, False])
def test_tapes_are_kept_only_where_a_gradient_may_be_asked_for(monkeypatch, recorded):
    kept = []
    plain = chunked_run.ChunkedRun.forward
    monkeypatch.setattr(
        chunked_run.ChunkedRun, "forward", lambda self, *a: (kept.append(a[-1]), plain(self, *a))[1]
    )
    model = named_model(VARIANTS[0])
    with torch.set_grad_enabled(recorded):
        run(model, inputs(model), "compiled", 1)
    assert kept == [recorded, recorded]


def test_member_of_a_batch_is_the_run_alone():
    model = named_model(VARIANTS[0])
    leaves = inputs(model, batch=3, own_weights=True)
    together = run(model, leaves, "compiled")
    last = {k: v[2:] if v.ndim and v.shape[0] == 3 else v for k, v in leaves.items()}
    p = {k: v for k, v in last.items() if k not in ("weights", "neural", "blood")}
    alone = simulate(
        model, Coupling(last["weights"]), p, GRID, 12, noise=KeyedNoise(1, (2,)),
        start=NetworkState(last["neural"], last["blood"]), engine="compiled",
    )  # fmt: skip
    assert torch.equal(together.bold[2:], alone.bold)


def test_threads_change_nothing():
    model = named_model(VARIANTS[0])
    leaves = inputs(model, batch=4)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(gradients(model, leaves, "compiled"))
    finally:
        torch.set_num_threads(before)
    (one, a), (two, b) = results
    assert torch.equal(one.bold, two.bold)
    for name, x, y in zip(leaves, a, b, strict=True):
        assert float((x - y).abs().max() / x.abs().max()) < 1e-13, name


def test_windows_joined_are_one_run_bit_for_bit():
    model = named_model(VARIANTS[0])
    leaves = inputs(model)
    whole = run(model, leaves, "compiled", 9)
    state = NetworkState(leaves["neural"], leaves["blood"])
    p = {k: v for k, v in leaves.items() if k not in ("weights", "neural", "blood")}
    parts = []
    for n_samples in (2, 1, 6):
        part = simulate(
            model, Coupling(leaves["weights"]), p, GRID, n_samples, noise=KeyedNoise(1, (0, 1)),
            start=state, engine="compiled",
        )  # fmt: skip
        parts.append(part.bold)
        state = part.state.detach()
    assert torch.equal(torch.cat(parts, 1), whole.bold)


def test_shared_noise_is_shared():
    model = named_model(VARIANTS[0])
    coupling = Coupling(inputs(model)["weights"].detach())
    p = {"g": torch.tensor([[0.3], [0.3]])}
    sim = simulate(model, coupling, p, GRID, 3, noise=KeyedNoise(0, (7,)), engine="compiled")
    assert torch.equal(sim.bold[0], sim.bold[1])


def test_what_has_no_kernel_is_refused_or_run_eagerly():
    hopf = named_model("hopf")
    coupling = Coupling(torch.rand(3, 3).double().fill_diagonal_(0))
    with pytest.raises(ConfigurationError, match="no kernel for the model hopf"):
        simulate(hopf, coupling, {}, GRID, 1, engine="compiled")
    assert simulate(hopf, coupling, {}, GRID, 1).bold.shape == (1, 1, 3)
    loops = Coupling(torch.ones(3, 3).double(), delays_ms=torch.ones(3, 3))
    with pytest.raises(ConfigurationError, match="no delay from a region to itself"):
        simulate(named_model(VARIANTS[0]), loops, {}, GRID, 1, engine="compiled")
