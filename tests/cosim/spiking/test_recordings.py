"""What circuits record is what NetPyNE and NEURON record, in any window, and changes no spike."""

from types import SimpleNamespace

import numpy as np
import pytest

import cosim
from cosim.errors import ConfigurationError
from cosim.plan import plan
from cosim.spiking.chatter import quiet
from cosim.spiking.circuit import Circuit
from cosim.spiking.interpreter import netpyne_seeds
from cosim.spiking.probe import ProbeSite
from cosim.spiking.recording import Recording

# Powers of two: NetPyNE files a sample of the field potential by floor(t / recordStep).
DT_MS, STEP_MS, PERIOD_MS, STOP_MS = 0.0625, 0.125, 0.5, 60.0
ELECTRODES = ((30.0, 40.0, 20.0), (0.0, -150.0, 60.0))
SITES = {
    "v": ProbeSite("v"),
    "dend": ProbeSite("v", "dend", 0.8),
    "gna": ProbeSite("gna", mech="hh"),
    "ina": ProbeSite("ina"),
    "g": ProbeSite("g", "dend", 0.3, synMech="exc"),
}


@pytest.fixture
def branched(specs):
    """Six cells with a dendrite, driven by NetPyNE's own background."""
    net = specs.NetParams()
    soma = {"geom": {"L": 20.0, "diam": 20.0, "Ra": 100.0}, "mechs": {"hh": {}}}
    dend = {
        "geom": {"L": 200.0, "diam": 2.0, "Ra": 100.0, "nseg": 3},
        "topol": {"parentSec": "soma", "parentX": 1.0, "childX": 0.0},
        "mechs": {"pas": {"g": 1e-4, "e": -65.0}},
    }
    net.cellParams["branched"] = {"secs": {"soma": soma, "dend": dend}}
    net.popParams["E"] = {"cellType": "branched", "numCells": 6}
    net.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    net.stimSourceParams["bkg"] = {"type": "NetStim", "rate": 200, "noise": 1.0}
    net.stimTargetParams["bkg->E"] = {
        "source": "bkg", "conds": {"pop": "E"}, "weight": 0.006, "delay": 1.0, "sec": "dend",
        "loc": 0.3, "synMech": "exc",
    }  # fmt: skip
    return Circuit("branched", net, None, {})


def recordings(cells=(4, 1)):
    traces = [
        Recording("traces", name, PERIOD_MS, cells, "here", "r", "r.E", site)
        for name, site in SITES.items()
    ]
    columns = tuple(range(len(ELECTRODES)))
    field = Recording("lfp", "r", PERIOD_MS, columns, "here", "r", electrodes_um=ELECTRODES)
    return [*traces, field]


def engine_run(engine, window_steps, wanted):
    """Samples of each recording by name, taken window by window, and the spikes."""
    ports = [engine.ports.add_recording(one) for one in wanted]
    engine.initialize()
    found = {port.recording.name: [] for port in ports}
    n_steps = round(STOP_MS / STEP_MS)
    for start in range(0, n_steps, window_steps):
        stop = min(start + window_steps, n_steps)
        engine.advance(stop)
        for port in ports:
            if port.adds_up:
                _, total = port.take_sum(stop * STEP_MS)
                values = port.in_mV(total)
            else:
                _, values = port.take(stop * STEP_MS)
            found[port.recording.name].append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}, engine.take_spikes()


class PointersOfNeuron8:
    """NEURON 9 has no PtrVector.ptr_update_callback, at which NetPyNE 1.1's recordLFP stops; it
    sets the pointers again before each sample anyway."""

    def __init__(self, h):
        self._h = h

    def __call__(self, statement):
        return self._h(statement)

    def __getattr__(self, name):
        if name != "PtrVector":
            return getattr(self._h, name)

        def make(n):
            pointers = self._h.PtrVector(n)
            return SimpleNamespace(
                pset=pointers.pset, gather=pointers.gather, ptr_update_callback=lambda call: None
            )

        return make


def netpyne_run(net_params, specs, monkeypatch):
    """NetPyNE alone, its own recordTraces and recordLFP, one psolve."""
    from netpyne import sim

    monkeypatch.setattr("netpyne.sim.setup.h", PointersOfNeuron8(sim.h))

    config = specs.SimConfig()
    config.dt, config.duration, config.seeds = DT_MS, STOP_MS, netpyne_seeds(7)
    config.recordStep, config.recordCells = PERIOD_MS, [4, 1]
    config.recordTraces = {
        name: {key: value for key, value in vars(site).items() if value is not None}
        for name, site in SITES.items()
        if name != "g"
    }
    config.recordTraces["g"] = {"sec": "dend", "loc": 0.3, "synMech": "exc", "var": "g"}
    config.recordLFP = [list(site) for site in ELECTRODES]
    with quiet():
        sim.initialize(netParams=net_params, simConfig=config)
        sim.net.createPops()
        sim.net.createCells()
        sim.net.connectCells()
        sim.net.addStims()
        sim.setupRecording()
        sim.preRun()
        sim.h.finitialize(float(sim.cfg.hParams["v_init"]))
        sim.pc.psolve(STOP_MS)
        traces = {
            name: np.stack([np.array(sim.simData[name][f"cell_{gid}"]) for gid in (4, 1)], axis=1)
            for name in SITES
        }
        field = np.array(sim.simData["LFP"])
        sim.clearAll()
    return traces, field


@pytest.mark.parametrize("window_steps", [1, 7, 480])
def test_traces_and_field_are_those_of_netpyne_alone(
    branched, build, in_regions, specs, monkeypatch, window_steps
):
    """Traces bit for bit. NEURON keeps points in float32, 1e-5 um at 150 um, and NetPyNE shifts
    those of one cell to the others: at 20 um, the nearest distance, 5e-7 of each segment's share.
    So 1e-6 of the largest potential (3e-8 seen). NetPyNE leaves the first sample, at t = 0, out of
    the field."""
    traces, field = netpyne_run(branched.net_params, specs, monkeypatch)
    engine = build(in_regions(branched, "r"), dt_ms=DT_MS, mean_field_dt_ms=STEP_MS)
    found, spikes = engine_run(engine, window_steps, recordings())
    assert spikes[0].size > 10
    n = round(STOP_MS / PERIOD_MS)
    for name, expected in traces.items():
        assert found[name].shape == (n, 2)
        np.testing.assert_array_equal(found[name], expected[:n], err_msg=name)
        assert found[name].std() > 0
    assert field.std() > 1e-5
    assert np.abs(found["r"][1:] - field[: n - 1]).max() < 1e-6 * np.abs(field).max()


def test_recording_variables_changes_no_spike_and_shape_only_rounds(branched, build, in_regions):
    """Reading changes nothing: the same spikes bit for bit, the field potential's shapes too."""
    spikes = []
    for wanted in ([], recordings()[:-1], recordings()):
        engine = build(in_regions(branched, "r"), dt_ms=DT_MS, mean_field_dt_ms=STEP_MS)
        spikes.append(engine_run(engine, 11, wanted)[1])
        engine.close()
    for times_ms, gids in spikes[1:]:
        np.testing.assert_array_equal(times_ms, spikes[0][0])
        np.testing.assert_array_equal(gids, spikes[0][1])


def test_a_concentration_that_decays_is_the_implicit_euler_solution(specs, build, in_regions):
    """dx/dt = -k x in each of two regions: NEURON's rxd steps implicitly, x0 (1 + k dt)^-n; the
    nonlinear solver is told 1e-9 or better."""
    net = specs.NetParams()
    soma = {"geom": {"L": 20.0, "diam": 20.0}, "mechs": {"pas": {}}}
    net.cellParams["cell"] = {"secs": {"soma": soma}}
    net.popParams["E"] = {"cellType": "cell", "numCells": 3}
    net.rxdParams = {
        "regions": {
            "cyt": {"cells": ["E"], "secs": "all", "nrn_region": "i"},
            "er": {"cells": ["E"], "secs": "all"},
        },
        "species": {"x": {"regions": ["cyt", "er"], "initial": "2.0"}},
        "rates": {"decay": {"species": "x[er]", "rate": "-0.05 * x[er]", "regions": ["er"]}},
    }
    engine = build(in_regions(Circuit("c", net, None, {}), "r"), DT_MS, STEP_MS)
    wanted = [
        Recording(
            "concentrations",
            region,
            PERIOD_MS,
            (0, 2),
            "here",
            "r",
            "r.E",
            ProbeSite("x"),
            f"r.{region}",
        )
        for region in ("cyt", "er")
    ]
    found, _ = engine_run(engine, 9, wanted)
    n = np.arange(round(STOP_MS / PERIOD_MS)) * round(PERIOD_MS / DT_MS)
    np.testing.assert_array_equal(found["cyt"], 2.0)
    expected = 2.0 * (1 + 0.05 * DT_MS) ** -n.astype(float)
    np.testing.assert_allclose(found["er"], np.stack([expected] * 2, axis=1), rtol=1e-9)


def experiment(circuit="calcium_sk", cell="dendritic", **record):
    own = {"cell": cell} if circuit == "calcium_sk" else {}
    return cosim.Experiment(
        duration_ms=40.0,
        circuits=[
            cosim.Circuit(
                circuit=circuit, regions=["rPCUN"], parameters={"order": 4, **own}, record=record
            )
        ],
    )


def test_results_have_them_in_memory_and_in_the_folder(tmp_path):
    """What NEURON's ion shows is what the species is: two ways to one number, bit for bit."""
    record = {
        "traces": [
            {"population": "E", "cells": [2, 0], "period_ms": 0.5},
            {"population": "E", "cells": [2, 0], "variable": {"var": "cai"}, "period_ms": 1.0},
        ],
        "concentrations": [{"species": "ca", "region": "cyt", "population": "E", "cells": [2, 0]}],
        "lfp": {"electrodes_um": [[10.0, 20.0, 30.0]]},
    }
    kept = cosim.run(experiment(**record), quiet=True)
    stored = cosim.run(experiment(**record), tmp_path / "run", quiet=True)
    for result in (kept, stored):
        v = result.traces["rPCUN.E.v"]
        assert v.dims == ("time", "cell")
        assert v.attrs["units"] == "mV"
        assert v.sel(cell=2, time=0.0).item() == -65.0
        np.testing.assert_array_equal(v["time"], 0.5 * np.arange(80))
        calcium = result.concentrations["rPCUN.E.ca[cyt]"]
        assert calcium.attrs["units"] == "mM"
        np.testing.assert_array_equal(calcium, result.traces["rPCUN.E.cai"])
        assert result.lfp["rPCUN"].shape == (80, 1)
        assert result.lfp["rPCUN"].attrs["units"] == "mV"
    for kind in ("traces", "lfp", "concentrations"):
        assert (tmp_path / "run" / f"{kind}.nc").is_file()
        first, second = getattr(kept, kind), getattr(stored, kind)
        assert list(first) == list(second)
        for name in first:
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    stored.close()


def test_a_run_that_records_nothing_writes_no_such_file(tmp_path):
    result = cosim.run(experiment("balanced_ei"), tmp_path / "run", quiet=True)
    assert not list(result.traces) + list(result.lfp) + list(result.concentrations)
    found = {p.name for p in (tmp_path / "run").glob("*.nc")}
    assert found == {"mean_field.nc", "exchange.nc", "connectome.nc"}


TRACE, CONCENTRATION = {"population": "E"}, {"population": "E", "species": "ca", "region": "cyt"}


@pytest.mark.parametrize(
    ("kind", "entry", "line"),
    [
        ("traces", {"population": "Ex"}, "traces.0.population: Unknown population 'Ex'. Known"),
        ("traces", {**TRACE, "cells": [0, 5]}, "traces.0.cells: 5 is beyond the 5 cells of popul"),
        ("traces", {**TRACE, "period_ms": 0.12}, "traces.0.period_ms = 0.12 is not a whole numbe"),
        ("traces", {**TRACE, "variable": {"var": "v", "sec": "axon"}}, "Unknown section 'axon'"),
        ("traces", {**TRACE, "variable": {"var": "m", "mech": "h"}}, "Unknown mech 'h'. Known:"),
        ("traces", {**TRACE, "variable": {"var": "g", "synMech": "x"}}, "Unknown synMech 'x'"),
        ("concentrations", {**CONCENTRATION, "species": "cb"}, "Unknown species 'cb'. Known: ca"),
        ("concentrations", {**CONCENTRATION, "region": "ecs"}, "Unknown rxd region 'ecs'. Known"),
        ("concentrations", {"population": "E", "species": "ca"}, "'ca' is in 2 rxd regions (cyt"),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_refused_before_the_build(kind, entry, line):
    with pytest.raises(ConfigurationError) as caught:
        plan(experiment(**{kind: [entry]}))
    (problem,) = caught.value.problems
    assert line in problem


@pytest.mark.parametrize(
    ("kind", "entry", "line"),
    [
        ("traces", {**TRACE, "variable": {"var": "vv"}}, "section 'soma' has no variable 'vv'"),
        ("concentrations", {**CONCENTRATION, "population": "I"}, "there is no 'ca' in section 's"),
    ],
)  # fmt: skip
def test_what_only_neuron_knows_is_refused_before_the_first_window(kind, entry, line):
    with pytest.raises(ConfigurationError, match="record") as caught:
        cosim.run(experiment(**{kind: [entry]}), quiet=True)
    assert line in str(caught.value)


def test_the_field_of_cells_of_one_compartment_is_refused():
    """Kirchhoff: what enters a single compartment leaves it, so nothing is left for outside."""
    with pytest.raises(ConfigurationError, match="has 1 compartments, and it takes 2"):
        plan(experiment(cell="point", lfp={"electrodes_um": [[0.0, 0.0, 50.0]]}))


def test_one_variable_recorded_twice_is_refused():
    with pytest.raises(ConfigurationError, match=r"recorded by circuits\.0\.record\.traces\.0 too"):
        plan(experiment(traces=[TRACE, {**TRACE, "cells": [1]}]))
