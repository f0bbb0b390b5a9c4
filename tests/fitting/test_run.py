"""From a fit file to its folder, on a small made-up subject."""

import json
from pathlib import Path

import numpy as np
import pytest

from fitting.cohort import fit_cohort
from fitting.errors import ConfigurationError, DataError
from fitting.export import read_fit
from fitting.run import fit_file

N = 6
FIT_FILE = """
subject: {weights: sc.npy, lengths: len.npy, bold: bold.npy, tr_s: 2.0}
split: {train: [0, 100], test: [100, 200]}
linear_noise: {steps: 40, frontier: [0.1], frontier_steps: 5}
simulation: {minutes: 3.0, settle_s: 10.0, seeds: [1, 2], dt_ms: 5.0}
"""


def write_subject(folder, seed=0, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    weights = np.exp(rng.standard_normal((N, N)))
    weights = weights + weights.T
    np.fill_diagonal(weights, 0)
    loads = rng.uniform(0.3, 1.0, (N, 1))
    bold = 500 + loads * rng.standard_normal(200) + 0.5 * rng.standard_normal((N, 200))
    arrays = {"sc": weights, "len": 10 * weights, "bold": bold} | changes
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


@pytest.fixture
def fit_yaml(tmp_path):
    write_subject(tmp_path)
    (tmp_path / "fit.yaml").write_text(FIT_FILE)
    return tmp_path / "fit.yaml"


def test_a_fit_file_gives_a_folder_with_model_and_report(fit_yaml, tmp_path):
    path = fit_file(fit_yaml, tmp_path / "out", ["seed=4"])
    assert path == tmp_path / "out" / "fit.nc"
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    result = read_fit(path)
    assert (result.seed, result.schedule) == (4, "linear_noise")
    assert json.loads(result.settings)["linear_noise"]["steps"] == 40
    m = result.metrics
    runs = [np.corrcoef(result.fc_test[low], run[low])[0, 1] for run in result.fc_simulated]
    assert m["test_fc_r"] == pytest.approx(np.mean(runs), rel=1e-12)
    assert m["ceiling_fc_r"] == pytest.approx(
        np.corrcoef(result.fc_train[low], result.fc_test[low])[0, 1], rel=1e-12
    )
    assert result.frontier.shape == (2, 4)


low = np.tril_indices(N, -1)


def test_the_length_of_the_evaluation_does_not_change_the_fit(fit_yaml, tmp_path):
    one, other = (
        read_fit(fit_file(fit_yaml, tmp_path / minutes, [f"simulation.minutes={minutes}"]))
        for minutes in ("2.0", "4.0")
    )
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.parameters["g"].values, other.parameters["g"].values)


def test_a_finished_fit_is_looked_at_again_with_other_noise_and_another_test(fit_yaml, tmp_path):
    one = read_fit(fit_file(fit_yaml, tmp_path / "out"))
    changes = ["simulation.seeds=[3]", "split.test=[120, 200]"]
    done = []
    other = read_fit(
        fit_file(fit_yaml, tmp_path / "out", changes, progress=lambda *step: done.append(step))
    )
    assert not done  # no step of the descent
    np.testing.assert_array_equal(one.weights, other.weights)
    assert other.fc_simulated.shape[0] == 1
    assert not np.array_equal(one.fc_test, other.fc_test)


def test_the_resting_state_in_the_file_is_a_fixed_point_of_its_parameters(fit_yaml, tmp_path):
    """What a co-simulation starts from: the drift at rest is rounding, 1e-15 per ms."""
    import torch

    from fitting.models import named_model

    result = read_fit(fit_file(fit_yaml, tmp_path / "out"))
    model = named_model(result.model)
    values = {name: torch.as_tensor(p.values) for name, p in result.parameters.items()}
    state = torch.as_tensor(np.array([result.resting_state[v] for v in model.variables]))
    coupling = torch.as_tensor(
        result.weights @ result.resting_state["E"]
        - result.weights.sum(1) * result.resting_state["E"]
    )
    assert model.drift(state, coupling, values).abs().max() < 1e-14


def test_a_test_range_that_was_fitted_is_refused(fit_yaml, tmp_path):
    with pytest.raises(ConfigurationError, match=r"share the repetitions \[50, 100\]"):
        fit_file(fit_yaml, tmp_path / "out", ["split.test=[50, 200]"])


def test_the_test_range_may_be_left_out(fit_yaml, tmp_path):
    result = read_fit(fit_file(fit_yaml, tmp_path / "out", ["split.test=null"]))
    assert result.fc_test is None
    assert np.isnan(result.metrics["test_fc_r"])


def test_bad_data_stop_before_anything_is_written(fit_yaml, tmp_path):
    bold = np.ones((N, 200))
    write_subject(tmp_path, bold=bold)
    with pytest.raises(DataError, match="constant in 6 of 6"):
        fit_file(fit_yaml, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_notices_reach_the_caller_and_the_file(fit_yaml, tmp_path):
    weights = np.load(tmp_path / "sc.npy")
    weights[0, 1] *= 2
    write_subject(tmp_path, sc=weights)
    told = []
    result = read_fit(fit_file(fit_yaml, tmp_path / "out", notify=told.append))
    assert "asymmetric" in told[0]
    assert result.notices == tuple(told)


def test_the_windows_schedule_gives_a_file_too(fit_yaml, tmp_path):
    overrides = ["schedule=windows", "windows.epochs=1", "windows.window_s=50"]
    result = read_fit(fit_file(fit_yaml, tmp_path / "out", overrides))
    assert result.schedule == "windows"
    assert result.identified == ()
    assert result.history["g_IE"].size == 4


def test_a_collapsed_fit_says_so_in_the_file_and_to_the_caller(fit_yaml, tmp_path, monkeypatch):
    """The limit is lowered to 1 Hz; the fit rests at 3.5 Hz."""
    told = []
    monkeypatch.setattr("fitting.collapse.SATURATED_HZ", 1.0)
    result = read_fit(fit_file(fit_yaml, tmp_path / "out", notify=told.append))
    assert result.metrics["collapsed"] == 1
    assert result.notices[-1].startswith("collapsed") and told[-1] == result.notices[-1]
    assert "collapsed: the fitted network" in (tmp_path / "out" / "report.html").read_text()


def test_a_cohort_fits_every_folder_and_does_not_repeat_it(tmp_path):
    for k in range(2):
        write_subject(tmp_path / "data" / f"sub-{k}", seed=k)
    (tmp_path / "fit.yaml").write_text(FIT_FILE)
    first = fit_cohort(tmp_path / "fit.yaml", tmp_path / "out", subjects=tmp_path / "data")
    assert [one.name for one in first] == ["sub-0", "sub-1"]
    stamps = [one.path.stat().st_mtime_ns for one in first]
    again = fit_cohort(tmp_path / "fit.yaml", tmp_path / "out", subjects=tmp_path / "data")
    assert [one.path.stat().st_mtime_ns for one in again] == stamps


@pytest.fixture
def cluster():
    """One worker in this process: a real scheduler and its messages, no second start of torch."""
    distributed = pytest.importorskip("dask.distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as local:
        yield local


def test_a_cohort_on_a_cluster_equals_one_in_this_process(cluster, tmp_path, monkeypatch):
    """Relative paths, as typed on a command line; a bad subject is reported the same."""
    monkeypatch.chdir(tmp_path)
    write_subject(tmp_path / "data" / "sub-0")
    write_subject(tmp_path / "data" / "sub-1", bold=np.zeros((N, 200)))
    (tmp_path / "fit.yaml").write_text(FIT_FILE)
    address = cluster.scheduler_address
    path, data = Path("fit.yaml"), Path("data")
    good, bad = fit_cohort(path, Path("out"), subjects=data, dask_address=address)
    (plain, _) = fit_cohort(path, Path("plain"), subjects=data)
    there, here = read_fit(good.path), read_fit(plain.path)
    assert np.array_equal(there.weights, here.weights)
    assert np.array_equal(there.fc_simulated, here.fc_simulated)
    assert bad.path is None and "constant" in bad.problem


def test_an_address_where_nothing_answers_is_named(tmp_path, monkeypatch):
    pytest.importorskip("dask.distributed")
    monkeypatch.setattr("fitting.cohort.CONNECT_TIMEOUT", "1s")
    write_subject(tmp_path / "data" / "sub-0")
    (tmp_path / "fit.yaml").write_text(FIT_FILE)
    with pytest.raises(ConfigurationError, match=r"No Dask scheduler answers at tcp://127"):
        fit_cohort(
            tmp_path / "fit.yaml",
            tmp_path / "out",
            subjects=tmp_path / "data",
            dask_address="tcp://127.0.0.1:9",
        )


def test_one_bad_subject_does_not_stop_a_cohort(tmp_path):
    write_subject(tmp_path / "data" / "bad", bold=np.zeros((N, 200)))
    write_subject(tmp_path / "data" / "good")
    (tmp_path / "fit.yaml").write_text(FIT_FILE)
    bad, good = fit_cohort(tmp_path / "fit.yaml", tmp_path / "out", subjects=tmp_path / "data")
    assert bad.path is None
    assert "constant" in bad.problem
    assert good.path is not None


def test_a_single_subject_is_no_cohort(fit_yaml, tmp_path):
    with pytest.raises(ConfigurationError, match="give --subjects DIR"):
        fit_cohort(fit_yaml, tmp_path / "out")
