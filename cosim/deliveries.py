"""How what arrives at a circuit enters its cells: as spikes, as a current, or as a variable."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from cosim.drives import Drive, Trains
from cosim.protocols import RatesToSpikes
from cosim.spiking.engine import NeuronEngine
from cosim.spiking.input_port import InputPort
from cosim.spiking.participant import Delivery
from cosim.spiking.value_port import ValuePort
from cosim.transformers.correlated_poisson import CorrelatedPoisson
from cosim.transformers.rate_to_poisson import RateToPoisson


def connect(drive: Drive, seed: int, dt_ms: float, engine: NeuronEngine) -> Delivery:
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
        port = engine.add_input(drive.population, target.receptor, target.weights_uS, target.where)
        return partial(_deliver_spikes, port, _to_spikes(drive.number, target, seed, port), dt_ms)
    if target.reading is not None:
        return partial(_deliver_value, engine.add_variable(target.reading), target.offset)
    return partial(_deliver_value, engine.add_current(drive.population, target.where), 0.0)


def _to_spikes(number: int, target: Trains, seed: int, port: InputPort) -> RatesToSpikes:
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


def _deliver_spikes(
    port: InputPort,
    to_spikes: RatesToSpikes,
    dt_ms: float,
    arriving: NDArray[np.float64],
    start_step: int,
) -> int:
    events = to_spikes(arriving, start_step, dt_ms)
    port.schedule(events.cell, events.source, events.times_ms)
    return int(events.times_ms.size)


def _deliver_value(
    port: ValuePort, offset: float, arriving: NDArray[np.float64], start_step: int
) -> int:
    port.load(offset + arriving[:, 0])
    return 0
