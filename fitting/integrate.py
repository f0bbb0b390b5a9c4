"""Run a network of mean-field regions and its BOLD: the plain PyTorch reference and the switch.

The neural state advances in steps of ``dt_ms``, by Euler-Maruyama or Heun; the noise is additive,
so Heun keeps its order for the drift. Nothing is squashed: a state that leaves the model's range
is clipped to its edge, as The Virtual Brain does. Over each haemodynamic block the drive is the
trapezoidal mean of the sent variable, which keeps the order of the scheme in BOLD.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from fitting.coupling import Coupling
from fitting.errors import ConfigurationError, DivergenceError
from fitting.hemodynamics import BalloonWindkessel
from fitting.keyed_noise import KeyedNoise
from fitting.models.base import MeanFieldModel, Parameters, column, complete
from fitting.time_grid import SamplePlan, TimeGrid

Scheme = Literal["euler", "heun"]
Engine = Literal["auto", "eager", "compiled"]


@dataclass(frozen=True, slots=True)
class NetworkState:
    """All that the next window needs.

    Attributes:
        neural: Shape ``(batch, variable, region)``.
        blood: Haemodynamic state, ``(batch, 4, region)``.
        block: Haemodynamic blocks since the start of the run: the clock of samples and of noise.
        history: What was sent, oldest first and the present last, ``(batch, step, region)``; only
            where the coupling has delays. A start without it is taken to have rested in its state.
    """

    neural: Tensor
    blood: Tensor
    block: int = 0
    history: Tensor | None = None

    def detach(self) -> "NetworkState":
        """Return the same state with the gradient cut."""
        past = None if self.history is None else self.history.detach()
        return replace(self, neural=self.neural.detach(), blood=self.blood.detach(), history=past)


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a window gives.

    Attributes:
        bold: BOLD as a fraction of its rest, ``(batch, sample, region)``.
        mean_state: Neural state averaged since the last sample, ``(batch, sample, variable,
            region)``.
        times_ms: Time of each sample since the start of the run.
        state: Where the next window starts.
    """

    bold: Tensor
    mean_state: Tensor
    times_ms: Tensor
    state: NetworkState


def start_state(
    model: MeanFieldModel, neural: Tensor, hemodynamics: BalloonWindkessel | None = None
) -> NetworkState:
    """Return a start whose haemodynamics have settled to ``neural``, ``(batch, var, region)``."""
    blood = (hemodynamics or BalloonWindkessel()).steady(neural[:, model.sent_variable])
    return NetworkState(neural, blood)


def simulate(
    model: MeanFieldModel,
    coupling: Coupling,
    parameters: Parameters,
    grid: TimeGrid,
    n_samples: int,
    *,
    noise: KeyedNoise | None = None,
    start: NetworkState | None = None,
    hemodynamics: BalloonWindkessel | None = None,
    scheme: Scheme = "heun",
    engine: Engine = "auto",
) -> Simulation:
    """Simulate one window, differentiable to parameters, weights and start.

    The batch is the largest among weights, parameters, start and noise streams; whatever has one
    member is shared by all. The dtype and the device are those of the weights.

    Args:
        model: Model of every region.
        coupling: Weights between regions.
        parameters: Values that differ from the model's defaults.
        grid: Steps and repetition time.
        n_samples: BOLD samples to produce.
        noise: Keys of the noise; none leaves it out.
        start: Where to start; without it the model's own start.
        hemodynamics: BOLD model; its step must be the grid's.
        scheme: ``"heun"`` or ``"euler"`` (Euler-Maruyama).
        engine: ``"compiled"`` (numba and its hand-written adjoint, CPU), ``"eager"`` (PyTorch), or
            ``"auto"``: compiled where the model, the coupling and the device allow.

    Raises:
        ConfigurationError: If shapes do not fit or the engine cannot do what is asked.
        DivergenceError: If parameters, weights or start are not finite, or BOLD is not.
    """
    blood_model = hemodynamics or BalloonWindkessel(dt_ms=grid.block_ms)
    if blood_model.dt_ms != grid.block_ms:
        raise ConfigurationError(
            f"The haemodynamic step is {blood_model.dt_ms:g} ms and the grid's block "
            f"{grid.block_ms:g} ms; give both the same."
        )
    weights = coupling.weights
    p = complete(model, parameters, weights.dtype)
    p = {name: value.to(weights.device) for name, value in p.items()}
    batch = _batch_size(coupling, p, start, noise)
    if start is None:
        neural = model.start(coupling.n_regions, batch, weights.dtype).to(weights.device)
        start = start_state(model, neural, blood_model)
    start = _expanded(start, batch, weights)
    _check_inputs(weights, p, start)
    plan = grid.plan(start.block, n_samples)
    run = _engine(engine, model, coupling)
    result = run(model, coupling, p, grid, plan, noise, start, blood_model, scheme)
    _check_finite(result.bold)
    return result


def _engine(engine: Engine, model: MeanFieldModel, coupling: Coupling) -> Callable[..., Simulation]:
    from fitting import compiled

    obstacle = compiled.obstacle(model, coupling)
    if engine == "eager" or (engine == "auto" and obstacle):
        return simulate_eagerly
    if obstacle:
        raise ConfigurationError(f"The compiled engine cannot run this: {obstacle}.")
    return compiled.simulate_compiled


def _batch_size(
    coupling: Coupling, p: Parameters, start: NetworkState | None, noise: KeyedNoise | None
) -> int:
    sizes = {"weights": coupling.weights.shape[0] if coupling.weights.ndim == 3 else 1}
    n = coupling.n_regions
    for name, value in p.items():
        if value.ndim > 2 or (value.ndim and value.shape[-1] not in (1, n)):
            raise ConfigurationError(
                f"Parameter {name} has shape {tuple(value.shape)}; give a scalar, ({n},), "
                f"(batch, 1) or (batch, {n})."
            )
        sizes[name] = value.shape[0] if value.ndim == 2 else 1
    if start is not None:
        if start.neural.shape[-1] != n:
            raise ConfigurationError(
                f"The start has {start.neural.shape[-1]} regions and the weights {n}; give both "
                "the same."
            )
        sizes["start"] = start.neural.shape[0]
    if noise is not None:
        sizes["noise"] = len(noise.streams)
    batch = max(sizes.values())
    for name, size in sizes.items():
        if size not in (1, batch):
            raise ConfigurationError(
                f"The batch of {name} is {size}, that of others {batch}; give 1 or {batch}."
            )
    return batch


def _expanded(start: NetworkState, batch: int, like: Tensor) -> NetworkState:
    def fit(x: Tensor) -> Tensor:
        return x.to(like).expand(batch, *x.shape[1:])

    past = None if start.history is None else fit(start.history)
    return replace(start, neural=fit(start.neural), blood=fit(start.blood), history=past)


def _check_inputs(weights: Tensor, p: Parameters, start: NetworkState) -> None:
    """Refuse what no engine can use; compiled comparisons would turn a NaN into a bound."""
    given = {"The coupling": weights, "The start": start.neural, "The start's blood": start.blood}
    for name, value in (given | {f"Parameter {k}": v for k, v in p.items()}).items():
        if not bool(torch.isfinite(value.detach()).all()):
            bad = value.detach()[~torch.isfinite(value.detach())].reshape(-1)[0]
            raise DivergenceError(
                f"{name} holds {float(bad):g} before the run starts; go back to the last good "
                "parameters and lower the learning rate."
            )
    lowest = float(start.blood.detach()[:, 1:3].min())
    if lowest <= 0:
        raise ConfigurationError(
            f"The start has a blood flow or volume of {lowest:g}; both are 1 at rest and above 0. "
            "Use start_state."
        )


def _check_finite(bold: Tensor) -> None:
    bad = torch.nonzero(~torch.isfinite(bold.detach()))
    if len(bad):
        member, sample, region = (int(k) for k in bad[0])
        raise DivergenceError(
            f"BOLD of region {region} is not finite at sample {sample} (batch member {member}); "
            "shorten dt_ms or bring the parameters back into their bounds."
        )


def simulate_eagerly(
    model: MeanFieldModel,
    coupling: Coupling,
    p: Parameters,
    grid: TimeGrid,
    plan: SamplePlan,
    noise: KeyedNoise | None,
    start: NetworkState,
    hemodynamics: BalloonWindkessel,
    scheme: Scheme,
) -> Simulation:
    """Run one window step by step in PyTorch; see `simulate` for the arguments.

    The reference: nothing clever, one line per line of the paper, and autograd for the gradient.
    """
    advance = network_block(model, coupling, p, grid, hemodynamics, scheme)
    per_block = grid.steps_per_block
    state, blood = start.neural, start.blood
    history = initial_history(model, coupling, start, grid.dt_ms)
    before = hemodynamics.bold(blood)
    bold = [torch.zeros_like(before) for _ in range(plan.n_samples)]
    mean = [torch.zeros_like(state) for _ in range(plan.n_samples)]
    amplitude = column(p[model.noise_parameter]) * grid.dt_ms**0.5
    for b in range(plan.n_blocks):
        kicks = None
        if noise is not None:
            first = (plan.first_block + b) * per_block
            kicks = noise.draw(first, per_block, len(model.variables), state.shape[-1], state.dtype)
            kicks = amplitude * kicks.to(state.device).movedim(1, 0)
        state, history, blood, total = advance(state, history, blood, kicks)
        after = hemodynamics.bold(blood)
        k = int(plan.sample_of_block[b])
        mean[k] = mean[k] + float(plan.share_of_block[b]) * total
        if plan.weight_after[b]:
            bold[k] = float(plan.weight_before[b]) * before + float(plan.weight_after[b]) * after
        before = after
    past = history if coupling.delays_ms is not None else None
    end = NetworkState(state, blood, plan.first_block + plan.n_blocks, past)
    times = torch.from_numpy(plan.times_ms)
    return Simulation(torch.stack(bold, 1), torch.stack(mean, 1), times, end)


def initial_history(
    model: MeanFieldModel, coupling: Coupling, start: NetworkState, dt_ms: float
) -> Tensor:
    """Return what was sent up to the start, the longest delay back, ``(batch, step, region)``."""
    now = start.neural[:, model.sent_variable]
    n_needed = int(coupling.delay_steps(dt_ms).max()) + 1
    if start.history is None or n_needed == 1:
        return now.unsqueeze(1).expand(-1, n_needed, -1)
    if start.history.shape[1] < n_needed:
        raise ConfigurationError(
            f"The start remembers {start.history.shape[1]} steps and the longest delay needs "
            f"{n_needed}; start from a state of the same coupling."
        )
    return start.history[:, -n_needed:]


def network_block(
    model: MeanFieldModel,
    coupling: Coupling,
    p: Parameters,
    grid: TimeGrid,
    hemodynamics: BalloonWindkessel,
    scheme: Scheme,
) -> Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Return the function that advances a network and its haemodynamics by one block.

    It takes the state, what was sent before, the haemodynamic state and the noise of the block,
    ``(step, batch, variable, region)``, and returns the next of the first three and the mean state
    over the block.
    """
    step = network_step(model, coupling, p, grid.dt_ms, scheme)
    n_steps = grid.steps_per_block

    def advance(
        state: Tensor, history: Tensor, blood: Tensor, kicks: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        total = state / 2
        for n in range(n_steps):
            state, history = step(state, history, None if kicks is None else kicks[n])
            total = total + (state if n < n_steps - 1 else state / 2)
        total = total / n_steps
        return state, history, hemodynamics.step(blood, total[:, model.sent_variable]), total

    return advance


def network_step(
    model: MeanFieldModel, coupling: Coupling, p: Parameters, dt_ms: float, scheme: Scheme
) -> Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]:
    """Return the function that advances a network by one step.

    It takes the state ``(batch, variable, region)``, what was sent before ``(batch, step,
    region)``, and the noise of the step, and returns the next of the first two.
    """
    if scheme not in ("euler", "heun"):
        raise ConfigurationError(f"Unknown scheme {scheme!r}; write euler or heun.")
    sent = model.sent_variable
    receive = _receiver(coupling, dt_ms)
    lower = torch.tensor(model.lower)[:, None].to(coupling.weights)
    upper = torch.tensor(model.upper)[:, None].to(coupling.weights)

    def clip(state: Tensor) -> Tensor:
        return torch.clamp(state, lower, upper)

    def advance(state: Tensor, past: Tensor, kick: Tensor | None) -> tuple[Tensor, Tensor]:
        shift = 0.0 if kick is None else kick
        first = model.drift(state, receive(past), p)
        new = clip(state + dt_ms * first + shift)
        if scheme == "heun":
            ahead = torch.cat((past[:, 1:], new[:, None, sent]), 1)
            second = model.drift(new, receive(ahead), p)
            new = clip(state + (dt_ms / 2) * (first + second) + shift)
        return new, torch.cat((past[:, 1:], new[:, None, sent]), 1)

    return advance


def _receiver(coupling: Coupling, dt_ms: float) -> Callable[[Tensor], Tensor]:
    """Return the map from what was sent, present last, to what each region receives now."""
    if coupling.delays_ms is None:
        matrix = coupling.matrix()
        return lambda past: (matrix @ past[:, -1, :, None])[..., 0]
    delays = coupling.delay_steps(dt_ms).to(coupling.weights.device)
    regions = torch.arange(coupling.n_regions, device=coupling.weights.device)
    leak = coupling.weights.sum(-1) if coupling.diffusive else None

    def receive(past: Tensor) -> Tensor:
        arriving = past[:, past.shape[1] - 1 - delays, regions]
        received = (coupling.weights * arriving).sum(-1)
        return received if leak is None else received - leak * past[:, -1]

    return receive
