"""A bar on a terminal, plain lines in a batch log, nothing when quiet."""

import io

import pytest

from cosim import progress
from cosim.progress import RunProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A wall clock that a test moves by hand: ``clock.now += seconds``."""

    class Clock:
        now = 50.0

        def __call__(self):
            return self.now

    hand = Clock()
    monkeypatch.setattr(progress.time, "monotonic", hand)
    return hand


def log_of(clock, seconds_per_window, n_windows=100, quiet=False):
    stream = io.StringIO()
    with RunProgress(1000.0, quiet, stream) as shown:
        for n in range(n_windows):
            clock.now += seconds_per_window
            shown.update(1000.0 * (n + 1) / n_windows)
    return stream.getvalue()


def test_a_batch_log_gets_a_line_for_every_tenth(clock):
    lines = log_of(clock, seconds_per_window=1.0).splitlines()
    assert [line.split(" ms")[0] for line in lines] == [f"{n}00 of 1000" for n in range(1, 11)]


def test_a_line_tells_the_real_time_factor_and_the_time_left(clock):
    """After 300 of 1000 ms in 30 s: .3 simulated seconds in 30, and 70 s left."""
    line = log_of(clock, seconds_per_window=1.0).splitlines()[2]
    assert line == "300 of 1000 ms, real-time factor 0.01, 70 s left"


def test_a_fast_run_writes_its_last_line_only(clock):
    assert log_of(clock, seconds_per_window=0.001).splitlines() == [
        "1000 of 1000 ms, real-time factor 10, 0 s left"
    ]


def test_lines_are_at_least_two_seconds_apart(clock):
    """10 ms every 0.07 s: 2 s have passed first after 29 windows (2.03 s); then the end."""
    lines = log_of(clock, seconds_per_window=0.07).splitlines()
    assert [line.split()[0] for line in lines] == ["290", "580", "870", "1000"]


def test_a_batch_log_holds_no_control_characters(clock):
    assert log_of(clock, seconds_per_window=1.0).replace("\n", "").isprintable()


def test_quiet_writes_nothing(clock):
    assert log_of(clock, seconds_per_window=1.0, quiet=True) == ""


def test_a_quiet_run_on_a_terminal_writes_nothing():
    stream = Terminal()
    with RunProgress(1000.0, True, stream) as shown:
        shown.update(500.0)
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_with_simulated_time_and_factor():
    stream = Terminal()
    with RunProgress(1000.0, False, stream) as shown:
        shown.update(1000.0)
    assert "1000 of 1000 ms" in stream.getvalue()
    assert "real-time factor" in stream.getvalue()


def test_a_bar_is_taken_down_when_the_run_fails():
    stream = Terminal()
    with pytest.raises(ZeroDivisionError), RunProgress(1000.0, False, stream) as shown:
        raise ZeroDivisionError
    written = stream.getvalue()
    assert shown is not None
    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l")  # the cursor is shown again
