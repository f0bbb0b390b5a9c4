"""The few kinds of failure a co-simulation can report.

Every message states the value found, the limit it breaks and what to do, in one line.
"""


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


class ResultsError(CosimError):
    """Results cannot be written, or a folder does not hold the results of a run."""
