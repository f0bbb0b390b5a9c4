"""A folder of .mod files -> a library that NEURON can load, compiled once and kept.

The library is kept in the user's cache under a name made of the files' content, NEURON's version,
the platform and the compiler, so any change compiles anew and nothing else does. Ranks and jobs
that want the same library at once wait for the one that compiles it: it holds a file lock, works in
a folder of its own, and moves the finished library into place in one step. Where locks do not work
several may compile, and the first to finish wins.

An installation may bring libraries of its own, such as a container image: those in the folder that
COSIM_MECHANISMS names are taken first, and that folder is only read.
"""

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from cosim.errors import ConfigurationError

# What nrnivmodl may read: mechanisms and what their VERBATIM and INCLUDE lines name.
_SUFFIXES = (".mod", ".inc", ".h", ".hpp", ".c", ".cpp")
_NAME = re.compile(r"\b(?:SUFFIX|POINT_PROCESS|ARTIFICIAL_CELL)\s+(\w+)")
_COMMENTS = re.compile(
    r"^[ \t]*COMMENT\b.*?^[ \t]*ENDCOMMENT\b|^[ \t]*VERBATIM\b.*?^[ \t]*ENDVERBATIM\b|[:?].*?$",
    re.DOTALL | re.MULTILINE,
)
# A compiler that is still at work after this long has hung, and would hold every rank.
_LONGEST_COMPILATION_S = 900.0


@dataclass(frozen=True)
class Mechanism:
    """One mechanism of NEURON.

    Attributes:
        name: Its name in NEURON (SUFFIX, POINT_PROCESS or ARTIFICIAL_CELL).
        file: The .mod file.
    """

    name: str
    file: Path


def mechanisms_in(folder: Path) -> tuple[Mechanism, ...]:
    """What the .mod files of a folder define, in the order of the files' names.

    Args:
        folder: Folder of .mod files; its sub-folders are not read.

    Raises:
        ConfigurationError: If there is no such folder, no .mod file, a file without a name, or
            two of one name.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            f"mechanisms: there is no folder {folder}; paths are relative to the experiment file."
        )
    files = sorted(folder.glob("*.mod"))
    if not files:
        raise ConfigurationError(
            f"mechanisms: {folder} holds 0 .mod files; at least 1 is needed. Name the folder that "
            f"holds them itself."
        )
    found: dict[str, Mechanism] = {}
    problems = []
    for file in files:
        match = _NAME.search(_COMMENTS.sub("", file.read_text(encoding="utf-8", errors="replace")))
        if match is None:
            problems.append(
                f"mechanisms: {file} has no SUFFIX, POINT_PROCESS or ARTIFICIAL_CELL; add one to "
                f"its NEURON block, or move the file."
            )
            continue
        name = match.group(1)
        if name in found:
            problems.append(clash(name, file, f"{found[name].file}"))
        found.setdefault(name, Mechanism(name, file))
    if problems:
        raise ConfigurationError(*problems)
    return tuple(found.values())


def clash(name: str, file: Path, other: str) -> str:
    """One line for two mechanisms of one name."""
    return (
        f"mechanisms: {name!r} of {file} is also defined by {other}, and NEURON has one of a name; "
        f"rename one of them in its NEURON block and where it is used."
    )


def clashes(
    mechanisms: Iterable[Mechanism],
    loaded: Mapping[str, Path],
    built_in: Iterable[str],
    started_in: Path | None = None,
) -> list[str]:
    """One line per mechanism whose name NEURON has already.

    Args:
        mechanisms: What is to be loaded.
        loaded: File behind each name that was loaded before.
        built_in: Every name that NEURON knows.
        started_in: Working folder, from whose ``x86_64`` or the like NEURON loads by itself what
            nrnivmodl left there.
    """
    known = set(built_in)
    found = () if started_in is None else started_in.glob(f"{platform.machine()}/libnrnmech.*")
    here = next(iter(sorted(found)), None)
    content = b"" if here is None else here.read_bytes()
    problems = []
    for m in mechanisms:
        if m.name in loaded:
            problems.append(clash(m.name, m.file, str(loaded[m.name])))
        elif m.name in known and f"_{m.file.stem}_reg".encode() in content:
            problems.append(
                f"mechanisms: {m.name!r} of {m.file} is in {here} too, which NEURON loads by "
                f"itself in this working folder; move that library away, or leave out mechanisms."
            )
        elif m.name in known:
            problems.append(clash(m.name, m.file, "NEURON itself"))
    return problems


def cache_folder() -> Path:
    """Where compiled mechanisms are kept: below the user's cache folder."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "tvb-netpyne-cosim" / "mechanisms"


def _brought_along(known: str) -> Path | None:
    """The library of this content in the folder that COSIM_MECHANISMS names, None without one.

    Args:
        known: Content, NEURON's version and platform; whichever compiler made it.
    """
    folder = os.environ.get("COSIM_MECHANISMS")
    if not folder:
        return None
    return next(iter(sorted(Path(folder).glob(f"{known}-*/libnrnmech.*"))), None)


def content_key(folder: Path) -> str:
    """The same for folders of the same files, whatever their place."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in _SUFFIXES and file.is_file():
            content = file.read_bytes()
            digest.update(f"{file.name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()[:20]


def compiled(folder: Path, neuron_version: str) -> Path:
    """The library of a folder's mechanisms, compiled if it is not there yet.

    Args:
        folder: Folder of .mod files.
        neuron_version: NEURON's version.

    Raises:
        ConfigurationError: If it cannot be compiled; one line with the compiler's reason.
    """
    found = made_before(folder, neuron_version)
    if found is not None:
        return found
    compiler = _compiler()
    if compiler is None:
        raise ConfigurationError(
            f"mechanisms: {folder} must be compiled, and there is no C++ compiler and make; "
            f"install them (Debian: apt install g++ make), or set CXX to a compiler."
        )
    target = cache_folder() / f"{_name_of(folder, neuron_version)}-{compiler}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock", timeout=_LONGEST_COMPILATION_S):
            return _library(target) or _compile(folder, target)
    except (OSError, Timeout) as error:
        reason = getattr(error, "strerror", None) or "another process still compiles them"
        raise ConfigurationError(
            f"mechanisms: {folder} cannot be compiled into {target.parent} ({reason}); set "
            f"XDG_CACHE_HOME to a folder that can be written."
        ) from error


def made_before(folder: Path, neuron_version: str) -> Path | None:
    """The library of a folder's mechanisms that :func:`compiled` would return without compiling.

    Args:
        folder: Folder of .mod files.
        neuron_version: NEURON's version.
    """
    name, compiler = _name_of(folder, neuron_version), _compiler()
    library = _brought_along(name)
    if library is not None:
        return library
    if compiler is not None:
        return _library(cache_folder() / f"{name}-{compiler}")
    # A library that another compiler made on this machine serves as well.
    return next(iter(sorted(cache_folder().glob(f"{name}-*/libnrnmech.*"))), None)


def can_compile() -> bool:
    """Whether there are a C++ compiler and make."""
    return _compiler() is not None


def _name_of(folder: Path, neuron_version: str) -> str:
    kept_for = f"neuron{neuron_version}-{platform.system()}-{platform.machine()}"
    return f"{content_key(folder)}-{kept_for}"


def _library(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("libnrnmech.*"))), None)


@cache
def _named(command: str, path: str | None) -> str:
    """A short name of a compiler; the path is where it is searched."""
    done = subprocess.run(  # noqa: S603  (the user's own compiler)
        [shlex.split(command)[0], "--version"], capture_output=True, text=True, check=False
    )
    return hashlib.sha256(f"{command}\0{done.stdout}".encode()).hexdigest()[:8]


def _compiler() -> str | None:
    """A short name of the compiler that nrnivmodl takes, None if there is none."""
    # nrnivmodl's own choice: $CXX, else the compiler that built this Python.
    command = os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "g++"
    program = shlex.split(command)[0]
    if shutil.which(program) is None or shutil.which("make") is None:
        return None
    return _named(command, os.environ.get("PATH"))


def _compile(folder: Path, target: Path) -> Path:
    program = Path(sys.executable).parent / "nrnivmodl"
    if program.exists() and " " in str(program):
        # Neither its first line nor NEURON's make files can name such a folder.
        raise ConfigurationError(
            f"mechanisms: {folder} must be compiled, which NEURON's nrnivmodl cannot do from a "
            f"folder whose name has a space, {str(program.parent)!r}; install into another one."
        )
    with tempfile.TemporaryDirectory(prefix="compile-", dir=target.parent) as name:
        place = Path(name)
        for file in folder.iterdir():
            if file.suffix in _SUFFIXES and file.is_file():
                shutil.copyfile(file, place / file.name)
        command = str(program) if program.exists() else "nrnivmodl"
        try:
            done = subprocess.run(  # noqa: S603  (NEURON's own compiler of mechanisms)
                [command],
                cwd=place,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_LONGEST_COMPILATION_S,
            )
        except subprocess.TimeoutExpired:
            raise ConfigurationError(
                f"mechanisms: compiling {folder} took more than {_LONGEST_COMPILATION_S:g} s; try "
                f"nrnivmodl there by hand."
            ) from None
        made = next(iter(sorted(place.glob("*/libnrnmech.*"))), None)
        if done.returncode != 0 or made is None:
            raise ConfigurationError(
                f"mechanisms: {folder} could not be compiled: {_reason(done)}. Run nrnivmodl there "
                f"to see all of it."
            )
        finished = place / "finished"
        finished.mkdir()
        shutil.copy2(made, finished / made.name)
        # Without working locks another may have been faster; an empty folder is replaced.
        if _library(target) is None:
            finished.rename(target)
    library = _library(target)
    if library is None:
        raise OSError(f"{target} is not what was put there")
    return library


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The first line of the compiler's output that speaks of an error, else the last."""
    lines = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines()]
    lines = [line for line in lines if line]
    speaks = re.compile(r"\berror\b|\bundefined\b", re.IGNORECASE)
    told = [number for number, line in enumerate(lines) if speaks.search(line)]
    if not told:
        return (lines[-1:] or [f"nrnivmodl ended with status {done.returncode}"])[0].rstrip(".")
    # nocmodl says where on the lines after "syntax error:".
    first = told[0]
    n_lines = 3 if lines[first].endswith(":") else 1
    return " ".join(lines[first : first + n_lines]).rstrip(".")
