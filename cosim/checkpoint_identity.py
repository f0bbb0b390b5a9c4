"""What must be equal for a run to go on bit for bit: experiment, versions, code, ranks, brain."""

import hashlib
import platform
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cosim.config import Experiment
from cosim.plan import Plan
from cosim.provenance import versions
from cosim.spiking.mechanisms import content_key

# Differences that are told; the others are counted.
_TOLD = 3


def identity(planned: Plan, n_ranks: int) -> dict[str, Any]:
    """All that a resumed run must have in common with the one that was interrupted.

    Args:
        planned: The run.
        n_ranks: Its ranks.

    Returns:
        Plain data.
    """
    found = versions()
    # The last digit of Python's version does not change a number.
    found["python"] = found["python"].rpartition(".")[0]
    return {
        "experiment": stated(planned.experiment.resolved()),
        "ranks": n_ranks,
        "engine": planned.brain.engine.name,
        "versions": found,
        # Another kind of processor rounds otherwise in compiled code.
        "processor": platform.machine(),
        "code of cosim": _code(),
        "connectome": _brain(planned),
        "files": _circuit_files(planned.experiment),
    }


def stated(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """What an experiment says of its results: how often it is saved does not change them.

    Args:
        experiment: Resolved, as plain data.
    """
    return {key: value for key, value in experiment.items() if key != "checkpoint"}


def differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """What differs between two identities, on one line; empty if nothing does.

    Args:
        now: Of the run that is to go on.
        then: Of the checkpoint.
    """
    flat_now, flat_then = dict(_flat(now)), dict(_flat(then))
    keys = [k for k in {**flat_now, **flat_then} if flat_now.get(k) != flat_then.get(k)]
    told = [f"{key} = {_shown(flat_now, key)}, was {_shown(flat_then, key)}" for key in keys]
    more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return "; ".join(told[:_TOLD]) + more


def _flat(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested plain data, by dotted names."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list | tuple) and value:
        for number, item in enumerate(value):
            yield from _flat(item, f"{where}.{number}")
    else:
        yield where.removeprefix("experiment."), value


def _shown(flat: Mapping[str, Any], key: str) -> str:
    if key not in flat:
        return "not there"
    text = " ".join(str(flat[key]).split())
    return text if len(text) <= 24 else f"{text[:21]}..."


@cache
def _code() -> str:
    """Of the package's own files: the version alone does not tell two working copies apart."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted((*package.rglob("*.py"), *package.rglob("*.mod"))):
        digest.update(str(path.relative_to(package)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _circuit_files(experiment: Experiment) -> dict[str, str]:
    """Of the files that circuits are made of.

    An equation of a mechanism or the rate of a reaction may be another one while the network at
    t = 0 is the same.
    """
    found = {}
    for circuit in experiment.circuits:
        if isinstance(circuit.circuit, str) and "." in circuit.circuit:
            name = circuit.circuit.partition(":")[0]
            path = experiment.base / name
            if path.is_file():  # else a registered name that has a dot
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        if circuit.mechanisms is not None:
            found[circuit.mechanisms] = content_key(experiment.base / circuit.mechanisms)
    return found


def _brain(planned: Plan) -> str:
    """Of the numbers that the mean field is made of; a file of the same name may hold others."""
    brain, digest = planned.brain, hashlib.sha256()
    connectome = brain.connectome
    arrays = [
        connectome.weights,
        connectome.lengths_mm,
        connectome.delays_ms,
        brain.sigma,
        brain.initial,
        *(values for _, values in sorted(brain.parameters.items())),
    ]
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return digest.hexdigest()[:16]
