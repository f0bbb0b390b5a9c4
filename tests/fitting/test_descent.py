import json

import numpy as np
import pytest
import torch

from fitting import checkpoint
from fitting.descent import Descent, DescentSettings
from fitting.errors import ConfigurationError, DivergenceError


class Bowl:
    """A noisy quadratic whose noise is a function of the step, and which carries a counter."""

    def __init__(self, leaf, diverge_at=None, spread=0.1):
        self.leaf, self.count = leaf, 0
        self.diverge_at, self.spread = diverge_at, spread

    def __call__(self, step):
        noise = np.random.default_rng(step).standard_normal(3)
        shift = self.spread * (torch.as_tensor(noise) + 0.1 * self.count)
        loss = ((self.leaf - 1 - shift) ** 2).sum()
        if step == self.diverge_at:
            loss = loss * torch.nan
        return loss, {"total": float(loss.detach())}

    def commit(self):
        self.count += 1

    def carried(self):
        return {"count": self.count}

    def restore(self, carried):
        self.count = carried["count"]


def descent(path=None, fingerprint="f", diverge_at=None, held_out=None, **settings):
    leaf = torch.zeros(3, dtype=torch.float64)
    loss = Bowl(leaf, diverge_at)
    rule = DescentSettings(**({"steps": 60, "learning_rate": 0.1} | settings))
    return leaf, Descent({"x": leaf}, loss, rule, held_out, path, fingerprint)


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_a_continued_descent_equals_an_unbroken_one_bit_for_bit(tmp_path, optimiser):
    whole, one = descent(optimiser=optimiser)
    one.run()
    path = tmp_path / "c.npz"
    _, first = descent(path, optimiser=optimiser)
    first.run(until=23)
    broken, second = descent(path, optimiser=optimiser)
    assert second.resume()
    second.run()
    assert torch.equal(whole, broken)
    assert one.history == second.history


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_the_minimum_is_found(optimiser):
    leaf = torch.zeros(3, dtype=torch.float64)
    loss = Bowl(leaf, spread=0.0)
    Descent({"x": leaf}, loss, DescentSettings(300, 0.1, optimiser=optimiser)).run()
    assert torch.allclose(leaf, torch.ones(3, dtype=torch.float64), atol=1e-3)


def test_a_checkpoint_of_another_fit_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    _, one = descent(path)
    one.run(until=5)
    _, other = descent(path, fingerprint="other")
    with pytest.raises(ConfigurationError, match="checkpoint of another fit"):
        other.resume()


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    path.write_bytes(b"nonsense")
    _, one = descent(path)
    with pytest.raises(ConfigurationError, match="is not a checkpoint"):
        one.resume()


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    _, one = descent(tmp_path / "none.npz")
    assert not one.resume()


def test_divergence_stops_names_the_step_and_keeps_the_last_good_state(tmp_path):
    path = tmp_path / "c.npz"
    _, one = descent(path, diverge_at=25, checkpoint_every=10)
    with pytest.raises(DivergenceError, match=rf"step 25 of 60: the loss is nan.*{path.name}"):
        one.run()
    kept = checkpoint.load(path, "f")
    assert kept["step"] == 20
    assert bool(torch.isfinite(kept["leaves"]["x"]).all())


def test_patience_stops_and_returns_the_best():
    """A measure that falls from its first look: patience of 3 looks, 5 steps each."""
    values = iter(np.linspace(1.0, 0.0, 100))
    leaf, one = descent(held_out=lambda: float(next(values)), held_out_every=5, patience=3)
    one.run()
    assert len(one.history) == 20
    reference, other = descent()
    other.run(until=5)
    assert torch.equal(leaf, reference)


def test_one_bad_look_does_not_stop_a_smoothed_measure():
    """.5 .6 .55 .65 .6 ..: every second look is below the one before, their mean rises."""
    values = iter(0.5 + 0.025 * np.arange(100) + np.tile([0.0, 0.075], 50))
    _, one = descent(held_out=lambda: float(next(values)), held_out_every=5, patience=1)
    one.run()
    assert len(one.history) == 60


def test_patience_without_a_measure_is_refused():
    with pytest.raises(ConfigurationError, match="patience = 3 needs a held-out measure"):
        descent(patience=3)


def test_the_learning_rate_falls_from_first_to_last():
    rule = DescentSettings(100, 0.1, 0.001)
    assert rule.rate_at(0) == pytest.approx(0.1)
    assert rule.rate_at(100) == pytest.approx(0.001)
    assert all(rule.rate_at(k) > rule.rate_at(k + 1) for k in range(99))


def test_the_monitor_sees_every_step():
    seen = []
    _, one = descent(steps=7)
    one.run(lambda step, terms: seen.append((step, terms["total"])))
    assert [step for step, _ in seen] == list(range(1, 8))


def test_a_checkpoint_holds_no_pickle(tmp_path):
    path = tmp_path / "c.npz"
    _, one = descent(path)
    one.run(until=3)
    with np.load(path, allow_pickle=False) as archive:
        head = json.loads(str(archive["json"]))
        assert all(archive[name].dtype != object for name in archive.files)
    assert head["format"] == checkpoint.FORMAT


def test_a_state_that_cannot_be_kept_is_refused():
    with pytest.raises(TypeError, match="set cannot be kept"):
        checkpoint.flatten({"a": {1, 2}}, "state", {})


def test_a_descent_that_only_harms_returns_its_start():
    """The held-out measure falls with every step away from zero."""
    leaf, harmful = descent(held_out=lambda: -float(leaf.abs().sum()), look_first=True, smoothing=0)
    harmful.run()
    assert torch.equal(leaf.detach(), torch.zeros(3, dtype=torch.float64))
