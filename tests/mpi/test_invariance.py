"""The same results to the last bit on any ranks, for any window, after any run.

Nor do they depend on how spikes enter NEURON's queue: runs with another window inject one by one.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from cosim import RunResult

DATA = Path(__file__).parent / "data"
SMALL = DATA / "small.yaml"

TWO_REGIONS = "circuits.0.regions=[rPCUN, rISTC]"  # connected both ways, 9.8 ms apart

# Every case is a run of SMALL with these changes; E fires dozens of spikes in 150 ms.
CASES = {
    "per_source": ["circuits.0.parameters.order=40"],
    "aggregated": [
        "circuits.0.parameters.order=40",
        "circuits.0.inputs=[{from: R_e, to: E, coupling: aggregated, weight_uS: 0.02,"
        " rate_scale: 60.0}]",
    ],
    "two_connected_regions": ["circuits.0.parameters.order=20", TWO_REGIONS],
    "coincident_spikes": [
        f"circuits.0.circuit={DATA / 'coincident.py'}:network",
        "circuits.0.parameters={}",
        # Weak, so that the circuit's clock and not chance decides when its cells fire.
        "circuits.0.inputs=[{from: R_e, to: E, weight_uS: 0.002}]",
    ],
    "every_kind_of_input": [
        f"circuits.0.circuit={DATA / 'branched.py'}:network",
        "circuits.0.parameters={}",
        TWO_REGIONS,
        "circuits.0.inputs=["
        "{from: R_e, to: E, weight_uS: 0.05, where: {distance_um: [20, 180]},"
        " correlation: {process: multiple, c: 0.3}},"
        "{from: coupling, to: E, rate_scale: 4e4, weight_uS: 0.0003, where: {sec: dend},"
        " correlation: {process: single, c: 0.2}},"
        "{from: coupling, to: E, as: current, scale: 0.5},"
        "{from: R_e, to: I, as: variable, variable: {mech: pas, var: e, sec: dend}, scale: 0.2,"
        " offset: -65.0}]",
        "circuits.0.outputs=[{from: [E, I], to: R_e}]",
    ],
    "recorded": [
        "circuits.0.circuit=calcium_sk",
        "circuits.0.parameters={order: 20, cell: dendritic}",
        TWO_REGIONS,
        "circuits.0.inputs=[{from: R_e, to: E, weight_uS: 0.3}]",
        "circuits.0.record={traces: [{population: E, cells: [0, 3, 17, 2]},"
        "{population: I, cells: [5]},"
        "{population: E, cells: [1, 2], variable: {var: g, synMech: exc}, period_ms: 0.35}],"
        "lfp: {electrodes_um: [[0, 0, 0], [50, 100, 50]]},"
        "concentrations: [{species: ca, region: cyt, population: E, cells: [2, 1, 0], sec: dend},"
        "{species: ca, region: er, population: E, cells: [7], period_ms: 2.5}]}",
    ],
}
OTHER_WINDOW = "synchronization={window_ms: 0.7, injection: netcon}"

pytestmark = pytest.mark.mpi


@pytest.fixture(scope="module")
def results(begin, tmp_path_factory):
    """Results of a run by ranks and name; all runs of one number of ranks are one launch.

    The last run repeats the first, in the same processes.
    """
    folders = {}

    def of(n_ranks, name):
        if n_ranks not in folders:
            folders[n_ranks] = tmp_path_factory.mktemp(f"on_{n_ranks}")
            command = []
            for case, changes in CASES.items():
                changes = ["duration_ms=150.0", "synchronization.injection=compiled", *changes]
                command += [f"run:{case}={SMALL}", *changes]
                command += [f"run:{case}.other_window={SMALL}", *changes, OTHER_WINDOW]
            first = ["duration_ms=150.0", *CASES["per_source"]]
            command += [f"run:other_seed={SMALL}", *first, "seed=12"]
            command += [f"run:again={SMALL}", *first]
            runs = begin(folders[n_ranks], n_ranks, sys.executable, DATA / "runs.py", *command)
            done = runs.finish(timeout_s=200)
            assert done.status == 0, done.err
        return RunResult.open(folders[n_ranks] / name)

    return of


def arrays(result):
    """Every array of a run but the windows' numbers, by name."""
    found = {}
    recorded = (result.traces, result.lfp, result.concentrations)
    for dataset in (result.mean_field, result.exchange):
        found |= {str(k): v.values for k, v in dataset.variables.items() if k != "window"}
    for number, dataset in enumerate(recorded):
        found |= {f"{number} {k}": v.values for k, v in dataset.variables.items()}
    for population, spikes in result.spikes.items():
        found[f"{population} times"] = spikes.times_ms
        found[f"{population} ids"] = spikes.node_ids
    return found


def assert_identical(one, other):
    first, second = arrays(one), arrays(other)
    assert list(first) == list(second)
    for name, values in first.items():
        assert values.dtype == second[name].dtype, name
        if values.dtype.kind == "f":  # bit for bit: NaN is NaN, and -0 is not 0
            values, others = values.view(np.int64), second[name].view(np.int64)
        else:
            others = second[name]
        np.testing.assert_array_equal(values, others, err_msg=name)


@pytest.mark.parametrize("n_ranks", [2, 3, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
def test_spikes_and_mean_field_are_those_of_one_process(results, case, n_ranks):
    assert_identical(results(n_ranks, case), results(None, case))


@pytest.mark.parametrize("n_ranks", [None, 2, 3])
@pytest.mark.parametrize("case", CASES)
def test_spikes_and_mean_field_are_those_of_another_window(results, case, n_ranks):
    """0.7 ms against the longest: it divides neither that nor the 150 ms."""
    longest, other = results(n_ranks, case), results(n_ranks, f"{case}.other_window")
    assert longest.provenance["window_ms"] > 2 * other.provenance["window_ms"]
    ways = [run.provenance["participants"]["NEURON"] for run in (longest, other)]
    assert [way["injection_of_rank_0"]["name"] for way in ways] == ["compiled", "netcon"]
    assert_identical(other, longest)


@pytest.mark.parametrize("n_ranks", [None, 2, 3])
def test_a_run_repeated_after_others_is_the_same(results, n_ranks):
    assert_identical(results(n_ranks, "again"), results(n_ranks, "per_source"))


@pytest.mark.parametrize("n_ranks", [2, 3])
def test_windows_of_the_exchange_are_those_of_one_process(results, n_ranks):
    windows = [results(n, "per_source").exchange["window"].values for n in (None, n_ranks)]
    np.testing.assert_array_equal(*windows)


@pytest.mark.parametrize("n_ranks", [None, 2, 3])
def test_the_runs_were_on_as_many_ranks_as_asked(results, n_ranks):
    timing = results(n_ranks, "per_source").provenance["timing"]
    sides = [entry["side"] for entry in timing]
    assert sides == (["TVB+NEURON"] if n_ranks is None else ["NEURON"] * (n_ranks - 1) + ["TVB"])


@pytest.mark.parametrize("case", CASES)
def test_there_is_something_to_compare(results, case):
    """Spikes in the excitatory population of each region, and a mean field that moves."""
    result = results(None, case)
    excitatory = [spikes for name, spikes in result.spikes.items() if name.endswith(".E")]
    assert len(excitatory) == (2 if TWO_REGIONS in CASES[case] else 1)
    assert min(spikes.times_ms.size for spikes in excitatory) > 20
    gating = result.mean_field["temporal_average"].sel(variable="S_e")
    assert gating.std("time_temporal_average").min() > 0


def test_what_is_recorded_moves(results):
    """Both copies' traces, potentials and concentrations vary; 150 ms at 0.1 ms are 1500."""
    result = results(None, "recorded")
    assert result.traces["rISTC.E.v"].shape == (1500, 4)
    for dataset, n in ((result.traces, 6), (result.lfp, 2), (result.concentrations, 4)):
        assert len(dataset) == n
        assert all(float(one.std()) > 0 for one in dataset.values())


@pytest.mark.parametrize("population", ["small", "plus", "minus", "E"])
def test_coincident_spikes_do_meet(results, population):
    """At many times several cells fire at once, so that they reach all others at once."""
    spikes = results(None, "coincident_spikes").spikes[f"rPCUN.{population}"]
    _, n_cells = np.unique(spikes.times_ms, return_counts=True)
    assert (n_cells > 2).sum() > 5


def test_another_seed_is_told_apart(results):
    with pytest.raises(AssertionError):
        assert_identical(results(None, "other_seed"), results(None, "per_source"))


@pytest.mark.parametrize("n_ranks", [None, 2, 3])
def test_both_sides_end_when_asked(results, n_ranks):
    """NEURON sums its steps: 150 ms in steps of 0.05 ms is off by less than 1e-9 ms."""
    participants = results(n_ranks, "per_source").provenance["participants"]
    assert participants["TVB"]["steps"] == 1500
    assert participants["NEURON"]["time_ms"] == pytest.approx(150.0, abs=1e-9)
