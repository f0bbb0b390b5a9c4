"""The few kinds of failure a co-simulation can report.

Every message states the value found, the limit it breaks and what to do, in one line.
"""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class CosimError(Exception):
    """Root of every error this package raises on purpose."""


class ConfigurationError(CosimError):
    """The experiment cannot be run as written; raised before any simulation time is spent."""

    def __init__(self, *problems: str):
        self.problems: tuple[str, ...] = problems
        super().__init__("; ".join(problems))


class SimulationError(CosimError):
    """The simulation produced something that must not be carried on: NaN, runaway rates."""


class SynchronizationError(CosimError):
    """The two sides no longer agree on which window they are in, or one fell silent."""


class SuspendedError(CosimError):
    """The run was asked to end early (SIGTERM), and goes on from its last checkpoint."""


class ResultsError(CosimError):
    """Results cannot be written, or a folder does not hold the results of a run."""


class Problems:
    """Collects the mistakes of independent parts, so that a user sees all of them at once."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def attempt(self, part: Callable[[], T], where: str = "") -> T | None:
        """What ``part`` returns, or None after noting why it failed.

        Args:
            part: May raise ConfigurationError.
            where: Put before each line.
        """
        try:
            return part()
        except ConfigurationError as error:
            self.lines += [f"{where}: {line}" if where else line for line in error.problems]
            return None

    def raise_if_any(self) -> None:
        """Raise all that was noted.

        Raises:
            ConfigurationError: With one line per mistake.
        """
        if self.lines:
            raise ConfigurationError(*dict.fromkeys(self.lines))
