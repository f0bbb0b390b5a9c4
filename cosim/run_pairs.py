"""Which runs are set side by side, read from their folders, or why they cannot be."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.errors import ResultsError
from cosim.results import RunResult
from cosim.run_folder import held_results

_BOLD_MONITORS = ("bold", "balloon")
_MAIN_MONITOR = "temporal_average"


@dataclass(frozen=True, slots=True)
class Series:
    """What one monitor recorded.

    Attributes:
        monitor: Its name.
        variables: Variable labels; the first is what regions feel of each other.
        period_ms: Sampling period, ms.
        times_ms: Shape ``(n_samples,)``.
        values: Shape ``(n_samples, n_variables, n_regions)``.
    """

    monitor: str
    variables: tuple[str, ...]
    period_ms: float
    times_ms: NDArray[np.float64]
    values: NDArray[np.float64]

    def after(self, start_ms: float) -> "Series":
        """The samples later than a time."""
        kept = self.times_ms > start_ms
        return Series(
            self.monitor, self.variables, self.period_ms, self.times_ms[kept], self.values[kept]
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One run, read into memory.

    Attributes:
        folder: Where it lies.
        seed: Of its random numbers; None if its provenance does not say.
        duration_ms: Simulated time, ms.
        regions: Region labels.
        replaced: Regions that circuits stood for.
        series: What is compared: the temporal average, or the first monitor that is not BOLD.
        bold: BOLD, if it was recorded.
        monitors: Sampling period of every monitor, ms.
        brain: The brain of its experiment, as plain data.
        weights: Of its connectome, ``[target, source]``; None where the run kept none.
    """

    folder: Path
    seed: int | None
    duration_ms: float
    regions: tuple[str, ...]
    replaced: tuple[str, ...]
    series: Series
    bold: Series | None
    monitors: Mapping[str, float]
    brain: Mapping[str, Any]
    weights: NDArray[np.float64] | None = None


def read_run(folder: Path) -> Run:
    """A finished run.

    Raises:
        ResultsError: If it holds no results, did not reach its end or recorded no time series.
    """
    result = RunResult.open(folder)
    with closing(result):
        if not result.complete:
            raise ResultsError(
                f"{folder} did not reach its end (it holds {result.duration_ms:g} ms); run it "
                f"again with --overwrite."
            )
        monitors = {str(k): float(v.attrs["period_ms"]) for k, v in result.mean_field.items()}
        wanted = [_MAIN_MONITOR, *(name for name in monitors if name not in _BOLD_MONITORS)]
        main = next((name for name in wanted if name in monitors), None)
        if main is None:
            raise ResultsError(
                f"{folder} recorded no series of the mean field (monitors: "
                f"{', '.join(monitors) or 'none'}); add temporal_average to brain.monitors."
            )
        bold = next((name for name in _BOLD_MONITORS if name in monitors), None)
        facts = result.provenance
        return Run(
            folder,
            facts.get("seed"),
            result.duration_ms,
            tuple(str(name) for name in _labels(result.mean_field[main], 2)),
            _replaced(result),
            _read(result.mean_field[main], main),
            None if bold is None else _read(result.mean_field[bold], bold),
            monitors,
            facts.get("experiment", {}).get("brain", {}),
            np.array(result.connectome["weight"]) if "weight" in result.connectome else None,
        )


def find_pairs(reference: Path, other: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Folders of the runs to set side by side.

    Both are a run each, or both folders of runs (one per seed), paired by their names. Runs of the
    reference without a partner are left out: one reference serves comparisons of fewer seeds.

    Returns:
        The pairs, and one line for what is left out.

    Raises:
        ResultsError: If they cannot be paired.
    """
    for folder in (reference, other):
        if not folder.is_dir():
            raise ResultsError(f"{folder} is not a folder; give the folder of a run (--output).")
    ours, theirs = _runs_below(reference), _runs_below(other)
    alone = [name for name in theirs if name not in ours]
    if alone:
        raise ResultsError(
            f"{reference} has no run to pair with {', '.join(alone[:4])} of {other}; give two "
            f"runs, or two folders of runs that are called alike, such as seed_1."
        )
    left = [name for name in ours if name not in theirs]
    notes = [f"{', '.join(left)} of A has no partner and is left out."] if left else []
    return [(reference / name, other / name) for name in theirs], notes


def check_comparable(reference: Run, other: Run) -> None:
    """Refuse two runs whose difference would mean nothing.

    Raises:
        ResultsError: Naming all in which they differ, in one line.
    """
    reasons = []
    if reference.regions != other.regions:
        reasons.append(_region_difference(reference.regions, other.regions))
    if reference.duration_ms != other.duration_ms:
        reasons.append(
            f"durations ({reference.duration_ms:g} and {other.duration_ms:g} ms; set duration_ms)"
        )
    if reference.monitors != other.monitors:
        ours, theirs = (
            ", ".join(f"{name} {period:g} ms" for name, period in run.monitors.items())
            for run in (reference, other)
        )
        reasons.append(f"monitors ({ours} and {theirs}; set brain.monitors)")
    if reference.series.variables != other.series.variables:
        ours, theirs = (", ".join(run.series.variables) for run in (reference, other))
        reasons.append(f"variables ({ours} and {theirs}; set brain.model)")
    if reasons:
        raise ResultsError(
            f"{reference.folder} and {other.folder} cannot be compared, as they differ in "
            f"{'; '.join(reasons)}."
        )


def _region_difference(ours: Sequence[str], theirs: Sequence[str]) -> str:
    if len(ours) != len(theirs):
        return f"regions ({len(ours)} and {len(theirs)}; set brain.connectome)"
    first = next(pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1])
    return f"regions ({first[0]} in the place of {first[1]}; set brain.connectome)"


def _runs_below(folder: Path) -> list[str]:
    if held_results(folder):
        return ["."]
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and held_results(p))
    if not names:
        raise ResultsError(
            f"{folder} holds neither results nor folders of runs; give the folder of a run "
            f"(--output) or one with a run per seed."
        )
    return names


def _labels(array: xr.DataArray, axis: int) -> Sequence[Any]:
    return list(array[array.dims[axis]].values)


def _read(array: xr.DataArray, name: str) -> Series:
    return Series(
        name,
        tuple(str(label) for label in _labels(array, 1)),
        float(array.attrs["period_ms"]),
        np.asarray(array[array.dims[0]].values, dtype=np.float64),
        np.asarray(array.values, dtype=np.float64),
    )


def _replaced(result: RunResult) -> tuple[str, ...]:
    signals = [s for name, s in result.exchange.items() if str(name).startswith("to_brain_")]
    names = (str(name) for signal in signals for name in _labels(signal, 1))
    return tuple(dict.fromkeys(names))
