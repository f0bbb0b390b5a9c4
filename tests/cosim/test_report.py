"""The report opens, needs nothing else, and has every panel, whatever the run recorded."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from made_up_run import REGIONS, connectome, record

from cosim import report_figures
from cosim.errors import ResultsError
from cosim.recorder import Recorder
from cosim.report import write_report
from cosim.report_courses import draw_heat
from cosim.report_findings import Findings
from cosim.result_sinks import FolderSink
from cosim.results import RunResult
from cosim.signals import PacketLayout, SignalLayout

PANELS = (
    "connectome", "raster", "rates", "exchange", "regions", "connectivity", "spectra", "bold",
    "sensors", "traces", "lfp", "concentrations", "timing",
)  # fmt: skip
ALWAYS = ("reproduce", "provenance")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """What a browser would see: sections, images per section, and addresses."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.images, self.addresses, self.words = [], {}, [], {"": ""}
        self.here, self.policy = "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.addresses += [attrs[name] for name in ("src", "href") if name in attrs]
        if tag in ("section", "li"):  # what a run lacks is told in a list
            self.here = attrs["id"]
            self.sections.append(self.here)
            self.words[self.here] = ""
        if tag == "img":
            self.images.setdefault(self.here, []).append(attrs["src"])
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]

    def handle_data(self, data):
        self.words[self.here] += data


def page_of(directory):
    return Page(write_report(directory).read_text(encoding="utf-8"))


SPIKING = {"timing", "raster", "rates", "exchange", "regions", "connectivity"}
WIRED, UNPLACED = connectome(), connectome(placed=False)
KINDS = {
    "one region": ({}, SPIKING),
    "with BOLD": ({"bold": True, "wired": UNPLACED}, {*SPIKING, "bold", "connectome"}),
    "plain brain": (
        {"circuits": (), "wired": WIRED},
        {"timing", "regions", "connectivity", "connectome"},
    ),
    "silent": ({"rate_hz": 0.0, "wired": WIRED}, {*SPIKING, "connectome"} - {"raster"}),
    "one sample": ({"duration_ms": 1.0}, SPIKING - {"connectivity"}),
    "all replaced": (
        {"circuits": REGIONS, "variables": ("S", "R"), "wired": WIRED, "duration_ms": 300.0},
        {*SPIKING, "connectome", "spectra"},
    ),
    "killed": ({"finish": False, "wired": WIRED}, {*SPIKING, "connectome"} - {"timing"}),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
def test_every_panel_is_there_with_a_picture_or_a_reason(tmp_path, kind):
    arguments, pictured = KINDS[kind]
    record(tmp_path, **arguments)
    page = page_of(tmp_path)
    assert {*PANELS, *ALWAYS} <= set(page.sections)
    assert set(page.images) == pictured
    for name in set(PANELS) - pictured:
        assert len(page.words[name].split()) > 3
    for source in (one for images in page.images.values() for one in images):
        assert base64.b64decode(source.partition(",")[2]).startswith(PNG_SIGNATURE)
    assert (tmp_path / "report.png").read_bytes().startswith(PNG_SIGNATURE)


def test_page_needs_no_other_file_and_no_network(tmp_path):
    record(tmp_path)
    page = page_of(tmp_path)
    assert page.addresses
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in page.addresses)


def test_page_allows_its_own_script_alone_and_no_address(tmp_path):
    """The policy names the script by its SHA-256, computed here from the page as written."""
    record(tmp_path)
    text = write_report(tmp_path).read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = hashlib.sha256(scripts[0].encode()).digest()
    policy = Page(text).policy
    assert len(scripts) == 1
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"script-src 'sha256-{base64.b64encode(digest).decode()}'" in policy


def test_experiment_cannot_inject_markup(tmp_path):
    record(tmp_path)
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


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


def test_what_was_not_flushed_is_not_called_silence(tmp_path):
    """Killed with spikes known up to 60 ms and the mean field up to 100: rates end with the spikes.

    20 cells fire 1200 times in those 60 ms, 1 kHz each; over 100 ms it would be called 600 Hz.
    """
    recorder = Recorder(FolderSink(tmp_path, "all"))
    recorder.declare_series("temporal_average", ("S_e",), REGIONS, 1.0)
    recorder.add_series("temporal_average", np.arange(100) + 1.0, np.ones((100, 1, len(REGIONS))))
    recorder.declare_population("V1.E", 20)
    recorder.add_spikes("V1.E", np.linspace(0.05, 60.0, 1200), np.arange(1200) % 20)
    recorder.flush()
    result = RunResult.open(tmp_path)
    findings = Findings(result)
    assert findings.rates["time"].values[-1] == 59.5
    assert findings.rates.values.min() > 900.0
    result.close()
    page = page_of(tmp_path)
    assert "Spikes were flushed up to 60.0 ms" in page.words["raster"]
    assert "1000.00" in page.words["rates"]


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


def test_chance_correlation_has_the_spread_of_independent_series():
    """400 independent samples: correlations of SD 1/sqrt(399) = .0501; of 90 pairs the SD is known
    to 1/sqrt(2 * 90) = 7.5 %, were they independent, so it lies within 30 % of that (4 SD).
    """
    values = np.random.default_rng(3).normal(size=(400, 10)) + np.arange(10.0)
    chance = report_figures.chance_correlation(values)
    assert chance.shape == (90,)
    assert chance.std() == pytest.approx(0.0501, rel=0.3)


def test_chance_correlation_keeps_the_memory_of_slow_series():
    """Autoregressive series with coefficient a = .95 have n (1 - a^2) / (1 + a^2) independent
    pairs of samples (Bartlett), so the spread is sqrt(19.5) = 4.4 times that of white noise. The
    spreads of 132 pairs are known to 6 %, more where pairs share series: 3 to 6 is asked.
    """
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(3000, 12))
    slow = noise.copy()
    decay = 1.0 - 1.0 / 20.0
    for i in range(1, len(slow)):
        slow[i] = decay * slow[i - 1] + noise[i]
    ratio = report_figures.chance_correlation(slow).std()
    ratio /= report_figures.chance_correlation(noise).std()
    assert 3.0 < ratio < 6.0


def test_constant_region_has_no_correlation():
    """0.1 is not exact: its deviation from the mean is rounding, which must not correlate."""
    values = np.random.default_rng(0).normal(size=(50, 3))
    values[:, 1] = 0.1
    matrix = report_figures.correlation(values)
    assert np.isnan(matrix[1]).all()
    assert np.isnan(matrix[:, 1]).all()
    assert np.isfinite(matrix[np.ix_([0, 2], [0, 2])]).all()


def test_a_region_without_a_variable_leaves_the_colours_of_the_others():
    """What a circuit does not provide is NaN; the scale is that of what is known."""
    values = np.random.default_rng(0).uniform(2.0, 4.0, (300, 6))
    values[:, 2] = np.nan
    with report_figures.style():
        figure, axes = report_figures.new_tile(4.9, 3.0)
        names = tuple("abcdef")
        draw_heat(axes, np.arange(300.0), values, names, ("c",), "R_e [Hz]", 300.0, 6)
        report_figures.png(figure)
    low, high = axes.images[0].get_clim()
    assert 2.0 < low < 2.1
    assert 3.9 < high < 4.0


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
