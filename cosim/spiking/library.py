"""The circuits that an experiment file may call by name, and what comes with each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cosim.registry import Registry

Builder = Callable[..., Any]
B = TypeVar("B", bound=Builder)


@dataclass(frozen=True)
class LibraryCircuit:
    """A circuit that is registered under a name.

    Attributes:
        build: Returns netParams, or netParams and simConfig; its arguments are the parameters of
            the experiment file, its docstring tells what it is.
        paper: Where it is published: authors, year, journal, DOI.
        mechanisms: Folder of its .mod files, compiled before it is built.
        inputs: Inputs of an experiment that names none, with the file's keys.
        outputs: Outputs of an experiment that names none; None: E and I, if there are such.
        cpu_s_per_s: CPU time per simulated second with its defaults at rest, s, on the machine of
            the documentation's table; None where it was not measured.
        from_brain: Parameters that follow the mean field of the region that is replaced unless
            they are given, with the mean field's name: a parameter (``w_p`` with what a diffusive
            coupling takes off it) or a gating variable at the start.
    """

    build: Builder
    paper: str = ""
    mechanisms: Path | None = None
    inputs: Sequence[Mapping[str, Any]] = ()
    outputs: Sequence[Mapping[str, Any]] | None = None
    cpu_s_per_s: float | None = None
    from_brain: Mapping[str, str] = field(default_factory=dict)


circuits: Registry[LibraryCircuit] = Registry("circuit")


def register_circuit(
    name: str,
    *,
    paper: str = "",
    mechanisms: Path | None = None,
    inputs: Sequence[Mapping[str, Any]] = (),
    outputs: Sequence[Mapping[str, Any]] | None = None,
    cpu_s_per_s: float | None = None,
    from_brain: Mapping[str, str] | None = None,
) -> Callable[[B], B]:
    """Decorator that files a circuit's function under a name.

    Args:
        name: What experiment files call it.
        paper: Where it is published.
        mechanisms: Folder of its .mod files.
        inputs: Inputs of an experiment that names none.
        outputs: Outputs of an experiment that names none.
        cpu_s_per_s: CPU time per simulated second, s.
        from_brain: Parameters that follow the replaced region's mean field unless given.

    Raises:
        ValueError: If the name is taken.
    """

    def add(build: B) -> B:
        entry = LibraryCircuit(
            build, paper, mechanisms, inputs, outputs, cpu_s_per_s, from_brain or {}
        )
        circuits.register(name)(entry)
        return build

    return add
