"""What an image must do before it is one: ranks see each other, and the demo gives its spikes.

Run outside the image too: ``python docker/smoke_test.py``. ``--write`` keeps the spikes of this
machine as the ones to expect; needed when CHANGELOG.md has an entry under "Numbers changed".
"""

import argparse
import hashlib
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cosim import RunResult

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "demo_spikes.json"
DURATION_MS = 100.0
# NEURON's step in the demo; a spike is told at the end of a step.
STEP_MS = 0.05

_WORLD = """
import sys
from mpi4py import MPI
from cosim.spiking.interpreter import load_neuron
load_neuron(MPI.COMM_WORLD.size)
from neuron import h
# In one write, so that the answers of two ranks cannot mix.
sys.stdout.write(f"{int(h.ParallelContext().nhost_world())}\\n")
sys.stdout.flush()
"""


def demo_file() -> Path:
    """The demo of the repository, or of the image, where it stands two folders up."""
    name = Path("examples") / "replace_one_region.yaml"
    return next(file for file in (HERE.parent / name, HERE.parents[1] / name) if file.exists())


def digest(result: RunResult) -> dict[str, Any]:
    """Number and SHA-256 of all spikes of a run: population, step of NEURON and cell.

    Steps instead of times, so that the last bit of a time, 2e-9 ms here, does not count.

    Args:
        result: A finished run.
    """
    lines = []
    for population, spikes in sorted(result.spikes.items()):
        steps = np.rint(spikes.times_ms / STEP_MS).astype(int)
        rows = sorted(zip(steps.tolist(), spikes.node_ids.tolist(), strict=True))
        lines += [f"{population} {step} {cell}\n" for step, cell in rows]
    return {"n_spikes": len(lines), "sha256": hashlib.sha256("".join(lines).encode()).hexdigest()}


def expected() -> dict[str, Any]:
    """The spikes that are in the repository."""
    kept: dict[str, Any] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return kept


def _on_two_ranks(*command: str) -> str:
    mpirun = Path(sys.executable).with_name("mpirun")
    done = subprocess.run(  # noqa: S603  (our own commands)
        [str(mpirun), "-n", "2", sys.executable, *command],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
    )
    if done.returncode != 0:
        sys.exit(f"smoke test: {command[:2]} ended with status {done.returncode} on two ranks")
    return done.stdout


def main() -> None:
    """Run both checks; exit with a line that says what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="keep these spikes as the expected")
    write = parser.parse_args().write
    seen = _on_two_ranks("-c", _WORLD).split()
    if seen != ["2", "2"]:
        sys.exit(f"smoke test: NEURON's ranks see {seen} processes; each must see 2")
    with tempfile.TemporaryDirectory() as name:
        _on_two_ranks(
            *("-m", "cosim", "run", str(demo_file()), "--set", f"duration_ms={DURATION_MS}"),
            *("--quiet", "--no-report", "--output", name, "--overwrite"),
        )
        found = digest(RunResult.open(name))
    if write:
        EXPECTED.write_text(json.dumps({**found, "machine": platform.machine()}, indent=2) + "\n")
        return
    kept = expected()
    same = found == {key: kept[key] for key in found}
    told = f"{found['n_spikes']} spikes of the demo's first {DURATION_MS:g} ms, sha256 "
    if platform.machine() != kept["machine"]:
        print(f"smoke test: {told}{found['sha256']}; not compared with {kept['machine']}")
    elif not same:
        sys.exit(f"smoke test: {told}{found['sha256']}; {EXPECTED.name} has {kept}")
    else:
        print(f"smoke test: ranks see each other; {told}as in the repository")


if __name__ == "__main__":
    main()
