"""Integer time for the coupled run: steps and windows, never accumulated floats."""

from collections.abc import Iterator
from dataclasses import dataclass

from cosim.errors import ConfigurationError

# Decimal input such as 0.1 and 2.3 is not exact in binary; a relative error above this is a
# real mismatch, below it only rounding (a run of 1e9 steps still resolves one step).
_WHOLE_TOLERANCE = 1e-9
# The keyed random numbers count steps in 32 bits; at 0.1 ms that is five days of simulated time.
MAX_STEPS = 2**32 - 1


def whole_steps(interval_ms: float, dt_ms: float) -> int | None:
    """Number of steps in an interval, or None if it is not a whole number of them.

    Args:
        interval_ms: Interval, ms.
        dt_ms: Step, ms.
    """
    if not interval_ms / dt_ms <= MAX_STEPS:
        return None
    n_steps = round(interval_ms / dt_ms)
    if abs(n_steps * dt_ms - interval_ms) > _WHOLE_TOLERANCE * max(abs(interval_ms), dt_ms):
        return None
    return n_steps


def require_whole_steps(name: str, interval_ms: float, dt_ms: float, dt_name: str) -> int:
    """Number of steps in an interval.

    Args:
        name: How the user knows the interval, for the message.
        interval_ms: Interval, ms.
        dt_ms: Step, ms.
        dt_name: How the user knows the step, for the message.

    Raises:
        ConfigurationError: If the interval is not a positive whole number of steps.
    """
    if not interval_ms / dt_ms <= MAX_STEPS:
        raise ConfigurationError(
            f"{name} = {interval_ms:g} is more than {MAX_STEPS} steps of {dt_name} = {dt_ms:g}; "
            f"shorten it or raise {dt_name}."
        )
    n_steps = whole_steps(interval_ms, dt_ms)
    if n_steps is None or n_steps < 1:
        nearest = max(round(interval_ms / dt_ms), 1) * dt_ms
        raise ConfigurationError(
            f"{name} = {interval_ms:g} is not a whole number of steps of {dt_name} = {dt_ms:g}; "
            f"the nearest is {nearest:g}."
        )
    return n_steps


@dataclass(frozen=True, slots=True)
class SyncWindow:
    """Half-open interval ``[start_ms, stop_ms)`` between two exchanges.

    Attributes:
        index: Number of windows before this one.
        start_step: First mean-field step of the window.
        n_steps: Mean-field steps in the window.
        dt_ms: Mean-field step, ms.
    """

    index: int
    start_step: int
    n_steps: int
    dt_ms: float

    @property
    def stop_step(self) -> int:
        """First mean-field step after the window."""
        return self.start_step + self.n_steps

    @property
    def start_ms(self) -> float:
        """Start of the window, ms."""
        return self.start_step * self.dt_ms

    @property
    def stop_ms(self) -> float:
        """End of the window, ms."""
        return self.stop_step * self.dt_ms


@dataclass(frozen=True, slots=True)
class SyncClock:
    """Divide a run into windows no longer than the shortest delay that crosses.

    A window's output is only needed in the next window, so both participants can
    advance at the same time without changing the result. That holds exactly while
    the window is no longer than every delay between the two simulators.

    Args:
        dt_ms: Mean-field integration step, ms.
        window_steps: Mean-field steps in a window.
        n_steps: Mean-field steps in the whole run.

    Raises:
        ConfigurationError: If a count is below one.
    """

    dt_ms: float
    window_steps: int
    n_steps: int

    def __post_init__(self) -> None:
        for name, value in (("window_steps", self.window_steps), ("n_steps", self.n_steps)):
            if value < 1:
                raise ConfigurationError(f"{name} = {value} is below 1; give at least one step.")

    @property
    def duration_ms(self) -> float:
        """Simulated time of the whole run, ms."""
        return self.n_steps * self.dt_ms

    @property
    def window_ms(self) -> float:
        """Length of a full window, ms, without the last bits of a product of decimals."""
        return round(self.window_steps * self.dt_ms, 9)

    @property
    def n_windows(self) -> int:
        """Number of windows, a shorter last one included."""
        return -(-self.n_steps // self.window_steps)

    def windows(self, first: int = 0) -> Iterator[SyncWindow]:
        """Yield consecutive windows that cover the run; the last may be shorter.

        Args:
            first: Number of the window to begin with.
        """
        for index in range(first, self.n_windows):
            start = index * self.window_steps
            n_steps = min(self.window_steps, self.n_steps - start)
            yield SyncWindow(index, start, n_steps, self.dt_ms)


def choose_window_steps(
    window_ms: float | None, dt_ms: float, min_delay_ms: float | None, n_steps: int, crossing: str
) -> int:
    """Steps per window: what the user asked for, or the longest that stays exact.

    Args:
        window_ms: Requested window, ms; None takes the longest that is exact.
        dt_ms: Mean-field step, ms.
        min_delay_ms: Shortest delay of a connection that crosses between the two
            simulators, ms; None when nothing crosses.
        n_steps: Steps in the whole run, the window when nothing bounds it.
        crossing: Words that name the shortest crossing connection, for the message.

    Raises:
        ConfigurationError: If the window is not a whole number of steps, or longer than
            the shortest crossing delay, or that delay is shorter than one step.
    """
    if min_delay_ms is None:
        longest = n_steps
    else:
        longest = int(min_delay_ms / dt_ms + _WHOLE_TOLERANCE)
        if min_delay_ms == 0:
            raise ConfigurationError(
                f"The shortest crossing delay is 0 ms ({crossing}), and what crosses between "
                f"circuits and mean field needs at least one step of brain.dt_ms = {dt_ms:g}: set "
                f"brain.delays to tract, or to one delay in ms; where it is tract, two connected "
                f"regions have a tract length of 0."
            )
        if longest < 1:
            raise ConfigurationError(
                f"The shortest crossing delay, {min_delay_ms:g} ms ({crossing}), is shorter than "
                f"one step of brain.dt_ms = {dt_ms:g}: lower brain.conduction_speed_mm_per_ms or "
                f"brain.dt_ms."
            )
    if window_ms is None:
        return longest
    steps = require_whole_steps("synchronization.window_ms", window_ms, dt_ms, "brain.dt_ms")
    if min_delay_ms is not None and steps > longest:
        raise ConfigurationError(
            f"synchronization.window_ms = {window_ms:g} exceeds the shortest crossing delay, "
            f"{min_delay_ms:g} ms ({crossing}): a spike could arrive before it is exchanged. "
            f"Set it to at most {longest * dt_ms:g} or lower brain.conduction_speed_mm_per_ms."
        )
    return steps
