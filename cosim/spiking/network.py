"""The cells of a run in NEURON: built by NetPyNE, found by population, taken down at the end."""

import contextlib
import gc
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cosim.errors import SimulationError
from cosim.spiking.cell_placement import placed_by_cost
from cosim.spiking.chatter import Chatter
from cosim.spiking.coincidence import order_coincident_events
from cosim.spiking.fast_connect import fast_probability
from cosim.spiking.global_state import NeuronGlobals, take_down
from cosim.spiking.interpreter import (
    clear_reaction_diffusion,
    netpyne_seeds,
    netpyne_sim,
    netpyne_specs,
    neuron_hoc,
    neuron_rxd,
)
from cosim.spiking.own_excitation import OwnExcitation
from cosim.spiking.populations import find_populations
from cosim.spiking.reaction_compiler import ReactionCompiler
from cosim.spiking.reaction_diffusion import add_reaction_diffusion

if TYPE_CHECKING:
    from cosim.spiking.compose import Composition


class Network:
    """Cells, connections, stimuli and reactions of all copies of circuits, over NEURON's ranks.

    NetPyNE and NEURON keep a network in global state, so one lives at a time. It is there from
    :meth:`build` to :meth:`close`.

    Args:
        composition: What to build.

    Attributes:
        h: NEURON's interpreter.
        sim: NetPyNE's module of the running network.
        composition: What is built.
        chatter: What NetPyNE says meanwhile.
        cells: NetPyNE's cells on this rank, by gid.
        reactions: Compiles reactions; None where there are none.

    Raises:
        SimulationError: If another network lives.
    """

    _alive: ClassVar["Network | None"] = None

    def __init__(self, composition: "Composition"):
        if Network._alive is not None:
            raise SimulationError(
                "A NEURON network is already built in this process; NEURON has one. Close it first."
            )
        self.composition = composition
        self.h = neuron_hoc()
        if int(self.h.List("NetCon").count()):
            # Of a network whose end an exception still held on to. NEURON numbers its objects from
            # 0 once none is left, and a checkpoint knows them by their numbers.
            gc.collect()
        self.sim = netpyne_sim()
        self.chatter = Chatter()
        self.cells: dict[int, Any] = {}
        self.reactions: ReactionCompiler | None = None
        self._globals: NeuronGlobals | None = None
        Network._alive = self

    def build(self, dt_ms: float, seed: int, duration_ms: float) -> None:
        """Build it. Collective.

        Args:
            dt_ms: NEURON's step, ms.
            seed: Seed of the run: the same seed is the same network on any number of ranks.
            duration_ms: Length of the run for NetPyNE's stimuli that are laid out in advance, ms.

        Raises:
            ConfigurationError: If NetPyNE or NEURON cannot; one line.
        """
        sim, net_params = self.sim, self.composition.net_params
        config = self._config(dt_ms, seed, duration_ms)
        self._globals = NeuronGlobals(self.h, config, net_params)
        with self.chatter.stage("reading netParams"):
            sim.initialize(netParams=net_params, simConfig=config)
        with self.chatter.stage("creating populations"):
            sim.net.createPops()
        with self.chatter.stage("creating cells"), placed_by_cost(sim, net_params):
            sim.net.createCells()
        self.cells.update((int(cell.gid), cell) for cell in sim.net.cells)
        self._local, self._n_cells, self._first = find_populations(sim)
        with (
            self.chatter.stage("connecting cells"),
            self._tags_in_gid_order(),
            fast_probability(sim),
        ):
            sim.net.connectCells()
        with self.chatter.stage("adding stimuli"), self._tags_in_gid_order():
            sim.net.addStims()
        if net_params.rxdParams:
            self.reactions = ReactionCompiler(neuron_rxd())
            with self.chatter.stage("adding reaction-diffusion"):
                add_reaction_diffusion(sim)
        order_coincident_events(self.cells.values(), sum(self._n_cells.values()))

    def _config(self, dt_ms: float, seed: int, duration_ms: float) -> Any:
        config = netpyne_specs().SimConfig()
        for name, value in self.composition.sim_config_values.items():
            setattr(config, name, dict(value) if isinstance(value, Mapping) else value)
        config.dt = dt_ms
        config.duration = float(duration_ms)
        config.seeds = netpyne_seeds(seed)
        config.progressBar = 0
        config.createPyStruct = True
        return config

    @contextlib.contextmanager
    def _tags_in_gid_order(self) -> Iterator[None]:
        """NetPyNE gathers cells rank by rank; random weights are drawn in that order."""
        sim = self.sim
        gather = sim._gatherAllCellTags
        sim._gatherAllCellTags = lambda: dict(sorted(gather().items()))
        try:
            yield
        finally:
            sim._gatherAllCellTags = gather

    @property
    def warnings(self) -> tuple[str, ...]:
        """What looks like an oversight in the circuits and is no error, one line each."""
        return (*self.composition.warnings, *self.chatter.warnings)

    @property
    def populations(self) -> tuple[str, ...]:
        """Labels of all populations, in the order of their cell ids."""
        return tuple(self._local)

    @property
    def n_local_cells(self) -> int:
        """Cells on this rank."""
        return len(self.cells)

    def n_cells(self, label: str) -> int:
        """Cells of a population, over all ranks."""
        return self._n_cells[label]

    def local_gids(self, label: str) -> NDArray[np.int64]:
        """Ids of a population's cells on this rank, sorted, shape ``(n_local,)``."""
        return self._local[label]

    def first_gid(self, label: str) -> int:
        """Smallest id of a population; ids have no gaps, so ``gid - first_gid`` is the index."""
        return self._first[label]

    def name_of(self, gid: int) -> str:
        """A cell as messages name it: its index in its population."""
        label = next(name for name, gids in self._local.items() if gid in gids)
        return f"cell {gid - self._first[label]} of population {label!r}"

    def receptors(self, population: str) -> Mapping[str, str]:
        """Composed label per receptor of the circuit that a population belongs to."""
        copy = next(p.copy for p in self.composition.populations if p.label == population)
        return self.composition.receptors[copy]

    def own_excitation(self) -> OwnExcitation:
        """The weights of the network's own excitatory connections on this rank."""
        return OwnExcitation(self.composition.net_params, self._local, self.cells)

    @property
    def is_closed(self) -> bool:
        """Whether it has been taken down."""
        return Network._alive is not self

    def close(self) -> None:
        """Take it down, so that the next one starts as in a fresh process."""
        if self.is_closed:
            return
        Network._alive = None
        if self.reactions is not None:
            self.reactions.close()
        if self.composition.net_params.rxdParams:
            clear_reaction_diffusion()
        self.cells.clear()
        take_down(self.h, self.sim)
        if self._globals is not None:
            self._globals.restore()
