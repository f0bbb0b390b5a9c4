"""One rank: cosim's command line, whose exit status is left in a file if it comes to that.

``TVB_FAULT=KIND`` plants a fault in TVB's model on the last rank, in the step from t = 30.5 ms.
``SAVE_FAULT=KIND:RANK`` plants one into the second checkpoint, ``REPORT_FAULT=KIND`` into the
report. ``MERGE_S=SECONDS`` makes rank 0 slow to write its final files, as after a run of days, and
to draw the report.
"""

import os
import sys
import time
from pathlib import Path

from faults import strike, this_rank


def plant_in_tvb(kind, step):
    from tvb.simulator.simulator import Simulator

    from cosim.meanfield.models import ExcInhWithRates

    equations = ExcInhWithRates.dfun
    n_calls = -(10**9)  # the resting state calls it too

    def dfun(self, *args, **kwargs):
        nonlocal n_calls
        n_calls += 1
        derivative = equations(self, *args, **kwargs)
        if n_calls == 2 * step:
            if kind == "nan":
                derivative[0, 5] = float("nan")
            else:
                strike(kind)
        return derivative

    configure = Simulator.configure

    def configured(self, *args, **kwargs):
        nonlocal n_calls
        configure(self, *args, **kwargs)
        n_calls = 0  # Heun calls twice a step

    ExcInhWithRates.dfun = dfun
    Simulator.configure = configured


def plant_in_checkpoint(kind, rank):
    from cosim.checkpoint_store import CheckpointStore

    write, n_calls = CheckpointStore.write, 0

    def written(self, *args):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 2 and this_rank() == rank:
            strike(kind)
        return write(self, *args)

    CheckpointStore.write = written


def plant_in_report(kind):
    from cosim import report

    report.write_report = lambda directory: strike(kind)


def take_long(seconds):
    from cosim import report
    from cosim.recorder import Recorder

    def slow(function):
        def slowly(*args):
            time.sleep(seconds)
            return function(*args)

        return slowly

    Recorder.complete = slow(Recorder.complete)
    report.write_report = slow(report.write_report)


def main():
    if "SAVE_FAULT" in os.environ:
        kind, _, rank = os.environ["SAVE_FAULT"].partition(":")
        plant_in_checkpoint(kind, int(rank))
    if "REPORT_FAULT" in os.environ:
        plant_in_report(os.environ["REPORT_FAULT"])
    if "MERGE_S" in os.environ and this_rank() == 0:
        take_long(float(os.environ["MERGE_S"]))
    is_last = this_rank() == int(os.environ["PMI_SIZE"]) - 1
    if "TVB_FAULT" in os.environ and is_last:
        plant_in_tvb(os.environ["TVB_FAULT"], step=306)
    from cosim.cli import app

    status = "not set"
    try:
        app()
    except SystemExit as end:
        status = end.code or 0
        raise
    finally:
        Path(f"status.{this_rank()}").write_text(str(status))


if __name__ == "__main__":
    sys.exit(main())
