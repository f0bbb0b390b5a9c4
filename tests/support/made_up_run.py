"""A run that nobody simulated: noise in the files of a run, in a fraction of a second."""

import numpy as np
import xarray as xr

from cosim.clock import SyncClock
from cosim.connectome_file import write_connectome
from cosim.recorder import Recorder
from cosim.result_sinks import FolderSink
from cosim.run_folder import write_provenance
from cosim.signals import PacketLayout, SignalLayout
from cosim.stopwatch import PHASES

REGIONS = ("V1", "V2", "M1", "A1", "S1", "PFC")


def connectome(regions=REGIONS, placed=True):
    """Two connections in three, delays of 1 to 8 ms."""
    rng = np.random.default_rng(4)
    n = len(regions)
    weights = rng.random((n, n)) * (rng.random((n, n)) < 0.67)
    np.fill_diagonal(weights, 0.0)
    pair = ("target", "source")
    found = xr.Dataset(
        {
            "weight": (pair, weights),
            "length_mm": (pair, 3.0 + 21.0 * rng.random((n, n))),
            "delay_ms": (pair, 1.0 + 7.0 * rng.random((n, n))),
        },
        {"target": np.array(regions), "source": np.array(regions)},
        {"name": "made up", "conduction_speed_mm_per_ms": 3.0, "coupling": "additive"},
    )
    if placed:
        found["centre_mm"] = (("region", "axis"), 60.0 * rng.normal(size=(n, 3)))
        axes = np.array(["right", "anterior", "superior"])
        found = found.assign_coords(region=np.array(regions), axis=axes)
    return found


def record(
    directory, *, duration_ms=40.0, circuits=("V1",), rate_hz=400.0, variables=("S_e", "R_e"),
    bold=False, finish=True, wired=None, seed=2, experiment=None,
):  # fmt: skip
    """A run of noise, of the kind that the arguments say."""
    directory.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    if wired is not None:
        write_connectome(directory, wired)
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
            "experiment": experiment or {"seed": 7, "note": "<script>alert(1)</script>"},
            "seed": (experiment or {}).get("seed", 7),
            "ranks": 2,
            "duration_ms": duration_ms,
            "wall_s": 6.0,
            "window_ms": 1.0,
            "git_commit": None,
            "timing": timing,
            "participants": {"TVB": {"clips": 0}},
        },
    )
