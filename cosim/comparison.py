"""Runs set side by side with a reference: the pairs, their measures, and what they rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from cosim.config import Brain
from cosim.errors import ConfigurationError, ResultsError
from cosim.measures import Measure, combine
from cosim.pair_comparison import PairComparison, Places, Spectrum
from cosim.plan_brain import connectome_of
from cosim.run_pairs import Run, check_comparable, find_pairs, read_run
from cosim.time_blocks import LEVEL

_N_NEIGHBOURS = 5
# Gating varies by 1e-3 and more with noise, and by 1e-10 around a fixed point.
_STANDS_STILL = 1e-7
_FEWEST_SAMPLES = 20
_LIKENESS_OF_A_STRUCTURE = 0.5


@dataclass(frozen=True)
class Comparison:
    """One run, or set of runs, against the reference.

    Attributes:
        reference: Folder of the reference.
        other: Folder of what is compared with it.
        replaced: Regions that circuits stand for in either.
        neighbours: The regions that feel those most.
        regions: Labels of all regions.
        interval: How the intervals were made, in words.
        facts: The numbers behind that: pairs, seeds, blocks.
        measures: The table.
        spectra: Mean over pairs.
        fc: FC of the reference and the other, mean over pairs, each ``(n_regions, n_regions)``.
        fcd: FCD values of both, all pairs.
        first: The first pair, for time courses.
        notes: What a reader should know, one line each.
    """

    reference: Path
    other: Path
    replaced: tuple[str, ...]
    neighbours: tuple[str, ...]
    regions: tuple[str, ...]
    interval: str
    facts: Mapping[str, Any]
    measures: Sequence[Measure]
    spectra: Sequence[Spectrum]
    fc: tuple[NDArray[np.float64], NDArray[np.float64]]
    fcd: tuple[NDArray[np.float64], NDArray[np.float64]]
    first: PairComparison
    notes: Sequence[str]

    def measure(self, quantity: str, where: str) -> Measure:
        """One row of the table.

        Raises:
            KeyError: If there is none.
        """
        for one in self.measures:
            if (one.quantity, one.where) == (quantity, where):
                return one
        raise KeyError(f"No {quantity!r} of {where!r} in this comparison.")


def compare_folders(reference: Path, other: Path, skip_ms: float, base: Path) -> Comparison:
    """Set one run, or one per seed, side by side with the reference.

    Args:
        reference: Folder of a run, or of one run per seed.
        other: The same.
        skip_ms: Time at the start of each run that is left out, ms.
        base: Folder that the connectome of the experiment is relative to.

    Raises:
        ResultsError: If the runs cannot be read or compared.
    """
    pairs: list[PairComparison] = []
    runs: list[tuple[Run, Run]] = []
    folders_of_pairs, notes = find_pairs(reference, other)
    places: Places | None = None
    for folders in folders_of_pairs:
        a, b = (read_run(folder) for folder in folders)
        check_comparable(a, b)
        if runs:
            check_comparable(runs[0][0], a)
        if places is None:
            places, problem = _places(a, b, base)
            notes += problem
        for run in (a, b):
            _check_course(run, skip_ms)
        pairs.append(PairComparison(a, b, places, skip_ms))
        runs.append((a, b))
    assert places is not None
    longest = max((pair.blocks for pair in pairs), key=lambda blocks: blocks.memory)
    for pair in pairs:
        pair.blocks = longest
    rows = [{(one.quantity, one.where): one for one in pair.samples()} for pair in pairs]
    common = [key for key in rows[0] if all(key in row for row in rows)]
    table = [combine([row[key] for row in rows]) for key in common]
    paired = [a.seed == b.seed and a.seed is not None for a, b in runs]
    if not all(paired):
        notes.append(
            "Seeds differ within a pair, so the runs do not share their noise: differences hold "
            "the noise of both."
        )
    halves = min(pair.halves_likeness for pair in pairs)
    if halves < _LIKENESS_OF_A_STRUCTURE:
        notes.append(
            f"FC of A is mostly chance: that of its two halves is alike by {halves:.2f} only. "
            f"Likeness of FC then says that the runs share their noise, not a structure."
        )
    notes += [line for pair in pairs for line in pair.notes()]
    return Comparison(
        reference,
        other,
        tuple(places.names[i] for i in places.replaced),
        tuple(places.names[i] for i in places.neighbours),
        places.names,
        _interval_words(pairs),
        _facts(pairs, runs, paired, skip_ms),
        table,
        _mean_spectra(pairs),
        _mean_connectivity(pairs, len(places.names)),
        (
            np.concatenate([pair.dynamics[0] for pair in pairs]),
            np.concatenate([pair.dynamics[1] for pair in pairs]),
        ),
        pairs[0],
        list(dict.fromkeys(notes)),
    )


def _places(a: Run, b: Run, base: Path) -> tuple[Places, list[str]]:
    """Replaced regions of either run, and those that feel them most by the reference's weights."""
    names = list(a.regions)
    replaced = [names.index(name) for name in dict.fromkeys((*a.replaced, *b.replaced))]
    others = [i for i in range(len(names)) if i not in replaced]
    neighbours: list[int] = []
    notes = []
    if replaced:
        try:
            weights = a.weights
            if weights is None:  # a run of an earlier version
                weights = connectome_of(Brain.model_validate(a.brain), base).weights
            felt = weights[np.ix_(others, replaced)].sum(axis=1)
            strongest = np.argsort(-felt, kind="stable")[:_N_NEIGHBOURS]
            neighbours = [others[i] for i in strongest if felt[i] > 0]
        except (ConfigurationError, ValidationError, OSError) as error:
            line = str(error).splitlines()[0]
            notes.append(f"No neighbours are shown, as the connectome cannot be read: {line}")
    return Places(tuple(replaced), tuple(neighbours), tuple(others), tuple(names)), notes


def _interval_words(pairs: Sequence[PairComparison]) -> str:
    if len(pairs) > 1:
        return f"{LEVEL:.0%} over {len(pairs)} pairs of runs (Student)"
    blocks, period_ms = pairs[0].blocks, pairs[0].a.period_ms
    words = f"{LEVEL:.0%} over time, blocks of ten memories left out in turn"
    if not blocks.n_blocks:
        return f"{words}, where the run is long enough"
    n_effective = len(pairs[0].a.times_ms) / blocks.memory
    return (
        f"{words}; the network's: {blocks.n_blocks} of {blocks.n_samples * period_ms / 1000:.3g} s "
        f"(memory {blocks.memory * period_ms:.0f} ms, {n_effective:.0f} effective samples)"
    )


def _check_course(run: Run, skip_ms: float) -> None:
    """Refuse what has no statistics: too few samples, or a network that stands still."""
    series = run.series.after(skip_ms)
    if len(series.times_ms) < _FEWEST_SAMPLES:
        raise ResultsError(
            f"{run.folder} holds {len(series.times_ms)} samples of {series.monitor} after "
            f"{skip_ms:g} ms, {_FEWEST_SAMPLES} are needed; run longer or lower --skip-ms."
        )
    spread = float(np.nanmedian(np.nanstd(series.values[:, 0], axis=0)))
    if spread < _STANDS_STILL:
        raise ResultsError(
            f"{run.folder} stands still: {series.variables[0]} of its regions varies by "
            f"{spread:.2g}, which is rounding; variances, connectivity and spectra need "
            f"fluctuations of more than {_STANDS_STILL:g}. Give brain.noise."
        )


def _facts(
    pairs: Sequence[PairComparison],
    runs: Sequence[tuple[Run, Run]],
    paired: Sequence[bool],
    skip_ms: float,
) -> dict[str, Any]:
    return {
        "level": LEVEL,
        "skip_ms": skip_ms,
        "compared_ms": len(pairs[0].a.times_ms) * pairs[0].a.period_ms,
        "pairs": [
            {
                "a": str(a.folder),
                "b": str(b.folder),
                "seeds": [a.seed, b.seed],
                "same_noise": same,
                "blocks": pair.blocks.n_blocks,
                "block_ms": pair.blocks.n_samples * pair.a.period_ms,
                "memory_ms": pair.blocks.memory * pair.a.period_ms,
                "effective_samples": len(pair.a.times_ms) / pair.blocks.memory,
                "fc_likeness_of_halves_of_a": _finite(pair.halves_likeness),
            }
            for pair, (a, b), same in zip(pairs, runs, paired, strict=True)
        ],
    }


def _mean_spectra(pairs: Sequence[PairComparison]) -> list[Spectrum]:
    return [
        Spectrum(
            one.variable,
            one.where,
            one.frequencies_hz,
            np.mean([pair.spectra[i].a for pair in pairs], axis=0),
            np.mean([pair.spectra[i].b for pair in pairs], axis=0),
        )
        for i, one in enumerate(pairs[0].spectra)
    ]


def _mean_connectivity(
    pairs: Sequence[PairComparison], n_regions: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    matrices = []
    for side in (0, 1):
        matrix = np.eye(n_regions)
        rows, columns = np.tril_indices(n_regions, -1)
        matrix[rows, columns] = np.mean([pair.connectivity[side] for pair in pairs], axis=0)
        matrix[columns, rows] = matrix[rows, columns]
        matrices.append(matrix)
    return matrices[0], matrices[1]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
