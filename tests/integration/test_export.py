"""What `cosim export` writes is the run: read back by the formats' own libraries."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import neo
import numpy as np
import pynwb
import pytest
from typer.testing import CliRunner

import cosim
from cosim.cli import app

EXPERIMENT = """
duration_ms: 60.0
brain:
  connectome: tvb76
  parameters: {G: 0.05}
  noise: {S_e: 0.001}
  monitors:
    temporal_average: {period_ms: 1.0}
    balloon: {period_ms: 20.0}
    eeg: {period_ms: 2.0}
circuits:
  - circuit: calcium_sk
    regions: [rPCI]
    parameters: {cell: dendritic, order: 15}
    record:
      traces:
        - {population: E, cells: [3, 1], variable: {var: v}, period_ms: 0.1}
        - {population: I, cells: [0], variable: {mech: hh, var: gna}, period_ms: 1.0}
      lfp: {electrodes_um: [[50, 50, 50], [50, 150, 60]], period_ms: 0.5}
      concentrations:
        - {species: ca, region: cyt, population: E, cells: [0, 1], period_ms: 1.0}
"""


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One run and its exports: run/, run.nwb, bids/."""
    home = tmp_path_factory.mktemp("export")
    (home / "experiment.yaml").write_text(EXPERIMENT)
    done = call("run", home / "experiment.yaml", "-o", home / "run", "-q", "--no-report")
    assert done.exit_code == 0, done.stderr
    done = call("export", home / "run", "--nwb", home / "run.nwb", "--bids", home / "bids")
    assert done.exit_code == 0, done.stderr
    return home


@pytest.fixture(scope="module")
def result(folder):
    return cosim.RunResult.open(folder / "run")


@pytest.fixture(scope="module")
def nwb(folder):
    with pynwb.NWBHDF5IO(str(folder / "run.nwb"), "r") as io:
        yield io.read()


def test_pynwb_finds_no_fault_with_the_file(folder):
    assert pynwb.validate(path=str(folder / "run.nwb")) == []


def test_every_cell_has_a_row_with_its_spikes_in_seconds(nwb, result):
    rows = nwb.units.to_dataframe()
    assert len(rows) == sum(spikes.n_cells for spikes in result.spikes.values())
    assert sum(s.times_ms.size for s in result.spikes.values()) > 20
    for label, spikes in result.spikes.items():
        mine = rows[rows.population == label]
        assert (mine.region == "rPCI").all()
        assert list(mine.cell) == list(range(spikes.n_cells))
        for _, row in mine.iterrows():
            own_ms = np.sort(spikes.times_ms[spikes.node_ids == row.cell])
            np.testing.assert_array_equal(row.spike_times, own_ms / 1000.0)
            np.testing.assert_array_equal(row.obs_intervals, [[0.0, 0.06]])


def test_gids_are_those_that_neuron_had(nwb, result):
    """One circuit with 15 E and 15 // 4 or so I cells: NetPyNE numbers them one after the other."""
    first = result.provenance["participants"]["NEURON"]["first_gids"]
    rows = nwb.units.to_dataframe()
    assert sorted(rows.gid) == list(range(len(rows)))
    for label, gid in first.items():
        assert rows[rows.population == label].gid.min() == gid


def test_potentials_are_in_volts_of_the_cell_that_the_electrode_names(nwb, result):
    recorded = result.traces["rPCI.E.v"]
    for cell in (3, 1):
        series = nwb.acquisition[f"rPCI.E.v cell {cell}"]
        assert series.unit == "volts"
        np.testing.assert_array_equal(series.data[:], recorded.sel(cell=cell).values)
        volts = series.data[:] * series.conversion
        assert -0.1 < volts.min() < volts.max() < 0.06  # a cell that spikes: -100 to 60 mV
        assert (series.starting_time, series.rate) == (0.0, 10_000.0)
        assert series.electrode.cell_id == f"gid {cell}"  # E is the first population
        assert series.electrode.location == "rPCI, soma(0.5)"


def test_other_variables_have_their_units_and_cells(nwb, result):
    conductance = nwb.acquisition["rPCI.I.hh.gna"]
    np.testing.assert_array_equal(conductance.data[:], result.traces["rPCI.I.hh.gna"].values)
    assert (conductance.unit, conductance.conversion) == ("S/cm^2", 1.0)
    assert conductance.comments == "Columns are the cells 0 of rPCI.I."
    calcium = nwb.acquisition["rPCI.E.ca[cyt]"]
    stored = result.concentrations["rPCI.E.ca[cyt]"].values
    np.testing.assert_array_equal(calcium.data[:], stored)
    assert (calcium.unit, calcium.conversion, calcium.rate) == ("molar", 1e-3, 1000.0)


def test_field_potential_has_its_electrodes_in_place(nwb, result):
    series = nwb.processing["ecephys"]["LFP"].electrical_series["rPCI"]
    np.testing.assert_array_equal(series.data[:], result.lfp["rPCI"].values)
    assert (series.unit, series.conversion, series.rate) == ("volts", 1e-3, 2000.0)
    rows = series.electrodes.to_dataframe()
    assert rows[["rel_x", "rel_y", "rel_z"]].values.tolist() == [[50, 50, 50], [50, 150, 60]]


def test_series_of_regions_and_sensors_are_the_monitors(nwb, result):
    module = nwb.processing["mean_field"]
    assert list(module["regions"]["label"][:]) == list(result.mean_field.region.values)
    assert list(module["sensors_eeg"]["label"][:]) == list(result.mean_field.sensor_eeg.values)
    average = module["temporal_average_R_e"]
    stored = result.mean_field.temporal_average.sel(variable="R_e")
    np.testing.assert_array_equal(average.data[:], stored.values)
    assert (average.unit, average.starting_time, average.rate) == ("Hz", 0.0005, 1000.0)
    assert module["temporal_average_S_e"].unit == "1"
    assert module["balloon_S_e"].starting_time == 0.02
    assert module["eeg_S_e"].data.shape == (30, 63)


def test_what_crossed_and_the_rates_are_there(nwb, result):
    crossed = nwb.processing["exchange"]["to_brain_R_e"]
    np.testing.assert_array_equal(crossed.data[:], result.exchange.to_brain_R_e.values)
    assert (crossed.unit, crossed.starting_time, crossed.rate) == ("Hz", 0.0, 10_000.0)
    rates = nwb.processing["rates"]["population_rates"]
    np.testing.assert_array_equal(rates.data[:], result.rates(10.0).values)
    assert (rates.starting_time, rates.rate) == (0.005, 100.0)


def test_metadata_hold_the_experiment_and_the_versions(nwb, result):
    assert json.loads(nwb.notes) == result.provenance
    assert nwb.session_start_time.isoformat() == result.provenance["started"]
    assert dict(nwb.was_generated_by[:])["neuron"] == result.provenance["versions"]["neuron"]


def test_neo_reads_spike_trains_in_seconds(folder, result):
    """Neo is what elephant analyses; it reads the standard, not this program."""
    reader = neo.io.NWBIO(str(folder / "run.nwb"), "r")
    [block] = reader.read_all_blocks()
    trains = [train for segment in block.segments for train in segment.spiketrains]
    found_s = np.sort(np.concatenate([train.rescale("s").magnitude for train in trains]))
    wanted_ms = np.sort(np.concatenate([s.times_ms for s in result.spikes.values()]))
    np.testing.assert_allclose(found_s, wanted_ms / 1000.0, rtol=0, atol=1e-12)
    assert len(trains) == sum(spikes.n_cells for spikes in result.spikes.values())


def test_bids_tables_are_the_monitors(folder, result):
    bold = "func/sub-simulated_task-rest_seg-tvb76_desc-balloonSe_timeseries"
    rates = "timeseries/sub-simulated_task-rest_seg-tvb76_desc-temporalaverageRi_timeseries"
    for stem, monitor, variable, hz, start_s in (
        (bold, "balloon", "S_e", 50.0, 0.02),
        (rates, "temporal_average", "R_i", 1000.0, 0.0005),
    ):
        path = folder / "bids" / "sub-simulated" / f"{stem}.tsv"
        with path.open(newline="") as file:
            header, *rows = csv.reader(file, delimiter="\t")
        assert header == list(result.mean_field.region.values)
        values = [[np.nan if x == "n/a" else float(x) for x in row] for row in rows]
        stored = result.mean_field[monitor]
        chosen = list(stored[stored.dims[1]].values).index(variable)
        np.testing.assert_array_equal(values, stored.values[:, chosen])
        sidecar = json.loads(path.with_suffix(".json").read_text())
        assert (sidecar["SamplingFrequency"], sidecar["StartTime"]) == (hz, start_s)
        assert sidecar["rPCI"]["Units"] == ("Hz" if variable == "R_i" else "1")


def test_bids_dataset_says_that_it_is_a_derivative_and_of_what(folder, result):
    description = json.loads((folder / "bids" / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0] == {
        "Name": "tvb-netpyne-cosim", "Version": cosim.__version__
    }  # fmt: skip
    kept = folder / "bids" / "code" / "sub-simulated_experiment.json"
    assert cosim.load(kept).resolved() == result.provenance["experiment"]


@pytest.mark.skipif(
    shutil.which("bids-validator-deno") is None, reason="bids-validator-deno is not installed"
)
def test_bids_validator_finds_no_error(folder):
    done = subprocess.run(["bids-validator-deno", folder / "bids"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_second_subject_joins_and_the_same_one_is_refused(folder):
    done = call("export", folder / "run", "--bids", folder / "bids", "--subject", "02")
    assert done.exit_code == 0, done.stderr
    assert (folder / "bids" / "sub-simulated").is_dir()
    done = call("export", folder / "run", "--bids", folder / "bids", "--subject", "02")
    assert done.exit_code == 1
    assert "holds sub-02 already" in done.stderr


def test_mistakes_are_told_in_one_line(folder, tmp_path, monkeypatch):
    (tmp_path / "other.txt").write_text("not a dataset")
    run = folder / "run"
    for arguments, said in (
        ((), "give --nwb FILE, --bids FOLDER"),
        (("--nwb", folder / "run.nwb"), "exists; choose another file"),
        (("--nwb", tmp_path / "run.h5"), "must end in .nwb"),
        (("--nwb", tmp_path / "a.nwb", "--bin-ms", 0), "must be above 0 ms"),
        (("--bids", tmp_path), "neither empty nor a dataset of this program"),
        (("--bids", tmp_path / "new", "--subject", "a_b"), "letters and digits"),
    ):
        done = call("export", run, *arguments)
        assert done.exit_code != 0
        assert len(done.stderr.splitlines()) == 1
        assert said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]
    monkeypatch.setitem(__import__("sys").modules, "pynwb", None)
    done = call("export", run, "--nwb", tmp_path / "a.nwb")
    assert "install 'tvb-netpyne-cosim[nwb]'" in done.stderr


def test_an_unfinished_run_is_exported_and_says_so(tmp_path, folder):
    """The brain was flushed up to 50 ms, spikes up to 2: after that they are unknown, not none."""
    from cosim.recorder import Recorder
    from cosim.result_sinks import FolderSink

    unfinished = Path(tmp_path) / "unfinished"
    recorder = Recorder(FolderSink(unfinished, "all"))
    recorder.declare_population("V1.E", 2)
    recorder.add_spikes("V1.E", [2.0, 1.0], [1, 1])
    recorder.declare_series("temporal_average", ["S_e"], ["V1"], 1.0)
    recorder.add_series("temporal_average", np.arange(1.0, 51.0), np.ones((50, 1, 1)))
    recorder.flush()
    done = call("export", unfinished, "--nwb", tmp_path / "u.nwb", "--bin-ms", 1.0)
    assert done.exit_code == 0, done.stderr
    assert "did not reach its end" in done.stdout
    with pynwb.NWBHDF5IO(str(tmp_path / "u.nwb"), "r") as io:
        file = io.read()
        assert len(file.processing["mean_field"]["temporal_average_S_e"].data) == 50
        assert len(file.processing["rates"]["population_rates"].data) == 2
        rows = file.units.to_dataframe()
        assert [one.tolist() for one in rows.obs_intervals] == [[[0.0, 0.002]]] * 2
        assert [list(times) for times in rows.spike_times] == [[], [0.001, 0.002]]
        assert list(rows.region) == ["V1", "V1"]
    assert pynwb.validate(path=str(tmp_path / "u.nwb")) == []
