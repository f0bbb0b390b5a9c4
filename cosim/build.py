"""From a plan to simulators: the one place where the sides are put together."""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cosim.deliveries import connect
from cosim.drives import Drive, Trains
from cosim.keyed_random import compile_now
from cosim.meanfield.monitors import build_monitors, columns, recorded
from cosim.meanfield.participant import TvbParticipant
from cosim.meanfield.simulation import MeanField
from cosim.plan import Plan
from cosim.plan_circuits import CircuitPlan
from cosim.protocols import GatedRate, Group
from cosim.recorder import Recorder
from cosim.result_files import RecordingLabels
from cosim.signals import PacketLayout
from cosim.spiking.engine import NeuronEngine
from cosim.spiking.participant import Projection, SpikingParticipant
from cosim.stopwatch import Stopwatch
from cosim.transformers.rate_to_gating import RateToGating
from cosim.transformers.spikes_to_rate import SpikesToRate

_NOTHING = PacketLayout("NEURON", ())


@dataclass(frozen=True)
class Layouts:
    """What each side tells the other.

    Attributes:
        to_circuits: TVB's packets.
        to_brain: NEURON's packets.
    """

    to_circuits: PacketLayout
    to_brain: PacketLayout


def layouts(plan: Plan) -> Layouts:
    """What each side of a run tells the other."""
    if plan.circuits is None:
        return Layouts(PacketLayout("TVB", ()), _NOTHING)
    return Layouts(plan.circuits.to_circuits, plan.circuits.to_brain)


def build_tvb(plan: Plan, recorder: Recorder, stopwatch: Stopwatch) -> TvbParticipant:
    """The mean-field side.

    Args:
        plan: What to run.
        recorder: Gets the monitors' samples; the monitors are declared here.
        stopwatch: Attributes the time spent.
    """
    brain = plan.experiment.brain
    periods_ms = {name: monitor.period_ms for name, monitor in brain.monitors.items()}
    network = plan.brain.engine.network(
        MeanField(
            plan.connectome,
            plan.family,
            plan.parameters,
            brain.dt_ms,
            plan.experiment.seed,
            plan.sigma,
            plan.initial,
            build_monitors(periods_ms),
            brain.precision,
        )
    )
    for name, period_ms in periods_ms.items():
        variables, units = recorded(name, plan.family)
        axis, labels = columns(network.monitors[name], network.regions)
        recorder.declare_series(name, variables, labels, period_ms, units, axis=axis)
    compile_now()
    both = layouts(plan)
    limits = plan.experiment.limits
    return TvbParticipant(
        network,
        outgoing=both.to_circuits,
        incoming=both.to_brain,
        gates=_gates(plan, both.to_brain),
        samples=recorder,
        stopwatch=stopwatch,
        rate_ceiling_hz=limits.rate_hz,
        clipped_fraction=limits.clipped_fraction,
    )


def _gates(plan: Plan, to_brain: PacketLayout) -> dict[str, GatedRate]:
    """Per rate that the circuits provide, the mean field's own gating equation."""
    model = plan.family.build(plan.parameters)
    gates = {}
    for signal in to_brain.signals:
        if not signal.is_rate:
            continue
        gate = plan.family.gates[signal.variable]
        columns = [plan.connectome.index(region) for region in signal.regions]
        row = plan.family.gating.index(gate.variable)

        def at(name: str, columns: list[int] = columns) -> NDArray[np.float64]:
            value = np.asarray(getattr(model, name), dtype=np.float64).ravel()
            return value[columns] if value.size > 1 else value

        gates[signal.variable] = GatedRate(
            gate.variable,
            RateToGating(at(gate.tau), at(gate.gamma), gate.saturating, plan.initial[row, columns]),
        )
    return gates


def build_neuron(
    plan: Plan,
    circuits: CircuitPlan,
    group: Group,
    recorder: Recorder,
    stopwatch: Stopwatch,
    closing: ExitStack,
) -> SpikingParticipant:
    """The spiking side.

    Args:
        plan: What to run.
        circuits: Its circuits.
        group: The ranks that share the network.
        recorder: Gets the spikes on the group's root; the populations are declared here.
        stopwatch: Attributes the time spent.
        closing: Takes NEURON's network down when it closes, also if the build fails half-way.
    """
    compile_now()
    dt_ms = plan.experiment.brain.dt_ms
    engine = NeuronEngine(
        circuits.composition,
        dt_ms=circuits.dt_ms,
        mean_field_dt_ms=dt_ms,
        seed=plan.experiment.seed,
        duration_ms=plan.experiment.duration_ms,
    )
    closing.callback(engine.close)
    engine.ports.choose_injection(
        plan.experiment.synchronization.injection, _expected_events(plan, circuits, engine)
    )
    for label in engine.network.populations:
        recorder.declare_population(label, engine.network.n_cells(label))
    coupling = plan.family.coupling
    feels_coupling = any(drive.variable == coupling for drive in circuits.drives)
    initial = {
        (rate, region): float(
            plan.initial_rates_hz[plan.family.rates.index(rate), plan.connectome.index(region)]
        )
        for rate, region in circuits.origin
    }
    if feels_coupling:
        row = plan.initial[plan.family.gating.index(coupling)]
        initial |= {(coupling, r): float(row[plan.connectome.index(r)]) for r in circuits.replaced}
    gates = _gates(plan, circuits.to_brain) if feels_coupling else {}
    participant = SpikingParticipant(
        engine,
        group,
        incoming=circuits.to_circuits,
        outgoing=circuits.to_brain,
        origin={key: (m.populations, m.weights) for key, m in circuits.origin.items()},
        readings=circuits.readings,
        gates={rate: gate for rate, gate in gates.items() if gate.variable == coupling},
        projections=[_projection(drive, plan) for drive in circuits.drives],
        recordings=circuits.recordings,
        initial=initial,
        to_rate=SpikesToRate,
        samples=recorder,
        stopwatch=stopwatch,
        rate_ceiling_hz=plan.experiment.limits.rate_hz,
        dt_ms=dt_ms,
        window_steps=plan.clock.window_steps,
    )
    for port in participant.recordings:
        one = port.recording
        recorder.declare_recording(
            RecordingLabels(
                one.name, one.kind, one.columns, one.period_ms, port.unit, one.electrodes_um
            )
        )
    return participant


def _expected_events(plan: Plan, circuits: CircuitPlan, engine: NeuronEngine) -> float:
    """Input spikes of the cells on this rank, at the rates that the run starts with."""
    names = [*plan.family.gating, *plan.family.rates]
    start = np.concatenate([plan.initial, plan.initial_rates_hz])
    per_s = 0.0
    for drive in circuits.drives:
        if not isinstance(drive.target, Trains):
            continue
        sources = [plan.connectome.index(source) for source in drive.sources]
        sent = start[names.index(drive.variable), sources]
        gains = drive.target.per_source if drive.gains is None else drive.gains
        per_cell_hz = float((gains * sent).sum()) + drive.target.background_hz
        per_s += per_cell_hz * engine.network.local_gids(drive.population).size
    return per_s * plan.experiment.duration_ms / 1000.0


def _projection(drive: Drive, plan: Plan) -> Projection:
    return Projection(
        variable=drive.variable,
        sources=drive.sources,
        delays=drive.delays,
        gains=drive.gains,
        connect=partial(connect, drive, plan.experiment.seed, plan.experiment.brain.dt_ms),
    )
