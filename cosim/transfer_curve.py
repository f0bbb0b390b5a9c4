"""The circuits of an experiment in open loop: constant drive in, stationary rates out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from cosim.config import Circuit as CircuitSection
from cosim.deliveries import connect
from cosim.drives import Drive, drives_of
from cosim.keyed_random import compile_now
from cosim.operating_range import OperatingPoint
from cosim.plan import Plan
from cosim.plan_circuits import CircuitPlan
from cosim.protocols import Group
from cosim.spiking.engine import NeuronEngine
from cosim.spiking.own_excitation import OwnExcitation

# Long against every synapse, short enough that few events wait in NEURON's queue.
_WINDOW_MS = 50.0
# Blocks from which the standard error is taken: longer than rates stay correlated.
BLOCK_MS = 500.0

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rates:
    """Rates of all replaced regions under one constant drive.

    Attributes:
        blocks_hz: Per (rate, region), the rate in each block of 500 ms, shape ``(n_blocks,)``.
    """

    blocks_hz: Mapping[tuple[str, str], Array]

    def mean_hz(self, rate: str, region: str, n_blocks: int | None = None) -> float:
        """Rate over the first blocks, or all, Hz."""
        return float(self.blocks_hz[rate, region][:n_blocks].mean())

    def error_hz(self, rate: str, region: str) -> float:
        """Its standard error, from the scatter of the blocks, Hz."""
        blocks = self.blocks_hz[rate, region]
        return float(blocks.std(ddof=1) / np.sqrt(blocks.size)) if blocks.size > 1 else np.inf


def drives_for(
    plan: Plan, circuits: CircuitPlan, sections: Sequence[CircuitSection]
) -> tuple[Drive, ...]:
    """The inputs of sections as numbers.

    Args:
        plan: The experiment.
        circuits: Its circuits.
        sections: Sections of it, their inputs written out.
    """
    model = plan.family.build(plan.parameters)
    return drives_of(
        sections,
        plan.family,
        plan.connectome,
        circuits.composition,
        np.asarray(model.G, dtype=np.float64),
        np.asarray(model.J_N, dtype=np.float64),
        plan.experiment.brain.dt_ms,
    )


class TransferBench:
    """The network of a run, built once, whose inputs are held constant and changed at will.

    It is the run's own network: the same seed draws the same connections, and inputs arrive by the
    same transformers. Every measurement starts from the initial state with the same random numbers,
    so that two of them differ by what was changed alone.

    Args:
        plan: The experiment.
        circuits: Its circuits.
        sections: The circuits, one section per region.
        group: The ranks that share the network.
    """

    def __init__(
        self, plan: Plan, circuits: CircuitPlan, sections: Sequence[CircuitSection], group: Group
    ):
        compile_now()
        self._plan, self._circuits, self._group = plan, circuits, group
        self._dt_ms = plan.experiment.brain.dt_ms
        self.simulated_s = 0.0
        self._excitation: OwnExcitation | None = None
        self._engine = NeuronEngine(
            circuits.composition, circuits.dt_ms, self._dt_ms, plan.experiment.seed
        )
        try:
            drives = drives_for(plan, circuits, sections)
            self._deliveries = [
                connect(drive, plan.experiment.seed, self._dt_ms, self._engine) for drive in drives
            ]
        except BaseException:
            self._engine.close()
            raise
        self._labels = self._engine.network.populations
        self._first = np.array([self._engine.network.first_gid(label) for label in self._labels])
        self._n_cells = {label: self._engine.network.n_cells(label) for label in self._labels}

    def __enter__(self) -> "TransferBench":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._excitation = None  # its connections belong to the network
        self._engine.close()

    def n_cells(self, rate: str, region: str) -> int:
        """Cells whose spikes make a rate."""
        return sum(
            self._n_cells[label] for label in self._circuits.origin[rate, region].populations
        )

    def has_own_excitation(self) -> bool:
        """Whether any excitatory connection is the network's own. Collective."""
        mine = np.array([self._own_excitation().n_weights])
        return bool(self._group.sum(mine)[0])

    def _own_excitation(self) -> OwnExcitation:
        if self._excitation is None:
            self._excitation = self._engine.network.own_excitation()
        return self._excitation

    def scale_excitation(self, factors: Mapping[str, float]) -> None:
        """Factor per region on the network's own excitatory connections, as built."""
        regions = {p.label: p.region for p in self._circuits.composition.populations}
        self._own_excitation().scale(
            {label: factors[regions[label]] for label in self._labels if regions[label] in factors}
        )

    def rates(
        self,
        sections: Sequence[CircuitSection],
        point: OperatingPoint,
        seconds: float,
        settling_s: float,
        seed: int | None = None,
    ) -> Rates:
        """Rates under a constant drive.

        Args:
            sections: The circuits with the numbers to use.
            point: What all regions send.
            seconds: Time that is measured, rounded to blocks, s.
            settling_s: Time before it, s.
            seed: Seed of the spikes from outside; None: the experiment's.
        """
        return self.course(sections, [(settling_s, point)], [(seconds, point)], seed=seed)

    def course(
        self,
        sections: Sequence[CircuitSection],
        before: Sequence[tuple[float, OperatingPoint]],
        measured: Sequence[tuple[float, OperatingPoint]],
        silent_background: bool = False,
        seed: int | None = None,
    ) -> Rates:
        """Rates while one drive follows another.

        Args:
            sections: The circuits with the numbers to use.
            before: Seconds and drive of what is not measured.
            measured: Seconds and drive of what is.
            silent_background: Whether the inputs' own background is off while it is measured.
            seed: Seed of the spikes from outside; None: the experiment's.
        """
        seed = self._plan.experiment.seed if seed is None else seed
        drives = drives_for(self._plan, self._circuits, sections)
        for delivery, drive in zip(self._deliveries, drives, strict=True):
            delivery.change(drive.target, seed)
        self._engine.initialize()
        step = 0
        for seconds, point in before:
            step = self._hold(drives, point, step, seconds)
        self._engine.take_spikes()
        start = step
        if silent_background:
            for delivery in self._deliveries:
                delivery.silence()
        for seconds, point in measured:
            step = self._hold(drives, point, step, seconds)
        self.simulated_s += step * self._dt_ms / 1000.0
        return self._blocks(start, step)

    def _hold(
        self, drives: Sequence[Drive], point: OperatingPoint, step: int, seconds: float
    ) -> int:
        """Simulate under one drive; returns the step at which it ends."""
        stop = step + max(round(seconds * 1000.0 / self._dt_ms), 1)
        window = max(round(_WINDOW_MS / self._dt_ms), 1)
        connectome = self._plan.connectome
        arriving = []
        for drive in drives:
            sources = [connectome.index(source) for source in drive.sources]
            sent = point.sent[drive.variable][sources]
            if drive.gains is not None:
                sent = (drive.gains * sent).sum(keepdims=True)
            arriving.append(sent)
        while step < stop:
            n_steps = min(window, stop - step)
            for delivery, row in zip(self._deliveries, arriving, strict=True):
                delivery(np.broadcast_to(row, (n_steps, row.size)).copy(), step)
            self._engine.advance(step + n_steps, held=True)
            step += n_steps
        return step

    def _blocks(self, start: int, stop: int) -> Rates:
        per_block = round(BLOCK_MS / self._dt_ms)
        n_blocks = max((stop - start) // per_block, 1)
        per_block = min(per_block, stop - start)
        counts = np.zeros((n_blocks, len(self._labels)), dtype=np.int64)
        times_ms, gids = self._engine.take_spikes()
        block = (self._engine.step_of(times_ms) - start) // per_block
        inside = (block >= 0) & (block < n_blocks)
        order = np.argsort(self._first)
        population = order[np.searchsorted(self._first[order], gids, side="right") - 1]
        np.add.at(counts, (block[inside], population[inside]), 1)
        total = self._group.sum(counts)  # integers: the same on any number of ranks
        block_s = per_block * self._dt_ms / 1000.0
        blocks_hz = {}
        for key, mixture in self._circuits.origin.items():
            columns = [self._labels.index(label) for label in mixture.populations]
            cells = np.array([self._n_cells[label] for label in mixture.populations])
            if mixture.weights is None:
                blocks_hz[key] = total[:, columns].sum(axis=1) / (cells.sum() * block_s)
            else:
                blocks_hz[key] = (total[:, columns] / cells) @ np.array(mixture.weights) / block_s
        return Rates(blocks_hz)
