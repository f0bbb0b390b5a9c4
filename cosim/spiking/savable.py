"""Which networks NEURON can save so that they go on bit for bit; the others are told in a line."""

import re
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

PYTHON_EVENT = (
    "checkpoint: a function of Python waits in NEURON's event queue (CVode.event), which NEURON "
    "cannot save; give CVode.event a statement of HOC instead, or remove checkpoint."
)

_COMMENT = re.compile(r"^[ \t]*COMMENT\b.*?^[ \t]*ENDCOMMENT\b|[:?].*?$", re.DOTALL | re.MULTILINE)
_VERBATIM = re.compile(r"^[ \t]*VERBATIM\b(.*?)^[ \t]*ENDVERBATIM\b", re.DOTALL | re.MULTILINE)
# Kind 3 of NEURON's events, then what it is sent to: name, number, type, NetCon, place and flag.
_SELF_EVENT = re.compile(rb"3\n[A-Za-z]\w* \d+ \d+ -?\d+ -?\d+ [^\n]+\n")
_WORDS = re.compile(r"[A-Za-z_]\w*")
# NEURON's own, whose hidden state is saved here (streams) or is fixed during a run.
_KNOWN = ("NetStim", "VClamp", "APCount")


def python_event(saved: NDArray[np.uint8]) -> bool:
    """Whether what NEURON's SaveState wrote names a function of Python as an event."""
    return b"1 0\nPythonObject" in saved.tobytes()


def self_event(saved: NDArray[np.uint8]) -> bool:
    """Whether a mechanism's event to itself (net_send) is in what NEURON's SaveState wrote."""
    return _SELF_EVENT.search(saved.tobytes()) is not None


def mechanism_problems(texts: Mapping[str, str]) -> Iterator[str]:
    """One line per mechanism that keeps something where NEURON's SaveState does not look.

    Args:
        texts: Source text of the mechanisms of a network by name; empty where there is none.
    """
    for name, text in texts.items():
        if name in _KNOWN:
            continue
        reason = _reason(text)
        if reason:
            yield (
                f"checkpoint: mechanism {name!r} {reason}, which NEURON's SaveState does not hold; "
                f"change it, or remove checkpoint."
            )


def _reason(text: str) -> str:
    verbatim = " ".join(_VERBATIM.findall(text))
    plain = _COMMENT.sub(" ", _VERBATIM.sub(" ", text))
    if "BBCOREPOINTER" in plain:
        return "keeps data behind a BBCOREPOINTER"
    if re.search(r"\bPOINTER\b", plain) and verbatim:
        return "has a POINTER and VERBATIM code"
    if re.search(r"\bstatic\b", verbatim):
        return "has static variables in VERBATIM code"
    if len(re.findall(r"\bWATCH\b", plain)) > 1:
        return "switches between several WATCH conditions"
    if re.search(r"\bWATCH\b", plain) and not re.search(r"\bnet_send\s*\(\s*0\s*,", plain):
        return "begins to WATCH later than at t = 0"
    if "NET_RECEIVE" in plain:
        return ""  # SaveState holds all of these
    carried = sorted(_carried(plain))
    if carried:
        return f"carries {', '.join(carried)} from step to step without making it RANGE or STATE"
    return ""


def _carried(text: str) -> set[str]:
    """ASSIGNED variables that are not public and are computed from their own last value."""
    public = set[str]()
    for names in re.finditer(r"\b(?:RANGE|GLOBAL|READ|WRITE|POINTER)\b([^\n]*)", text):
        public.update(_WORDS.findall(names[1]))
    hidden = {
        match[0]
        for line in _block(text, "ASSIGNED").splitlines()
        if (match := _WORDS.match(line.strip())) and match[0] not in public
    }
    return {
        name
        for name in hidden
        if re.search(rf"\b{name}\b\s*=[^=\n]*\b{name}\b", text.replace(_block(text, "INITIAL"), ""))
    }


def _block(text: str, name: str) -> str:
    """What stands between the braces of a block of NMODL; empty if there is no such block."""
    found = re.search(rf"\b{name}\b\s*\{{", text)
    if not found:
        return ""
    depth, start = 1, found.end()
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position]
    return text[start:]
