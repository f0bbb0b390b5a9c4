"""Facts that a reader needs to trust and repeat a run."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cosim.config import Experiment
from cosim.config_base import written_down
from cosim.meanfield.connectome import SHIPPED
from cosim.plan import Plan

_PACKAGES = (
    "tvb-netpyne-cosim",
    "tvb-library",
    "tvb-data",
    "netpyne",
    "neuron",
    "mpi4py",
    "numpy",
    "scipy",
    "numba",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit(folder: Path) -> str | None:
    """Commit of the repository that holds a folder, with ``+changes`` if it has any; else None."""
    if "site-packages" in folder.parts:
        return None  # an installed package may lie inside somebody else's repository
    try:
        commit, changes = (
            subprocess.run(  # noqa: S603
                ["git", "-C", str(folder), *arguments],  # noqa: S607
                capture_output=True,
                text=True,
                timeout=5,
                check=True,
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changes else "")


def files_of(experiment: Experiment) -> dict[str, str]:
    """The files and folders that an experiment names, and the SHA-256 of what they hold.

    Args:
        experiment: What is run; paths are relative to its base.

    Returns:
        By the path as it is written. What such a file names in its turn is not in it.
    """
    found = {}
    for name in _named(experiment):
        path = experiment.base / name
        if path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.is_dir():
            digest = hashlib.sha256()
            for member in sorted(p for p in path.rglob("*") if p.is_file()):
                digest.update(str(member.relative_to(path)).encode() + member.read_bytes())
            found[name] = digest.hexdigest()
    return found


def _named(experiment: Experiment) -> Iterator[str]:
    """What is written where the name of a file may stand, known names left out."""
    brain = experiment.brain
    if brain.fitted is not None:
        yield brain.fitted
    elif brain.connectome not in SHIPPED:
        yield brain.connectome
    for circuit in experiment.circuits:
        if isinstance(circuit.circuit, str) and "." in circuit.circuit:
            yield circuit.circuit.partition(":")[0]
        yield from (one for one in (circuit.calibration, circuit.mechanisms) if one is not None)


def facts(
    planned: Plan,
    started: datetime,
    n_ranks: int,
    ranks: Sequence[Mapping[str, Any]] = (),
    *,
    begun_ms: float = 0.0,
    resumed: Sequence[Mapping[str, Any]] = (),
    checkpoints: Mapping[str, Any] | None = None,
    crowding: str = "",
) -> dict[str, Any]:
    """Content of ``provenance.json``.

    Args:
        planned: What was run.
        started: When the run began.
        n_ranks: Ranks of the run.
        ranks: At the end, one record per rank: ``rank``, ``side``, ``seconds`` per phase,
            ``cpu_s`` of the run without the build, ``participants``.
        begun_ms: Simulated time at which these processes took the run up, ms.
        resumed: Each time that the run was taken up: ``at_ms`` and ``when``.
        checkpoints: What saving the run took.
        crowding: What is to be said of too many ranks; empty: nothing.

    Returns:
        Plain data. ``timing`` has one entry per rank, whose phases add up to its ``total``;
        ``run_s`` is the wall time from the end of the build to the end of the last window, and
        ``real_time_factor`` simulated time over it; all of the time since the run was last
        taken up.
    """
    timing = [
        {
            "rank": r["rank"],
            "side": r["side"],
            **r["seconds"],
            "total": sum(r["seconds"].values()),
            "cpu_s": r["cpu_s"],
        }
        for r in ranks
    ]
    participants: dict[str, Any] = {}
    for record in ranks:
        for name, summary in record["participants"].items():
            participants.setdefault(name, summary)
    experiment = planned.experiment
    return {
        "experiment": experiment.resolved(),
        "seed": experiment.seed,
        "duration_ms": experiment.duration_ms,
        "window_ms": planned.clock.window_ms,
        "engine": asdict(planned.brain.engine),
        "notices": [*planned.notices, *([crowding] if crowding else [])],
        "circuit_parameters": {
            label: {name: written_down(value) for name, value in values.items()}
            for label, values in (planned.circuits.parameters if planned.circuits else {}).items()
        },
        "files": files_of(experiment),
        "ranks": n_ranks,
        "versions": versions(),
        "git_commit": git_commit(Path(__file__).parent),
        "experiment_git_commit": git_commit(experiment.base),
        "command": " ".join(sys.argv),
        "started": started.isoformat(timespec="seconds"),
        "participants": participants,
        "resumed": list(resumed),
        "checkpoints": dict(checkpoints or {}),
        **(_durations(timing, experiment.duration_ms - begun_ms) if timing else {}),
    }


def _durations(timing: Sequence[Mapping[str, Any]], duration_ms: float) -> dict[str, Any]:
    wall_s = max(entry["total"] for entry in timing)
    # The run begins when the last rank has built; the others wait for it.
    build_s = max(entry["build"] for entry in timing)
    run_s = max(entry["total"] - entry["write"] for entry in timing) - build_s
    return {
        "wall_s": wall_s,
        "build_s": build_s,
        "run_s": run_s,
        "real_time_factor": duration_ms / 1000.0 / max(run_s, 1e-9),
        "timing": timing,
    }
