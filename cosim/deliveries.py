"""How what arrives at a circuit enters its cells: as spikes, as a current, or as a variable."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cosim.drives import Drive, Trains, Value
from cosim.protocols import RatesToSpikes
from cosim.spiking.engine import NeuronEngine
from cosim.spiking.input_port import InputPort
from cosim.spiking.value_port import ValuePort
from cosim.transformers.correlated_poisson import CorrelatedPoisson
from cosim.transformers.rate_to_poisson import RateToPoisson


class SpikeDelivery:
    """Turns the rates that arrive into spikes of the cells on this rank, and queues them.

    Args:
        port: The connections.
        to_spikes: Draws the spikes.
        target: What the trains are.
        dt_ms: Mean-field step, ms.
    """

    def __init__(
        self,
        port: InputPort,
        to_spikes: RateToPoisson | CorrelatedPoisson,
        target: Trains,
        dt_ms: float,
    ):
        self._port, self._dt_ms = port, dt_ms
        self._draws: RateToPoisson | CorrelatedPoisson = to_spikes
        self._to_spikes: RatesToSpikes = to_spikes
        self._set_background(target)

    def _set_background(self, target: Trains) -> None:
        # Evenly over all trains: the same distribution of weights as the brain's own spikes have.
        n_trains = target.per_source * max(target.weights_uS.size, 1)
        self._background_hz = target.background_hz / n_trains

    def __call__(self, arriving: NDArray[np.float64], start_step: int) -> int:
        """Queue the spikes of some steps.

        Args:
            arriving: Rates as they arrive, shape ``(n_steps, n_sources)``, Hz.
            start_step: Mean-field step of the first row.

        Returns:
            Number of events.
        """
        if self._background_hz > 0:
            arriving = arriving + self._background_hz
        events = self._to_spikes(arriving, start_step, self._dt_ms)
        self._port.schedule(events.cell, events.source, events.times_ms)
        return int(events.times_ms.size)

    def change(self, target: Trains | Value, seed: int) -> None:
        """Go on with other weights, another background and another seed.

        Args:
            target: The same input with other numbers.
            seed: Seed of the random numbers.
        """
        assert isinstance(target, Trains)
        self._port.set_weights(target.weights_uS)
        self._to_spikes = replace(self._draws, seed=seed)
        self._set_background(target)

    def silence(self) -> None:
        """Go on without background."""
        self._background_hz = 0.0


class ValueDelivery:
    """Sets a current or a variable of the cells on this rank.

    Args:
        port: Their pointers.
        target: What the value is.
    """

    def __init__(self, port: ValuePort, target: Value):
        self._port, self._offset = port, target.offset

    def __call__(self, arriving: NDArray[np.float64], start_step: int) -> int:
        """Load the values of some steps, shape ``(n_steps, 1)``; no event is queued."""
        self._port.load(self._offset + arriving[:, 0])
        return 0

    def change(self, target: Trains | Value, seed: int) -> None:
        """Go on with another offset; see :meth:`SpikeDelivery.change`."""
        assert isinstance(target, Value)
        self._offset = target.offset

    def silence(self) -> None:
        """An offset is no input from outside but part of the circuit's setting; it stays."""


def connect(
    drive: Drive, seed: int, dt_ms: float, engine: NeuronEngine
) -> SpikeDelivery | ValueDelivery:
    """Connect a drive to the cells of this rank.

    Args:
        drive: What drives which population how.
        seed: Seed of the run.
        dt_ms: Mean-field step, ms.
        engine: The network.

    Returns:
        What takes the values that arrive over some steps, ``(n_steps, n_sources)``, and the first
        of those steps, and returns the number of events that it queued.
    """
    target = drive.target
    if isinstance(target, Trains):
        port = engine.ports.add_input(
            drive.population, target.receptor, target.weights_uS, target.where
        )
        to_spikes = _to_spikes(drive.number, target, seed, port)
        return SpikeDelivery(port, to_spikes, target, dt_ms)
    if target.reading is not None:
        return ValueDelivery(engine.ports.add_variable(target.reading), target)
    return ValueDelivery(engine.ports.add_current(drive.population, target.where), target)


def _to_spikes(
    number: int, target: Trains, seed: int, port: InputPort
) -> RateToPoisson | CorrelatedPoisson:
    if target.correlation is None:
        return RateToPoisson(seed, number, port.gids, target.per_source, port.shares)
    return CorrelatedPoisson(
        seed,
        number,
        port.gids,
        target.correlation.process,
        target.correlation.c,
        target.per_source,
        port.shares,
    )
