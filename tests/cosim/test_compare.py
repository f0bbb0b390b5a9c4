"""Runs side by side: no change where nothing differs, known changes covered, refusals named."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import signal, stats
from typer.testing import CliRunner

from cosim.cli import app
from cosim.compare import compare
from cosim.connectivity import connectivity_dynamics, lower
from cosim.connectome_file import connectome_dataset, write_connectome
from cosim.errors import ConfigurationError, ResultsError
from cosim.meanfield.connectome import load_connectome
from cosim.measures import combine
from cosim.pair_comparison import PairComparison, Places
from cosim.recorder import Recorder
from cosim.result_sinks import FolderSink
from cosim.run_folder import write_provenance
from cosim.run_pairs import Run, Series
from cosim.signals import PacketLayout, SignalLayout

REGIONS = tuple(f"region{i}" for i in range(6))
PERIOD_MS = 10.0


def write_run(
    folder,
    values,
    *,
    seed=1,
    regions=REGIONS,
    replaced=(),
    brain=None,
    period_ms=PERIOD_MS,
    variables=("S_e", "R_e"),
    bold=None,
    finish=True,
):
    """A run's folder with these samples, (n_samples, n_variables, n_regions)."""
    folder.mkdir(parents=True)
    recorder = Recorder(FolderSink(folder, "run"))
    recorder.declare_series("temporal_average", variables, regions, period_ms)
    times_ms = (np.arange(len(values)) + 0.5) * period_ms
    recorder.add_series("temporal_average", times_ms, values)
    if bold is not None:
        recorder.declare_series("balloon", variables[:1], regions, 500.0)
        recorder.add_series("balloon", (np.arange(len(bold)) + 1.0) * 500.0, bold)
    if replaced:
        signals = (SignalLayout("R_e", tuple(replaced), True),)
        recorder.declare_exchange("to_brain", PacketLayout("NEURON", signals))
    if finish:
        recorder.close()
    else:
        recorder.flush()
    facts = {"duration_ms": len(values) * period_ms, "seed": seed}
    write_provenance(folder, {**facts, "experiment": {"brain": brain or {}}})
    return folder


def noise(seed, n_samples=3000, n_regions=6, n_variables=2):
    return 5.0 + np.random.default_rng(seed).standard_normal((n_samples, n_variables, n_regions))


def in_memory(values):
    times_ms = (np.arange(len(values)) + 0.5) * PERIOD_MS
    labels = ("S_e", "R_e")[: values.shape[1]]
    names = tuple(f"region{i}" for i in range(values.shape[2]))
    series = Series("temporal_average", labels, PERIOD_MS, times_ms, values)
    return Run(None, 1, times_ms[-1], names, (), series, None, {}, {})


def every_region(n_regions):
    """All but the last two as neighbours, so that each has rows of its own."""
    names = tuple(f"region{i}" for i in range(n_regions))
    return Places((), tuple(range(n_regions)), tuple(range(n_regions)), names)


def test_run_against_itself_differs_in_nothing(tmp_path):
    bold = np.random.default_rng(8).standard_normal((60, 1, 6)) + 9.0
    folder = write_run(tmp_path / "a", noise(1), replaced=REGIONS[:1], bold=bold)
    found = compare(folder, [folder], skip_ms=0.0)[0]
    assert found.measures
    for one in found.measures:
        same = 1.0 if one.kind == "likeness" else 0.0
        assert one.change == pytest.approx(same, abs=1e-14), one
        if one.low is not None:
            assert (one.low, one.high) == pytest.approx((same, same), abs=1e-14), one
    assert found.measure("FC likeness", "all").low == pytest.approx(1.0)
    assert found.measure("FC of BOLD likeness", "all").change == pytest.approx(1.0)
    np.testing.assert_array_equal(*found.fc)


def test_ratios_of_mean_and_variance_are_covered_at_their_rate():
    """300 regions of white noise; B has 1.01 of A's mean and 1.5 times its variance. The share
    that is covered has a standard error of sqrt(.95 x .05 / 300) = .0126."""
    a = 5.0 + np.random.default_rng(11).standard_normal((3000, 1, 300))
    b = 5.05 + np.sqrt(1.5) * np.random.default_rng(12).standard_normal((3000, 1, 300))
    pair = PairComparison(in_memory(a), in_memory(b), every_region(300), 0.0)
    assert pair.blocks.n_blocks == 30
    rows = [combine([s]) for s in pair.samples() if s.role == "neighbour"]
    for quantity, truth in (("mean S_e", 0.01), ("variance S_e", 0.5)):
        own = [one for one in rows if one.quantity == quantity]
        assert len(own) == 300
        covered = np.mean([one.low < truth < one.high for one in own])
        assert abs(covered - 0.95) < 4 * 0.0126, quantity


def test_shared_noise_narrows_the_interval_of_a_difference():
    """B is A shifted by 1 % with noise of .01 sd of its own: 100 times less than unpaired noise."""
    a = noise(13)
    b = 1.01 * a + 0.01 * np.random.default_rng(14).standard_normal(a.shape)
    unpaired = noise(15)
    widths = []
    for other in (b, 1.01 * unpaired):
        pair = PairComparison(in_memory(a), in_memory(other), every_region(6), 0.0)
        one = next(combine([s]) for s in pair.samples() if s.quantity == "mean S_e")
        assert one.low < 0.01 < one.high
        widths.append(one.high - one.low)
    assert widths[0] < 0.03 * widths[1]


def correlated(seed, rho, n_samples=1500):
    """White noise, every pair of six regions correlated by rho."""
    rng = np.random.default_rng(seed)
    common, own = rng.standard_normal((n_samples, 1, 1)), rng.standard_normal((n_samples, 1, 6))
    return np.sqrt(rho) * common + np.sqrt(1 - rho) * own


def test_difference_of_mean_fc_is_numpys_and_covered_at_its_rate():
    """Correlations .3 and .5, 200 pairs of runs: a standard error of .0154 on the share. The
    estimate's own bias, rho (1 - rho^2) / 2n, is below .0002."""
    covered = 0
    for seed in range(200):
        a, b = correlated(2 * seed, 0.3), correlated(2 * seed + 1, 0.5)
        places = Places((), (), tuple(range(6)), REGIONS)
        pair = PairComparison(in_memory(a), in_memory(b), places, 0.0)
        one = next(combine([s]) for s in pair.samples() if s.quantity == "mean FC")
        if seed == 0:
            n = pair.blocks.n_blocks * pair.blocks.n_samples
            fc_a, fc_b = (lower(np.corrcoef(v[:n, 0].T)) for v in (a, b))
            assert one.change == pytest.approx((fc_b - fc_a).mean(), abs=1e-12)
            assert (one.a, one.b) == pytest.approx((fc_a.mean(), fc_b.mean()))
        covered += one.low < 0.2 < one.high
    assert abs(covered / 200 - 0.95) < 4 * 0.0154


def test_fc_is_measured_with_and_without_the_replaced_regions(tmp_path):
    """Region 0 takes another course in B, the rest is the same."""
    a = correlated(31, 0.4, 3000)
    a = np.concatenate([a, a], axis=1) + 5.0
    b = a.copy()
    b[:, :, 0] = noise(33)[:, :, 0]
    one = write_run(tmp_path / "a", a)
    other = write_run(tmp_path / "b", b, replaced=REGIONS[:1])
    found = compare(one, [other], skip_ms=0.0)[0]
    assert found.replaced == REGIONS[:1]
    assert found.measure("FC likeness", "5 other regions").change == pytest.approx(1.0)
    assert found.measure("FC likeness", "all").change < 0.9
    n = 3000 // 30 * 30
    expected = np.corrcoef(lower(np.corrcoef(a[:n, 0].T)), lower(np.corrcoef(b[:n, 0].T)))[0, 1]
    assert found.measure("FC likeness", "all").change == pytest.approx(expected)


def test_spectra_are_welchs():
    a, b = np.cumsum(noise(21), axis=0) * 0.01, noise(22)
    pair = PairComparison(in_memory(a), in_memory(b), every_region(6), 0.0)
    for spectrum in pair.spectra:
        variable = ("S_e", "R_e").index(spectrum.variable)
        n_blocks = pair.blocks.n_blocks or 8
        length = pair.blocks.n_samples if pair.blocks.n_blocks else 3000 // 8
        for values, found in ((a, spectrum.a), (b, spectrum.b)):
            hz, expected = signal.welch(
                values[: n_blocks * length, variable], 100.0, nperseg=length, noverlap=0, axis=0
            )
            np.testing.assert_allclose(spectrum.frequencies_hz, hz)
            np.testing.assert_allclose(found, expected.mean(axis=1), rtol=1e-10)


def test_band_power_ratio_is_covered_at_its_rate():
    """White noise of twice the variance has twice the power in every band; 300 regions."""
    a = np.random.default_rng(41).standard_normal((3000, 1, 300))
    b = np.sqrt(2.0) * np.random.default_rng(42).standard_normal((3000, 1, 300))
    names = tuple(f"region{i}" for i in range(300))
    places = Places(tuple(range(300)), (), (0, 1, 2), names)
    pair = PairComparison(in_memory(a), in_memory(b), places, 0.0)
    rows = [combine([s]) for s in pair.samples() if s.quantity == "power of S_e, 8-13 Hz"]
    rows = [one for one in rows if one.role == "replaced"]
    assert len(rows) == 300
    covered = np.mean([one.low < 1.0 < one.high for one in rows])
    assert abs(covered - 0.95) < 4 * 0.0126 + 0.01  # 30 blocks: log power is not quite normal


def test_fcd_is_computed_from_windows_of_a_tenth():
    a, b = noise(51), noise(52)
    pair = PairComparison(in_memory(a), in_memory(b), every_region(6), 0.0)
    found = {s.quantity: s for s in pair.samples() if s.role == "network"}
    expected = [connectivity_dynamics(v[:, 0], 300) for v in (a, b)]
    mean = found["mean FCD, windows of 3 s"]
    assert (mean.a, mean.b) == pytest.approx(tuple(e.mean() for e in expected))
    distance = stats.ks_2samp(*expected).statistic
    assert found["FCD distance (KS)"].value == pytest.approx(distance)


def test_several_seeds_give_students_interval_over_pairs(tmp_path):
    """Against SciPy's one-sample t interval of the log ratios."""
    ratios = []
    for seed in range(1, 5):
        a, b = noise(seed), 1.02 * noise(seed) + 0.001 * noise(100 + seed)
        write_run(tmp_path / "A" / f"seed_{seed}", a, seed=seed)
        write_run(tmp_path / "B" / f"seed_{seed}", b, seed=seed, replaced=REGIONS[:1])
        ratios.append(np.log(b[:3000, 1, 0].mean() / a[:3000, 1, 0].mean()))
    found = compare(tmp_path / "A", [tmp_path / "B"], skip_ms=0.0)[0]
    one = found.measure("mean R_e", REGIONS[0])
    expected = stats.ttest_1samp(ratios, 0.0).confidence_interval(0.95)
    assert one.change == pytest.approx(np.expm1(np.mean(ratios)), rel=1e-9)
    assert (one.low, one.high) == pytest.approx(
        (np.expm1(expected.low), np.expm1(expected.high)), rel=1e-9
    )
    assert "over 4 pairs" in found.interval
    assert all(pair["same_noise"] for pair in found.facts["pairs"])


def test_neighbours_are_those_that_feel_the_replaced_region_most(tmp_path):
    connectome = load_connectome("hagmann66", "none", 3.0, Path())
    region = connectome.index("rPCUN")
    felt = connectome.weights[:, region].copy()
    values = noise(61, 400, 66)
    for name in ("a", "b"):
        replaced = ("rPCUN",) if name == "b" else ()
        write_run(tmp_path / name, values, regions=connectome.regions, replaced=replaced)
    found = compare(tmp_path / "a", [tmp_path / "b"], skip_ms=0.0)[0]
    assert len(found.neighbours) == 5
    expected = {connectome.regions[i] for i in np.argsort(felt)[-5:]}
    assert set(found.neighbours) == expected
    assert "rPCUN" not in found.neighbours


def test_neighbours_are_those_of_the_connectome_that_the_run_kept(tmp_path):
    connectome = load_connectome("hagmann66", "none", 3.0, Path())
    region = connectome.index("rPCUN")
    values = noise(2, 40, n_regions=66)
    for name, replaced in (("A", ()), ("B", ("rPCUN",))):
        folder = write_run(
            tmp_path / name, values, regions=connectome.regions, replaced=replaced,
            brain={"fitted": "elsewhere/fit.nc"},
        )  # fmt: skip
        write_connectome(folder, connectome_dataset(connectome, 0.1))
    found = compare(tmp_path / "A", [tmp_path / "B"], skip_ms=0.0)[0]
    strongest = np.argsort(-connectome.weights[:, region], kind="stable")[:5]
    assert found.neighbours == tuple(connectome.regions[i] for i in strongest)
    assert not [line for line in found.notes if "neighbours" in line]


def test_connectome_that_is_gone_costs_the_neighbours_only(tmp_path):
    brain = {"connectome": "gone.zip"}
    a = write_run(tmp_path / "a", noise(1), brain=brain)
    b = write_run(tmp_path / "b", noise(2), brain=brain, replaced=REGIONS[:1])
    found = compare(a, [b], skip_ms=0.0)[0]
    assert found.neighbours == ()
    assert any("No neighbours" in note and "gone.zip" in note for note in found.notes)


def test_state_that_a_circuit_does_not_provide_is_said(tmp_path):
    values = noise(2)
    values[:, 1, 0] = np.nan
    a = write_run(tmp_path / "a", noise(1))
    b = write_run(tmp_path / "b", values, replaced=REGIONS[:1])
    found = compare(a, [b], tmp_path / "out", skip_ms=0.0)[0]
    assert found.measure("mean R_e", REGIONS[0]).change is None
    assert any("R_e of region0 is not provided" in note for note in found.notes)
    json.loads((tmp_path / "out" / "comparison.json").read_text(), parse_constant=pytest.fail)


def test_noise_that_is_not_shared_and_fc_of_chance_are_said(tmp_path):
    regions = tuple(f"region{i}" for i in range(30))  # 435 pairs: likeness of chance is 0 +- .05
    a = write_run(tmp_path / "a", noise(1, 3000, 30), seed=1, regions=regions)
    b = write_run(tmp_path / "b", noise(2, 3000, 30), seed=2, regions=regions)
    notes = " ".join(compare(a, [b], skip_ms=0.0)[0].notes)
    assert "Seeds differ" in notes
    assert "mostly chance" in notes


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"regions": tuple("abcdef")}, "regions .region0 in the place of a; set brain.connectome"),
        ({"n_samples": 2000}, "durations .30000 and 20000 ms"),
        ({"period_ms": 20.0}, "monitors .temporal_average 10 ms and temporal_average 20 ms"),
        ({"variables": ("S", "R")}, "variables .S_e, R_e and S, R; set brain.model"),
        ({"finish": False}, "did not reach its end"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused_in_one_line(tmp_path, other, words):
    values = noise(1, other.pop("n_samples", 3000))
    a = write_run(tmp_path / "a", noise(1))
    b = write_run(tmp_path / "b", values, **other)
    with pytest.raises(ResultsError, match=words) as caught:
        compare(a, [b])
    assert "\n" not in str(caught.value)


def test_reference_may_hold_more_seeds(tmp_path):
    for name in ("A/seed_1", "A/seed_2", "A/seed_3", "B/seed_1", "B/seed_3"):
        write_run(tmp_path / name, noise(int(name[-1]), 400), seed=int(name[-1]))
    found = compare(tmp_path / "A", [tmp_path / "B"], skip_ms=0.0)[0]
    assert [pair["seeds"] for pair in found.facts["pairs"]] == [[1, 1], [3, 3]]
    assert any("seed_2 of A has no partner" in note for note in found.notes)


def test_folders_that_cannot_be_paired_are_refused(tmp_path):
    for name in ("A/seed_1", "A/seed_2", "B/seed_1", "B/seed_3"):
        write_run(tmp_path / name, noise(1, 100))
    with pytest.raises(ResultsError, match=r"A has no run to pair with seed_3 of .*B"):
        compare(tmp_path / "A", [tmp_path / "B"])
    with pytest.raises(ResultsError, match="give two runs"):
        compare(tmp_path / "A", [tmp_path / "B" / "seed_1"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultsError, match="neither results nor folders of runs"):
        compare(tmp_path / "A", [tmp_path / "empty"])
    with pytest.raises(ResultsError, match="is not a folder"):
        compare(tmp_path / "A", [tmp_path / "none"])
    with pytest.raises(ConfigurationError, match="two or more"):
        compare(tmp_path / "A", [])
    with pytest.raises(ResultsError, match="lower --skip-ms"):
        compare(tmp_path / "A" / "seed_1", [tmp_path / "A" / "seed_1"], skip_ms=990.0)


def test_command_line_prints_a_table_and_writes_files(tmp_path):
    a = write_run(tmp_path / "a", noise(1))
    b = write_run(tmp_path / "b", 1.1 * noise(1), replaced=REGIONS[:1])
    output = tmp_path / "out"
    done = CliRunner().invoke(app, ["compare", str(a), str(b), str(b), "-o", str(output)])
    assert done.exit_code == 0, done.output
    assert "mean R_e" in done.output
    assert "+10.00 %" in done.output
    content = json.loads((output / "comparison.json").read_text(), parse_constant=pytest.fail)
    assert len(content) == 2
    assert content[0]["replaced"] == ["region0"]
    assert (output / "comparison.png").read_bytes().startswith(b"\x89PNG")
    refused = CliRunner().invoke(app, ["compare", str(a), str(tmp_path)])
    assert refused.exit_code == 1
    assert refused.output.count("\n") == 1


def test_a_run_that_stands_still_has_no_statistics(tmp_path):
    write_run(tmp_path / "a", np.full((100, 2, 6), 0.3))
    write_run(tmp_path / "b", noise(1, 100))
    with pytest.raises(ResultsError, match=r"stands still: S_e .* Give brain\.noise\."):
        compare(tmp_path / "a", [tmp_path / "b"], skip_ms=0.0)
