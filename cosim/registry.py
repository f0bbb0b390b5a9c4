"""Names that a user may write in an experiment file, and what they stand for."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from cosim.errors import ConfigurationError

T = TypeVar("T")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'x'?"`` when a known name is close, else an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def unknown_name(kind: str, name: str, known: Iterable[str], cure: str = "") -> str:
    """One line for a name that is not known: the name, what is known, a near miss, a cure.

    Args:
        kind: What the name should have been, such as ``"region"``.
        name: What was written.
        known: The names that exist.
        cure: A closing sentence.
    """
    names = list(known)
    listed = ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:8])}, ... ({len(names)})"
    hint = did_you_mean(name, names)
    return f"Unknown {kind} {name!r}. Known: {listed or 'none'}.{hint}{' ' + cure if cure else ''}"


class Registry(Mapping[str, T], Generic[T]):
    """A mapping that is filled by decorator and answers a wrong name with a near miss.

    Args:
        kind: What the entries are, for messages, such as ``"circuit"``.
    """

    def __init__(self, kind: str):
        self._kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files an entry under a name.

        Raises:
            ValueError: If the name is taken.
        """

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"The {self._kind} {name!r} is registered twice.")
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise ConfigurationError(unknown_name(self._kind, name, self._entries)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
