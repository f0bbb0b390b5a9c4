"""The example ``molecule_to_bold``: what a molecule does to the brain is by the coupling."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from held_regions import rest_with_held

import cosim
from cosim.plan import plan

FOLDER = Path(__file__).parents[2] / "examples" / "molecule_to_bold"


@pytest.fixture(scope="module")
def example():
    """The script, loaded as a module."""
    spec = importlib.util.spec_from_file_location("molecule", FOLDER / "molecule_to_bold.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def output(example, tmp_path_factory):
    """Two doses, in the brain (1.5 s) and with the coupling cut (.75 s), as a user runs it."""
    folder = tmp_path_factory.mktemp("molecule")
    example.main(
        [str(folder), "--doses", "0.1", "2", "--seeds", "1", "--seconds", "1.5", "--skip", "0.2"]
    )
    return folder


def series(output, dose, run):
    """What every monitor recorded, by its name, as (replaced region, all others)."""
    result = cosim.RunResult.open(output / f"ip3_{dose:g}_uM" / run)
    assert result.mean_field.sizes["time_balloon"] >= 1
    found = {}
    for name, values in result.mean_field.items():
        found[name] = (values.sel(region="rPCUN").values, values.drop_sel(region="rPCUN").values)
    result.close()
    return found


def test_with_the_coupling_cut_no_other_region_knows_of_the_molecule(output):
    """Bit for bit, S, rates and BOLD; while the region's own S moves by more than a tenth."""
    low, high = (series(output, dose, "cut") for dose in (0.1, 2.0))
    assert set(low) == {"temporal_average", "balloon"}
    for name in low:
        assert np.array_equal(low[name][1], high[name][1]), name
    # S falls to exp(-t / 100 ms) of its 0.16 in a region that is silent.
    own = [one["temporal_average"][0][-1, 0] for one in (low, high)]
    assert own[0] - own[1] > 0.1


def test_with_the_coupling_every_region_that_is_connected_feels_it(output):
    """The same runs but for the coupling; regions downstream of rPCUN differ, all 65 of them."""
    low, high = (series(output, dose, "seed_1") for dose in (0.1, 2.0))
    S = [one["temporal_average"][1][-1, 0] for one in (low, high)]
    assert (S[0] != S[1]).all()
    assert S[0].mean() > S[1].mean()


def test_the_dose_sets_calcium_and_rate(example, output):
    """At 2 uM free calcium rests at 50 + 400 * 4 / 5 = 370 nM, and the region is silent.

    At 0.1 uM it rests at 54 nM, above which spikes lift it.
    """
    found = json.loads((output / "dose_response.json").read_text())
    [low], [high] = found["runs"]
    assert low["calcium"] > 60
    assert high["calcium"] == pytest.approx(370, abs=1)
    for one, other in ((low, high), *(zip(*[iter(found["cut"])] * 2, strict=True))):
        assert one["rate"] > 1.5
        assert other["rate"] < 0.3
    # rISTC, lPCUN, rCUN: largest weights of the column of rPCUN.
    weights = plan(example.experiment(0.1, 1, 1.0)).brain.connectome
    column = weights.weights[:, weights.index("rPCUN")]
    least = min(column[weights.index(name)] for name in found["connected"])
    assert (column > least).sum() == 2
    assert (output / "dose_response.png").stat().st_size > 10_000


def test_runs_that_are_there_are_not_run_again(example, output):
    folder = output / "ip3_0.1_uM" / "cut"
    before = (folder / "provenance.json").stat().st_mtime_ns
    example.run(example.experiment(0.1, 1, 0.75, cut=True), folder).close()
    assert (folder / "provenance.json").stat().st_mtime_ns == before


def test_measures_are_those_of_the_series(example, output):
    """Against NumPy on the stored series."""
    result = cosim.RunResult.open(output / "ip3_0.1_uM" / "seed_1")
    found = example.measure(result, "rPCUN", ["rISTC", "lPCUN"], 200.0)
    S = result.mean_field.temporal_average.sel(variable="S_e")
    S = S[S.time_temporal_average > 200.0]
    one, two, own = (S.sel(region=name).values for name in ("rISTC", "lPCUN", "rPCUN"))
    assert found["S region"] == pytest.approx(own.mean())
    assert found["FC among"] == pytest.approx(np.corrcoef(one, two)[0, 1])
    both = np.corrcoef(own, one)[0, 1] + np.corrcoef(own, two)[0, 1]
    assert found["FC own"] == pytest.approx(both / 2)
    names = [str(n) for n in S.region.values if str(n) not in ("rPCUN", "rISTC", "lPCUN")]
    rest = [np.corrcoef(near, S.sel(region=n))[0, 1] for near in (one, two) for n in names]
    assert found["FC rest"] == pytest.approx(np.mean(rest))
    spikes = result.spikes["rPCUN.E"]
    assert found["rate"] == pytest.approx((spikes.times_ms > 200).sum() / spikes.n_cells / 1.3)
    assert np.isnan(found["BOLD region"])  # two samples in 1.5 s
    result.close()


def test_changes_are_taken_within_a_seed(example):
    """Seeds differ by 100 %, the dose takes 10, 20 and 30 % off: 20 % +- 4.30 * 10 / sqrt(3)."""
    runs = [
        [{"S connected": value} for value in (1.0, 2.0, 3.0)],
        [{"S connected": value} for value in (0.9, 1.6, 2.1)],
    ]
    middle, half = example.response(runs, "S connected")
    assert middle == pytest.approx([0.0, -20.0])
    assert half == pytest.approx([0.0, 4.3027 * 10.0 / np.sqrt(3.0)], rel=1e-4)


def test_the_files_have_no_mistake():
    plan(cosim.load(FOLDER / "hagmann.yaml"))
    assert cosim.load(FOLDER / "fitted.yaml").brain.fitted == "fit.nc"


@pytest.mark.slow
def test_in_a_fitted_brain_too_the_effect_is_by_the_coupling(example, tmp_path):
    """The subject of examples/fit_subject.yaml, fitted here; right precuneus, 0.6 s."""
    from fitting.run import fit_file  # PyTorch, which the other tests do not need

    fitted = fit_file(FOLDER.parent / "fit_subject.yaml", tmp_path / "fit")
    differ = {}
    for cut in (True, False):
        low, high = (
            cosim.run(example.experiment(dose, 1, 0.6, fitted, cut)).mean_field.temporal_average
            for dose in (0.1, 2.0)
        )
        assert abs(low - high).sel(region="Precuneus_R", variable="S_e").max() > 0.1
        differ[cut] = float(abs(low - high).drop_sel(region="Precuneus_R").max())
    assert differ[True] == 0.0
    assert differ[False] > 0.01


@pytest.mark.slow
def test_what_the_others_feel_is_what_the_equations_say(example, tmp_path):
    """Hagmann, 0.1 and 1 uM, 8 s: region by region against the fixed point with S of rPCUN held.

    The slowest mode lasts 0.55 s, and 3 s are left out. Noise is the same in both runs, so that it
    enters by curvature alone, less than a tenth of the change: slope 1 within 0.1, likeness .99.
    """
    words = ["--doses", "0.1", "1", "--seeds", "1", "--seconds", "8", "--skip", "3"]
    example.main([str(tmp_path), *words])
    planned = plan(example.experiment(0.1, 1, 8.0)).brain
    connectome, J_i = planned.connectome, planned.parameters["J_i"]
    here = connectome.index("rPCUN")
    found, wanted = [], []
    for dose in (0.1, 1.0):
        result = cosim.RunResult.open(tmp_path / f"ip3_{dose:g}_uM" / "seed_1")
        series = result.mean_field.temporal_average.load().sel(variable="S_e")
        found.append(series[series.time_temporal_average > 3000.0].values.mean(axis=0))
        wanted.append(rest_with_held(connectome.weights, J_i, 0.8, {here: found[-1][here]}))
        result.close()
    expected, change = (np.delete(x[1] - x[0], here) for x in (wanted, found))
    assert np.corrcoef(expected, change)[0, 1] > 0.99
    assert expected @ change / (expected @ expected) == pytest.approx(1.0, abs=0.1)
