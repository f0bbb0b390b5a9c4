"""The command that makes a run again, from what its provenance says."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_END = "END_OF_EXPERIMENT"
_NAME = "rerun"
_WIDTH = 96


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How to make a run again.

    Attributes:
        command: Lines for a shell, which write the experiment and run it; empty if it cannot be.
        notes: What must be there first, or why there is no command, one line each.
    """

    command: str
    notes: tuple[str, ...]


def reproduction(provenance: Mapping[str, Any]) -> Reproduction:
    """The command for a run.

    The experiment is written as JSON, which YAML contains: there every string is in quotes and
    every number has all its digits.

    Args:
        provenance: What ``provenance.json`` holds; empty for a run that wrote none.
    """
    experiment = provenance.get("experiment")
    if not isinstance(experiment, Mapping):
        return Reproduction("", ("No command: the run wrote no provenance.",))
    objects = list(_python_objects(experiment))
    if objects:
        return Reproduction(
            "",
            (
                f"No command: {', '.join(objects)} came from Python, not from a file; run the "
                f"script that made it.",
            ),
        )
    text = _json(experiment)
    ranks = int(provenance.get("ranks") or 1)
    launcher = f"mpirun -n {ranks} " if ranks > 1 else ""
    command = (
        f"cat > {_NAME}.json <<'{_END}'\n{text}\n{_END}\n"
        f"{launcher}cosim run {_NAME}.json --output {_NAME}"
    )
    return Reproduction(command, tuple(_notes(provenance)))


def _json(value: Any, margin: str = "") -> str:
    """JSON with what fits into a line on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, Mapping | list) or len(margin) + len(line) <= _WIDTH:
        return line
    inner = margin + "  "
    if isinstance(value, Mapping):
        items = [
            f"{json.dumps(key, ensure_ascii=False)}: {_json(item, inner)}"
            for key, item in value.items()
        ]
        opened, closed = "{", "}"
    else:
        items = [_json(item, inner) for item in value]
        opened, closed = "[", "]"
    return f"{opened}\n{inner}" + f",\n{inner}".join(items) + f"\n{margin}{closed}"


def _notes(provenance: Mapping[str, Any]) -> Iterator[str]:
    commit, versions = provenance.get("git_commit"), provenance.get("versions") or {}
    if commit:
        yield f"Version of cosim: commit {commit}."
    elif "tvb-netpyne-cosim" in versions:
        yield f"Version of cosim: {versions['tvb-netpyne-cosim']}."
    found = provenance.get("files") or {}
    if found:
        listed = ", ".join(f"{name} (SHA-256 {digest[:12]})" for name, digest in found.items())
        yield f"It needs, seen from the folder in which it is run: {listed}."
    yield (
        "The spikes do not depend on the number of ranks; equal spikes have an equal SHA-256, see "
        "Provenance."
    )


def _python_objects(experiment: Mapping[str, Any]) -> Iterator[str]:
    """What only a Python script can give."""
    for number, circuit in enumerate(experiment.get("circuits") or ()):
        reference = circuit.get("circuit")
        if isinstance(reference, str) and reference.startswith("<Python object "):
            yield f"circuits.{number}.circuit = {reference}"
        for name, value in (circuit.get("parameters") or {}).items():
            # What Python prints of an object that has no text of its own.
            if isinstance(value, str) and value.startswith("<") and value.endswith(">"):
                yield f"circuits.{number}.parameters.{name} = {value}"
