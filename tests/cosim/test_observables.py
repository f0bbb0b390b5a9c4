"""Sensors and recordings in files, after a kill too, and on the page."""

import re

import numpy as np
import pytest

from cosim import RunResult
from cosim.errors import ResultsError
from cosim.recorder import Recorder
from cosim.report import write_report
from cosim.report_figures import extremes
from cosim.result_files import RecordingLabels
from cosim.result_sinks import FolderSink, MemorySink

N = 400
TIMES_MS = np.arange(N) * 0.1
PLACES = ((0.0, 1.0, 2.0), (3.0, 4.0, 5.0))
LABELS = (
    RecordingLabels("V1.E.v", "traces", (4, 0), 0.1, "mV"),
    RecordingLabels("V2.E.v", "traces", (4, 0), 0.1, "mV"),
    RecordingLabels("V1.I.v", "traces", (1,), 0.2, "mV"),
    RecordingLabels("V1", "lfp", (0, 1), 0.1, "mV", PLACES),
    RecordingLabels("V1.E.ca[cyt]", "concentrations", (4,), 0.1, "mM"),
)


def record(sink, finish=True):
    """Sensors and regions, and two flushes of every recording."""
    rng = np.random.default_rng(4)
    recorder = Recorder(sink)
    recorder.declare_series("eeg", ("S_e",), ("Fp1", "Cz", "Oz"), 1.0, ("a.u.",), axis="sensor")
    recorder.declare_series("temporal_average", ("S_e", "R_e"), ("V1", "V2"), 1.0)
    recorder.add_series("eeg", np.arange(40) + 0.5, rng.random((40, 1, 3)))
    recorder.add_series("temporal_average", np.arange(40) + 0.5, rng.random((40, 2, 2)))
    for labels in LABELS:
        recorder.declare_recording(labels)
    for half in range(2):
        for labels in LABELS:
            times_ms = TIMES_MS[half * 200 : half * 200 + 200]
            times_ms = times_ms[:: round(labels.period_ms / 0.1)]
            values = rng.random((times_ms.size, len(labels.columns)))
            recorder.add_recording(labels.kind, labels.name, times_ms, values)
        recorder.flush()
    if finish:
        recorder.close()


@pytest.fixture
def expected():
    sink = MemorySink()
    record(sink)
    return RunResult.in_memory(sink)


@pytest.mark.parametrize("finish", [True, False])
def test_the_folder_holds_what_memory_holds(tmp_path, expected, finish):
    """Of a run that was killed too: all of it was flushed."""
    record(FolderSink(tmp_path, "all"), finish)
    result = RunResult.open(tmp_path)
    assert result.complete == finish
    for kind in ("traces", "lfp", "concentrations"):
        stored, held = getattr(result, kind), getattr(expected, kind)
        assert list(stored) == list(held)
        for name in held.variables:
            np.testing.assert_array_equal(stored[name], held[name], err_msg=name)
            assert stored[name].attrs.get("units") == held[name].attrs.get("units")
    for lfp in (result.lfp["V1"], expected.lfp["V1"]):
        np.testing.assert_array_equal(lfp.attrs["z_um"], [2.0, 5.0])
    result.close()


def test_axes_are_shared_where_they_are_the_same(expected):
    """One time for each period, one set of cells for each choice; sensors are no regions."""
    traces = expected.traces
    assert traces["V1.E.v"].dims == traces["V2.E.v"].dims == ("time", "cell")
    assert traces["V1.I.v"].dims == ("time_0.2ms", "cell_V1.I.v")
    assert list(traces["cell"].values) == [4, 0]
    assert expected.mean_field["eeg"].dims == ("time_eeg", "variable_eeg", "sensor_eeg")
    assert expected.mean_field["temporal_average"].dims[1:] == ("variable", "region")


def test_a_recording_of_another_width_is_refused():
    recorder = Recorder(MemorySink())
    recorder.declare_recording(LABELS[0])
    with pytest.raises(ResultsError, match=r"values of traces/V1.E.v has shape \(2, 3\)"):
        recorder.add_recording("traces", "V1.E.v", [0.0, 0.1], np.zeros((2, 3)))


def test_the_page_shows_each_of_them_and_says_what_was_not_asked_for(tmp_path):
    for name in ("all", "none"):
        folder = tmp_path / name
        folder.mkdir()
        if name == "all":
            record(FolderSink(folder, "all"))
        else:
            recorder = Recorder(FolderSink(folder, "all"))
            recorder.declare_series("temporal_average", ("S_e",), ("V1",), 1.0)
            recorder.add_series("temporal_average", [1.0, 2.0], np.ones((2, 1, 1)))
            recorder.close()
        page = write_report(folder).read_text(encoding="utf-8")
        for panel in ("sensors", "traces", "lfp", "concentrations"):
            ((_, section),) = re.findall(rf'<(section|li) id="{panel}">(.*?)</\1>', page, re.DOTALL)
            assert ("data:image/png;base64," in section) == (name == "all")
            assert ("Not shown: no" in section) == (name == "none")


def test_a_spike_is_not_averaged_away():
    """A single sample of 100 among 10000 of 0 stays, at no more than 1500 rows."""
    values = np.zeros((10_000, 2))
    values[7777, 1] = 100.0
    times_ms, shown = extremes(np.arange(10_000) * 0.1, values)
    assert len(times_ms) == len(shown) <= 1500
    assert list(shown.max(axis=0)) == [0.0, 100.0]
    assert times_ms[shown[:, 1].argmax()] == pytest.approx(777.7, abs=1.4)
