"""What happens beside the simulation after each window: recording, flushing, progress."""

from cosim.clock import SyncWindow
from cosim.plan import Plan
from cosim.progress import RunProgress
from cosim.recorder import Recorder
from cosim.scheduler import WindowHook
from cosim.signals import Packet


def exchange_hook(planned: Plan, recorder: Recorder) -> WindowHook:
    """Records what crossed, and flushes when it is time; for the side of TVB.

    Args:
        planned: The run.
        recorder: Gets the exchanges, which are declared here.
    """
    if planned.circuits is None:
        return flush_hook(recorder)
    recorder.declare_exchange("to_circuits", planned.circuits.to_circuits)
    recorder.declare_exchange("to_brain", planned.circuits.to_brain)

    def record(window: SyncWindow, sent: Packet, received: Packet) -> None:
        recorder.add_exchange("to_circuits", window, sent)
        recorder.add_exchange("to_brain", window, received)
        recorder.flush_if_due()

    return record


def flush_hook(recorder: Recorder) -> WindowHook:
    """Flushes when it is time; for the side that only records spikes."""

    def flush(window: SyncWindow, sent: Packet, received: Packet) -> None:
        recorder.flush_if_due()

    return flush


def progress_hook(progress: RunProgress) -> WindowHook:
    """Shows how far the run is."""

    def show(window: SyncWindow, sent: Packet, received: Packet) -> None:
        progress.update(window.stop_ms)

    return show
