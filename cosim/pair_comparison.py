"""One pair of runs, measured: rates, gating, connectivity, spectra, BOLD, and their changes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from cosim.connectivity import (
    connectivity_dynamics,
    distribution_distance,
    functional_connectivity,
    likeness,
    window_length,
)
from cosim.measures import Kind, Sample, fisher, log_ratio
from cosim.run_pairs import Run, Series
from cosim.time_blocks import Blocks, choose_blocks, integrated_time, jackknife

Array = NDArray[np.float64]
_Moment = Callable[[Array], Array]
_Band = tuple[float, float, NDArray[np.bool_]]

_MOMENTS: dict[str, _Moment] = {
    "mean": lambda values: values.mean(axis=0),
    "variance": lambda values: values.var(axis=0),
}
_BANDS_HZ = (0.0, 1.0, 4.0, 8.0, 13.0, 30.0, 50.0, 100.0, 500.0)
# Regions differ in memory; a mean over regions of few would be too short for the slow ones, the
# largest of many estimates is mostly noise.
_MEMORY_PERCENTILE = 90.0
_SEGMENTS_WITHOUT_BLOCKS = 8
# TVB's BOLD is a convolution with a kernel of 20 s, which has to be filled first.
_BOLD_KERNEL_MS = 20_000.0
_FEWEST_BOLD_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class Places:
    """Sets of regions, by index.

    Attributes:
        replaced: Those that circuits stand for, in either run.
        neighbours: Those of the others that feel them most.
        others: All but the replaced.
        names: Labels of all regions.
    """

    replaced: tuple[int, ...]
    neighbours: tuple[int, ...]
    others: tuple[int, ...]
    names: tuple[str, ...]

    @property
    def single(self) -> list[tuple[str, str, int]]:
        """Name, role and index of the regions that have rows of their own."""
        rows = [(self.names[i], "replaced", i) for i in self.replaced]
        return rows + [(self.names[i], "neighbour", i) for i in self.neighbours]

    @property
    def others_label(self) -> str:
        """What the regions that are not replaced are called."""
        return f"{len(self.others)} {'other ' if self.replaced else ''}regions"

    @property
    def sets(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """Label, role and indices of what has a spectrum."""
        found: list[tuple[str, str, tuple[int, ...]]]
        found = [(self.names[i], "replaced", (i,)) for i in self.replaced]
        if self.neighbours:
            found.append((f"{len(self.neighbours)} neighbours", "neighbour", self.neighbours))
        return [*found, (self.others_label, "others", self.others)]


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Power spectral densities of one variable in one set of regions, averaged over the set.

    Attributes:
        variable: Its label.
        where: The set's label.
        frequencies_hz: Shape ``(n_frequencies,)``.
        a: Density in the reference, variable^2 / Hz.
        b: Density in the other run.
    """

    variable: str
    where: str
    frequencies_hz: Array
    a: Array
    b: Array


class PairComparison:
    """All measures of one pair; equal runs give no change at all.

    Args:
        a: The reference.
        b: The other run, comparable with it.
        places: Sets of regions.
        skip_ms: Time at the start that is left out, ms.

    Attributes:
        a: The reference's series after that time.
        b: The other's.
        bold: BOLD of both, if both have it.
        blocks: Blocks of time for connectivity and spectra; those of another pair may be put in
            their place.
    """

    def __init__(self, a: Run, b: Run, places: Places, skip_ms: float) -> None:
        self.places = places
        self.a, self.b = a.series.after(skip_ms), b.series.after(skip_ms)
        self.blocks = _network_blocks(self.a, self.b)
        bold_from_ms = skip_ms + (_BOLD_KERNEL_MS if a.bold and a.bold.monitor == "bold" else 0.0)
        self._bold_from_ms = bold_from_ms
        self.bold = tuple(run.bold.after(bold_from_ms) for run in (a, b) if run.bold is not None)

    @cached_property
    def connectivity(self) -> tuple[Array, Array]:
        """FC of what regions feel of each other, reference and other, as vectors of pairs."""
        return (
            functional_connectivity(self.a.values[:, 0]),
            functional_connectivity(self.b.values[:, 0]),
        )

    @cached_property
    def halves_likeness(self) -> float:
        """Likeness of the reference's FC in its two halves: what chance leaves of a structure."""
        half = len(self.a.values) // 2
        parts = (self.a.values[:half, 0], self.a.values[half : 2 * half, 0])
        return likeness(*(functional_connectivity(part) for part in parts))

    @cached_property
    def dynamics(self) -> tuple[Array, Array]:
        """FCD, reference and other, over window pairs that do not overlap."""
        length = window_length(len(self.a.values), self.a.period_ms)
        if length < 3:
            return np.empty(0), np.empty(0)
        first, second = (connectivity_dynamics(s.values[:, 0], length) for s in (self.a, self.b))
        return first, second

    @cached_property
    def spectra(self) -> list[Spectrum]:
        """Welch spectra over the blocks, of what regions feel and of the first rate."""
        found = []
        for variable in self._spectral_variables:
            for where, _, indices in self.places.sets:
                frequencies_hz, of_a, of_b = self._segment_spectra(variable, indices)
                label = self.a.variables[variable]
                means = (of_a.mean(axis=0), of_b.mean(axis=0))
                found.append(Spectrum(label, where, frequencies_hz, *means))
        return found

    def samples(self) -> Iterator[Sample]:
        """Every measure, in the order of the table."""
        yield from _moments(self.a, self.b, self.places)
        yield from _connectivity(self.a, self.b, self.blocks, self.places, "FC")
        yield from self._dynamics()
        yield from self._bands()
        if len(self.bold) == 2 and len(self.bold[0].times_ms) >= _FEWEST_BOLD_SAMPLES:
            one, other = (_first_variable(series) for series in self.bold)
            yield from _moments(one, other, self.places, "BOLD of ")
            blocks = _network_blocks(one, other)
            yield from _connectivity(one, other, blocks, self.places, "FC of BOLD")

    def notes(self) -> Iterator[str]:
        """What a reader should know of this pair, one line each."""
        if not self.blocks.n_blocks:
            yield (
                f"{len(self.a.times_ms)} samples hold too few independent ones "
                f"(memory {self.blocks.memory * self.a.period_ms:.0f} ms) for intervals of "
                f"connectivity and spectra over time."
            )
        if len(self.bold) == 2 and len(self.bold[0].times_ms) < _FEWEST_BOLD_SAMPLES:
            yield (
                f"BOLD is left out: {len(self.bold[0].times_ms)} samples after "
                f"{self._bold_from_ms / 1000:g} s, {_FEWEST_BOLD_SAMPLES} are needed."
            )
        sums = self.a.values + self.b.values
        unknown: list[list[bool]] = np.asarray(np.isnan(sums).any(axis=0)).tolist()
        for variable, label in enumerate(self.a.variables):
            names = [self.places.names[i] for i, is_ in enumerate(unknown[variable]) if is_]
            if names:
                yield f"{label} of {', '.join(names[:5])} is not provided by the circuit."

    @property
    def _spectral_variables(self) -> list[int]:
        rates = [i for i, label in enumerate(self.a.variables) if label.startswith("R")]
        return [0, *[i for i in rates[:1] if i != 0]]

    def _segment_spectra(self, variable: int, indices: Sequence[int]) -> tuple[Array, Array, Array]:
        """Frequencies, Hz, and per segment the mean density of a set, ``(n_segments, n_f)``."""
        n = len(self.a.values)
        n_segments = self.blocks.n_blocks or min(_SEGMENTS_WITHOUT_BLOCKS, n // 4)
        length = self.blocks.n_samples if self.blocks.n_blocks else n // n_segments
        spectra = []
        for series in (self.a, self.b):
            values = series.values[: n_segments * length, variable][:, list(indices)]
            pieces = values.reshape(n_segments, length, -1)
            frequencies_hz, density = signal.periodogram(
                pieces, 1000.0 / series.period_ms, window="hann", detrend="constant", axis=1
            )
            spectra.append(density.mean(axis=2))
        return frequencies_hz, spectra[0], spectra[1]

    def _dynamics(self) -> Iterator[Sample]:
        a, b = self.dynamics
        if not a.size or np.isnan(a).any() or np.isnan(b).any():
            return
        seconds = window_length(len(self.a.values), self.a.period_ms) * self.a.period_ms / 1000.0
        name = f"FCD, windows of {seconds:.3g} s"
        means, spreads = (a.mean(), b.mean()), (a.std(), b.std())
        yield _alone(f"mean {name}", "difference", *means, means[1] - means[0])
        yield _alone(f"sd {name}", "ratio", *spreads, float(log_ratio(*map(np.array, spreads))))
        yield _alone("FCD distance (KS)", "distance", value=distribution_distance(a, b))
        yield _alone("FCD likeness", "likeness", value=fisher(likeness(a, b)))

    def _bands(self) -> Iterator[Sample]:
        for variable in self._spectral_variables:
            label = self.a.variables[variable]
            for where, role, indices in self.places.sets:
                frequencies_hz, of_a, of_b = self._segment_spectra(variable, indices)
                inside = [
                    (low, high, (frequencies_hz > low) & (frequencies_hz <= high))
                    for low, high in pairwise(_BANDS_HZ)
                ]
                inside = [band for band in inside if band[2].any()]

                def change(
                    block: int | None, a: Array = of_a, b: Array = of_b, bands: list[_Band] = inside
                ) -> Array:
                    kept = np.arange(len(a)) != (-1 if block is None else block)
                    powers = [
                        np.array([s[kept][:, band].mean() for _, _, band in bands]) for s in (a, b)
                    ]
                    return log_ratio(*powers)

                values, half = jackknife(change, self.blocks.n_blocks)
                for number, (low, high, band) in enumerate(inside):
                    name = f"power of {label}, {low:g}-{high:g} Hz"
                    one, other = float(of_a[:, band].mean()), float(of_b[:, band].mean())
                    value, width = float(values[number]), float(half[number])
                    n_blocks = self.blocks.n_blocks
                    yield Sample(name, where, role, "ratio", one, other, value, width, n_blocks)


def _first_variable(series: Series) -> Series:
    """A BOLD series of what regions feel alone: that of a rate is of no use."""
    return replace(series, variables=series.variables[:1], values=series.values[:, :1])


def _blocks(series: Array) -> Blocks:
    """Long against the memory of nine series in ten.

    Args:
        series: Shape ``(n_samples, n_series)``; those that do not vary do not count.
    """
    varies = np.ptp(series, axis=0) > 0
    if len(series) < 2 or not varies.any():
        return choose_blocks(1.0, len(series))
    times = integrated_time(series[:, varies])
    return choose_blocks(float(np.percentile(times, _MEMORY_PERCENTILE)), len(series))


def _network_blocks(a: Series, b: Series) -> Blocks:
    """Blocks for connectivity and spectra, which rest on both runs' own fluctuations."""
    return _blocks(np.concatenate([a.values[:, 0], b.values[:, 0]], axis=1))


def _row_blocks(a: Series, b: Series, columns: list[int]) -> Blocks:
    """Blocks for a difference between two courses of one set: as long as the slowest needs."""
    one, other = (s.values[:, 0, columns].mean(axis=1) for s in (a, b))
    courses = np.stack([one, other, other - one], axis=1)
    varying = courses[:, np.ptp(courses, axis=0) > 0]
    memory = float(integrated_time(varying).max()) if varying.size else 1.0
    return choose_blocks(memory, len(courses))


def _alone(
    quantity: str, kind: Kind, a: float = np.nan, b: float = np.nan, value: float = np.nan
) -> Sample:
    """A measure of the whole network without an interval over time."""
    return Sample(quantity, "all", "network", kind, float(a), float(b), float(value), np.nan, 0)


def _moments(a: Series, b: Series, places: Places, prefix: str = "") -> Iterator[Sample]:
    """Mean and variance of every variable, region by region and over the others."""
    n = len(a.values)
    rows = [(where, role, [i]) for where, role, i in places.single]
    rows.append((places.others_label, "others", list(places.others)))
    blocks = [_row_blocks(a, b, columns) for _, _, columns in rows]
    for name, moment in _MOMENTS.items():
        for (where, role, columns), own in zip(rows, blocks, strict=True):
            parts = tuple(series.values[:, :, columns] for series in (a, b))

            def both(
                block: int | None, parts: Any = parts, own: Blocks = own, moment: _Moment = moment
            ) -> list[Array]:
                kept = own.without(block, n)
                return [np.asarray(moment(part[kept]).mean(axis=1)) for part in parts]

            def change(block: int | None, both: Any = both) -> Array:
                return log_ratio(*both(block))

            of_a, of_b = both(None)
            values, half = jackknife(change, own.n_blocks)
            for variable, label in enumerate(a.variables):
                one, other = float(of_a[variable]), float(of_b[variable])
                value, width = float(values[variable]), float(half[variable])
                if np.isfinite([one, other]).any():
                    quantity = f"{name} {prefix}{label}"
                    yield Sample(
                        quantity, where, role, "ratio", one, other, value, width, own.n_blocks
                    )


def _connectivity(
    a: Series, b: Series, blocks: Blocks, places: Places, name: str
) -> Iterator[Sample]:
    """Likeness and mean difference of FC, with and without the replaced regions."""
    n = len(a.values)
    everywhere = tuple(range(len(places.names)))
    sets = [("all", everywhere)]
    if places.replaced:
        sets.append((places.others_label, places.others))
    for where, indices in sets:
        columns = list(indices)

        def changes(block: int | None, columns: list[int] = columns) -> Array:
            kept = blocks.without(block, n)
            one, two = (functional_connectivity(s.values[kept, 0][:, columns]) for s in (a, b))
            gap = two - one
            return np.array([fisher(likeness(one, two)), np.nanmean(gap)])

        if len(columns) < 3:
            continue
        kept = blocks.without(None, n)
        one, two = (functional_connectivity(s.values[kept, 0][:, columns]) for s in (a, b))
        values, half = jackknife(changes, blocks.n_blocks)
        role = "network" if where == "all" else "others"
        unknown, n_blocks = float("nan"), blocks.n_blocks
        like, apart = ((float(values[i]), float(half[i])) for i in (0, 1))
        means = float(np.nanmean(one)), float(np.nanmean(two))
        rms = float(np.sqrt(np.nanmean((two - one) ** 2)))
        yield Sample(f"{name} likeness", where, role, "likeness", unknown, unknown, *like, n_blocks)
        yield Sample(f"mean {name}", where, role, "difference", *means, *apart, n_blocks)
        yield Sample(
            f"rms difference of {name}", where, role, "distance", unknown, unknown, rms, unknown, 0
        )
