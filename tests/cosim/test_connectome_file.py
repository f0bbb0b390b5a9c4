"""A run keeps the connectome that it felt, in a frame in which right, front and top are known."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.connectome_file import CONNECTOME_FILE, connectome_dataset, write_connectome
from cosim.meanfield.connectome import SHIPPED, Connectome, load_connectome
from cosim.results import RunResult

# Per connectome: right, left; frontal, occipital; dorsal, ventral: anatomy fixes their places.
LANDMARKS = {
    "hagmann66": ("rSMAR", "lSMAR", "rFP", "rPCAL", "rPARC", "rTP"),
    "tvb68": (
        "r_supramarginal", "l_supramarginal", "r_frontalpole", "r_pericalcarine", "r_paracentral",
        "r_temporalpole",
    ),
    "tvb76": ("rA1", "lA1", "rPFCPOL", "rV1", "rPMCDL", "rTCPOL"),
    "tvb96": ("RM-A1_R", "RM-A1_L", "RM-PFCpol_R", "RM-V1_R", "RM-PMCdl_R", "RM-TCpol_R"),
}  # fmt: skip


def shipped(name):
    return load_connectome(name, "none", 3.0, Path())


@pytest.mark.parametrize("name", SHIPPED)
def test_axes_point_right_forward_and_up(name):
    """Labels are the oracle. All right regions lie to the right of all left ones of their name."""
    kept = connectome_dataset(shipped(name), 0.1)
    assert list(kept["axis"].values) == ["right", "anterior", "superior"]
    right, left, front, back, top, bottom = (
        kept["centre_mm"].sel(region=label).values for label in LANDMARKS[name]
    )
    assert right[0] > left[0] + 50.0
    assert front[1] > back[1] + 80.0
    assert top[2] > bottom[2] + 40.0


def test_what_was_written_is_read(tmp_path):
    kept = connectome_dataset(shipped("hagmann66"), 0.1)
    write_connectome(tmp_path, kept)
    with xr.open_dataset(tmp_path / CONNECTOME_FILE, engine="h5netcdf") as read:
        xr.testing.assert_identical(read.load(), kept)
    assert list(tmp_path.iterdir()) == [tmp_path / CONNECTOME_FILE]


def test_delays_are_those_of_the_simulation():
    """20 mm at 3 mm/ms are 6.67 ms; with steps of .1 ms the simulation takes 6.7."""
    connectome = Connectome(
        "two", ("a", "b"), np.array([[0, 1.0], [1.0, 0]]), np.full((2, 2), 20.0), np.eye(2, 3), 3.0
    )
    kept = connectome_dataset(connectome, 0.1)
    assert kept["delay_ms"].sel(target="a", source="b").item() == pytest.approx(6.7, abs=1e-12)
    assert kept["delay_ms"].attrs["units"] == "ms"


def test_axes_of_a_file_of_unknown_frame_keep_their_names():
    centres_mm = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    connectome = Connectome("mine.zip", ("a", "b"), np.eye(2), np.eye(2), centres_mm, 3.0)
    kept = connectome_dataset(connectome, 0.1)
    assert list(kept["axis"].values) == ["x", "y", "z"]
    np.testing.assert_array_equal(kept["centre_mm"], centres_mm)


@pytest.mark.parametrize(
    "centres_mm", [np.zeros((2, 3)), np.eye(3), np.array([[1.0, 2.0, np.nan], [1.0, 2.0, 3.0]])]
)
def test_a_connectome_without_places_for_all_regions_keeps_none(centres_mm):
    connectome = Connectome("fit", ("a", "b"), np.eye(2), np.eye(2), centres_mm, 3.0)
    assert "centre_mm" not in connectome_dataset(connectome, 0.1)


def test_a_result_in_memory_has_it_and_saves_it(tmp_path):
    kept = connectome_dataset(shipped("tvb68"), 0.1)
    result = RunResult.in_memory(connectome=kept, provenance={"duration_ms": 1.0})
    xr.testing.assert_identical(result.connectome, kept)
    saved = result.save(tmp_path / "run")
    xr.testing.assert_identical(saved.connectome.load(), kept)
    saved.close()


def test_a_run_of_an_earlier_version_has_none(tmp_path):
    (tmp_path / "provenance.json").write_text("{}")
    assert not RunResult.open(tmp_path).connectome
