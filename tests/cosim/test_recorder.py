"""What the recorder and its sinks promise: nothing lost, nothing half-written, memory bounded."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from cosim import result_files
from cosim.clock import SyncClock
from cosim.errors import ResultsError
from cosim.recorder import Recorder
from cosim.result_files import (
    MemoryChunk,
    PopulationLabels,
    Table,
    _sorted_spikes,
    atomic_file,
    exchange_dataset,
    mean_field_dataset,
)
from cosim.result_sinks import FolderSink, MemorySink, read_segments
from cosim.signals import Packet, PacketLayout, SignalLayout

REGIONS = ("V1", "V2", "M1")
TO_CIRCUITS = PacketLayout("TVB", (SignalLayout("R_e", ("V2", "M1"), True),))
TO_BRAIN = PacketLayout(
    "NEURON", (SignalLayout("R_e", ("V1",), True), SignalLayout("S_i", ("V1",), False))
)
CLOCK = SyncClock(dt_ms=0.1, window_steps=7, n_steps=100)  # the last window is shorter


def packet(layout, window, rng):
    return layout.unpack(window.index + 1, window, rng.random((window.n_steps, layout.n_columns)))


def record(recorder, flush_at=(), stop_after=None):
    """The same run each time: two monitors, two populations, both directions."""
    rng = np.random.default_rng(3)
    recorder.declare_series("temporal_average", ("S_e", "R_e"), REGIONS, 0.7)
    recorder.declare_series("bold", ("S_e",), REGIONS, 5.0, units=("1",))
    recorder.declare_population("V1.E", 12)
    recorder.declare_population("V1.I", 3)
    recorder.declare_exchange("to_circuits", TO_CIRCUITS)
    recorder.declare_exchange("to_brain", TO_BRAIN)
    for window in CLOCK.windows():
        recorder.add_series("temporal_average", [window.stop_ms], rng.random((1, 2, 3)))
        n_spikes = rng.integers(0, 6)
        times_ms = rng.uniform(window.start_ms, window.stop_ms, n_spikes)
        recorder.add_spikes("V1.E", times_ms, rng.integers(0, 12, n_spikes))
        recorder.add_exchange("to_circuits", window, packet(TO_CIRCUITS, window, rng))
        recorder.add_exchange("to_brain", window, packet(TO_BRAIN, window, rng))
        if window.index in flush_at:
            recorder.flush()
        if window.index == stop_after:
            return


@pytest.fixture
def in_memory():
    sink = MemorySink()
    recorder = Recorder(sink)
    record(recorder)
    recorder.close()
    return sink.tables


def test_merged_files_hold_what_a_run_in_memory_holds(tmp_path, in_memory):
    recorder = Recorder(FolderSink(tmp_path, "all"))
    record(recorder, flush_at=(0, 4, 5, 11))
    recorder.close()
    with xr.open_dataset(tmp_path / "mean_field.nc", engine="h5netcdf") as stored:
        xr.testing.assert_identical(stored, mean_field_dataset(in_memory))
    with xr.open_dataset(tmp_path / "exchange.nc", engine="h5netcdf") as stored:
        xr.testing.assert_identical(stored, exchange_dataset(in_memory))


def test_segments_are_gone_after_the_merge(tmp_path):
    recorder = Recorder(FolderSink(tmp_path, "all"))
    record(recorder, flush_at=(2, 3))
    recorder.close()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"mean_field.nc", "exchange.nc", "spikes.h5"}


def test_netcdf_library_reads_the_files_too(tmp_path):
    """An independent reader of netCDF4, which insists on dimension scales."""
    netcdf4 = pytest.importorskip("netCDF4")
    recorder = Recorder(FolderSink(tmp_path, "all"))
    record(recorder)
    recorder.close()
    with netcdf4.Dataset(tmp_path / "mean_field.nc") as file:
        variable = file["temporal_average"]
        assert variable.dimensions == ("time_temporal_average", "variable", "region")
        assert file["time_temporal_average"].units == "ms"
        assert list(file["region"][:]) == list(REGIONS)
    with netcdf4.Dataset(tmp_path / "exchange.nc") as file:
        assert file["to_brain_R_e"].dimensions == ("time", "region_to_brain")
        assert file["to_brain_R_e"].units == "Hz"
        assert file["to_brain_S_i"].units == "1"


def test_killed_run_is_readable_up_to_the_last_flush(tmp_path):
    """No close: what was added after the flush in window 6 is lost, nothing before it is."""
    record(Recorder(FolderSink(tmp_path, "all")), flush_at=(2, 6), stop_after=9)
    exchange = exchange_dataset(read_segments(tmp_path))
    assert exchange.sizes["time"] == 7 * CLOCK.window_steps
    assert exchange["window"].values[-1] == 6
    assert mean_field_dataset(read_segments(tmp_path)).sizes["time_temporal_average"] == 7
    assert not (tmp_path / "exchange.nc").exists()


def test_segment_that_was_being_written_is_ignored(tmp_path):
    record(Recorder(FolderSink(tmp_path, "all")), flush_at=(2,), stop_after=2)
    (tmp_path / "segments" / "all" / ".00000002.h5.tmp").write_bytes(b"\x89HDF half a file")
    assert exchange_dataset(read_segments(tmp_path)).sizes["time"] == 3 * CLOCK.window_steps


def test_two_writers_share_a_folder_and_finish_in_any_order(tmp_path):
    brain = Recorder(FolderSink(tmp_path, "brain"))
    circuits = Recorder(FolderSink(tmp_path, "circuits"))
    brain.declare_series("temporal_average", ("S_e",), REGIONS, 1.0)
    circuits.declare_population("V1.E", 5)
    brain.flush()
    circuits.flush()
    brain.close()
    circuits.add_spikes("V1.E", [3.0], [4])
    circuits.flush()
    assert [len(table.read("time")) for table in read_segments(tmp_path)] == [1]
    circuits.close()
    assert {path.name for path in tmp_path.iterdir()} == {"mean_field.nc", "spikes.h5"}


def test_flush_empties_the_buffers(tmp_path):
    recorder = Recorder(FolderSink(tmp_path, "all"))
    record(recorder)
    assert recorder.n_bytes > 0
    recorder.flush()
    assert recorder.n_bytes == 0


def test_a_flush_that_was_interrupted_leaves_each_spike_once(tmp_path, monkeypatch):
    """Ctrl-C just after a segment got its name: what is flushed at the end is not a second copy."""
    recorder = Recorder(FolderSink(tmp_path, "run"))
    recorder.declare_population("V1.E", 3)
    recorder.add_spikes("V1.E", [1.0, 2.0], [0, 1])
    replace = Path.replace

    def replaced(path, target):
        replace(path, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", replaced)
    with pytest.raises(KeyboardInterrupt):
        recorder.flush()
    monkeypatch.undo()
    recorder.flush()
    recorder.add_spikes("V1.E", [3.0], [2])
    sizes = recorder.state()["n_bytes"]
    segments = sorted((tmp_path / "segments" / "run").iterdir())
    assert [path.stat().st_size for path in segments] == sizes.tolist()
    (table,) = read_segments(tmp_path)
    assert table.read("time").tolist() == [1.0, 2.0, 3.0]


FILLS_UP = """
import resource, signal, sys
import numpy as np
import xarray as xr
from pathlib import Path
from cosim.connectome_file import write_connectome
from cosim.errors import ResultsError
from cosim.recorder import Recorder
from cosim.result_sinks import FolderSink

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recorder = Recorder(FolderSink(Path(sys.argv[1]), "run"))
recorder.declare_population("V1.E", 3)
times_ms = np.linspace(0.0, 9.0, 20_000)
if sys.argv[2] == "segment":
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for part in np.split(times_ms, 10):
    recorder.add_spikes("V1.E", part, np.zeros(part.size, int))
    recorder.flush() if sys.argv[2] == "final" else None
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    if sys.argv[2] == "connectome":
        noise = np.random.default_rng(1).random((2, 100, 100))
        write_connectome(Path(sys.argv[1]), xr.Dataset({"weight": (("a", "b", "c"), noise)}))
    recorder.close()
except ResultsError as error:
    print(error)
"""


@pytest.mark.parametrize("what", ["segment", "final", "connectome"])
def test_a_full_disk_is_told_in_one_line(tmp_path, what):
    """The kernel refuses to write on; HDF5's own complaint in each file that it cannot close."""
    ran = subprocess.run(
        [sys.executable, "-c", FILLS_UP, tmp_path, what],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(result_files.__file__).parents[1])},
        check=False,
    )
    (line,) = ran.stdout.splitlines()
    assert line.startswith("Cannot write ")
    assert "File too large" in line
    assert ran.returncode == 0
    assert ran.stderr == ""


def test_flush_is_due_by_size_or_by_time():
    small = Recorder(MemorySink(), flush_every_s=1e6, flush_every_mb=16e-6)
    small.declare_population("V1.E", 5)
    assert not small.flush_if_due()
    small.add_spikes("V1.E", [1.0], [0])  # 16 bytes
    assert small.flush_if_due()
    assert small.n_bytes == 0
    assert Recorder(MemorySink(), flush_every_s=0.0).flush_if_due()


def test_reused_buffer_does_not_change_what_was_recorded():
    sink = MemorySink()
    recorder = Recorder(sink)
    recorder.declare_series("raw", ("S",), REGIONS, 1.0)
    buffer = np.ones((1, 1, 3))
    recorder.add_series("raw", [1.0], buffer)
    buffer[:] = 9.0
    recorder.flush()
    assert np.all(sink.tables[0].read("values") == 1.0)


def test_what_stays_empty_appears_with_its_labels(tmp_path):
    recorder = Recorder(FolderSink(tmp_path, "all"))
    recorder.declare_series("temporal_average", ("S_e", "R_e"), REGIONS, 1.0)
    recorder.declare_population("V1.E", 12)
    recorder.declare_exchange("to_brain", TO_BRAIN)
    recorder.close()
    with xr.open_dataset(tmp_path / "mean_field.nc", engine="h5netcdf") as stored:
        assert stored["temporal_average"].shape == (0, 2, 3)
        assert list(stored["variable"].values) == ["S_e", "R_e"]
    with xr.open_dataset(tmp_path / "exchange.nc", engine="h5netcdf") as stored:
        assert stored["to_brain_R_e"].shape == (0, 1)
    with h5py.File(tmp_path / "spikes.h5") as file:
        assert file["spikes/V1.E/timestamps"].shape == (0,)


def test_monitors_with_the_same_variables_share_their_axis(in_memory):
    dataset = mean_field_dataset(in_memory)
    assert dataset["temporal_average"].dims == ("time_temporal_average", "variable", "region")
    assert dataset["bold"].dims == ("time_bold", "variable_bold", "region")
    assert dataset["temporal_average"].attrs == {"units": "S_e: 1; R_e: Hz", "period_ms": 0.7}


def test_one_hundred_ms_at_a_period_of_one_ms_are_one_hundred_samples(tmp_path):
    recorder = Recorder(FolderSink(tmp_path, "all"))
    recorder.declare_series("temporal_average", ("S",), REGIONS, 1.0)
    for start in range(0, 100, 5):
        recorder.add_series("temporal_average", np.arange(start, start + 5.0), np.ones((5, 1, 3)))
    recorder.close()
    with xr.open_dataset(tmp_path / "mean_field.nc", engine="h5netcdf") as stored:
        assert stored["temporal_average"].shape == (100, 1, 3)


def test_exchange_rows_are_the_starts_of_all_steps(in_memory):
    exchange = exchange_dataset(in_memory)
    np.testing.assert_allclose(exchange["time"].values, np.arange(100) * 0.1, rtol=1e-12)
    np.testing.assert_array_equal(exchange["window"].values, np.arange(100) // 7)


def test_exchange_values_are_those_that_crossed():
    sink = MemorySink()
    recorder = Recorder(sink)
    recorder.declare_exchange("to_brain", TO_BRAIN)
    window = next(iter(CLOCK.windows()))
    crossed = packet(TO_BRAIN, window, np.random.default_rng(0))
    recorder.add_exchange("to_brain", window, crossed)
    recorder.flush()
    exchange = exchange_dataset(sink.tables)
    for variable in ("R_e", "S_i"):
        np.testing.assert_array_equal(
            exchange[f"to_brain_{variable}"].values, crossed.signal(variable).values
        )


def test_directions_of_different_length_keep_their_own_time():
    sink = MemorySink()
    recorder = Recorder(sink)
    recorder.declare_exchange("to_circuits", TO_CIRCUITS)
    recorder.declare_exchange("to_brain", TO_BRAIN)
    first, *_ = CLOCK.windows()
    recorder.add_exchange(
        "to_circuits", first, packet(TO_CIRCUITS, first, np.random.default_rng(0))
    )
    recorder.flush()
    exchange = exchange_dataset(sink.tables)
    assert exchange["to_circuits_R_e"].shape == (7, 2)
    assert exchange["to_brain_R_e"].dims == ("time_to_brain", "region_to_brain")


def spikes_file(directory, parts):
    """Record spikes as if they came from several ranks, in one segment per part."""
    recorder = Recorder(FolderSink(directory, "circuits"))
    recorder.declare_population("V1.I", 3)
    recorder.declare_population("V1.E", 12)
    for times_ms, node_ids in parts:
        recorder.add_spikes("V1.E", times_ms, node_ids)
        recorder.flush()
    recorder.close()
    return directory / "spikes.h5"


@pytest.mark.parametrize("n_parts", [1, 2, 3, 7])
def test_spikes_do_not_depend_on_the_parts_they_came_in(tmp_path, n_parts):
    """Times on a coarse grid, so that many meet; parts overlap in time."""
    rng = np.random.default_rng(5)
    times_ms, node_ids = rng.integers(0, 40, 200) * 0.5, rng.integers(0, 12, 200)
    parts = [(times_ms[rank::n_parts], node_ids[rank::n_parts]) for rank in range(n_parts)]
    order = np.lexsort((node_ids, times_ms))
    with h5py.File(spikes_file(tmp_path, parts)) as file:
        np.testing.assert_array_equal(file["spikes/V1.E/timestamps"][...], times_ms[order])
        np.testing.assert_array_equal(file["spikes/V1.E/node_ids"][...], node_ids[order])


def test_merge_of_spikes_in_time_order_holds_one_chunk_at_a_time():
    """Chunks of consecutive windows: each leaves as soon as it is read."""
    chunks = [
        MemoryChunk({"time": np.arange(3.0) + 10 * k, "node_ids": np.arange(3)}) for k in range(4)
    ]
    sizes = [len(t) for t, _ in _sorted_spikes(Table(PopulationLabels("V1.E", 3), chunks))]
    assert sizes == [3, 3, 3, 3]


def test_spikes_file_has_the_sonata_layout(tmp_path):
    with h5py.File(spikes_file(tmp_path, [([2.0, 1.0], [0, 11])])) as file:
        assert file.attrs["magic"] == 0x0A7A
        assert file.attrs["version"].tolist() == [0, 1]
        assert list(file["spikes"]) == ["V1.I", "V1.E"]  # as declared, not by the alphabet
        population = file["spikes/V1.E"]
        assert population["timestamps"].dtype == np.float64
        assert population["timestamps"].attrs["units"] == "ms"
        assert population["node_ids"].dtype == np.uint64
        sorting = population.attrs.get_id("sorting")
        assert h5py.check_enum_dtype(sorting.dtype) == {"none": 0, "by_id": 1, "by_time": 2}
        assert population.attrs["sorting"] == 2
        assert population.attrs["n_cells"] == 12


def test_failed_merge_leaves_no_half_file_and_all_segments(tmp_path, monkeypatch):
    recorder = Recorder(FolderSink(tmp_path, "all"))
    record(recorder, flush_at=(3,))

    def fail(path, variables):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(result_files, "_write_netcdf", fail)
    with pytest.raises(ResultsError, match=r"Cannot write .*mean_field\.nc: No space left"):
        recorder.close()
    assert [path.name for path in tmp_path.iterdir()] == ["segments"]
    assert exchange_dataset(read_segments(tmp_path)).sizes["time"] == 100


def test_atomic_file_keeps_the_old_file_when_the_new_one_fails(tmp_path):
    path = tmp_path / "result"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as temporary:
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_closing_twice_does_nothing(tmp_path):
    recorder = Recorder(FolderSink(tmp_path, "all"))
    record(recorder)
    recorder.close()
    before = (tmp_path / "exchange.nc").stat().st_mtime_ns
    recorder.close()
    assert (tmp_path / "exchange.nc").stat().st_mtime_ns == before


def test_segments_of_another_run_are_refused(tmp_path):
    record(Recorder(FolderSink(tmp_path, "all")), flush_at=(0,), stop_after=0)
    with pytest.raises(ResultsError, match="segments of another run"):
        FolderSink(tmp_path, "all")


@pytest.mark.parametrize(
    ("misuse", "words"),
    [
        (lambda r: r.add_spikes("V1.X", [1.0], [0]), r"spikes/V1\.X was never declared"),
        (lambda r: r.add_spikes("V1.E", [1.0, 2.0], [0]), r"shape \(1,\), expected \(2,\)"),
        (lambda r: r.add_series("raw", [1.0], np.ones((1, 2, 2))), r"expected \(1, 1, 3\)"),
        (lambda r: r.declare_population("V1.E", 4), "declared twice"),
        (lambda r: r.declare_population("V1/E", 4), "has a '/'"),
        (lambda r: r.declare_population("V1.Z", 0), "n_cells = 0 is below 1"),
        (
            lambda r: r.declare_series("other", ("S",), ("A", "B"), 1.0),
            r"2 regions .* other monitors have 3",
        ),
        (
            lambda r: r.add_exchange("to_brain", next(CLOCK.windows()), Packet(1, "NEURON")),
            r"expected \(7, 2\)",
        ),
    ],
)
def test_misuse_is_named(misuse, words):
    recorder = Recorder(MemorySink())
    recorder.declare_population("V1.E", 4)
    recorder.declare_series("raw", ("S",), REGIONS, 1.0)
    recorder.declare_exchange("to_brain", TO_BRAIN)
    with pytest.raises(ResultsError, match=words):
        misuse(recorder)


def test_samples_after_the_end_are_refused():
    recorder = Recorder(MemorySink())
    recorder.declare_population("V1.E", 4)
    recorder.close()
    with pytest.raises(ResultsError, match="after the recorder was closed"):
        recorder.add_spikes("V1.E", [1.0], [0])
