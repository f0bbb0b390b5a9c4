"""What a result promises: the same from a folder, from segments and from memory; safe folders."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.clock import SyncClock
from cosim.errors import ResultsError
from cosim.recorder import Recorder
from cosim.result_sinks import FolderSink, MemorySink
from cosim.results import RunResult
from cosim.run_folder import prepare_output, write_provenance
from cosim.signals import PacketLayout, SignalLayout

TO_BRAIN = PacketLayout("NEURON", (SignalLayout("R_e", ("V1",), True),))


def record(recorder):
    """10 ms: one sample per ms, four spikes, one direction of exchange."""
    recorder.declare_series("temporal_average", ("S_e",), ("V1", "V2"), 1.0)
    recorder.declare_population("V1.I", 2)
    recorder.declare_population("V1.E", 4)
    recorder.declare_exchange("to_brain", TO_BRAIN)
    for window in SyncClock(dt_ms=1.0, window_steps=2, n_steps=10).windows():
        times_ms = window.start_ms + np.array([1.0, 2.0])
        recorder.add_series("temporal_average", times_ms, np.full((2, 1, 2), window.start_ms))
        values = np.full((window.n_steps, 1), float(window.index))
        recorder.add_exchange("to_brain", window, TO_BRAIN.unpack(0, window, values))
    recorder.add_spikes("V1.E", [8.0, 0.5, 0.5, 1.5], [0, 3, 1, 2])


@pytest.fixture
def memory_result():
    sink = MemorySink()
    recorder = Recorder(sink)
    record(recorder)
    recorder.close()
    return RunResult.in_memory(sink, provenance={"duration_ms": 10.0, "seed": 7})


@pytest.fixture
def folder(tmp_path):
    recorder = Recorder(FolderSink(tmp_path, "all"))
    record(recorder)
    recorder.close()
    write_provenance(tmp_path, {"duration_ms": 10.0, "seed": 7})
    return tmp_path


@pytest.fixture
def unfinished(tmp_path):
    recorder = Recorder(FolderSink(tmp_path, "all"))
    record(recorder)
    recorder.flush()
    return tmp_path


def assert_same(one, other):
    xr.testing.assert_identical(one.mean_field, other.mean_field)
    xr.testing.assert_identical(one.exchange, other.exchange)
    assert list(one.spikes) == list(other.spikes)
    for name, spikes in one.spikes.items():
        np.testing.assert_array_equal(spikes.times_ms, other.spikes[name].times_ms)
        np.testing.assert_array_equal(spikes.node_ids, other.spikes[name].node_ids)
        assert spikes.n_cells == other.spikes[name].n_cells


def test_folder_holds_what_memory_holds(folder, memory_result):
    stored = RunResult.open(folder)
    assert_same(stored, memory_result)
    assert stored.provenance == memory_result.provenance
    assert stored.complete
    assert stored.directory == folder
    assert memory_result.directory is None


def test_saved_result_is_the_result(tmp_path, memory_result):
    saved = memory_result.save(tmp_path / "deep" / "er")
    assert saved.directory == tmp_path / "deep" / "er"
    assert_same(saved, memory_result)


def test_unfinished_run_opens_and_says_so(unfinished, memory_result):
    result = RunResult.open(unfinished)
    assert not result.complete
    assert "unfinished" in repr(result)
    assert_same(result, memory_result)
    assert result.provenance == {}


def test_run_that_was_killed_before_its_first_flush_opens_empty(tmp_path):
    FolderSink(tmp_path, "all")
    result = RunResult.open(tmp_path)
    assert not result.complete
    assert result.spikes == {}
    assert not result.mean_field.data_vars
    assert result.duration_ms == 0.0
    assert result.rates().shape == (0, 0)


def test_plain_brain_has_no_spikes_and_no_exchange(tmp_path):
    recorder = Recorder(FolderSink(tmp_path, "brain"))
    recorder.declare_series("temporal_average", ("S_e",), ("V1",), 1.0)
    recorder.add_series("temporal_average", [1.0], np.ones((1, 1, 1)))
    recorder.close()
    result = RunResult.open(tmp_path)
    assert result.complete
    assert result.spikes == {}
    assert not result.exchange.data_vars


def test_only_one_of_two_writers_finished(tmp_path):
    """The brain's rank has merged; the circuits' rank was killed: both are read."""
    brain = Recorder(FolderSink(tmp_path, "brain"))
    circuits = Recorder(FolderSink(tmp_path, "circuits"))
    brain.declare_series("temporal_average", ("S_e",), ("V1",), 1.0)
    brain.add_series("temporal_average", [1.0], np.ones((1, 1, 1)))
    brain.close()
    circuits.declare_population("V1.E", 3)
    circuits.add_spikes("V1.E", [0.5], [2])
    circuits.flush()
    result = RunResult.open(tmp_path)
    assert not result.complete
    assert result.mean_field["temporal_average"].shape == (1, 1, 1)
    assert result.spikes["V1.E"].node_ids.tolist() == [2]


def test_spikes_are_by_time_then_by_cell(memory_result):
    spikes = memory_result.spikes["V1.E"]
    assert spikes.times_ms.tolist() == [0.5, 0.5, 1.5, 8.0]
    assert spikes.node_ids.tolist() == [1, 3, 2, 0]


def test_rates_count_each_spike_once_per_cell_and_second(memory_result):
    """Bins of 4 ms over 10 ms, 4 cells: 3 spikes / 4 cells / 4 ms = 187.5 Hz; the last bin is 2 ms
    long, so its one spike is 1 / 4 / 2 ms = 125 Hz.
    """
    rates = memory_result.rates(4.0)
    assert rates.dims == ("time", "population")
    np.testing.assert_allclose(rates.sel(population="V1.E"), [187.5, 0.0, 125.0])
    np.testing.assert_allclose(rates.sel(population="V1.I"), 0.0)
    np.testing.assert_allclose(rates["time"], [2.0, 6.0, 9.0])
    assert rates.attrs["units"] == "Hz"


def test_rates_conserve_spikes_for_bins_that_do_not_divide_the_run(memory_result):
    for bin_ms in (0.3, 1.0, 3.0, 7.0, 10.0, 50.0):
        rates = memory_result.rates(bin_ms)
        edges = np.append(np.arange(rates.sizes["time"]) * bin_ms, 10.0)
        counts = rates.sel(population="V1.E").values * 4 * np.diff(edges) / 1000.0
        assert counts.sum() == pytest.approx(4.0)


@pytest.mark.parametrize("bin_ms", [0.0, -1.0, float("nan")])
def test_impossible_bin_is_refused(memory_result, bin_ms):
    with pytest.raises(ResultsError, match="bin_ms"):
        memory_result.rates(bin_ms)


def test_repr_tells_what_there_is(folder):
    words = repr(RunResult.open(folder))
    assert "10 ms" in words
    assert "temporal_average 10 samples" in words
    assert "V1.E 4 spikes of 4 cells" in words


def test_closed_result_reads_again_when_asked(folder):
    result = RunResult.open(folder)
    before = result.mean_field["temporal_average"].values
    result.close()
    np.testing.assert_array_equal(result.mean_field["temporal_average"].values, before)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path / "missing", "is not a folder"),
        (lambda path: path, "holds no results"),
    ],
)
def test_what_is_not_a_run_is_named_in_one_line(tmp_path, make, words):
    with pytest.raises(ResultsError, match=words) as caught:
        RunResult.open(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_output_folder_is_created(tmp_path):
    assert prepare_output(tmp_path / "a" / "b", overwrite=False).is_dir()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_folder_with_results_is_refused_and_untouched(folder):
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(ResultsError, match=r"already holds results \(mean_field\.nc.*--overwrite"):
        prepare_output(folder, overwrite=False)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_overwriting_removes_results_and_nothing_else(unfinished):
    (unfinished / "notes.txt").write_text("mine")
    (unfinished / "report.html").write_text("old")
    prepare_output(unfinished, overwrite=True)
    assert [path.name for path in unfinished.iterdir()] == ["notes.txt"]


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ResultsError, match="cannot be written"):
        prepare_output(tmp_path / "out", overwrite=False)


def test_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    """Root may write anywhere, so the refusal is made by hand."""

    def refuse(self, data):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(ResultsError, match="Permission denied; choose another"):
        prepare_output(tmp_path, overwrite=False)


def test_a_damaged_provenance_is_told_in_one_line(tmp_path, memory_result):
    memory_result.save(tmp_path / "out")
    (tmp_path / "out" / "provenance.json").write_text('{"seed": 7,')
    with pytest.raises(ResultsError, match=r"provenance.json is damaged \(Expecting"):
        _ = RunResult.open(tmp_path / "out").provenance


def test_provenance_is_plain_json(tmp_path):
    facts = {
        "real_time_factor": float("nan"),
        "wall_s": np.float64(1.5),
        "ranks": np.int64(2),
        "regions": ("V1", "V2"),
        "path": Path("a/b"),
        "nested": {1: np.array([1.0, np.inf])},
    }
    write_provenance(tmp_path, facts)

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    stored = json.loads((tmp_path / "provenance.json").read_text(), parse_constant=refuse)
    assert stored == {
        "real_time_factor": None,
        "wall_s": 1.5,
        "ranks": 2,
        "regions": ["V1", "V2"],
        "path": "a/b",
        "nested": {"1": [1.0, None]},
    }
