"""Save and load a half-finished fit as a plain .npz: arrays, and one JSON text, no pickle."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fitting.errors import ConfigurationError

FORMAT = "cosim-fit-checkpoint-1"


def flatten(value: Any, prefix: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """Move the tensors of a nested state into ``arrays`` and return what is left, as JSON data.

    Optimisers keep dictionaries with integer keys and lists of tensors; a tensor is replaced by a
    reference to its array, a dictionary by its pairs.
    """
    if isinstance(value, torch.Tensor):
        arrays[prefix] = value.detach().cpu().numpy().copy()
        return {"tensor": prefix}
    if isinstance(value, Mapping):
        pairs = [[k, flatten(v, f"{prefix}.{k}", arrays)] for k, v in value.items()]
        return {"pairs": pairs}
    if isinstance(value, list | tuple):
        items = [flatten(v, f"{prefix}.{i}", arrays) for i, v in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise TypeError(f"A state of {type(value).__name__} cannot be kept in a checkpoint.")


def unflatten(left: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Undo :func:`flatten`."""
    if "tensor" in left:
        return torch.from_numpy(arrays[left["tensor"]].copy())
    if "pairs" in left:
        return {k: unflatten(v, arrays) for k, v in left["pairs"]}
    if "tuple" in left:
        return tuple(unflatten(v, arrays) for v in left["tuple"])
    if "list" in left:
        return [unflatten(v, arrays) for v in left["list"]]
    return left["value"]


def save(path: Path, state: Mapping[str, Any], fingerprint: str) -> None:
    """Write a nested state of tensors and plain values; the file is replaced at once or not at all.

    Args:
        path: The .npz file.
        state: What to keep.
        fingerprint: Identifies the fit; :func:`load` refuses another one's checkpoint.
    """
    arrays: dict[str, NDArray[Any]] = {}
    left = flatten(state, "state", arrays)
    text = json.dumps({"format": FORMAT, "fingerprint": fingerprint, "state": left})
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, json=np.array(text), **arrays)  # type: ignore[arg-type]
    os.replace(part, path)  # noqa: PTH105 - atomic where Path.rename is not on every system


def load(path: Path, fingerprint: str) -> dict[str, Any]:
    """Read a state back.

    Raises:
        ConfigurationError: If the file is not a checkpoint, or is that of another fit.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        head = json.loads(str(arrays.pop("json")))
        known = head["format"] == FORMAT
    except (OSError, ValueError, KeyError) as problem:
        raise ConfigurationError(
            f"{path} is not a checkpoint ({problem}); delete it to start the fit anew."
        ) from problem
    if not known or head["fingerprint"] != fingerprint:
        raise ConfigurationError(
            f"{path} is the checkpoint of another fit: its settings or data differ. Delete it to "
            "start anew, or restore the fit file."
        )
    state: dict[str, Any] = unflatten(head["state"], arrays)
    return state
