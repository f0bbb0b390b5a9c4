"""NetPyNE/NEURON as one participant of the coupled run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.clock import SyncWindow
from cosim.protocols import CountsToRate, GatedRate, Group, Samples
from cosim.rate_ceiling import RateCeiling
from cosim.saved_state import State, joined, part
from cosim.signals import Packet, PacketLayout, SpikeCounts
from cosim.spiking.delay_line import DelayLine
from cosim.spiking.engine import NeuronEngine
from cosim.spiking.gathering import Gathering
from cosim.spiking.probe import Reading, mean_of
from cosim.spiking.recording import Recording
from cosim.stopwatch import Stopwatch

NAME = "NEURON"

# Spikes travel to the group's root this often; a killed run keeps what was gathered.
_GATHER_MS = 250.0


# Delivers what arrives at the sources' target over some steps from a first step on, shape
# (n_steps, n_sources) or, where sources are added up, (n_steps, 1); returns the events queued.
Delivery = Callable[[NDArray[np.float64], int], int]


@dataclass(frozen=True)
class Projection:
    """Source regions into one population.

    Attributes:
        variable: What the sources send, such as ``R_e``.
        sources: Source regions.
        delays: Delay from each source, mean-field steps, shape ``(n_sources,)``.
        gains: Factor on each source before they are added up, shape ``(n_sources,)``; None where
            each source is delivered by itself.
        connect: Connects it to the cells of this rank.
    """

    variable: str
    sources: tuple[str, ...]
    delays: NDArray[np.int64]
    gains: NDArray[np.float64] | None
    connect: Callable[[NeuronEngine], Delivery]


@dataclass(frozen=True)
class _Wired:
    """A projection connected to the cells of this rank."""

    projection: Projection
    columns: NDArray[np.int64]
    deliver: Delivery


class SpikingParticipant:
    """The spiking circuits of all replaced regions, on one or many ranks.

    Args:
        engine: The network, built.
        group: The ranks that share it.
        incoming: What the peer tells.
        outgoing: What it is told: rates per variable and region.
        origin: Populations behind each (rate, region) of ``outgoing``, with their weights; weights
            None pools their cells.
        readings: What is read behind each (gating variable, region) of ``outgoing``.
        gates: Per rate, the gating variable of the replaced regions that it drives, where another
            circuit feels that; they continue from their own state.
        projections: Inputs.
        recordings: What is recorded beside the spikes.
        initial: Value of each (variable, region) before the run, for every source that the
            circuits themselves replace.
        to_rate: Makes the transformer from counts to rates, given the cells per population.
        samples: Where spikes go.
        stopwatch: Attributes the time spent.
        rate_ceiling_hz: Limit on every population's rate, Hz.
        dt_ms: Mean-field step, ms.
        window_steps: Longest window, mean-field steps.
    """

    name = NAME

    def __init__(
        self,
        engine: NeuronEngine,
        group: Group,
        incoming: PacketLayout,
        outgoing: PacketLayout,
        origin: Mapping[tuple[str, str], tuple[Sequence[str], Sequence[float] | None]],
        readings: Mapping[tuple[str, str], Reading],
        gates: Mapping[str, GatedRate],
        projections: Sequence[Projection],
        recordings: Sequence[Recording],
        initial: Mapping[tuple[str, str], float],
        to_rate: Callable[[NDArray[np.int64]], CountsToRate],
        samples: Samples,
        stopwatch: Stopwatch,
        rate_ceiling_hz: float,
        dt_ms: float,
        window_steps: int,
    ):
        self._engine, self._group = engine, group
        self._stopwatch, self._dt_ms = stopwatch, dt_ms
        self.outgoing = outgoing
        self._labels = engine.network.populations
        n_cells = np.array([engine.network.n_cells(label) for label in self._labels])
        self._to_rate = to_rate(n_cells)
        self._ceiling = RateCeiling(
            tuple(f"Population {label!r}" for label in self._labels), rate_ceiling_hz, dt_ms
        )
        self._origin = {key: self._shares(*sources) for key, sources in origin.items()}
        self._gates = gates
        self._sources = self._source_columns(incoming, projections, initial)
        self._longest_delay = max((int(p.delays.max(initial=0)) for p in projections), default=0)
        self._window_steps = window_steps
        self._own_initial = initial
        self._wired = [self._wire(projection) for projection in projections]
        # After the inputs, whose synapses may be what is read.
        self._probes = {key: engine.ports.add_probe(reading) for key, reading in readings.items()}
        self.recordings = [engine.ports.add_recording(recording) for recording in recordings]
        self._gathering = Gathering(engine.network, group, self.recordings, samples)
        DelayLine(np.zeros(1), 0, 1)  # compiled here, not in the first window of a run
        self._lines: dict[str, DelayLine] = {}
        self._last: tuple[SyncWindow, dict[tuple[str, str], NDArray[np.float64]]] | None = None
        self._n_spikes = np.zeros(len(self._labels), dtype=np.int64)
        self._n_events = 0

    @staticmethod
    def _source_columns(
        incoming: PacketLayout,
        projections: Sequence[Projection],
        own: Mapping[tuple[str, str], float],
    ) -> dict[str, tuple[str, ...]]:
        """Per rate variable, the columns of its delay line: the peer's regions, then the own."""
        columns = {signal.variable: signal.regions for signal in incoming.signals}
        for variable in {projection.variable for projection in projections}:
            replaced = tuple(region for name, region in own if name == variable)
            columns[variable] = columns.get(variable, ()) + replaced
        return columns

    def _shares(
        self, populations: Sequence[str], weights: Sequence[float] | None
    ) -> tuple[tuple[int, float], ...]:
        """Column and factor of each population that makes up a rate."""
        columns = [self._labels.index(label) for label in populations]
        if weights is None:
            n_cells = [self._engine.network.n_cells(label) for label in populations]
            weights = [n / sum(n_cells) for n in n_cells]
        return tuple(zip(columns, weights, strict=True))

    def _wire(self, projection: Projection) -> _Wired:
        known = self._sources[projection.variable]
        columns = np.array([known.index(source) for source in projection.sources], dtype=np.int64)
        return _Wired(projection, columns, projection.connect(self._engine))

    def start(self) -> Packet:
        """Initialise NEURON; the rates sent before the first window are not used by the peer."""
        with self._stopwatch.phase("build"):
            self._engine.initialize()
        window = SyncWindow(-1, -1, 1, self._dt_ms)
        return self._pack(window, dict.fromkeys((*self._origin, *self._probes), np.zeros(1)))

    def advance(self, window: SyncWindow, incoming: Packet) -> Packet:
        """Deliver what arrives in this window, integrate, and count."""
        with self._stopwatch.phase("transform"):
            self._take(incoming)
            for wired in self._wired:
                self._deliver(wired, window)
        with self._stopwatch.phase("compute"):
            self._engine.advance(window.stop_step)
        with self._stopwatch.phase("transform"):
            spikes = self._count(window)
            read = [port.take()[:, None] for port in self._probes.values()]
            local = np.concatenate([spikes, *read], axis=1)
        with self._stopwatch.phase("wait"):
            total = self._group.sum(local)
        with self._stopwatch.phase("transform"):
            counts = total[:, : len(self._labels)]
            self._n_spikes += counts.sum(axis=0)
            rates_hz = self._to_rate(SpikeCounts(window, self._labels, counts))
            self._ceiling.watch(window.start_step, rates_hz)
            given = self._given(rates_hz)
            for column, (key, port) in enumerate(self._probes.items()):
                given[key] = mean_of(total[:, len(self._labels) + column], port.n_cells)
            packet = self._pack(window, given)
            self._last = window, {**self._driven(packet), **given}
        if window.stop_ms - self._gathering.until_ms >= _GATHER_MS:
            self._gather(window.stop_ms)
        return packet

    def finish(self, incoming: Packet) -> None:
        """Hand over the spikes not gathered yet."""
        # NEURON's own time is a running sum; samples are counted to the exact end.
        self._gather(self._engine.time_ms if self._last is None else self._last[0].stop_ms)

    def summary(self) -> dict[str, object]:
        """Spikes and first gid per population, input events of this rank, NEURON's time."""
        return {
            "time_ms": self._engine.time_ms,
            "spikes": {
                label: int(n) for label, n in zip(self._labels, self._n_spikes, strict=True)
            },
            "first_gids": {label: self._engine.network.first_gid(label) for label in self._labels},
            "input_events_of_rank_0": self._n_events,
            "injection_of_rank_0": asdict(self._engine.ports.injection),
            "warnings": list(self._engine.network.warnings),
        }

    def require_savable(self) -> None:
        """Make sure, after :meth:`start`, that the network can be saved."""
        self._engine.require_savable()

    def state(self) -> State:
        """The network of this rank, rates under way, and what was not handed over yet."""
        last: State = {}
        if self._last is not None:
            window, values = self._last
            keys = sorted(values)
            last = {
                "window": np.array([window.index, window.start_step, window.n_steps]),
                "keys": np.array(keys, dtype=np.str_).reshape(len(keys), 2),
                "values": np.array([values[key] for key in keys]).reshape(-1, window.n_steps),
            }
        own = {
            **self._gathering.state(),
            "n_spikes": self._n_spikes.copy(),
            "n_events": np.array(self._n_events),
        }
        return joined(
            engine=self._engine.state(),
            ceiling=self._ceiling.state(),
            gates=joined(**{name: g.transformer.state() for name, g in self._gates.items()}),
            lines=joined(**{name: line.state() for name, line in self._lines.items()}),
            last=last,
            own=own,
        )

    def restore(self, state: State) -> None:
        """Go on from a state, in the place of :meth:`start`."""
        self._engine.restore(part(state, "engine"))
        self._ceiling.restore(part(state, "ceiling"))
        gates, lines = part(state, "gates"), part(state, "lines")
        for name, gate in self._gates.items():
            gate.transformer.restore(part(gates, name))
        self._lines = {name: DelayLine.restored(part(lines, name)) for name in self._sources}
        own, last = part(state, "own"), part(state, "last")
        self._gathering.restore(own)
        self._n_spikes, self._n_events = np.array(own["n_spikes"]), int(own["n_events"])
        self._last = None
        if last:
            index, start_step, n_steps = (int(number) for number in last["window"])
            keys = [(str(variable), str(region)) for variable, region in last["keys"]]
            values = dict(zip(keys, np.array(last["values"]), strict=True))
            self._last = SyncWindow(index, start_step, n_steps, self._dt_ms), values

    def _take(self, incoming: Packet) -> None:
        """File what was sent in the window before, the peer's and the own, into delay lines."""
        if not self._lines:
            self._lines = {
                variable: DelayLine(
                    self._row_before_start(variable, incoming),
                    self._longest_delay,
                    self._window_steps,
                )
                for variable in self._sources
            }
        if self._last is None:  # before the first window there is nothing to file
            return
        window, own = self._last
        for variable, regions in self._sources.items():
            rows = np.empty((window.n_steps, len(regions)))
            sent = self._sent(variable, incoming)
            n_sent = 0 if sent is None else sent.shape[1]
            if sent is not None:
                rows[:, :n_sent] = sent
            for column in range(n_sent, len(regions)):
                rows[:, column] = own[variable, regions[column]]
            self._lines[variable].push(window.start_step, rows)

    @staticmethod
    def _sent(variable: str, incoming: Packet) -> NDArray[np.float64] | None:
        for signal in incoming.signals:
            if signal.variable == variable:
                return signal.values
        return None

    def _row_before_start(self, variable: str, incoming: Packet) -> NDArray[np.float64]:
        sent = self._sent(variable, incoming)
        own = [hz for (name, _), hz in self._own_initial.items() if name == variable]
        return np.concatenate([[] if sent is None else sent[0], own])

    def _deliver(self, wired: _Wired, window: SyncWindow) -> None:
        projection = wired.projection
        arriving = self._lines[projection.variable].arriving(
            window.start_step, window.n_steps, wired.columns, projection.delays
        )
        if projection.gains is not None:
            # Row by row, not a matrix product: BLAS adds in an order that depends on the window.
            arriving = (arriving * projection.gains).sum(axis=1, keepdims=True)
        self._n_events += wired.deliver(arriving, window.start_step)

    def _given(self, rates_hz: NDArray[np.float64]) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Rates of the replaced regions from those of the populations, each ``(n_steps,)``."""
        given = {}
        for key, shares in self._origin.items():
            (first, weight), *others = shares
            value = rates_hz[:, first] * weight
            for column, weight in others:
                value = value + rates_hz[:, column] * weight
            given[key] = value
        return given

    def _driven(self, packet: Packet) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Gating variables that follow the rates just packed, as the peer computes them too."""
        driven: dict[tuple[str, str], NDArray[np.float64]] = {}
        for variable, gate in self._gates.items():
            signal = packet.signal(variable)
            values = gate.transformer(signal.values, self._dt_ms)
            driven |= {(gate.variable, r): values[:, i] for i, r in enumerate(signal.regions)}
        return driven

    def _count(self, window: SyncWindow) -> NDArray[np.int64]:
        """Local spikes per step and population, shape ``(n_steps, n_populations)``."""
        times_ms, gids, steps = self._engine.take_stepped_spikes()
        shape = window.n_steps, len(self._labels)
        if not times_ms.size:
            return np.zeros(shape, dtype=np.int64)
        self._gathering.keep(times_ms, gids)
        cells = (steps - window.start_step) * shape[1] + self._gathering.population_of(gids)
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)

    def _pack(
        self, window: SyncWindow, given: Mapping[tuple[str, str], NDArray[np.float64]]
    ) -> Packet:
        signals = []
        for layout in self.outgoing.signals:
            values = np.empty((window.n_steps, len(layout.regions)))
            for column, region in enumerate(layout.regions):
                values[:, column] = given[layout.variable, region]
            signals.append(layout.build(window, values))
        return Packet(window.index + 1, self.name, tuple(signals))

    def _gather(self, now_ms: float) -> None:
        with self._stopwatch.phase("record"):
            self._gathering.gather(now_ms)
