"""One line for a name that is not known."""

import difflib
from collections.abc import Iterable


def unknown_name(kind: str, name: str, known: Iterable[str], cure: str = "") -> str:
    """The name, what is known, a near miss and a cure, in one line.

    Args:
        kind: What the name should have been, such as ``"region"``.
        name: What was written.
        known: The names that exist.
        cure: A closing sentence.
    """
    names = list(known)
    listed = ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:8])}, ... ({len(names)})"
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"Unknown {kind} {name!r}. Known: {listed or 'none'}.{hint}{' ' + cure if cure else ''}"
