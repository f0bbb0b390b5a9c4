"""The folder of a run: what it holds, how it is made ready, what it says of the run."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cosim.checkpoint_store import CHECKPOINTS_FOLDER, CheckpointStore
from cosim.connectome_file import CONNECTOME_FILE
from cosim.errors import ResultsError
from cosim.result_files import (
    EXCHANGE_FILE,
    MEAN_FIELD_FILE,
    RECORDING_FILES,
    SPIKES_FILE,
    atomic_file,
)
from cosim.result_sinks import SEGMENTS_FOLDER, remove_all_segments

PROVENANCE_FILE = "provenance.json"
REPORT_FILES = ("report.html", "report.png")
_RESULT_FILES = (
    MEAN_FIELD_FILE, EXCHANGE_FILE, SPIKES_FILE, *RECORDING_FILES.values(), PROVENANCE_FILE,
    CONNECTOME_FILE, *REPORT_FILES,
)  # fmt: skip


def held_results(directory: Path) -> list[str]:
    """Names of the results that a folder holds.

    Args:
        directory: Existing folder.
    """
    names = (*_RESULT_FILES, SEGMENTS_FOLDER, CHECKPOINTS_FOLDER)
    return [name for name in names if (directory / name).exists()]


def prepare_output(directory: Path, overwrite: bool) -> Path:
    """Make the folder of a run ready; under MPI one rank does this before any records.

    Overwriting removes the results of the run before, and nothing else in the folder.

    Args:
        directory: Folder to create or reuse.
        overwrite: Whether the results of another run may be replaced.

    Returns:
        The folder.

    Raises:
        ResultsError: If it holds results that may not be replaced, or cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        held = held_results(directory)
        if held and not overwrite:
            raise ResultsError(
                f"{directory} already holds results ({', '.join(held)}); choose another folder"
                f"{', go on with --resume' if CHECKPOINTS_FOLDER in held else ''} or "
                f"allow replacing them with --overwrite (overwrite=True in Python)."
            )
        # First of all it must not say any more that it reached its end.
        (directory / PROVENANCE_FILE).unlink(missing_ok=True)
        CheckpointStore(directory, 1).remove_all()
        for name in _RESULT_FILES:
            (directory / name).unlink(missing_ok=True)
        remove_all_segments(directory)
        # Permission bits do not tell (root, read-only mounts, quotas); writing does.
        probe = directory / ".cosim-probe"
        probe.write_bytes(b"\n")
        probe.unlink()
    except OSError as error:
        raise ResultsError(
            f"Output folder {directory} cannot be written: {error.strerror}; choose another with "
            f"--output."
        ) from error
    return directory


def stored_facts(directory: Path) -> dict[str, Any]:
    """What ``provenance.json`` says of a run; empty where it cannot be read.

    Args:
        directory: Folder of the run.
    """
    try:
        facts = json.loads((directory / PROVENANCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def reached_end(directory: Path) -> bool:
    """Whether a run reached its end: how long it took is written after its final files.

    Args:
        directory: Folder of the run.
    """
    return "wall_s" in stored_facts(directory)


def write_provenance(directory: Path, facts: Mapping[str, Any]) -> None:
    """Write ``provenance.json`` atomically.

    Args:
        directory: Folder of the run.
        facts: Facts of the run; numbers that are not finite become null, for which JSON has a
            word.
    """
    with atomic_file(directory / PROVENANCE_FILE) as path:
        text = json.dumps(_plain(facts), indent=2, allow_nan=False, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """The value in JSON's own types."""
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    return str(value)
