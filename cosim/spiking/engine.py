"""NEURON, built by NetPyNE and driven window by window."""

import contextlib
import gc
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cosim.clock import require_whole_steps
from cosim.config_circuit import Where
from cosim.errors import ConfigurationError, SimulationError
from cosim.saved_state import State, joined, numbered, part
from cosim.spiking.cell_placement import placed_by_cost
from cosim.spiking.chatter import Chatter, Hush, one_line, quiet
from cosim.spiking.coincidence import order_coincident_events
from cosim.spiking.fast_connect import fast_probability
from cosim.spiking.global_state import NeuronGlobals, take_down
from cosim.spiking.injection import Injection, choose_injection
from cosim.spiking.input_port import InputPort
from cosim.spiking.interpreter import (
    clear_reaction_diffusion,
    netpyne_seeds,
    netpyne_sim,
    netpyne_specs,
    neuron_hoc,
    neuron_rxd,
)
from cosim.spiking.network_state import NetworkState
from cosim.spiking.own_excitation import OwnExcitation
from cosim.spiking.populations import find_populations
from cosim.spiking.probe import ProbePort, Reading, pointer_to
from cosim.spiking.reaction_compiler import ReactionCompiler
from cosim.spiking.reaction_diffusion import add_reaction_diffusion
from cosim.spiking.receptors import check_receptor
from cosim.spiking.recording import Recording, RecordingPort, forget_samplers
from cosim.spiking.recording_sites import of_cells, of_field
from cosim.spiking.stamped_spikes import StampedSpikes
from cosim.spiking.targets import Targets, unlike_cells
from cosim.spiking.value_port import ValuePort
from cosim.spiking.voltage_watch import VoltageWatch

if TYPE_CHECKING:
    from cosim.spiking.compose import Composition


class NeuronEngine:
    """One network in NEURON, spread over the ranks of NEURON's world.

    NetPyNE and NEURON keep a network in global state, so one engine lives at a time.

    Args:
        composition: What to build.
        dt_ms: NEURON's step, ms.
        mean_field_dt_ms: Step in which time is told from outside, ms; a multiple of ``dt_ms``.
        seed: Seed of the run: the same seed is the same network on any number of ranks.
        duration_ms: Length of the run for NetPyNE's stimuli that are laid out in advance, ms.

    Raises:
        ConfigurationError: If NetPyNE or NEURON cannot build the network; one line.
    """

    _alive: ClassVar["NeuronEngine | None"] = None

    def __init__(
        self,
        composition: "Composition",
        dt_ms: float,
        mean_field_dt_ms: float,
        seed: int,
        duration_ms: float = 1000.0,
    ):
        if NeuronEngine._alive is not None:
            raise SimulationError(
                "A NEURON network is already built in this process; NEURON has one. Close it first."
            )
        self._per_step = require_whole_steps(
            "brain.dt_ms", mean_field_dt_ms, dt_ms, "the circuits' dt_ms"
        )
        self._dt_ms = dt_ms
        self._composition = composition
        self._h = neuron_hoc()
        if int(self._h.List("NetCon").count()):
            # Of a network whose end an exception still held on to. NEURON numbers its objects from
            # 0 once none is left, and a checkpoint knows them by their numbers.
            gc.collect()
        self._sim = netpyne_sim()
        self._targets = Targets(self._h, {})
        self._ports: list[InputPort] = []
        self._probes: list[ProbePort] = []
        self._values: list[ValuePort] = []
        self._recordings: list[RecordingPort] = []
        self._injection: Injection | None = None
        self._spikes: StampedSpikes | None = None
        self._voltages: Any = None
        self._reactions: ReactionCompiler | None = None
        self._network_state: NetworkState | None = None
        self._step = 0
        self._globals: NeuronGlobals | None = None
        self._chatter, self._hush = Chatter(), Hush()
        NeuronEngine._alive = self
        try:
            self._build(self._config(seed, duration_ms))
        except BaseException:
            self.close()
            raise

    # -- building ---------------------------------------------------------------------------

    def _config(self, seed: int, duration_ms: float) -> Any:
        config = netpyne_specs().SimConfig()
        for name, value in self._composition.sim_config_values.items():
            setattr(config, name, dict(value) if isinstance(value, Mapping) else value)
        config.dt = self._dt_ms
        config.duration = float(duration_ms)
        config.seeds = netpyne_seeds(seed)
        config.progressBar = 0
        config.createPyStruct = True
        return config

    def _build(self, config: Any) -> None:
        sim, net_params = self._sim, self._composition.net_params
        self._globals = NeuronGlobals(self._h, config, net_params)
        with self._chatter.stage("reading netParams"):
            sim.initialize(netParams=net_params, simConfig=config)
        with self._chatter.stage("creating populations"):
            sim.net.createPops()
        with self._chatter.stage("creating cells"), placed_by_cost(sim, net_params):
            sim.net.createCells()
        self._cells = {int(cell.gid): cell for cell in sim.net.cells}
        self._targets = Targets(self._h, self._cells)
        self._local, self._n_cells, self._first = find_populations(sim)
        with (
            self._chatter.stage("connecting cells"),
            self._tags_in_gid_order(),
            fast_probability(sim),
        ):
            sim.net.connectCells()
        with self._chatter.stage("adding stimuli"), self._tags_in_gid_order():
            sim.net.addStims()
        if net_params.rxdParams:
            self._reactions = ReactionCompiler(neuron_rxd())
            with self._chatter.stage("adding reaction-diffusion"):
                add_reaction_diffusion(sim)
        order_coincident_events(self._cells.values(), sum(self._n_cells.values()))

    @contextlib.contextmanager
    def _tags_in_gid_order(self) -> Iterator[None]:
        """NetPyNE gathers cells rank by rank; random weights are drawn in that order."""
        sim = self._sim
        gather = sim._gatherAllCellTags
        sim._gatherAllCellTags = lambda: dict(sorted(gather().items()))
        try:
            yield
        finally:
            sim._gatherAllCellTags = gather

    # -- cells and inputs -------------------------------------------------------------------

    @property
    def injection(self) -> Injection:
        """How spikes from outside enter NEURON's queue; what is compiled already, if not chosen."""
        if self._injection is None:
            self._injection = choose_injection("auto", 0)
        return self._injection

    def choose_injection(self, wanted: str, n_events: float) -> None:
        """Choose how spikes from outside enter NEURON's queue, before inputs are added.

        Args:
            wanted: ``auto``, ``compiled`` or ``netcon``.
            n_events: Events that this rank expects to queue.

        Raises:
            ConfigurationError: If ``compiled`` is wanted and cannot be had.
        """
        self._injection = choose_injection(wanted, n_events)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What looks like an oversight in the circuits and is no error, one line each."""
        return (*self._composition.warnings, *self._chatter.warnings)

    @property
    def populations(self) -> tuple[str, ...]:
        """Labels of all populations, in the order of their cell ids."""
        return tuple(self._local)

    @property
    def n_local_cells(self) -> int:
        """Cells on this rank."""
        return len(self._cells)

    def n_cells(self, label: str) -> int:
        """Cells of a population, over all ranks."""
        return self._n_cells[label]

    def local_gids(self, label: str) -> NDArray[np.int64]:
        """Ids of a population's cells on this rank, sorted, shape ``(n_local,)``."""
        return self._local[label]

    def first_gid(self, label: str) -> int:
        """Smallest id of a population; ids have no gaps, so ``gid - first_gid`` is the index."""
        return self._first[label]

    def add_input(
        self,
        population: str,
        receptor: str,
        weights_uS: NDArray[np.float64],
        where: Where | None = None,
    ) -> InputPort:
        """Connect spike trains to every cell of a population.

        Args:
            population: ``REGION.POP``.
            receptor: The user's name of the receptor.
            weights_uS: Weight of each source's trains, shape ``(n_sources,)``.
            where: Place on the cells; None: the middle of the soma (or of the first section).

        Raises:
            ConfigurationError: If the population or receptor is unknown or takes no events.
        """
        check_receptor(self._composition.population_receptors, population, receptor)
        label = self._composition.population_receptors[population][receptor]
        with self._chatter.stage(f"adding receptor {receptor!r} to population {population!r}"):
            port = self._targets.trains(
                self._local[population], label, weights_uS, where, self.injection
            )
        self._require_alike(port)
        self._ports.append(port)
        return port

    def _require_alike(self, port: InputPort) -> None:
        """Cells of other ranks spread their events as those of this one. Collective."""
        everywhere, has_cells = self._sim.pc.allreduce, port.gids.size > 0
        n_places = int(everywhere(float(port.shares.size if has_cells else 0), 2))
        if has_cells and port.shares.size == n_places:
            lowest = highest = port.shares.tolist()
        else:
            # Without cells nothing is said; with fewer places a share that no cell can have.
            lowest, highest = [1.0] * n_places, [2.0 if has_cells else 0.0] * n_places
        if any(
            everywhere(low, 3) != everywhere(high, 2)
            for low, high in zip(lowest, highest, strict=True)
        ):
            raise unlike_cells()

    def add_current(self, population: str, where: Where | None = None) -> ValuePort:
        """Inject a current, nA, into every cell of a population.

        Args:
            population: ``REGION.POP``.
            where: Place on the cells, as for :meth:`add_input`.

        Raises:
            ConfigurationError: If the cells have no membrane.
        """
        self._values.append(self._targets.current(self._local[population], where))
        return self._values[-1]

    def add_variable(self, reading: Reading) -> ValuePort:
        """Set a variable of every cell of a population over each mean-field step.

        Args:
            reading: What is set where.

        Raises:
            ConfigurationError: If the cells have no such variable.
        """
        gids, receptors = self._local[reading.population], self._receptors(reading.population)
        self._values.append(self._targets.variable(gids, reading, receptors))
        return self._values[-1]

    def _receptors(self, population: str) -> Mapping[str, str]:
        """Composed label per receptor of the circuit that a population belongs to."""
        copy = next(p.copy for p in self._composition.populations if p.label == population)
        return self._composition.receptors[copy]

    def add_probe(self, reading: Reading) -> ProbePort:
        """Read a variable of every cell of a population at the end of each mean-field step.

        Args:
            reading: What is read where.

        Raises:
            ConfigurationError: If the cells have no such variable.
        """
        label = reading.population
        receptors = self._receptors(label)
        pointers = [
            pointer_to(self._cells[gid], reading, receptors) for gid in self._local[label].tolist()
        ]
        self._probes.append(ProbePort(self._h, pointers, self._n_cells[label]))
        return self._probes[-1]

    def own_excitation(self) -> OwnExcitation:
        """The weights of the network's own excitatory connections on this rank."""
        return OwnExcitation(self._composition.net_params, self._local, self._cells)

    def add_recording(self, recording: Recording) -> RecordingPort:
        """Sample variables, concentrations or the field potential at whole periods.

        Args:
            recording: What is recorded.

        Raises:
            ConfigurationError: If there is no such cell, section, variable or species.
        """
        h, sim = self._h, self._sim
        if recording.kind == "lfp":
            copy_of = {p.label: p.copy for p in self._composition.populations}
            cells = [self._cells[gid] for gid in sorted(self._cells)]
            port = of_field(h, sim, recording, cells, copy_of)
        else:
            label = recording.population
            receptors = self._composition.receptors[recording.copy]
            first, n_cells = self._first[label], self._n_cells[label]
            port = of_cells(h, sim, recording, self._cells, first, n_cells, receptors)
        self._recordings.append(port)
        return port

    # -- running ----------------------------------------------------------------------------

    def initialize(self) -> None:
        """Bring the network to time zero, as NetPyNE does before a run."""
        sim, h = self._sim, self._h
        with self._chatter.stage("preparing the run"):
            sim.preRun()
        self._spikes = StampedSpikes(h, sim.pc, self._dt_ms, self._per_step)
        self._voltages = VoltageWatch(h, self._cells)
        self._step = 0
        self._network_state = None
        try:
            with self._chatter.stage("initialising NEURON"):
                h.finitialize(float(sim.cfg.hParams["v_init"]))
        except ConfigurationError as error:
            if "mindelay" not in str(error):
                raise
            raise ConfigurationError(
                f"On several ranks NEURON needs every delay between cells to be above its step, "
                f"dt_ms = {self._dt_ms:g}, and one is not; lengthen it, or give NEURON one rank "
                f"(mpirun -n 2)."
            ) from error
        finally:
            if self._reactions is not None:
                self._reactions.raise_failure()
        for port in self._recordings:
            port.sampler.begin()

    def advance(self, stop_step: int, *, held: bool = False) -> None:
        """Simulate up to the start of a mean-field step.

        Args:
            stop_step: First mean-field step after the window.
            held: What is set for the first step of the window holds over all of it, and probes are
                read at its end only; that spares a pause at every mean-field step.

        Raises:
            SimulationError: If NEURON fails or a membrane potential is no longer finite.
        """
        # Values are set and probes read at every mean-field step; NEURON's results do not depend
        # on where it pauses.
        every_step = (self._probes or self._values) and not held
        stops = range(self._step + 1, stop_step + 1) if every_step else (stop_step,)
        with self._hush:
            for step, stop in enumerate(stops):
                for value in self._values:
                    value.apply(step)
                self._solve(stop)
                for probe in self._probes:
                    probe.sample()
        self._check_voltages()

    def _solve(self, stop_step: int) -> None:
        n_steps = (stop_step - self._step) * self._per_step
        # A target counted from h.t itself always takes n_steps: h.t is a running sum, and with
        # absolute targets NEURON drops a step once it is 1e-9 steps ahead (dt .025: at 11.6 s).
        try:
            self._sim.pc.psolve(self._h.t + n_steps * self._dt_ms)
        except RuntimeError as error:
            raise SimulationError(
                f"NEURON failed at t = {self._h.t:g} ms: {one_line(error)}"
            ) from error
        self._step = stop_step
        self._stamped.follow(self._h.t, stop_step)

    def require_savable(self) -> None:
        """Make sure, at t = 0 or once restored, that :meth:`state` can save this network.

        Raises:
            ConfigurationError: If it cannot; one line per reason.
        """
        if self._network_state is None:
            self._network_state = NetworkState(self._h)

    def state(self) -> State:
        """All that this rank's network needs to go on; see :class:`NetworkState`."""
        if self._network_state is None:
            raise SimulationError("The network was not made ready to be saved at t = 0.")
        return joined(
            own={"step": np.array(self._step), **self._stamped.state()},
            neuron=self._network_state.state(),
            recordings=numbered([port.sampler.state() for port in self._recordings]),
        )

    def restore(self, state: State) -> None:
        """Initialise the network and go on from a state.

        Raises:
            ConfigurationError: If the network is not built as the one that was saved.
        """
        self.initialize()
        self.require_savable()
        assert self._network_state is not None
        with quiet():
            self._network_state.restore(part(state, "neuron"))
        own = part(state, "own")
        self._step = int(own["step"])
        self._stamped.restore(own)
        recordings = part(state, "recordings")
        for number, port in enumerate(self._recordings):
            port.sampler.restore(part(recordings, str(number)))

    def take_spikes(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Spikes of the cells on this rank since the last call, ordered by time, then id.

        Returns:
            Times as NEURON stamped them, ms, and ids of the cells, both ``(n_spikes,)``.
        """
        times, gids, _ = self.take_stepped_spikes()
        return times, gids

    def take_stepped_spikes(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """The same with the mean-field step of each, as :meth:`step_of` gives it."""
        return self._stamped.take(self._step)

    def step_of(self, times_ms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Mean-field step of spikes that :meth:`take_spikes` returned.

        Args:
            times_ms: Stamps, ms, shape ``(n_spikes,)``.
        """
        return self._stamped.step_of(times_ms)

    @property
    def _stamped(self) -> StampedSpikes:
        if self._spikes is None:
            raise SimulationError("The network was not initialised.")
        return self._spikes

    @property
    def time_ms(self) -> float:
        """NEURON's own time, ms."""
        return float(self._h.t)

    def _check_voltages(self) -> None:
        gid = self._voltages.first_not_finite()
        if gid is not None:
            label = next(name for name, gids in self._local.items() if gid in gids)
            raise SimulationError(
                f"The membrane potential of cell {gid - self._first[label]} of population "
                f"{label!r} is no longer finite at t = {self.time_ms:g} ms; lower the circuit's "
                f"dt_ms or the input weights."
            )

    # -- ending -----------------------------------------------------------------------------

    def close(self) -> None:
        """Take the network down, so that the next one starts as in a fresh process."""
        if NeuronEngine._alive is not self:
            return
        NeuronEngine._alive = None
        sim, h = self._sim, self._h
        with quiet():
            for port in self._ports:
                port.close()
            for driven in self._values:
                driven.close()
            self._ports.clear()
            self._values.clear()
            self._probes.clear()
            if self._recordings and not self._composition.sim_config_values["use_fast_imem"]:
                h.CVode().use_fast_imem(0)
            self._recordings.clear()
            forget_samplers()
            self._network_state = None
            self._targets.clear()
            self._spikes = None
            self._voltages = None
            if self._reactions is not None:
                self._reactions.close()
            if self._composition.net_params.rxdParams:
                clear_reaction_diffusion()
            self._cells = {}
            take_down(h, sim)
            if self._globals is not None:
                self._globals.restore()
