"""A calibrated circuit in the running brain, beside the mean field that it replaces."""

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from cosim.build import build_neuron, build_tvb
from cosim.calibration_file import ClosedLoop
from cosim.config import Circuit, Experiment, Monitor
from cosim.errors import SimulationError
from cosim.plan import plan
from cosim.protocols import Group
from cosim.recorder import Recorder
from cosim.result_sinks import MemorySink
from cosim.results import RunResult
from cosim.scheduler import Position, Side, run_windows
from cosim.stopwatch import Stopwatch
from cosim.transport.in_process import InProcessTransport, NoPeer

# Circuits start from a state of their own and need a moment.
_SETTLING_MS = 500.0
_PERIOD_MS = 1.0


def closed_loop(
    experiment: Experiment,
    before: Sequence[Circuit],
    calibrated: Sequence[Circuit],
    regions: Sequence[str],
    check_ms: float,
    group: Group,
) -> dict[str, ClosedLoop]:
    """Run the brain with and without the circuits, with the same noise, and average.

    On several ranks each has TVB whole, which is deterministic, and its share of NEURON.

    Args:
        experiment: What was calibrated.
        before: Its circuits, inputs as written.
        calibrated: Its circuits with the numbers found.
        regions: Replaced regions.
        check_ms: Length of the runs, ms.
        group: The ranks that share NEURON's network.
    """
    monitors = {"temporal_average": Monitor(period_ms=_PERIOD_MS)}
    brain = experiment.brain.model_copy(update={"monitors": monitors})
    start_ms = min(_SETTLING_MS, check_ms / 2)

    def averages(circuits: Sequence[Circuit]) -> dict[str, dict[str, float]]:
        changes = {"duration_ms": check_ms, "brain": brain, "circuits": list(circuits)}
        result = _run(experiment.model_copy(update=changes), group)
        series = result.mean_field.temporal_average
        settled = series[series.time_temporal_average > start_ms].mean("time_temporal_average")
        return {
            region: {
                str(name): float(value)
                for name, value in settled.sel(region=region).to_series().items()
                if np.isfinite(value)  # what a circuit does not give is NaN
            }
            for region in regions
        }

    found = averages(calibrated)
    mean_field = averages(())
    try:
        written = averages(before)
    except SimulationError:  # a runaway rate is what a calibration is there to end
        written = {}
    return {
        region: ClosedLoop(
            from_ms=start_ms,
            to_ms=check_ms,
            circuit=found[region],
            before=written.get(region),
            mean_field={k: v for k, v in mean_field[region].items() if k in found[region]},
        )
        for region in regions
    }


def _run(experiment: Experiment, group: Group) -> RunResult:
    planned, stopwatch, memory = plan(experiment), Stopwatch(), MemorySink()
    recorder = Recorder(memory)
    with ExitStack() as closing:
        tvb = build_tvb(planned, recorder, stopwatch)
        sides = [Side(tvb, NoPeer())]
        if planned.circuits is not None:
            one, other = InProcessTransport.pair()
            neuron = build_neuron(planned, planned.circuits, group, recorder, stopwatch, closing)
            sides = [Side(tvb, one), Side(neuron, other)]
        run_windows(planned.clock, sides, stopwatch, Position())
        recorder.close()
        return RunResult.in_memory(memory, provenance={})
