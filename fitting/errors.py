"""The few kinds of failure that a fit can report.

Every message states the value found, the limit it breaks and what to do, in one line.
"""


class FittingError(Exception):
    """Root of every error this package raises on purpose."""


class ConfigurationError(FittingError):
    """The fit cannot be run as written; raised before anything is computed."""

    def __init__(self, *problems: str):
        self.problems: tuple[str, ...] = problems
        super().__init__("; ".join(problems))


class DataError(FittingError):
    """A subject's data cannot be used: missing, of the wrong shape, dead or constant."""


class DivergenceError(FittingError):
    """A fit or a simulation left the numbers that mean something; the last good state is kept."""
