"""A network in NEURON, driven window by window."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosim.clock import require_whole_steps
from cosim.errors import ConfigurationError, SimulationError
from cosim.saved_state import State, joined, numbered, part
from cosim.spiking.chatter import Hush, one_line, quiet
from cosim.spiking.network import Network
from cosim.spiking.network_state import NetworkState
from cosim.spiking.ports import Ports
from cosim.spiking.stamped_spikes import StampedSpikes
from cosim.spiking.voltage_watch import VoltageWatch
from cosim.stop_signal import interrupts_held

if TYPE_CHECKING:
    from cosim.spiking.compose import Composition


class NeuronEngine:
    """One network in NEURON, spread over the ranks of NEURON's world, and its time.

    Args:
        composition: What to build.
        dt_ms: NEURON's step, ms.
        mean_field_dt_ms: Step in which time is told from outside, ms; a multiple of ``dt_ms``.
        seed: Seed of the run: the same seed is the same network on any number of ranks.
        duration_ms: Length of the run for NetPyNE's stimuli that are laid out in advance, ms.

    Attributes:
        network: The cells.
        ports: Where signals enter them, and where they are read and recorded.

    Raises:
        ConfigurationError: If NetPyNE or NEURON cannot build the network; one line.
        SimulationError: If another network lives in this process.
    """

    def __init__(
        self,
        composition: "Composition",
        dt_ms: float,
        mean_field_dt_ms: float,
        seed: int,
        duration_ms: float = 1000.0,
    ):
        self._per_step = require_whole_steps(
            "brain.dt_ms", mean_field_dt_ms, dt_ms, "the circuits' dt_ms"
        )
        self._dt_ms = dt_ms
        self.network = Network(composition)
        self.ports = Ports(self.network)
        self._h: Any = self.network.h
        self._spikes: StampedSpikes | None = None
        self._voltages: Any = None
        self._network_state: NetworkState | None = None
        self._step = 0
        self._hush = Hush()
        try:
            self.network.build(dt_ms, seed, duration_ms)
        except BaseException:
            self.close()
            raise

    def initialize(self) -> None:
        """Bring the network to time zero, as NetPyNE does before a run."""
        sim, h = self.network.sim, self._h
        with self.network.chatter.stage("preparing the run"):
            sim.preRun()
        self._spikes = StampedSpikes(h, sim.pc, self._dt_ms, self._per_step)
        self._voltages = VoltageWatch(h, self.network.cells)
        self._step = 0
        self._network_state = None
        try:
            with self.network.chatter.stage("initialising NEURON"):
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
            if self.network.reactions is not None:
                self.network.reactions.raise_failure()
        for port in self.ports.recordings:
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
        every_step = (self.ports.probes or self.ports.values) and not held
        stops = range(self._step + 1, stop_step + 1) if every_step else (stop_step,)
        with self._hush, interrupts_held():
            for step, stop in enumerate(stops):
                for value in self.ports.values:
                    value.apply(step)
                self._solve(stop)
                for probe in self.ports.probes:
                    probe.sample()
        self._check_voltages()

    def _solve(self, stop_step: int) -> None:
        n_steps = (stop_step - self._step) * self._per_step
        # A target counted from h.t itself always takes n_steps: h.t is a running sum, and with
        # absolute targets NEURON drops a step once it is 1e-9 steps ahead (dt .025: at 11.6 s).
        try:
            self.network.sim.pc.psolve(self._h.t + n_steps * self._dt_ms)
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
            recordings=numbered([port.sampler.state() for port in self.ports.recordings]),
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
        for number, port in enumerate(self.ports.recordings):
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
            raise SimulationError(
                f"The membrane potential of {self.network.name_of(gid)} is no longer finite at "
                f"t = {self.time_ms:g} ms; lower the circuit's "
                f"dt_ms or the input weights."
            )

    def close(self) -> None:
        """Take the network down, so that the next one starts as in a fresh process."""
        if self.network.is_closed:
            return
        with quiet():
            try:
                self.ports.close()
                self._network_state = None
                self._spikes = None
                self._voltages = None
            finally:
                self.network.close()
