"""The report opens, needs nothing else, and has every panel, whatever the run recorded."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

from cosim import report_figures
from cosim.clock import SyncClock
from cosim.errors import ResultsError
from cosim.recorder import FolderSink, Recorder
from cosim.report import write_report
from cosim.results import write_provenance
from cosim.signals import PacketLayout, SignalLayout
from cosim.stopwatch import PHASES

REGIONS = ("V1", "V2", "M1", "A1", "S1", "PFC")
PANELS = ("timing", "raster", "rates", "exchange", "regions", "connectivity", "bold", "provenance")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def record(
    directory, *, duration_ms=40.0, circuits=("V1",), rate_hz=400.0, variables=("S_e", "R_e"),
    bold=False, finish=True,
):  # fmt: skip
    """A run of noise, of the kind that the arguments say."""
    rng = np.random.default_rng(2)
    recorder = Recorder(FolderSink(directory, "all"))
    n_samples = int(duration_ms)
    times_ms = np.arange(n_samples) + 1.0
    recorder.declare_series("temporal_average", variables, REGIONS, 1.0)
    values = rng.random((n_samples, len(variables), len(REGIONS)))
    recorder.add_series("temporal_average", times_ms, values)
    if bold:
        recorder.declare_series("bold", ("S_e",), REGIONS, 10.0, units=("1",))
        recorder.add_series("bold", times_ms[9::10], rng.random((n_samples // 10, 1, len(REGIONS))))
    for region in circuits:
        recorder.declare_population(f"{region}.E", 20)
        n_spikes = rng.poisson(20 * rate_hz * duration_ms / 1000.0)
        spikes_ms = rng.uniform(0.0, duration_ms, n_spikes)
        recorder.add_spikes(f"{region}.E", spikes_ms, rng.integers(0, 20, n_spikes))
    if circuits:
        sources = tuple(region for region in REGIONS if region not in circuits)
        layouts = {
            "to_circuits": PacketLayout("TVB", (SignalLayout("R_e", sources, True),)),
            "to_brain": PacketLayout("NEURON", (SignalLayout("R_e", circuits, True),)),
        }
        for direction, layout in layouts.items():
            recorder.declare_exchange(direction, layout)
        for window in SyncClock(0.5, 2, int(2 * duration_ms)).windows():
            for direction, layout in layouts.items():
                crossing = rng.random((window.n_steps, layout.n_columns))
                recorder.add_exchange(direction, window, layout.unpack(0, window, crossing))
    if not finish:
        recorder.flush()
        return
    recorder.close()
    seconds = dict.fromkeys(PHASES, 1.0)
    timing = [
        {"rank": 0, "side": "NEURON", **seconds, "total": 6.0},
        {"rank": 1, "side": "TVB", **seconds, "total": 6.0},
    ]
    write_provenance(
        directory,
        {
            "experiment": {"seed": 7, "note": "<script>alert(1)</script>"},
            "seed": 7,
            "ranks": 2,
            "duration_ms": duration_ms,
            "wall_s": 6.0,
            "window_ms": 1.0,
            "git_commit": None,
            "timing": timing,
            "participants": {"TVB": {"clips": 0}},
        },
    )


class Page(HTMLParser):
    """What a browser would see: sections, images per section, and addresses."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.images, self.addresses, self.words = [], {}, [], {"": ""}
        self.here = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.addresses += [attrs[name] for name in ("src", "href") if name in attrs]
        if tag == "section":
            self.here = attrs["id"]
            self.sections.append(self.here)
            self.words[self.here] = ""
        if tag == "img":
            self.images[self.here] = attrs["src"]

    def handle_data(self, data):
        self.words[self.here] += data


def page_of(directory):
    return Page(write_report(directory).read_text(encoding="utf-8"))


KINDS = {
    "one region": ({}, {"timing", "raster", "rates", "exchange", "regions", "connectivity"}),
    "with BOLD": (
        {"bold": True},
        {"timing", "raster", "rates", "exchange", "regions", "connectivity", "bold"},
    ),
    "plain brain": ({"circuits": ()}, {"timing", "regions", "connectivity"}),
    "silent": (
        {"rate_hz": 0.0},
        {"timing", "rates", "exchange", "regions", "connectivity"},
    ),
    "one sample": ({"duration_ms": 1.0}, {"timing", "raster", "rates", "exchange", "regions"}),
    "all replaced": (
        {"circuits": REGIONS, "variables": ("S", "R")},
        {"timing", "raster", "rates", "exchange", "regions", "connectivity"},
    ),
    "killed": (
        {"finish": False},
        {"raster", "rates", "exchange", "regions", "connectivity"},
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
def test_every_panel_is_there_with_a_picture_or_a_reason(tmp_path, kind):
    arguments, pictured = KINDS[kind]
    record(tmp_path, **arguments)
    page = page_of(tmp_path)
    assert set(PANELS) <= set(page.sections)
    assert set(page.images) == pictured
    for name in set(PANELS) - pictured:
        assert len(page.words[name].split()) > 3
    for source in page.images.values():
        assert base64.b64decode(source.partition(",")[2]).startswith(PNG_SIGNATURE)
    assert (tmp_path / "report.png").read_bytes().startswith(PNG_SIGNATURE)


def test_page_needs_no_other_file_and_no_network(tmp_path):
    record(tmp_path)
    page = page_of(tmp_path)
    assert page.addresses
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in page.addresses)


def test_experiment_cannot_inject_markup(tmp_path):
    record(tmp_path)
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_summary_counts_what_the_run_had(tmp_path):
    record(tmp_path, circuits=("V1", "M1"))
    words = re.sub(r"\s+", " ", page_of(tmp_path).words[""])
    assert "6 regions; 2 replaced by spiking circuits (V1, M1); 40 cells" in words
    assert "40 ms simulated in 6.0 s; 2 ranks; windows of 1 ms" in words


def test_connectivity_says_how_long_it_covers(tmp_path):
    record(tmp_path)
    assert "S_e, 40 samples over 40 ms" in page_of(tmp_path).words["connectivity"]


def test_too_few_samples_give_no_connectivity_but_the_number_needed(tmp_path):
    record(tmp_path, duration_ms=9.0)
    assert "9 samples of the mean field, at least 10" in page_of(tmp_path).words["connectivity"]


def test_killed_run_is_marked_on_the_page(tmp_path):
    record(tmp_path, finish=False)
    assert "did not reach its end" in page_of(tmp_path).words[""]


def test_declared_regions_are_named_even_if_nothing_crossed(tmp_path):
    """Killed in its first window: labels are there, rows are not."""
    recorder = Recorder(FolderSink(tmp_path, "all"))
    recorder.declare_series("temporal_average", ("S_e",), REGIONS, 1.0)
    recorder.declare_population("V1.E", 20)
    layout = PacketLayout("NEURON", (SignalLayout("R_e", ("V1",), True),))
    recorder.declare_exchange("to_brain", layout)
    recorder.flush()
    page = page_of(tmp_path)
    assert "1 replaced by spiking circuits (V1)" in page.words[""]
    assert "no window was completed" in page.words["exchange"]
    assert page.images == {}


def test_folder_without_a_run_gets_no_report(tmp_path):
    with pytest.raises(ResultsError, match="holds no results"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_correlation_equals_numpys():
    values = np.random.default_rng(0).normal(size=(50, 4))
    expected = np.corrcoef(values, rowvar=False)
    np.testing.assert_allclose(report_figures.correlation(values), expected, atol=1e-12)


def test_constant_region_has_no_correlation():
    """0.1 is not exact: its deviation from the mean is rounding, which must not correlate."""
    values = np.random.default_rng(0).normal(size=(50, 3))
    values[:, 1] = 0.1
    matrix = report_figures.correlation(values)
    assert np.isnan(matrix[1]).all()
    assert np.isnan(matrix[:, 1]).all()
    assert np.isfinite(matrix[np.ix_([0, 2], [0, 2])]).all()


@pytest.mark.parametrize("n_rows", [1, 7, 10, 11, 25])
def test_block_means_lose_no_weight(n_rows):
    """Every row counts once: block means weighted by block length sum to the column sums."""
    values = np.random.default_rng(1).random((n_rows, 2))
    means = report_figures.block_mean(values, 10)
    size = -(-n_rows // 10)
    lengths = [min(size, n_rows - start) for start in range(0, n_rows, size)]
    assert len(means) <= 10
    np.testing.assert_allclose((means * np.array(lengths)[:, None]).sum(0), values.sum(0))


def test_block_means_read_piecewise_are_the_same(monkeypatch):
    monkeypatch.setattr(report_figures, "_PIECE_ROWS", 30)
    values = np.random.default_rng(1).random((997, 3))
    pieces = report_figures.read_block_means(xr.DataArray(values), 100)
    np.testing.assert_allclose(pieces, report_figures.block_mean(values, 100))
