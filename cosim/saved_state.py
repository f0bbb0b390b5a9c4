"""State as named arrays: what a checkpoint holds of each part of a run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Arrays of numbers or text by name; no Python objects, so that they can be stored without pickle.
State = Mapping[str, NDArray[Any]]

_SEPARATOR = "/"


def joined(**parts: State) -> dict[str, NDArray[Any]]:
    """The states of several parts as one; the name of a part stands before its own names.

    Args:
        parts: State of each part, by name.
    """
    return {
        f"{name}{_SEPARATOR}{key}": np.asarray(values)
        for name, state in parts.items()
        for key, values in state.items()
    }


def part(state: State, name: str) -> dict[str, NDArray[Any]]:
    """The state of one part of what :func:`joined` put together.

    Args:
        state: The whole.
        name: The part; one that had no state of its own gives an empty one.
    """
    start = f"{name}{_SEPARATOR}"
    return {key.removeprefix(start): v for key, v in state.items() if key.startswith(start)}


def numbered(states: Sequence[State]) -> dict[str, NDArray[Any]]:
    """The states of a list of parts as one, told apart by their positions.

    Args:
        states: State of each part.
    """
    return joined(**{str(number): state for number, state in enumerate(states)})
