"""What a report shows, taken from a run once: series, rates, connectome, and a run beside it."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.report_figures import block_mean, correlation, read_block_means
from cosim.results import RunResult

DIRECTIONS = {"to_circuits": "TVB to circuits", "to_brain": "circuits to TVB"}
MIN_CORRELATION_SAMPLES = 10
_CROSSING_POINTS = 4000
_MAIN_SERIES = "temporal_average"
# What made it, and its unit.
_BOLD = {
    "bold": ("TVB's BOLD monitor", "a.u."),
    "balloon": ("the Balloon-Windkessel model of fits", "1"),
}
# The excitatory pair of the two-state model, or the pair of the one-state model.
_SHOWN_VARIABLES = ("S_e", "R_e", "S", "R")
_IN_WORDS = {
    "S_e": "Excitatory gating S_e", "S": "Gating S", "R_e": "Excitatory rate R_e", "R": "Rate R",
    "S_i": "Inhibitory gating S_i", "R_i": "Inhibitory rate R_i",
}  # fmt: skip

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RegionSeries:
    """One variable of one monitor, read into memory.

    Attributes:
        monitor: Name of the monitor.
        variable: Name of the variable.
        unit: Its unit.
        regions: Labels.
        times_ms: Sample times, shape ``(n_samples,)``, ms.
        values: Samples, shape ``(n_samples, n_regions)``.
        period_ms: Sampling period, ms.
    """

    monitor: str
    variable: str
    unit: str
    regions: tuple[str, ...]
    times_ms: Array
    values: Array
    period_ms: float

    @property
    def label(self) -> str:
        """The variable with its unit, for an axis."""
        return f"{self.variable} [{self.unit}]"

    @property
    def title(self) -> str:
        """The variable in words."""
        return _IN_WORDS.get(self.variable, self.variable)

    @property
    def is_rate(self) -> bool:
        """Whether the values are rates, which spikes make ragged."""
        return self.unit == "Hz"

    @property
    def coverage(self) -> str:
        """What there is of it, in words."""
        n_samples = len(self.times_ms)
        return f"{self.variable}, {n_samples} samples over {n_samples * self.period_ms:g} ms"


@dataclass(frozen=True)
class Crossing:
    """One signal of one direction of the exchange, over blocks of mean-field steps.

    Attributes:
        direction: ``to_circuits`` or ``to_brain``.
        variable: Name of the variable.
        is_rate: Whether it is a rate, Hz; else a gating variable.
        regions: Labels.
        times_ms: Mean start of the steps of each block, shape ``(n_blocks,)``, ms.
        values: Means over the blocks, shape ``(n_blocks, n_regions)``.
        means: Mean of each region over the run.
        block_ms: Length of a block, ms.
    """

    direction: str
    variable: str
    is_rate: bool
    regions: tuple[str, ...]
    times_ms: Array
    values: Array
    means: Array
    block_ms: float

    @property
    def label(self) -> str:
        """What the values are, with the unit, for an axis."""
        return "rate [Hz]" if self.is_rate else "gating [1]"


@dataclass(frozen=True)
class Connection:
    """A connection between the two simulators, and what it carried.

    Attributes:
        source: Region that sends.
        target: Region that hears it.
        weight: Before G.
        length_mm: Of the tract, mm.
        delay_ms: As simulated, ms.
        variable: What is sent.
        mean: Its mean over the run.
        is_rate: Whether it is a rate, Hz; else a gating variable.
    """

    source: str
    target: str
    weight: float
    length_mm: float
    delay_ms: float
    variable: str
    mean: float
    is_rate: bool

    @property
    def carried(self) -> float:
        """Weight times mean of what is sent."""
        return self.weight * self.mean


@dataclass(frozen=True)
class Wiring:
    """The connectome of a run, in the order of its regions.

    Attributes:
        name: What the experiment calls it.
        regions: Labels.
        weights: ``[target, source]``, before G.
        lengths_mm: Same shape, mm.
        delays_ms: Same shape, as simulated, ms.
        centres_mm: Shape ``(n_regions, 3)``, mm; None if the connectome has none.
        axes: What the three columns are: right, anterior, superior, or x, y, z.
    """

    name: str
    regions: tuple[str, ...]
    weights: Array
    lengths_mm: Array
    delays_ms: Array
    centres_mm: Array | None
    axes: tuple[str, ...]


class Findings:
    """What the panels draw.

    Args:
        result: The run.
    """

    def __init__(self, result: RunResult) -> None:
        self.result = result
        self.duration_ms = result.duration_ms
        signals = [result.exchange[name] for name in result.exchange.data_vars]
        back = [signal for signal in signals if str(signal.name).startswith("to_brain_")]
        axes = (signal[signal.dims[1]].values for signal in back)
        self.replaced = tuple(dict.fromkeys(str(name) for axis in axes for name in axis))

    @cached_property
    def crossings(self) -> list[Crossing]:
        """What crossed, to the circuits first; declared and never crossed is left out."""
        exchange = self.result.exchange
        signals = [exchange[name] for name in exchange.data_vars if exchange[name].size]
        return [
            _crossing(signal, direction)
            for direction in DIRECTIONS
            for signal in signals
            if str(signal.name).startswith(f"{direction}_")
        ]

    @cached_property
    def spikes_end_ms(self) -> float:
        """Up to when spikes are known, ms.

        Of an unfinished run they may have been flushed earlier than the mean field, and what
        follows is not silence.
        """
        if self.result.complete:
            return self.duration_ms
        last = [s.times_ms[-1] for s in self.result.spikes.values() if s.times_ms.size]
        return float(max(last, default=self.duration_ms))

    @cached_property
    def rates(self) -> xr.DataArray:
        """Population rates in about 200 bins of a round width, none shorter than 1 ms."""
        magnitude = 10.0 ** np.floor(np.log10(max(self.duration_ms / 200.0, 1.0)))
        ratio = max(self.duration_ms / 200.0, 1.0) / magnitude
        rates = self.result.rates(magnitude * next(n for n in (1, 2, 5, 10) if ratio <= n + 1e-9))
        if self.result.complete:
            return rates
        return rates[rates["time"].values + rates.attrs["bin_ms"] / 2 <= self.spikes_end_ms]

    @cached_property
    def n_spikes(self) -> int:
        """Spikes of all populations."""
        return sum(one.times_ms.size for one in self.result.spikes.values())

    @cached_property
    def spikes_digest(self) -> str:
        """SHA-256 over every population's name, spike times and cells: equal for equal spikes."""
        digest = hashlib.sha256()
        for name, one in sorted(self.result.spikes.items()):
            digest.update(name.encode())
            digest.update(one.times_ms.astype("<f8").tobytes())
            digest.update(one.node_ids.astype("<i8").tobytes())
        return digest.hexdigest()

    @cached_property
    def series(self) -> list[RegionSeries]:
        """The variables to show: of the temporal average, or of the first monitor but BOLD."""
        names = [
            str(name)
            for name, monitor in self.result.mean_field.items()
            if name not in _BOLD and not has_sensors(monitor)
        ]
        if not names:
            return []
        name = _MAIN_SERIES if _MAIN_SERIES in names else names[0]
        monitor = self.result.mean_field[name]
        variables = [str(label) for label in monitor[monitor.dims[1]].values]
        shown = [label for label in _SHOWN_VARIABLES if label in variables] or variables[:2]
        found = [_read(monitor, name, variables.index(label)) for label in shown]
        return [one for one in found if len(one.times_ms)]

    @cached_property
    def bold(self) -> list[tuple[RegionSeries, str]]:
        """First variable of each BOLD monitor, and what made it."""
        return [
            (_read(self.result.mean_field[name], name, 0), words)
            for name, (words, _) in _BOLD.items()
            if name in self.result.mean_field
        ]

    @cached_property
    def connectivity(self) -> Array | None:
        """Correlation of the first variable shown, the one that couples; None if too short."""
        if not self.series or len(self.series[0].times_ms) < MIN_CORRELATION_SAMPLES:
            return None
        return correlation(self.series[0].values)

    @cached_property
    def wiring(self) -> Wiring | None:
        """The connectome; None for a run that kept none."""
        kept = self.result.connectome
        if not kept:
            return None
        placed = "centre_mm" in kept
        return Wiring(
            str(kept.attrs["name"]),
            tuple(str(name) for name in kept["target"].values),
            kept["weight"].values,
            kept["length_mm"].values,
            kept["delay_ms"].values,
            kept["centre_mm"].values if placed else None,
            tuple(str(name) for name in kept["axis"].values) if placed else (),
        )


def has_sensors(monitor: xr.DataArray) -> bool:
    """Whether a monitor's samples are of sensors, not of regions."""
    return str(monitor.dims[-1]).startswith("sensor")


def _crossing(signal: xr.DataArray, direction: str) -> Crossing:
    times_ms, values = signal[signal.dims[0]].values, read_block_means(signal, _CROSSING_POINTS)
    size = -(-len(times_ms) // _CROSSING_POINTS)
    step_ms = times_ms[1] - times_ms[0] if len(times_ms) > 1 else 0.0
    # The last block may be shorter, and counts for less.
    sizes = np.diff(np.append(np.arange(0, len(times_ms), size), len(times_ms)))
    return Crossing(
        direction,
        str(signal.name).removeprefix(f"{direction}_"),
        signal.attrs["units"] == "Hz",
        tuple(str(name) for name in signal[signal.dims[1]].values),
        block_mean(times_ms, _CROSSING_POINTS),
        values,
        np.average(values, axis=0, weights=sizes),
        size * float(step_ms),
    )


def _read(monitor: xr.DataArray, name: str, index: int) -> RegionSeries:
    variable = str(monitor[monitor.dims[1]].values[index])
    unit = _BOLD[name][1] if name in _BOLD else "Hz" if variable.startswith("R") else "1"
    return RegionSeries(
        name,
        f"BOLD of {variable}" if name in _BOLD else variable,
        unit,
        tuple(str(label) for label in monitor[monitor.dims[2]].values),
        monitor[monitor.dims[0]].values,
        monitor[:, index].values,
        float(monitor.attrs["period_ms"]),
    )
