"""Gradient descent with a schedule, a log, early stopping, a checkpoint that continues exactly."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol

import torch
from torch import Tensor

from fitting import checkpoint
from fitting.errors import ConfigurationError, DivergenceError


class Loss(Protocol):
    """The loss of one step, and whatever it carries from step to step."""

    def __call__(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss and its terms for the log."""
        ...

    def commit(self) -> None:
        """Take over what the last call carried; called once a step, after the update."""
        ...

    def carried(self) -> dict[str, Any]:
        """What a checkpoint must keep: tensors and plain values."""
        ...

    def restore(self, carried: dict[str, Any]) -> None:
        """Undo :meth:`carried`."""
        ...


@dataclass(frozen=True, slots=True)
class DescentSettings:
    """How to go down.

    Attributes:
        steps: Updates in all.
        learning_rate: At the start.
        last_learning_rate: At the end of the cosine.
        optimiser: From torch.optim.
        clip_norm: Largest norm of the gradient; None for any.
        checkpoint_every: Updates between checkpoints.
        held_out_every: Updates between looks at the held-out measure.
        patience: Looks without improvement after which to stop; None never stops early.
        smoothing: Share of the old value in the smoothed held-out measure.
        smallest_gain: What counts as an improvement; a smoothed measure creeps on for ever.
        look_first: Whether the start is held against the rest by the held-out measure.
    """

    steps: int
    learning_rate: float
    last_learning_rate: float = 1e-3
    optimiser: Literal["adam", "lbfgs"] = "adam"
    clip_norm: float | None = None
    checkpoint_every: int = 100
    held_out_every: int = 10
    patience: int | None = None
    smoothing: float = 0.7
    smallest_gain: float = 1e-4
    look_first: bool = False

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: half a cosine from first to last."""
        share = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.last_learning_rate + (self.learning_rate - self.last_learning_rate) * share


Monitor = Callable[[int, dict[str, float]], None]


class Descent:
    """Minimise a loss over some tensors.

    Args:
        leaves: What is varied, by name; changed in place.
        loss: The loss.
        settings: How.
        held_out: A measure to be large, on data that the loss does not see; for early stopping.
        checkpoint_path: Where to keep the state; None keeps none.
        fingerprint: Identifies the fit in its checkpoint.

    Attributes:
        history: Loss terms of every step.
        earlier_cpu_seconds: CPU time of the sessions before the one that resumed.
    """

    def __init__(
        self,
        leaves: dict[str, Tensor],
        loss: Loss,
        settings: DescentSettings,
        held_out: Callable[[], float] | None = None,
        checkpoint_path: Path | None = None,
        fingerprint: str = "",
    ):
        if settings.patience is not None and held_out is None:
            raise ConfigurationError(
                f"patience = {settings.patience} needs a held-out measure; hold out a part of the "
                "training range or set patience to null."
            )
        self._leaves, self._loss, self._settings = leaves, loss, settings
        self._held_out, self._path, self._fingerprint = held_out, checkpoint_path, fingerprint
        for leaf in leaves.values():
            leaf.requires_grad_(True)
        self._optimiser = self._make_optimiser()
        self._step = 0
        self._stopped = False
        self._smoothed: float | None = None
        self._best = -math.inf
        self._looks_since_best = 0
        self._best_leaves: dict[str, Tensor] = {}
        self.history: list[dict[str, float]] = []
        self.earlier_cpu_seconds = 0.0
        self._started = time.process_time()

    def _make_optimiser(self) -> torch.optim.Optimizer:
        leaves, s = list(self._leaves.values()), self._settings
        if s.optimiser == "adam":
            return torch.optim.Adam(leaves, lr=s.learning_rate)
        return torch.optim.LBFGS(
            leaves, lr=s.learning_rate, max_iter=10, line_search_fn="strong_wolfe"
        )

    def resume(self) -> bool:
        """Continue from the checkpoint if there is one; says whether there was."""
        if self._path is None or not self._path.exists():
            return False
        state = checkpoint.load(self._path, self._fingerprint)
        with torch.no_grad():
            for name, leaf in self._leaves.items():
                leaf.copy_(state["leaves"][name])
        self._optimiser.load_state_dict(state["optimiser"])
        self._loss.restore(state["carried"])
        self._step, self._stopped = state["step"], state["stopped"]
        self._smoothed, self._best = state["smoothed"], state["best"]
        self._looks_since_best, self._best_leaves = state["looks"], state["best_leaves"]
        self.history = state["history"]
        self.earlier_cpu_seconds = state["cpu_seconds"]
        return True

    def save(self) -> None:
        """Write the checkpoint, if there is a place for it."""
        if self._path is None:
            return
        state = {
            "leaves": self._leaves,
            "optimiser": self._optimiser.state_dict(),
            "carried": self._loss.carried(),
            "step": self._step,
            "stopped": self._stopped,
            "smoothed": self._smoothed,
            "best": self._best,
            "looks": self._looks_since_best,
            "best_leaves": self._best_leaves,
            "history": self.history,
            "cpu_seconds": self.earlier_cpu_seconds + time.process_time() - self._started,
        }
        checkpoint.save(self._path, state, self._fingerprint)

    def run(self, monitor: Monitor | None = None, until: int | None = None) -> None:
        """Take the steps that are left.

        Args:
            monitor: Called after each update with the step and the loss terms.
            until: Stop before this step, for a test of continuation.

        Raises:
            DivergenceError: If the loss or a leaf is not finite; the checkpoint is the last good
                one.
        """
        if self._settings.look_first and self._step == 0 and not self._best_leaves:
            self._look()
        last = self._settings.steps if until is None else min(until, self._settings.steps)
        while self._step < last and not self._stopped:
            self._one_step()
            if monitor is not None:
                monitor(self._step, self.history[-1])
            if self._step % self._settings.held_out_every == 0:
                self._look()
            if self._step % self._settings.checkpoint_every == 0:
                self.save()
        if self._best_leaves and (self._stopped or self._step == self._settings.steps):
            with torch.no_grad():
                for name, leaf in self._leaves.items():
                    leaf.copy_(self._best_leaves[name])
        self.save()

    def _one_step(self) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = self._settings.rate_at(self._step)
        logged: dict[str, float] = {}

        def closure() -> Tensor:
            self._optimiser.zero_grad()
            try:
                loss, terms = self._loss(self._step)
            except DivergenceError as problem:
                self._diverged(str(problem).rstrip("."))
            logged.update(terms)
            self._refuse_divergence(loss)
            torch.autograd.backward(loss)
            if self._settings.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(self._leaves.values(), self._settings.clip_norm)
            return loss

        self._optimiser.step(closure)  # type: ignore[arg-type]
        for name, leaf in self._leaves.items():
            if not bool(torch.isfinite(leaf).all()):
                self._diverged(f"{name} is not finite")
        self._loss.commit()
        self._step += 1
        self.history.append(logged)

    def _refuse_divergence(self, loss: Tensor) -> None:
        if not bool(torch.isfinite(loss.detach())):
            self._diverged(f"the loss is {float(loss.detach())}")

    def _diverged(self, what: str) -> NoReturn:
        kept = f"; the last good checkpoint is {self._path}" if self._path else ""
        raise DivergenceError(
            f"The fit diverged at step {self._step} of {self._settings.steps}: {what}{kept}. "
            f"Lower learning_rate ({self._settings.learning_rate:g}) and run again."
        )

    def _look(self) -> None:
        """Take the held-out measure, smooth it, remember the best, stop when it stays away."""
        if self._held_out is None:
            return
        with torch.no_grad():
            value = self._held_out()
        keep = self._settings.smoothing
        old = self._smoothed
        self._smoothed = value if old is None else keep * old + (1 - keep) * value
        if self.history:
            self.history[-1]["held_out"] = value
        if self._smoothed > self._best + self._settings.smallest_gain:
            self._best, self._looks_since_best = self._smoothed, 0
            self._best_leaves = {n: x.detach().clone() for n, x in self._leaves.items()}
        else:
            self._looks_since_best += 1
        patience = self._settings.patience
        self._stopped = patience is not None and self._looks_since_best >= patience
