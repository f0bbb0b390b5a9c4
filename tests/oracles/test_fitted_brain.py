"""A fitted brain in TVB is the fitted brain: its equations, its rest, its BOLD, its functional
connectivity, held against the fit's own PyTorch code."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import cosim
from cosim.plan import plan
from fitting.coupling import Coupling
from fitting.hemodynamics import BalloonWindkessel
from fitting.models import named_model
from fitting.run import fit_file

N = 8
FIT_FILE = """
subject: {weights: sc.npy, lengths: len.npy, bold: bold.npy, tr_s: 0.72}
split: {train: [0, 200]}
linear_noise: {steps: 60, frontier: [0.1], frontier_steps: 5}
simulation: {minutes: 2.0, settle_s: 10.0, seeds: [1, 2], dt_ms: 2.5}
"""


@pytest.fixture(scope="module")
def fit_nc(tmp_path_factory) -> Path:
    """A real fit of a small made-up subject."""
    folder = tmp_path_factory.mktemp("subject")
    rng = np.random.default_rng(3)
    weights = np.exp(rng.standard_normal((N, N)))
    weights = weights + weights.T
    np.fill_diagonal(weights, 0)
    loads = rng.uniform(0.3, 1.0, (N, 1))
    bold = 500 + loads * rng.standard_normal(200) + 0.5 * rng.standard_normal((N, 200))
    for name, array in {"sc": weights, "len": 20 + 10 * weights, "bold": bold}.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "fit.yaml").write_text(FIT_FILE)
    return fit_file(folder / "fit.yaml", folder / "out")


@pytest.fixture
def fit(fit_nc):
    """The fit's model, parameters and coupling in PyTorch, and where it rests."""
    with xr.open_dataset(fit_nc, engine="h5netcdf") as file:
        ds = file.load()
    named = {n[10:]: torch.as_tensor(ds[n].values) for n in ds if n.startswith("parameter_")}
    coupling = Coupling(torch.as_tensor(ds["weights"].values), diffusive=True)
    rest = torch.as_tensor(np.stack([ds["rest_E"].values, ds["rest_I"].values]))
    return named_model(ds.attrs["model"]), named, coupling, rest


def experiment(fit_nc, duration_ms, *, circuits=(), monitors=None, **brain):
    monitors = monitors or {"raw": cosim.Monitor(period_ms=brain.get("dt_ms", 0.1))}
    return cosim.Experiment(
        duration_ms=duration_ms,
        brain=cosim.Brain(fitted=str(fit_nc), monitors=monitors, **brain),
        circuits=list(circuits),
    )


def held_coupling(model, p, coupling, state, dt_ms, n_steps):
    """TVB's Heun: the coupling of a step is that at its start, for both of its stages."""
    matrix, states = coupling.matrix(), []
    for _ in range(n_steps):
        c = matrix @ state[0]
        first = model.drift(state, c, p)
        ahead = (state + dt_ms * first).clamp(0, 1)
        state = (state + dt_ms / 2 * (first + model.drift(ahead, c, p))).clamp(0, 1)
        states.append(state)
    return torch.stack(states).numpy()


def test_it_starts_and_stays_at_the_fits_resting_state(fit_nc, fit):
    """TVB keeps what regions feel in float32, 6e-8 of S about .2 and weights of order .1."""
    planned = plan(experiment(fit_nc, 100.0))
    np.testing.assert_array_equal(planned.initial, fit[3].numpy())
    result = cosim.run(experiment(fit_nc, 500.0, noise={"S_e": 0.0}))
    S = result.mean_field["raw"].sel(variable=["S_e", "S_i"]).values
    assert np.abs(S - fit[3].numpy()).max() < 1e-7


@pytest.mark.parametrize(("precision", "limit"), [("single", 1e-7), ("double", 1e-12)])
def test_trajectories_of_tvb_and_torch_agree_over_ten_seconds(fit_nc, fit, precision, limit):
    """From away from rest, without noise.

    The limit is TVB's float32 history, see PHYSICS 1; in double precision it is rounding, which
    the network forgets as it settles.
    """
    model, p, coupling, rest = fit
    rng = np.random.default_rng(1)
    start = np.clip(rest.numpy() * rng.uniform(0.3, 1.7, rest.shape), 0, 1)
    given = {"S_e": start[0].tolist(), "S_i": start[1].tolist()}
    dt_ms, n_steps = 1.0, 10_000
    settings = {"dt_ms": dt_ms, "initial": given, "noise": {"S_e": 0.0}, "precision": precision}
    made = experiment(fit_nc, 10_000.0, **settings)
    S = cosim.run(made).mean_field["raw"].sel(variable=["S_e", "S_i"]).values
    expected = held_coupling(model, p, coupling, torch.as_tensor(start), dt_ms, n_steps)
    assert np.abs(S - expected).max() < limit
    assert np.abs(S[-1] - S[0]).max() > 1e-2


def test_rates_are_the_fits(fit_nc, fit):
    model, p, coupling, rest = fit
    planned = plan(experiment(fit_nc, 100.0))
    expected = model.observables(rest, coupling.matrix() @ rest[0], p)
    rates = [expected["R_E"].numpy(), expected["R_I"].numpy()]
    np.testing.assert_allclose(planned.initial_rates_hz, rates, rtol=1e-9)


def test_bold_is_that_of_the_fits_balloon(fit_nc):
    """The same drive, from TVB's noisy run, through both implementations: 1e-6 of the range."""
    monitors = {"raw": cosim.Monitor(period_ms=1.0), "balloon": cosim.Monitor(period_ms=720.0)}
    made = experiment(fit_nc, 36_000.0, dt_ms=1.0, monitors=monitors)
    result = cosim.run(made)
    S = result.mean_field["raw"].sel(variable="S_e").values
    S = np.concatenate([plan(made).initial[:1], S])
    blood_model = BalloonWindkessel(dt_ms=20.0)
    blood, signal = blood_model.steady(torch.as_tensor(S[0])[None]), []
    for block in range(len(S) // 20):
        part = S[20 * block : 20 * block + 21]
        drive = (part[0] / 2 + part[1:-1].sum(0) + part[-1] / 2) / 20
        blood = blood_model.step(blood, torch.as_tensor(drive)[None])
        signal.append(blood_model.bold(blood)[0].numpy())
    expected = np.array(signal)[35::36]
    found = result.mean_field["balloon"].values[:, 0]
    assert found.shape == (50, N)
    assert np.abs(found - expected).max() < 1e-6 * np.ptp(expected)


def test_noise_is_the_fits_unless_it_is_given(fit_nc, fit):
    assert plan(experiment(fit_nc, 100.0)).sigma.tolist() == [float(fit[1]["sigma"][0])] * 2
    assert plan(experiment(fit_nc, 100.0, noise={"S_e": 0.001})).sigma.tolist() == [0.001, 0.0]


def test_a_circuit_needs_a_delay_and_says_that_it_changes_the_fit(fit_nc):
    region = plan(experiment(fit_nc, 100.0)).connectome.regions[2]
    circuit = cosim.Circuit(circuit="balanced_ei", regions=[region], parameters={"order": 10})
    with pytest.raises(cosim.CosimError, match=r"fitted without delays, .* give brain\.delays: 1"):
        plan(experiment(fit_nc, 20.0, circuits=[circuit]))
    made = experiment(fit_nc, 20.0, circuits=[circuit], delays=1.0)
    coupling, notice = plan(made).brain.notices
    assert "brain.coupling is diffusive" in coupling
    assert "was fitted without delays; with delays of 1 ms" in notice
    result = cosim.run(made)
    assert result.provenance["notices"] == [coupling, notice]
    assert f"{region}.E" in result.spikes


def test_what_overrules_the_fit_is_said(fit_nc):
    (notice,) = plan(experiment(fit_nc, 10.0, noise={"S_e": 0.001})).brain.notices
    assert notice.startswith("brain.noise of the experiment overrule")


def test_tract_lengths_of_the_subject_may_make_the_delays(fit_nc):
    planned = plan(experiment(fit_nc, 20.0, delays="tract", conduction_speed_mm_per_ms=5.0))
    lengths = planned.connectome.lengths_mm
    assert planned.connectome.delays_ms[0, 1] == pytest.approx(lengths[0, 1] / 5.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda ds: ds.attrs.update(schema_version=99), "version 99; this version reads"),
        (lambda ds: ds.attrs.update(schema_version="one"), "version 'one'|version one"),
        (lambda ds: ds.attrs.pop("tr_s"), "lacks the attributes tr_s"),
        (lambda ds: ds.attrs.update(model="hopf"), "Unknown fitted model 'hopf'"),
        (lambda ds: ds["parameter_g"].attrs.update(units="mA"), "g is in 'mA', expected 'nA'"),
        (lambda ds: ds["parameter_sigma"].values.__setitem__(0, 1.0), "sigma differs"),
    ],
)
def test_what_tvb_cannot_run_is_refused(fit_nc, tmp_path, change, said):
    with xr.open_dataset(fit_nc, engine="h5netcdf") as file:
        ds = file.load()
    change(ds)
    ds.to_netcdf(tmp_path / "changed.nc", engine="h5netcdf")
    with pytest.raises(cosim.CosimError, match=said):
        plan(experiment(tmp_path / "changed.nc", 10.0))


def test_a_connectome_beside_a_fit_is_refused(fit_nc):
    with pytest.raises(ValueError, match="connectome comes from fitted"):
        cosim.Brain(fitted=str(fit_nc), connectome="tvb68")


def test_the_resolved_experiment_runs_again(fit_nc):
    resolved = experiment(fit_nc, 10.0).resolved()
    assert cosim.Experiment.model_validate(resolved).resolved() == resolved
