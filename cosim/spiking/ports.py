"""Where signals enter a network, and where it is read and recorded."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.config_circuit import Where
from cosim.spiking.injection import Injection, choose_injection
from cosim.spiking.input_port import InputPort
from cosim.spiking.network import Network
from cosim.spiking.probe import ProbePort, Reading, pointer_to
from cosim.spiking.receptors import check_receptor
from cosim.spiking.recording import Recording, RecordingPort, forget_samplers
from cosim.spiking.recording_sites import of_cells, of_field
from cosim.spiking.targets import Targets, unlike_cells
from cosim.spiking.value_port import ValuePort


class Ports:
    """All ports of a network on this rank; they are added before it is initialised.

    Args:
        network: The network, built.

    Attributes:
        values: Currents and variables that are set from outside.
        probes: Variables that are read at the end of mean-field steps.
        recordings: What is sampled.
    """

    def __init__(self, network: Network):
        self._network = network
        self._targets = Targets(network.h, network.cells)
        self._injection: Injection | None = None
        self._inputs: list[InputPort] = []
        self.values: list[ValuePort] = []
        self.probes: list[ProbePort] = []
        self.recordings: list[RecordingPort] = []

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
        network = self._network
        known = network.composition.population_receptors
        check_receptor(known, population, receptor)
        label = known[population][receptor]
        with network.chatter.stage(f"adding receptor {receptor!r} to population {population!r}"):
            gids = network.local_gids(population)
            port = self._targets.trains(gids, label, weights_uS, where, self.injection)
        self._require_alike(port)
        self._inputs.append(port)
        return port

    def _require_alike(self, port: InputPort) -> None:
        """Cells of other ranks spread their events as those of this one. Collective."""
        everywhere, has_cells = self._network.sim.pc.allreduce, port.gids.size > 0
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
        self.values.append(self._targets.current(self._network.local_gids(population), where))
        return self.values[-1]

    def add_variable(self, reading: Reading) -> ValuePort:
        """Set a variable of every cell of a population over each mean-field step.

        Args:
            reading: What is set where.

        Raises:
            ConfigurationError: If the cells have no such variable.
        """
        gids = self._network.local_gids(reading.population)
        receptors = self._network.receptors(reading.population)
        self.values.append(self._targets.variable(gids, reading, receptors))
        return self.values[-1]

    def add_probe(self, reading: Reading) -> ProbePort:
        """Read a variable of every cell of a population at the end of each mean-field step.

        Args:
            reading: What is read where.

        Raises:
            ConfigurationError: If the cells have no such variable.
        """
        network, label = self._network, reading.population
        receptors = network.receptors(label)
        pointers = [
            pointer_to(network.cells[gid], reading, receptors)
            for gid in network.local_gids(label).tolist()
        ]
        self.probes.append(ProbePort(network.h, pointers, network.n_cells(label)))
        return self.probes[-1]

    def add_recording(self, recording: Recording) -> RecordingPort:
        """Sample variables, concentrations or the field potential at whole periods.

        Args:
            recording: What is recorded.

        Raises:
            ConfigurationError: If there is no such cell, section, variable or species.
        """
        network = self._network
        h: Any = network.h
        if recording.kind == "lfp":
            copy_of = {p.label: p.copy for p in network.composition.populations}
            cells = [network.cells[gid] for gid in sorted(network.cells)]
            port = of_field(h, network.sim, recording, cells, copy_of)
        else:
            label = recording.population
            receptors = network.composition.receptors[recording.copy]
            first, n_cells = network.first_gid(label), network.n_cells(label)
            port = of_cells(h, network.sim, recording, network.cells, first, n_cells, receptors)
        self.recordings.append(port)
        return port

    def close(self) -> None:
        """Let go of the cells."""
        network = self._network
        for port in self._inputs:
            port.close()
        for driven in self.values:
            driven.close()
        self._inputs.clear()
        self.values.clear()
        self.probes.clear()
        if self.recordings and not network.composition.sim_config_values["use_fast_imem"]:
            network.h.CVode().use_fast_imem(0)
        self.recordings.clear()
        forget_samplers()
        self._targets.clear()
