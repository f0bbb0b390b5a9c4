import json
import re
import resource
from dataclasses import fields

import numpy as np
import pytest
import xarray as xr

from fitting.errors import DataError
from fitting.export import SCHEMA_VERSION, read_fit, to_dataset, write_fit
from fitting.report import write_report
from fitting.result import FitResult, FittedParameter, Identified

N = 5


@pytest.fixture
def result():
    rng = np.random.default_rng(0)
    bold = rng.standard_normal((N, 60))
    fc = np.corrcoef(bold)
    weights = np.exp(rng.standard_normal((N, N)))
    weights = weights + weights.T
    np.fill_diagonal(weights, 0)
    names = {"g": 1.0, "g_EE": 0.23, "g_IE": 0.58, "g_EI": 0.15, "I_o": 0.382, "sigma": 0.005}
    names |= {"I_ext": 0.0, "lambda": 0.0}
    return FitResult(
        subject="made:up/1",
        model="reduced_wong_wang_tanh",
        schedule="linear_noise",
        seed=3,
        labels=tuple("abcde"),
        parameters={k: FittedParameter(k, np.full(N, v), "nA", "m") for k, v in names.items()},
        weights=weights,
        prior_weights=weights * 2,
        lengths_mm=10 * weights,
        resting_state={"E": np.full(N, 0.18), "I": np.full(N, 0.04)},
        resting_rates_hz={"R_E": np.full(N, 3.5), "R_I": np.full(N, 3.8)},
        free={"log_g": np.array(0.0), "log_gains": weights - 1},
        fc_train=fc,
        fc_test=fc * 0.9,
        fc_simulated=np.array([fc, fc]),
        bold_simulated=bold,
        noise_seeds=(7, 8),
        tr_s=0.72,
        metrics={
            "train_fc_r": 0.9,
            "test_fc_r": 0.8,
            "ceiling_fc_r": 0.85,
            "cpu_seconds": 2.0,
            "connectome_r": 0.5,
            "fc_mean_simulated": 0.3,
            "fc_sd_simulated": 0.2,
            "fc_mean_train": 0.3,
            "fc_sd_train": 0.2,
            "fc_mean_test": 0.3,
            "fc_sd_test": 0.2,
        },
        history={
            "total": np.array([2.0, 1.0]),
            "fc_r": np.array([0.1, 0.9]),
            "g": np.array([1.0, 2.0]),
        },
        scan=np.array([[0.1, 2.0, 0.3], [1.0, 1.0, 0.6]]),
        frontier=np.array([[0.0, 0.3, 0.9, 0.8], [0.1, 0.6, 0.8, 0.75]]),
        identified=(
            Identified("g b / kappa", 10.0, 8.0, 12.5, True),
            Identified("g_EE", 0.23, 0.0, float("inf"), False),
        ),
        settings=json.dumps({"seed": 3}),
        versions={"numpy": "2"},
        notices=("a notice",),
        truth={"g": 0.9},
    )


def test_a_result_comes_back_as_it_was(result, tmp_path):
    write_fit(result, tmp_path / "fit.nc")
    back = read_fit(tmp_path / "fit.nc")
    for field in fields(FitResult):
        ours, theirs = getattr(result, field.name), getattr(back, field.name)
        if isinstance(ours, np.ndarray):
            assert np.array_equal(ours, theirs), field.name
        elif isinstance(ours, dict) and isinstance(next(iter(ours.values())), np.ndarray):
            assert all(np.array_equal(ours[k], theirs[k]) for k in ours), field.name
        elif field.name == "parameters":
            assert {k: (p.unit, p.meaning, p.values.tolist()) for k, p in ours.items()} == {
                k: (p.unit, p.meaning, p.values.tolist()) for k, p in theirs.items()
            }
        else:
            assert ours == theirs, field.name


def test_the_file_has_the_promised_names(result):
    ds = to_dataset(result)
    for name in ("simulated_fc", "empirical_fc_train", "empirical_fc_test"):
        assert ds[name].shape == (N, N)
    for name in ("train_fc_r", "test_fc_r", "ceiling_fc_r", "cpu_seconds", "schema_version"):
        assert np.isscalar(ds.attrs[name])
    assert ds.attrs["schema_version"] == SCHEMA_VERSION
    assert ds["parameter_g_EE"].attrs["units"] == "nA"
    assert list(ds["region"].values) == list("abcde")


def test_the_simulated_fc_is_one_run_and_not_a_flattering_mean(result):
    ds = to_dataset(result)
    assert np.array_equal(ds["simulated_fc"], ds["simulated_fc_runs"][0])


@pytest.mark.parametrize(
    ("attrs", "said"),
    [({"schema": "other"}, "schema 'other'"), ({"schema_version": 99}, "version 99")],
)
def test_another_schema_is_refused(result, tmp_path, attrs, said):
    ds = to_dataset(result).assign_attrs(attrs)
    ds.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    with pytest.raises(DataError, match=said):
        read_fit(tmp_path / "x.nc")


def test_a_full_disk_leaves_the_fit_before_and_no_word_of_hdf5(result, tmp_path, capfd):
    """HDF5 cannot close a file that it could not write, and crashes when the process ends."""
    write_fit(result, tmp_path / "fit.nc")
    before = (tmp_path / "fit.nc").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_fit(result, tmp_path / "fit.nc")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "fit.nc").read_bytes() == before
    assert capfd.readouterr().err == ""


def test_a_file_that_is_no_netcdf_is_refused(tmp_path):
    (tmp_path / "x.nc").write_text("no")
    with pytest.raises(DataError, match="not a fitted model file"):
        read_fit(tmp_path / "x.nc")


def test_a_plain_reader_can_open_the_file(result, tmp_path):
    write_fit(result, tmp_path / "fit.nc")
    with xr.open_dataset(tmp_path / "fit.nc", engine="h5netcdf") as ds:
        assert float(ds["weights"].max()) > 0


def test_the_report_shows_every_panel_and_refuses_point_estimates(result, tmp_path):
    write_report(result, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", html)
    for part in (
        "Loss terms",
        "Parameters at",
        "True parameters",
        "Structural",
        "data and simulation",
        "pair by pair",
        "single regions",
        "Fixed points",
        "fidelity",
    ):
        assert any(part in title for title in titles), part
    assert html.count("<img") == 10
    assert "not identified by FC" in html
    assert "8 to 12.5" in html
    assert "a notice" in html


def test_a_label_cannot_inject_markup(result, tmp_path):
    from dataclasses import replace

    write_report(replace(result, subject="<script>x</script>"), tmp_path / "r.html")
    assert "<script>" not in (tmp_path / "r.html").read_text()


def test_a_fit_without_test_data_is_reported(result, tmp_path):
    from dataclasses import replace

    one = replace(result, fc_test=None, frontier=np.zeros((0, 4)), identified=())
    write_fit(one, tmp_path / "fit.nc")
    back = read_fit(tmp_path / "fit.nc")
    write_report(back, tmp_path / "r.html")
    assert back.fc_test is None
    assert "ceiling" not in (tmp_path / "r.html").read_text()
