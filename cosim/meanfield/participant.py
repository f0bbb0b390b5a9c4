"""TVB as one participant of the coupled run."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cosim.clock import SyncWindow
from cosim.errors import SimulationError
from cosim.meanfield.engine import Network
from cosim.protocols import GatedRate, Samples
from cosim.rate_ceiling import RateCeiling
from cosim.saved_state import State, joined, part
from cosim.signals import Packet, PacketLayout
from cosim.stopwatch import Stopwatch

NAME = "TVB"

# A share of clipped steps is only judged once it is not a matter of a few steps.
_CLIPS_JUDGED_AFTER = 10_000


class TvbParticipant:
    """The mean-field network, in which the peer's regions follow what the peer reports.

    Args:
        network: The network.
        outgoing: Variables and regions that the peer is told.
        incoming: What the peer tells; its regions are the replaced ones.
        gates: Per incoming rate variable, the gating variable that it drives.
        samples: Where monitor samples go.
        stopwatch: Attributes the time spent.
        rate_ceiling_hz: Limit on every population's rate, Hz.
        clipped_fraction: Limit on the share of (step, region) pairs that were clipped.
    """

    name = NAME

    def __init__(
        self,
        network: Network,
        outgoing: PacketLayout,
        incoming: PacketLayout,
        gates: Mapping[str, GatedRate],
        samples: Samples,
        stopwatch: Stopwatch,
        rate_ceiling_hz: float,
        clipped_fraction: float,
    ):
        self._network = network
        self.outgoing = outgoing
        self._samples = samples
        self._stopwatch = stopwatch
        self._clipped_limit = clipped_fraction
        regions, variables = network.regions, network.family.variables
        replaced = {region for signal in incoming.signals for region in signal.regions}
        self._replaced = np.array([i for i, r in enumerate(regions) if r in replaced], dtype=int)
        self._own = np.array([i for i, r in enumerate(regions) if r not in replaced], dtype=int)
        self._row = {name: variables.index(name) for name in variables}
        self._columns = {
            (layout, signal.variable): np.array([regions.index(r) for r in signal.regions], int)
            for layout, packet in (("out", outgoing), ("in", incoming))
            for signal in packet.signals
        }
        told = {signal.variable for signal in incoming.signals}
        self._gates = {variable: gate for variable, gate in gates.items() if variable in told}
        # Row and column of every rate of every region that is TVB's own, in the labels' order.
        rows = [self._row[name] for name in network.family.rates]
        self._own_rates = np.repeat(rows, self._own.size), np.tile(self._own, len(rows))
        labels = [f"{v} of region {regions[i]!r}" for v in network.family.rates for i in self._own]
        self._ceiling = RateCeiling(tuple(labels), rate_ceiling_hz, network.dt_ms)
        self._pending: tuple[SyncWindow, NDArray[np.float64]] | None = None

    def start(self) -> Packet:
        """The initial rates, as if they had held for ever before t = 0."""
        window = SyncWindow(-1, -1, 1, self._network.dt_ms)
        initial = self._network.initial_state()
        return self._pack(window, initial[np.newaxis])

    def advance(self, window: SyncWindow, incoming: Packet) -> Packet:
        """Complete the window before with the peer's packet, then integrate this one."""
        self._complete(incoming)
        with self._stopwatch.phase("compute"):
            states = self._network.advance(window)
        self._check(window, states)
        self._pending = window, states
        with self._stopwatch.phase("transform"):
            return self._pack(window, states)

    def finish(self, incoming: Packet) -> None:
        """Complete the last window."""
        self._complete(incoming)
        self._judge_clips(final=True)

    def summary(self) -> dict[str, object]:
        """Steps done and steps clipped."""
        clipped = self._clipped()
        return {
            "steps": self._network.step,
            "time_ms": self._network.step * self._network.dt_ms,
            "clipped_steps": {
                region: int(n)
                for region, n in zip(self._network.regions, clipped, strict=True)
                if n
            },
        }

    def require_savable(self) -> None:
        """A network of TVB's objects always can be saved."""

    def state(self) -> State:
        """Network, gates, rates of the present block, and the window not completed yet."""
        pending: State = {}
        if self._pending is not None:
            window, states = self._pending
            place = np.array([window.index, window.start_step, window.n_steps])
            pending = {"window": place, "states": states.copy()}
        return joined(
            network=self._network.state(),
            gates=joined(**{name: g.transformer.state() for name, g in self._gates.items()}),
            ceiling=self._ceiling.state(),
            pending=pending,
        )

    def restore(self, state: State) -> None:
        """Go on from a state, in the place of :meth:`start`."""
        self._network.restore(part(state, "network"))
        gates = part(state, "gates")
        for name, gate in self._gates.items():
            gate.transformer.restore(part(gates, name))
        self._ceiling.restore(part(state, "ceiling"))
        pending = part(state, "pending")
        self._pending = None
        if pending:
            index, start_step, n_steps = (int(number) for number in pending["window"])
            window = SyncWindow(index, start_step, n_steps, self._network.dt_ms)
            self._pending = window, np.array(pending["states"])

    def _clipped(self) -> NDArray[np.int64]:
        """Steps clipped per region, by TVB or, where replaced, by the gate that its rate drives."""
        clipped = np.zeros(len(self._network.regions), dtype=np.int64)
        clipped[self._own] = self._network.n_clipped[self._own]
        for variable, gate in self._gates.items():
            clipped[self._columns["in", variable]] += gate.transformer.n_clipped
        return clipped

    def _pack(self, window: SyncWindow, states: NDArray[np.float64]) -> Packet:
        signals = tuple(
            layout.build(
                window, states[:, self._row[layout.variable], self._columns["out", layout.variable]]
            )
            for layout in self.outgoing.signals
        )
        return Packet(window.index + 1, self.name, signals)

    def _check(self, window: SyncWindow, states: NDArray[np.float64]) -> None:
        # A sum is NaN or infinite as soon as one term is.
        if not np.isfinite(states.sum()):
            own = states[:, :, self._own]
            bad = np.argwhere(~np.isfinite(own))
            if bad.size:
                step, row, column = bad[0]
                region = self._network.regions[self._own[column]]
                raise SimulationError(
                    f"{self._network.family.variables[row]} of region {region!r} became "
                    f"{own[step, row, column]:g} at t = "
                    f"{(window.start_step + step + 1) * window.dt_ms:g} ms; lower brain.dt_ms, "
                    f"G or the noise."
                )
        rates = states[:, self._own_rates[0], self._own_rates[1]]
        self._ceiling.watch(window.start_step, rates)

    def _complete(self, incoming: Packet) -> None:
        if self._pending is None:
            return
        window, states = self._pending
        self._pending = None
        if self._replaced.size:
            with self._stopwatch.phase("transform"):
                self._replace(window, states, incoming)
                self._network.impose(window, self._replaced, states[:, :, self._replaced])
        with self._stopwatch.phase("compute"):
            samples = self._network.sample(window, states)
        with self._stopwatch.phase("record"):
            for name, (times_ms, values) in samples.items():
                if times_ms.size:
                    self._samples.add_series(name, times_ms, values)
        self._judge_clips(final=False)

    def _replace(self, window: SyncWindow, states: NDArray[np.float64], incoming: Packet) -> None:
        """Overwrite the replaced regions' columns with what the peer simulated."""
        # What a circuit does not provide is unknown, and recorded as such.
        states[:, :, self._replaced] = np.nan
        for signal in incoming.signals:
            columns = self._columns["in", signal.variable]
            states[:, self._row[signal.variable], columns] = signal.values
            if signal.variable in self._gates:
                gate = self._gates[signal.variable]
                states[:, self._row[gate.variable], columns] = gate.transformer(
                    signal.values, window.dt_ms
                )

    def _judge_clips(self, final: bool) -> None:
        clipped = self._clipped()
        pairs = self._network.step * clipped.size
        if not (final or pairs >= _CLIPS_JUDGED_AFTER) or pairs == 0:
            return
        if clipped.sum() > self._clipped_limit * pairs:
            worst = self._network.regions[np.argmax(clipped)]
            raise SimulationError(
                f"{100 * clipped.sum() / pairs:.3g} % of the steps up to t = "
                f"{self._network.step * self._network.dt_ms:g} ms were clipped to [0, 1] (most in "
                f"region {worst!r}), above limits.clipped_fraction = {self._clipped_limit:g}; "
                f"lower brain.noise or brain.parameters.G."
            )
