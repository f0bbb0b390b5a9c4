"""NEURON's compiler of reactions, kept out of the working folder.

NEURON writes the reactions of a network as C++ when it is initialised, compiles them in the
working folder, and loads what came of it: a folder that cannot be written, a missing compiler or a
full disk ends in a page of traceback, and files stay behind. Here NEURON's own function does the
same, with the same options and so the same bits, in a temporary folder, and each text once: copies
of a circuit that differ in the values of their species share it.
"""

import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

from cosim.errors import ConfigurationError

# By compiler and text; NEURON never unloads a library, so what it loaded once can be used again.
_compiled: dict[tuple[str, str], Any] = {}


class ReactionCompiler:
    """Stands in for NEURON's function until it is closed.

    Args:
        rxd: NEURON's module ``neuron.rxd.rxd``.

    Raises:
        ConfigurationError: If there is no compiler.
    """

    def __init__(self, rxd: Any):
        self._failure: ConfigurationError | None = None
        self._rxd = rxd
        require_compiler()
        self._neurons_own: Callable[[str], Any] = rxd._cxx_compile
        rxd._cxx_compile = self._compile

    def close(self) -> None:
        """Give NEURON its own function back."""
        self._rxd._cxx_compile = self._neurons_own

    def raise_failure(self) -> None:
        """Tell what went wrong in one line; NEURON wraps it in a traceback of its own.

        Raises:
            ConfigurationError: If reactions could not be compiled since the last call.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _compile(self, text: str) -> Any:
        key = (_command(), text)
        if key not in _compiled:
            try:
                with (
                    tempfile.TemporaryDirectory(prefix="cosim-rxd-") as folder,
                    contextlib.chdir(folder),
                ):
                    _compiled[key] = self._neurons_own(text)
            except OSError as error:
                reason = str(error).splitlines()[0].replace(os.sep + "rxddll", "rxddll")
                self._failure = ConfigurationError(
                    f"reaction-diffusion: the compiler {key[0]!r} could not compile the reactions "
                    f"({reason}); its own message is above. Set CXX to a C++ compiler, and TMPDIR "
                    f"to a folder that can be written and run from."
                )
                raise
        return _compiled[key]


def require_compiler() -> None:
    """Make sure that reactions can be compiled.

    Raises:
        ConfigurationError: If there is no compiler.
    """
    program = next(iter(shlex.split(_command())), "")
    if not program or shutil.which(program) is None:
        raise ConfigurationError(
            f"reaction-diffusion: NEURON compiles reactions when a run starts, and there is no C++ "
            f"compiler {program!r}; install one (Debian: apt install g++), or set CXX to one."
        )


def _command() -> str:
    return os.environ.get("CXX", "g++")  # NEURON's own choice
