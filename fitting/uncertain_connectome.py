"""What is known of a connectome that was measured with errors of one size.

Errors add: a share of the mean connection hardly changes a strong connection and makes a weak one
several times as strong. Gains about one with the same spread for all would deny that.
"""

import numpy as np

from fitting.synthetic_brain import Array

# A distribution on an interval has at most half its length as standard deviation, and connections
# are off by up to a fifth of the mean one. Half or twice of it moves no estimate by more than 1 %
# (mean of eight subjects on Hagmann 66).
ERROR_SD = 0.1


class UncertainConnectome:
    """A connectome known but for an error of each connection.

    Errors have one size, in units of the mean connection, and an unknown mean: neither their
    direction nor anything of the subject is known beforehand. Absent connections stay absent.

    Args:
        shared: The connectome that is known, ``(n_regions, n_regions)``.
        error_sd: Standard deviation of the errors about their mean.
    """

    def __init__(self, shared: Array, error_sd: float = ERROR_SD):
        symmetric = (shared + shared.T) / 2
        self.rows, self.columns = np.nonzero(np.tril(symmetric, -1) > 0)
        base = symmetric[self.rows, self.columns]
        self.base = base / base.mean()
        self.n_regions = len(shared)
        self._precision = 1 / error_sd**2

    def weights(self, errors: Array) -> Array:
        """Symmetric, zero diagonal, Frobenius norm 1, ``(n_regions, n_regions)``."""
        matrix = np.zeros((self.n_regions, self.n_regions))
        matrix[self.rows, self.columns] = self.base + errors
        matrix = matrix + matrix.T
        return np.asarray(matrix / np.linalg.norm(matrix))

    def slope(self, errors: Array) -> Array:
        """Derivative of the normalised connections to the errors, ``(n_errors, n_errors)``."""
        raw = self.base + errors
        norm = np.sqrt(2) * np.linalg.norm(raw)
        unit = raw / np.linalg.norm(raw)
        return np.asarray((np.eye(len(raw)) - np.outer(unit, unit)) / norm)

    def prior(self, errors: Array) -> tuple[float, Array, Array]:
        """Minus the log prior with its gradient and its second derivative."""
        deviation = errors - errors.mean()
        second = np.eye(len(errors)) - 1 / len(errors)
        value = 0.5 * self._precision * float(deviation @ deviation)
        return value, self._precision * deviation, self._precision * second
