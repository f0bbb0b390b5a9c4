"""Co-simulate The Virtual Brain with NetPyNE/NEURON, window by window.

Importing this package is light: TVB, NEURON and MPI are loaded when a run is built.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cosim.config import (
        Brain,
        Checkpointing,
        Circuit,
        Experiment,
        Input,
        Limits,
        Monitor,
        Output,
        Synchronization,
    )
    from cosim.errors import CosimError
    from cosim.experiment_file import load
    from cosim.plan import check
    from cosim.results import RunResult
    from cosim.runner import run

__version__ = "0.1.0"

_HOME = {
    "Brain": "config",
    "Checkpointing": "config",
    "Circuit": "config",
    "Experiment": "config",
    "Input": "config",
    "Limits": "config",
    "Monitor": "config",
    "Output": "config",
    "Synchronization": "config",
    "CosimError": "errors",
    "RunResult": "results",
    "check": "plan",
    "load": "experiment_file",
    "run": "runner",
}

__all__ = [
    "Brain",
    "Checkpointing",
    "Circuit",
    "CosimError",
    "Experiment",
    "Input",
    "Limits",
    "Monitor",
    "Output",
    "RunResult",
    "Synchronization",
    "check",
    "load",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"cosim.{_HOME[name]}"), name)
    raise AttributeError(f"module 'cosim' has no attribute {name!r}")
