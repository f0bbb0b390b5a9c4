"""The eager reference: against The Virtual Brain, its order, its windows and its refusals."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from tvb.datatypes.connectivity import Connectivity
from tvb.simulator import coupling as tvb_coupling
from tvb.simulator import integrators, monitors, simulator
from tvb.simulator.models.wong_wang_exc_inh import ReducedWongWangExcInh

from fitting.coupling import Connectome, Coupling
from fitting.errors import ConfigurationError, DivergenceError
from fitting.hemodynamics import BalloonWindkessel
from fitting.integrate import initial_history, network_step, simulate, start_state
from fitting.keyed_noise import KeyedNoise
from fitting.models import model_names, named_model
from fitting.models.base import complete
from fitting.models.reduced_wong_wang import from_tvb
from fitting.time_grid import TimeGrid

RAW = named_model("reduced_wong_wang_exc_inh")
TANH = named_model("reduced_wong_wang_tanh")


def weights(n=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    measured = torch.rand(n, n, generator=generator, dtype=torch.float64).fill_diagonal_(0)
    return Connectome(measured).prior


def trajectory(model, coupling, p, neural, dt_ms, n_steps, scheme):
    """Neural states after each step, ``(n_steps, variable, region)``."""
    p = complete(model, p, torch.float64)
    step = network_step(model, coupling, p, dt_ms, scheme)
    state = neural
    history = initial_history(model, coupling, start_state(model, neural), dt_ms)
    states = []
    for _ in range(n_steps):
        state, history = step(state, history, None)
        states.append(state[0])
    return torch.stack(states)


def tvb_trajectory(matrix, lengths_mm, neural, dt_ms, n_steps, speed):
    n = len(matrix)
    connectivity = Connectivity(
        weights=matrix,
        tract_lengths=lengths_mm,
        region_labels=np.array([str(i) for i in range(n)]),
        centres=np.zeros((n, 3)),
        speed=np.array([speed]),
    )
    run = simulator.Simulator(
        model=ReducedWongWangExcInh(G=np.array([0.4])),
        connectivity=connectivity,
        coupling=tvb_coupling.Linear(a=np.array([1.0])),
        integrator=integrators.EulerDeterministic(dt=dt_ms),
        monitors=(monitors.Raw(),),
        simulation_length=n_steps * dt_ms,
    )
    connectivity.configure()
    horizon = int(np.rint(lengths_mm / speed / dt_ms).max()) + 1
    run.initial_conditions = np.repeat(neural[None, :, :, None], horizon, axis=0)
    run.configure()
    ((_, states),) = run.run()
    return states[..., 0]


def test_uncoupled_trajectory_is_that_of_tvb():
    """TVB's own Heun scheme on TVB's own drift: rounding over 500 steps."""
    model = ReducedWongWangExcInh()
    model.configure()
    scheme = integrators.HeunDeterministic(dt=0.5)
    scheme.configure()
    x = np.random.default_rng(0).random((2, 6, 1)) * 0.5
    none = np.zeros((1, 6, 1))
    ours = trajectory(
        RAW,
        Coupling(torch.zeros(6, 6).double(), diffusive=False),
        from_tvb(),
        torch.from_numpy(x[None, ..., 0].copy()),
        0.5,
        500,
        "heun",
    )
    for state in ours:
        x = scheme.scheme(x, model.dfun, none, 0.0, 0.0)
        np.testing.assert_allclose(state.numpy(), x[..., 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("speed", [1e9, 3.0], ids=["instant", "delayed"])
def test_network_trajectory_is_that_of_tvb(speed):
    """TVB keeps history and weights in float32: 6e-8 of sums of size one, times dt gamma a."""
    matrix = weights(6).numpy() * 5
    lengths = np.random.default_rng(1).random((6, 6)) * 30 * (1 - np.eye(6))
    neural = np.random.default_rng(2).random((2, 6)) * 0.4
    theirs = tvb_trajectory(matrix, lengths, neural, 0.5, 300, speed)
    delays = torch.from_numpy(lengths / speed)
    coupling = Coupling(torch.from_numpy(matrix), diffusive=False, delays_ms=delays)
    ours = trajectory(
        RAW, coupling, from_tvb(G=0.4), torch.from_numpy(neural[None]), 0.5, len(theirs), "euler"
    )
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-7)


@pytest.mark.parametrize("delayed", [False, True])
@pytest.mark.parametrize(("scheme", "order"), [("euler", 1), ("heun", 2)])
def test_states_converge_with_the_order_of_the_scheme(scheme, order, delayed):
    """Halving the step divides the error by 2**order, but for the next order's share of 20 %."""
    delays = 4.0 * torch.ones(4, 4) if delayed else None
    coupling = Coupling(weights(), delays_ms=delays)
    # Off their rest but together, so that the constant history does not kink the coupling.
    neural = torch.tensor([0.3, 0.06]).double()[None, :, None].expand(1, 2, 4)
    neural = neural * torch.tensor([1.0, 1.1, 1.2, 1.3]).double()
    p = {"g": torch.tensor(1.0)}

    def end(dt_ms):
        n_steps = round(40 / dt_ms)
        return trajectory(TANH, coupling, p, neural, dt_ms, n_steps, scheme)[-1]

    exact = end(0.0125)
    errors = [float((end(step) - exact).abs().max()) for step in (0.4, 0.2, 0.1)]
    # The reference itself is one of the scheme: its own error is (1/8)**order of the last.
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2**order, rel=0.2)


def test_bold_converges_with_order_two():
    """Trapezoidal drive, Heun below and above; haemodynamic block equal to the step."""

    def end(dt_ms):
        start = start_state(TANH, TANH.start(4) * torch.tensor([1.0, 1.5, 2, 3]))
        grid = TimeGrid(dt_ms, 400.0, dt_ms)
        return simulate(TANH, Coupling(weights()), {}, grid, 1, start=start, engine="eager").bold

    exact = end(0.25)
    errors = [float((end(step) - exact).abs().max()) for step in (4.0, 2.0, 1.0)]
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(4, rel=0.25)


def test_noise_has_the_variance_of_a_brownian_path():
    """No drift but a leak of .01/ms: variance sigma^2 (1 - exp(-2 t/100)) 100/2 after t ms."""
    model = named_model("hopf")
    p = {"a": torch.tensor(-0.2), "rate": torch.tensor(0.05), "sigma": torch.tensor(1e-4)}
    noise = KeyedNoise(1, tuple(range(40)))
    coupling = Coupling(torch.zeros(50, 50).double())
    end = simulate(model, coupling, p, TimeGrid(1.0, 40.0), 5, noise=noise, engine="eager").state
    expected = 1e-8 * (1 - np.exp(-2 * 200 / 100)) * 50
    n = end.neural.numel()
    assert float(end.neural.var()) == pytest.approx(expected, rel=4 * np.sqrt(2 / n) + 0.01)


@pytest.mark.parametrize("name", model_names())
@pytest.mark.parametrize("delayed", [False, True])
def test_windows_joined_are_one_run_bit_for_bit(name, delayed):
    model = named_model(name)
    delays = 30 * torch.rand(4, 4, generator=torch.Generator().manual_seed(0)) if delayed else None
    coupling, grid = Coupling(weights(), delays_ms=delays), TimeGrid(5.0, 50.0)
    noise = KeyedNoise(3, (0, 4))
    whole = simulate(model, coupling, {}, grid, 9, noise=noise, engine="eager")
    state, parts = None, []
    for n_samples in (2, 1, 6):
        part = simulate(
            model, coupling, {}, grid, n_samples, noise=noise, start=state, engine="eager"
        )
        parts.append(part.bold)
        state = part.state
    assert torch.equal(torch.cat(parts, 1), whole.bold)
    assert torch.equal(state.neural, whole.state.neural)


def test_rest_of_a_region_is_a_rest_of_the_diffusive_network():
    """100 ms from the converged rest of one region: the drift is rounding, 1e-17 a step."""
    single = simulate(TANH, Coupling(torch.zeros(1, 1).double()), {}, TimeGrid(5.0, 20e3), 1)
    rest = single.state.neural.expand(1, 2, 4)
    end = simulate(
        TANH, Coupling(weights()), {}, TimeGrid(5.0, 100.0), 1, start=start_state(TANH, rest)
    ).state.neural
    torch.testing.assert_close(end, rest, rtol=0, atol=1e-13)


def test_states_are_clipped_and_not_squashed():
    """With loud noise the gating reaches both ends; inside it is left alone."""
    loud = {"sigma": torch.tensor(0.2)}
    sim = simulate(
        TANH, Coupling(weights()), loud, TimeGrid(5.0, 500.0), 4,
        noise=KeyedNoise(0), engine="eager",
    )  # fmt: skip
    assert float(sim.mean_state.min()) >= 0
    assert float(sim.mean_state.max()) <= 1
    assert torch.isfinite(sim.bold).all()


def test_mean_state_is_the_mean_of_the_states():
    """At rest the mean is the state itself, in every sample, also where the TR cuts a block."""
    rest = simulate(TANH, Coupling(torch.zeros(2, 2).double()), {}, TimeGrid(5.0, 20e3), 1).state
    sim = simulate(
        TANH,
        Coupling(torch.zeros(2, 2).double()),
        {},
        TimeGrid(5.0, 735.0),
        4,
        start=start_state(TANH, rest.neural),
    )
    expected = rest.neural[:, None].expand_as(sim.mean_state)
    torch.testing.assert_close(sim.mean_state, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": {"g": torch.ones(3)}}, r"Parameter g has shape \(3,\)"),
        ({"p": {"g": torch.ones(3, 1)}, "noise": KeyedNoise(0, (0, 1))}, "batch of noise is 2"),
        ({"p": {"G": torch.ones(())}}, "no parameter 'G'"),
        ({"start": start_state(TANH, TANH.start(5))}, "start has 5 regions and the weights 4"),
        ({"hemodynamics": BalloonWindkessel(dt_ms=10.0)}, "haemodynamic step is 10 ms"),
        ({"scheme": "milstein"}, "Unknown scheme 'milstein'"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    arguments = {"engine": "eager", **change}
    p = arguments.pop("p", {})
    with pytest.raises(ConfigurationError, match=message):
        simulate(TANH, Coupling(weights()), p, TimeGrid(5.0, 100.0), 1, **arguments)


def test_run_that_diverges_says_where():
    explosive = {"rate": torch.tensor(1.0), "sigma": torch.tensor(1.0)}
    with pytest.raises(DivergenceError, match="BOLD of region 0 is not finite at sample 0"):
        simulate(
            named_model("hopf"),
            Coupling(weights()),
            explosive,
            TimeGrid(20.0, 1000.0),
            1,
            noise=KeyedNoise(0),
        )


@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_parameter_that_is_no_number_is_named(engine):
    """The compiled clip would turn it into a bound and the run would look healthy."""
    with pytest.raises(DivergenceError, match="Parameter g holds nan before the run starts"):
        simulate(
            TANH, Coupling(weights()), {"g": torch.tensor(torch.nan)}, TimeGrid(5.0, 100.0), 1,
            engine=engine,
        )  # fmt: skip


def test_start_without_blood_is_refused():
    start = start_state(TANH, TANH.start(4))
    start.blood[:, 2, 1] = 0
    with pytest.raises(ConfigurationError, match="blood flow or volume of 0"):
        simulate(TANH, Coupling(weights()), {}, TimeGrid(5.0, 100.0), 1, start=start)
