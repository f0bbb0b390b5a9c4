"""Every moment belongs to exactly one phase, so that the phases add up to the wall time."""

import pytest

from cosim import stopwatch
from cosim.stopwatch import PHASES, Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """A wall clock that a test moves by hand: ``clock.now += seconds``."""

    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    hand = Clock()
    monkeypatch.setattr(stopwatch.time, "perf_counter", hand)
    return hand


def test_phases_add_up_to_the_wall_time(clock):
    """Seconds are small multiples of 1/4, exact in binary: the sum is exact."""
    watch = Stopwatch()
    clock.now += 2.0
    watch.switch("record")
    for _ in range(3):
        with watch.phase("compute"):
            clock.now += 0.5
        clock.now += 0.25
        with watch.phase("wait"):
            clock.now += 1.0
    assert sum(watch.seconds().values()) == 2.0 + 3 * 1.75


def test_each_phase_gets_its_own_time(clock):
    watch = Stopwatch()
    clock.now += 2.0
    watch.switch("record")
    with watch.phase("compute"):
        clock.now += 0.5
    clock.now += 0.25
    spent = {name: s for name, s in watch.seconds().items() if s}
    assert spent == {"build": 2.0, "compute": 0.5, "record": 0.25}


def test_a_nested_block_belongs_to_the_inner_phase(clock):
    watch = Stopwatch()
    with watch.phase("transform"):
        clock.now += 1.0
        with watch.phase("wait"):
            clock.now += 4.0
        clock.now += 2.0
    assert watch.seconds()["transform"] == 3.0
    assert watch.seconds()["wait"] == 4.0


def test_a_failure_inside_a_phase_ends_it(clock):
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError), watch.phase("compute"):
        clock.now += 1.0
        raise ZeroDivisionError
    clock.now += 8.0
    assert watch.seconds()["compute"] == 1.0


def test_the_running_phase_counts_up_to_now(clock):
    watch = Stopwatch()
    clock.now += 3.0
    assert watch.seconds()["build"] == 3.0
    clock.now += 1.0
    assert watch.seconds()["build"] == 4.0


def test_every_phase_is_reported_even_if_nothing_was_spent_in_it(clock):
    assert Stopwatch().seconds() == dict.fromkeys(PHASES, 0.0)


def test_an_unknown_phase_is_not_measured_silently(clock):
    watch = Stopwatch()
    with pytest.raises(KeyError), watch.phase("lunch"):
        pass


def test_what_was_read_does_not_change_later(clock):
    watch = Stopwatch()
    before = watch.seconds()
    clock.now += 1.0
    watch.seconds()
    assert before["build"] == 0.0
