"""Run an experiment while it is killed again and again, and compare with one that was not.

    killed.py FILE FOLDER --kills N --seed S [--signal SIGKILL]

Every attempt is a child of this process, which has everything imported: it starts at once, and its
NEURON is as in a fresh process. Prints JSON: kills, resumptions of the last run, and what differs.
"""

import argparse
import json
import os
import random
import shutil
import signal
import time
import traceback
from pathlib import Path

import numpy as np

import cosim
from cosim import local_runner  # noqa: F401  (TVB and all of cosim, before the first child)
from cosim.errors import SuspendedError
from cosim.keyed_random import compile_now
from cosim.spiking.interpreter import netpyne_sim, netpyne_specs


def child(experiment, folder, resume):
    """Start an attempt; its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        cosim.run(experiment, folder, resume=resume)
        status = 0
    except SuspendedError:
        status = os.EX_TEMPFAIL
    except BaseException:  # noqa: BLE001  (a child must not go on as its parent)
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(pid, within_s):
    """Exit status of a child, None if it still runs after some seconds."""
    deadline = time.monotonic() + within_s
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


def reached_a_checkpoint(pid, folder):
    """Wait until a child has written a checkpoint; its exit status if it ended before."""
    before = {path.name for path in folder.glob("checkpoints/[0-9]*")}
    while (status := ended(pid, 0.0)) is None:
        if {path.name for path in folder.glob("checkpoints/[0-9]*")} - before:
            return None
    return status


def different(folder, other):
    """Names of what is not equal bit for bit in two folders of results."""
    a, b = cosim.RunResult.open(folder), cosim.RunResult.open(other)
    names = ("mean_field", "exchange", "traces", "lfp", "concentrations")
    found = [name for name in names if not getattr(a, name).identical(getattr(b, name))]
    found += [] if a.complete and b.complete and a.spikes.keys() == b.spikes.keys() else ["files"]
    found += [
        name
        for name, spikes in a.spikes.items()
        if not np.array_equal(spikes.times_ms, b.spikes[name].times_ms)
        or not np.array_equal(spikes.node_ids, b.spikes[name].node_ids)
    ]
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signal", default="SIGKILL")
    given = parser.parse_args()
    netpyne_sim(), netpyne_specs(), compile_now()
    number = getattr(signal, given.signal)
    expected_status = -number if number == signal.SIGKILL else os.EX_TEMPFAIL
    experiment = cosim.load(given.file)
    unsaved = experiment.model_copy(update={"checkpoint": None})
    whole, folder = given.folder / "whole", given.folder / "killed"
    begin = time.monotonic()
    assert ended(child(unsaved, whole, resume=False), 600.0) == 0
    longest_s = time.monotonic() - begin
    rng, kills, differs, resumed = random.Random(given.seed), 0, set(), []
    while True:
        can_go_on = any(folder.glob("checkpoints/[0-9]*"))
        if not can_go_on and folder.exists():
            shutil.rmtree(folder)
        begin = time.monotonic()
        pid = child(experiment, folder, resume=can_go_on)
        if kills == given.kills:
            status = ended(pid, 600.0)
        else:
            # Most kills come after a new checkpoint, or a run killed while it is built never ends.
            after_one = rng.random() < 0.7
            status = reached_a_checkpoint(pid, folder) if after_one else None
            if status is None:
                status = ended(pid, rng.uniform(0.0, 0.5) * longest_s)
        if status is None:
            os.kill(pid, number)
            status = ended(pid, 60.0)
            if status == expected_status:
                kills += 1
                continue
        # It came to its end first; with kills to go, the next attempt begins anew.
        assert status == 0, status
        longest_s = min(longest_s, time.monotonic() - begin)
        differs.update(different(whole, folder))
        resumed = cosim.RunResult.open(folder).provenance["resumed"]
        if kills == given.kills:
            break
        shutil.rmtree(folder)
    spikes = {k: v.times_ms.size for k, v in cosim.RunResult.open(folder).spikes.items()}
    said = {"kills": kills, "resumed": resumed, "differs": sorted(differs), "spikes": spikes}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
