"""Files of subjects that are damaged, or are something else, are refused in one line."""

import io
import json
import random
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitting.errors import DataError
from fitting.loaders import SubjectFiles, load_files, read_matrix, read_tvb_zip

N = 6
RNG = np.random.default_rng(3)
SYMMETRIC = (lambda a: a + a.T)(RNG.random((N, N)))
BOLD = RNG.standard_normal((N, 40))


def written(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def text_of(matrix, separator="\t"):
    return "\n".join(separator.join(f"{x:.6f}" for x in row) for row in matrix).encode()


def tvb_zip(file, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("weights.txt", text_of(SYMMETRIC))
        archive.writestr("tract_lengths.txt", text_of(SYMMETRIC * 30))
        rows = "\n".join(f"R{i} {i} 0 0" for i in range(N))
        archive.writestr("centres.txt", rows)


FILES = {
    "a.npy": written(lambda f: np.save(f, SYMMETRIC)),
    "a.npz": written(lambda f: np.savez(f, a=SYMMETRIC)),
    "b.npz": written(lambda f: np.savez_compressed(f, a=SYMMETRIC)),
    "a.mat": written(lambda f: scipy.io.savemat(f, {"a": SYMMETRIC})),
    "b.mat": written(lambda f: scipy.io.savemat(f, {"a": SYMMETRIC}, do_compression=True)),
    "a.csv": text_of(SYMMETRIC, ","),
    "a.tsv": b"\t".join(f"R{i}".encode() for i in range(N)) + b"\n" + text_of(BOLD.T),
    "a.txt": text_of(SYMMETRIC, " "),
}
ZIPS = {
    "packed.zip": written(tvb_zip),
    "stored.zip": written(lambda f: tvb_zip(f, zipfile.ZIP_STORED)),
    "bzip2.zip": written(lambda f: tvb_zip(f, zipfile.ZIP_BZIP2)),
}
HOW = st.sampled_from(["flip", "flips", "cut", "zeros", "text", "double", "other"])


def spoiled(data, how, seed):
    rng = random.Random(seed)
    damaged = bytearray(data)
    at = rng.randrange(len(data))
    if how in ("flip", "flips"):
        for _ in range(1 if how == "flip" else 20):
            damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del damaged[at:]
    elif how == "zeros":
        damaged[at : at + 32] = bytes(32)
    elif how == "text":
        damaged[at : at + 3] = rng.choice([b"nan", b"1e999", b"\xff\xfe\x00", b"-", b"\n\n"])
    elif how == "double":
        damaged[at:at] = damaged[at:]
    else:
        damaged = bytearray(rng.randbytes(rng.randrange(200)))
    return bytes(damaged)


def refused_in_one_line(read, path):
    """Whether a file is refused; what is not must be a result."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SciPy warns of odd headers and reads on
            assert read(path) is not None
    except DataError as error:
        assert str(path) in str(error) or path.name in str(error)
        assert len(str(error).splitlines()) == 1
        return True
    return False


FEW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FEW
@given(name=st.sampled_from(sorted(FILES)), how=HOW, seed=st.integers(0, 2**32))
def test_a_damaged_matrix_is_read_or_refused(tmp_path, name, how, seed):
    """SciPy's reader of .mat may crash the process on changed bits: those are only cut."""
    if name.endswith(".mat") and how != "other":
        how = "cut"
    path = tmp_path / name
    path.write_bytes(spoiled(FILES[name], how, seed))
    refused_in_one_line(read_matrix, path)


@FEW
@given(name=st.sampled_from(sorted(ZIPS)), how=HOW, seed=st.integers(0, 2**32))
def test_a_damaged_connectome_is_read_or_refused(tmp_path, name, how, seed):
    path = tmp_path / name
    path.write_bytes(spoiled(ZIPS[name], how, seed))
    refused_in_one_line(read_tvb_zip, path)


@pytest.mark.parametrize("name", [*FILES, *ZIPS])
def test_the_same_files_undamaged_are_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes({**FILES, **ZIPS}[name])
    assert not refused_in_one_line(read_tvb_zip if name in ZIPS else read_matrix, path)


SIDECARS = [
    "", "[]", "{}", "null", "3", '"x"', '{"RepetitionTime": "x"}', '{"RepetitionTime": null}',
    '{"RepetitionTime": []}', '{"SamplingFrequency": 0}', '{"SamplingFrequency": {}}',
    '{"RepetitionTime": -1}', '{"RepetitionTime": 1e999}', '{"RepetitionTime": true}', "[" * 10**5,
]  # fmt: skip


@pytest.mark.parametrize("sidecar", SIDECARS, ids=range(len(SIDECARS)))
def test_any_sidecar_beside_bold_is_used_or_refused(tmp_path, sidecar):
    (tmp_path / "weights.txt").write_bytes(text_of(SYMMETRIC))
    (tmp_path / "bold.tsv").write_bytes(FILES["a.tsv"])
    (tmp_path / "bold.json").write_text(sidecar)
    files = SubjectFiles(weights=Path("weights.txt"), bold=Path("bold.tsv"))
    try:
        subject = load_files(files, tmp_path)
    except DataError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert json.loads(sidecar)["RepetitionTime"] == subject.tr_s
