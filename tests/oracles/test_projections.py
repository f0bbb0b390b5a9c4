"""EEG, MEG and sEEG are TVB's: its monitors, sensors and lead fields, of replaced regions too."""

from functools import cache

import numpy as np
import pytest
from tvb.datatypes.connectivity import Connectivity
from tvb.datatypes.projections import ProjectionSurfaceSEEG
from tvb.datatypes.region_mapping import RegionMapping
from tvb.datatypes.sensors import SensorsInternal
from tvb.datatypes.surfaces import CorticalSurface
from tvb.simulator import coupling, integrators, monitors, simulator
from tvb.simulator.models.wong_wang_exc_inh import ReducedWongWangExcInh

import cosim
from cosim.errors import ConfigurationError
from cosim.plan import plan

ALL = ("eeg", "meg", "seeg")


def brain(period_ms, **values):
    periods = {"raw": 0.1, **dict.fromkeys(ALL, period_ms)}
    return cosim.Brain(
        connectome="tvb76",
        parameters={"G": 0.05},
        initial={"S_e": 0.3, "S_i": 0.1},
        monitors={name: cosim.Monitor(period_ms=ms) for name, ms in periods.items()},
        **values,
    )


@cache
def seeg_lead_field():
    surface = CorticalSurface.from_file("cortex_16384.zip")
    surface.configure()
    monitor = monitors.iEEG(sensors=SensorsInternal.from_file("seeg_588.txt"))
    return monitor.analytic(surface.vertices, surface.vertex_normals)


def tvb_monitors(period_ms):
    """TVB's, of S_e, without its observation noise; the sEEG projection by its own formula."""
    of_S_e = {"variables_of_interest": np.array([0]), "obsnoise": None, "period": period_ms}
    seeg = monitors.iEEG(sensors=SensorsInternal.from_file("seeg_588.txt"), **of_S_e)
    seeg.projection = ProjectionSurfaceSEEG(projection_data=seeg_lead_field())
    seeg.region_mapping = RegionMapping.from_file("regionMapping_16k_76.txt")
    return {
        "eeg": monitors.EEG.from_file(**of_S_e),
        "meg": monitors.MEG.from_file(**of_S_e),
        "seeg": seeg,
    }


def of_regions(monitor):
    """Lead field of the sensors that have one, summed over each region's vertices."""
    gain, mapping = monitor.projection.projection_data, monitor.region_mapping.array_data
    seen = np.isfinite(gain).all(axis=1)
    regions = np.stack([gain[seen][:, mapping == i].sum(axis=1) for i in range(76)], axis=1)
    return monitor.sensors.labels[seen], regions


def test_sensors_see_what_tvbs_simulator_gives_them():
    """Same monitors, same states: largest difference 0 on every sensor that has a lead field."""
    ours = cosim.run(cosim.Experiment(duration_ms=40.0, brain=brain(1.0))).mean_field
    connectivity = Connectivity.from_file("connectivity_76.zip")  # its own cortex and orientations
    np.fill_diagonal(connectivity.weights, 0.0)
    connectivity.configure()
    connectivity.set_idelays(0.1)
    horizon = int(connectivity.idelays.max()) + 1
    model = ReducedWongWangExcInh(G=np.array([0.05]))
    start = np.tile([[0.3], [0.1]], (1, 76))
    observers = tvb_monitors(1.0)
    tvb = simulator.Simulator(
        connectivity=connectivity,
        model=model,
        coupling=coupling.Linear(a=np.array([1.0])),
        integrator=integrators.HeunDeterministic(dt=0.1),
        monitors=tuple(observers.values()),
        initial_conditions=np.tile(start[None, ..., None], (horizon, 1, 1, 1)),
    )
    tvb.configure()
    tvb.current_step = 0  # TVB counts the rows of the initial history as steps done
    for (name, monitor), (times, values) in zip(
        observers.items(), tvb.run(simulation_length=40.0), strict=True
    ):
        seen = np.isfinite(monitor.projection.projection_data).all(axis=1)
        got = ours[name]
        assert got.dims == (f"time_{name}", f"variable_{name}", f"sensor_{name}")
        assert list(got[f"sensor_{name}"].values) == [str(n) for n in monitor.sensors.labels[seen]]
        np.testing.assert_allclose(got[f"time_{name}"], times, rtol=0, atol=1e-9)
        assert np.array_equal(got.values, values[:, :, seen, 0])
        assert got.values.std() > 0


def test_a_period_that_tvb_would_truncate_and_a_replaced_region():
    """0.3 / 0.1 is 2.999..., of which TVB makes 2 steps. NumPy: mean over 3 steps of lead field
    times S_e, the replaced regions' from their circuits, which fire. Sums over at most 16384
    vertices in another order: 1e-16 times 1e2 (their square root), times what cancels: 1e-12."""
    circuit = cosim.Circuit(
        circuit="balanced_ei",
        regions=["rV1", "lV1"],
        parameters={"order": 20},
        inputs=[cosim.Input(to="E", trains_per_source=1, weight_uS=0.5)],
    )
    experiment = cosim.Experiment(duration_ms=30.0, brain=brain(0.3), circuits=[circuit])
    result = cosim.run(experiment)
    assert result.spikes["rV1.E"].times_ms.size > 0
    S_e = result.mean_field["raw"].sel(variable="S_e").values
    assert np.isfinite(S_e).all()
    for name, monitor in tvb_monitors(0.3).items():
        labels, lead_field = of_regions(monitor)
        expected = (S_e @ lead_field.T).reshape(100, 3, -1).mean(axis=1)
        got = result.mean_field[name]
        assert got.values.shape == (100, 1, len(labels))
        assert np.abs(got.values[:, 0] - expected).max() <= 1e-12 * np.abs(expected).max()
        np.testing.assert_allclose(got[f"time_{name}"], 0.15 + 0.3 * np.arange(100), atol=1e-9)


def test_a_connectome_without_lead_field_is_refused_in_one_line():
    values = brain(1.0).model_copy(update={"connectome": "hagmann66"})
    with pytest.raises(ConfigurationError) as caught:
        plan(cosim.Experiment(brain=values))
    assert len(caught.value.problems) == 3
    assert caught.value.problems[0] == (
        "brain.monitors.eeg: connectome 'hagmann66' (66 regions) has no lead field; tvb-data has "
        "one for the 76 regions of tvb76 only. Take brain.connectome: tvb76, or remove the monitor."
    )
