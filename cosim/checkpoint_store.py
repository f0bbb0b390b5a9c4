"""Checkpoints on disk: whole or not there, checked when read, the newest few kept.

A checkpoint is a folder with one file of arrays per rank and ``manifest.json``, which holds their
sizes and checksums. It is written under another name, flushed to the disk, and renamed: whatever
has the final name is complete. What lies there may still be damaged later; reading finds that.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from cosim.errors import ResultsError
from cosim.ranks import OneRank, Ranks
from cosim.saved_state import State

CHECKPOINTS_FOLDER = "checkpoints"
# Raised whenever what a checkpoint holds, or how, changes.
FORMAT = 1

_MANIFEST = "manifest.json"
_WRITING, _OLD = ".writing-", ".old-"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of a checkpoint.

    Attributes:
        name: Its name in the folder.
        n_bytes: Its size, bytes.
        sha256: Its checksum, hexadecimal.
    """

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was found complete and undamaged.

    Attributes:
        folder: Where it lies.
        facts: What its manifest says of the run.
        damaged: One line for each newer checkpoint that is damaged.
    """

    folder: Path
    facts: Mapping[str, Any]
    damaged: tuple[str, ...] = ()

    @property
    def time_ms(self) -> float:
        """Simulated time that it was written at, ms."""
        return float(self.facts["time_ms"])

    def state(self, rank: int) -> dict[str, NDArray[Any]]:
        """The arrays of a rank.

        Raises:
            ResultsError: If they cannot be read.
        """
        path = self.folder / _name_of(rank)
        try:
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ResultsError(f"{path} cannot be read: {_one_line(error)}.") from error


class CheckpointStore:
    """The checkpoints of one run. One rank begins and commits; every rank writes its own file.

    Args:
        directory: Folder of the run.
        keep: How many are kept.

    Attributes:
        directory: Folder of the run.
    """

    def __init__(self, directory: Path, keep: int):
        self.directory = directory
        self._folder = directory / CHECKPOINTS_FOLDER
        self._keep = keep

    def begin(self, n_windows: int) -> None:
        """Make the place of a new one, without what an earlier attempt left there.

        Args:
            n_windows: Windows simulated so far.

        Raises:
            OSError: If the disk refuses.
        """
        if not self._folder.exists():
            self._folder.mkdir()
            fsync_folder(self.directory)
        self.discard()
        self._place(n_windows).mkdir()

    def write(self, n_windows: int, rank: int, state: State) -> FileRecord:
        """Write the arrays of one rank, down to the disk.

        Raises:
            OSError: If the disk refuses.
        """
        path = self._place(n_windows) / _name_of(rank)
        with path.open("wb") as file:
            np.savez(file, **_without_objects(state))
            file.flush()
            os.fsync(file.fileno())
        return FileRecord(path.name, path.stat().st_size, _sha256(path))

    def commit(self, n_windows: int, files: Sequence[FileRecord], facts: Mapping[str, Any]) -> Path:
        """Give the new one its name, and remove those that are too many.

        Args:
            n_windows: As for :meth:`begin`.
            files: What the ranks wrote.
            facts: Facts of the run, plain data.

        Returns:
            Its folder.

        Raises:
            OSError: If the disk refuses.
        """
        place, final = self._place(n_windows), self._folder / f"{n_windows:09d}"
        content = {**facts, "format": FORMAT, "files": [asdict(record) for record in files]}
        text = json.dumps({"content": content, "sha256": _sha256_of(content)}, indent=1)
        with (place / _MANIFEST).open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        fsync_folder(place)
        self._remove(final)
        place.rename(final)
        fsync_folder(self._folder)
        for folder in self._all()[self._keep :]:
            self._remove(folder)
        return final

    def discard(self) -> None:
        """Remove what was begun and not committed."""
        for pattern in (f"{_WRITING}*", f"{_OLD}*"):
            for folder in self._folder.glob(pattern):
                # What another process holds open stays for the next time; it harms nothing.
                shutil.rmtree(folder, ignore_errors=True)

    def newest(self, ranks: Ranks | None = None) -> Checkpoint | None:
        """The newest one that is complete and undamaged, if there is any; the same on all ranks.

        Each rank checks the file that it is going to read, and rank 0 the manifest: the time that
        it takes does not grow with the number of ranks, and damage that one finds holds for all.

        Args:
            ranks: Who goes on from it, each calling this; None: this process alone.

        Raises:
            ResultsError: If all are damaged.
        """
        together = ranks or OneRank()
        # Rank 0's word: folders of a network may show others to ranks elsewhere for some seconds.
        listed = together.share_record({"names": [folder.name for folder in self._all()]})
        folders = [self._folder / name for name in listed["names"]]
        return _first_sound(folders, lambda folder: self._agreed(folder, together))

    def newest_facts(self) -> Mapping[str, Any] | None:
        """What the newest undamaged manifest says, if there is any; no other file is read.

        Raises:
            ResultsError: If all are damaged.
        """
        found = _first_sound(self._all(), _read_facts)
        return None if found is None else found.facts

    def forget_after(self, checkpoint: Checkpoint) -> None:
        """Remove all that are newer than one from which the run goes on."""
        for folder in self._all():
            if folder.name > checkpoint.folder.name:
                self._remove(folder)

    def remove_all(self) -> None:
        """Remove every checkpoint, and their folder unless it is a link to another place."""
        if not self._folder.is_dir():
            return
        for folder in self._all():
            self._remove(folder)
        self.discard()
        if not self._folder.is_symlink():
            shutil.rmtree(self._folder, ignore_errors=True)

    @staticmethod
    def _agreed(folder: Path, ranks: Ranks) -> tuple[dict[str, Any], str]:
        """What a manifest says, and what any of the ranks found wrong with the checkpoint."""
        told: dict[str, Any] = {}
        if ranks.rank == 0:
            told["facts"], told["problem"] = _read_facts(folder)
        told = ranks.share_record(told)
        facts: dict[str, Any] = told["facts"]
        if told["problem"]:
            return facts, str(told["problem"])
        # File r is that of rank r; of another number of ranks, all are checked all the same.
        mine = facts["files"][ranks.rank :: ranks.size]
        records = ranks.gather_records({"problem": _file_problem(folder, mine)})
        first = next((r["problem"] for r in records or () if r["problem"]), "")
        return facts, str(ranks.share_record({"problem": first})["problem"])

    def _place(self, n_windows: int) -> Path:
        return self._folder / f"{_WRITING}{n_windows:09d}"

    def _all(self) -> list[Path]:
        """Folders with a final name, newest first."""
        return sorted((f for f in self._folder.glob("[0-9]*") if f.is_dir()), reverse=True)

    def _remove(self, folder: Path) -> None:
        # Under another name first: a kill half-way must not leave half of one under its own.
        if folder.exists():
            old = folder.with_name(f"{_OLD}{folder.name}")
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
            shutil.rmtree(old, ignore_errors=True)


def fsync_folder(folder: Path) -> None:
    """Make names in a folder last, as fsync of a file makes its content last.

    File systems that know of no such thing (EINVAL) do what they do.

    Args:
        folder: The folder.

    Raises:
        OSError: If the disk refuses.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _without_objects(state: State) -> dict[str, Any]:
    """The arrays, none of which NumPy would have to pickle."""
    for name, values in state.items():
        if values.dtype.hasobject:
            raise TypeError(f"{name} holds Python objects; give it as numbers or text.")
    return dict(state)


def _name_of(rank: int) -> str:
    return f"rank-{rank}.npz"


def _read_facts(folder: Path) -> tuple[dict[str, Any], str]:
    """What a manifest says, and what is wrong with it, if anything is."""
    try:
        return _checked_facts(folder), ""
    except (OSError, ValueError) as error:
        return {}, _one_line(error)


def _checked_facts(folder: Path) -> dict[str, Any]:
    """What a manifest says.

    Raises:
        OSError: If it is missing.
        ValueError: If it is not as it was written.
    """
    stored = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    if not isinstance(stored, dict) or not isinstance(stored.get("content"), dict):
        raise ValueError(f"{_MANIFEST} is not a manifest")
    content: dict[str, Any] = stored["content"]
    if stored.get("sha256") != _sha256_of(content):
        raise ValueError(f"the checksum of {_MANIFEST} is wrong")
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {content['format']}, this version reads {FORMAT}")
    return content


def _file_problem(folder: Path, records: Iterable[Mapping[str, Any]]) -> str:
    """What is wrong with the files of a checkpoint, as a manifest knows them; empty if nothing."""
    try:
        for record in records:
            path = folder / record["name"]
            if path.stat().st_size != record["n_bytes"] or _sha256(path) != record["sha256"]:
                return f"the checksum of {record['name']} is wrong"
    except OSError as error:
        return _one_line(error)
    return ""


def _first_sound(
    folders: Iterable[Path], look: Callable[[Path], tuple[dict[str, Any], str]]
) -> Checkpoint | None:
    """The first checkpoint in which ``look`` finds no problem; None if there is no folder.

    Raises:
        ResultsError: If all have one.
    """
    damaged: list[str] = []
    for folder in folders:
        facts, problem = look(folder)
        if not problem:
            return Checkpoint(folder, facts, tuple(damaged))
        damaged.append(f"checkpoint {folder} is damaged ({problem})")
    if damaged:
        raise ResultsError(f"{'; '.join(damaged)}; no other is left, start the run anew.")
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return f"{Path(str(error.filename)).name}: {os.strerror(error.errno)}"
    return " ".join(str(error).split()) or type(error).__name__
