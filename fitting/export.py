"""The fitted model file, ``fit.nc``: the one thing that a co-simulation reads of a fit."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from fitting.errors import DataError
from fitting.result import Array, FitResult, FittedParameter, Identified

SCHEMA = "cosim-fit"
SCHEMA_VERSION = 1

_PAIR = ("region", "other_region")
_SCAN = ("g", "loss", "fc_r")
_FRONTIER = ("gain_prior", "connectome_r", "fc_r_train", "fc_r_test")


def to_dataset(result: FitResult) -> xr.Dataset:
    """Arrange a result as an xarray data set.

    Parameters are ``(region,)`` with units, matrices ``(region, other_region)``, loss terms
    ``history_NAME`` over ``step``; single numbers are attributes.
    """
    ds = xr.Dataset(
        coords={
            "region": list(result.labels),
            "other_region": list(result.labels),
            "noise_seed": list(result.noise_seeds),
        }
    )
    for parameter in result.parameters.values():
        ds[f"parameter_{parameter.name}"] = _variable(
            ("region",), parameter.values, parameter.unit, parameter.meaning
        )
    ds["weights"] = _variable(_PAIR, result.weights, "", "fitted connectome, Frobenius norm 1")
    ds["prior_weights"] = _variable(
        _PAIR, result.prior_weights, "", "measured connectome, log(1 + weight), same norm"
    )
    if result.lengths_mm is not None:
        ds["lengths"] = _variable(_PAIR, result.lengths_mm, "mm", "tract lengths")
    for name, values in result.resting_state.items():
        ds[f"rest_{name}"] = _variable(("region",), values, "", f"{name} at the resting state")
    for name, values in result.resting_rates_hz.items():
        ds[f"rest_{name}"] = _variable(("region",), values, "Hz", "rate at the resting state")
    ds["empirical_fc_train"] = _variable(_PAIR, result.fc_train, "", "FC that was fitted")
    if result.fc_test is not None:
        ds["empirical_fc_test"] = _variable(_PAIR, result.fc_test, "", "FC kept aside")
    ds["simulated_fc"] = _variable(
        _PAIR, result.fc_simulated[0], "", "FC of the first noise seed's simulation"
    )
    ds["simulated_fc_runs"] = _variable(
        ("noise_seed", *_PAIR), result.fc_simulated, "", "FC of each noise seed's simulation"
    )
    ds["simulated_bold"] = _variable(
        ("region", "tr"), result.bold_simulated, "1", "BOLD of the first noise seed, a fraction"
    )
    for name, values in result.free.items():
        ds[f"free_{name}"] = _variable(_PAIR if values.ndim == 2 else (), values, "", "as varied")
    for name, values in result.history.items():
        ds[f"history_{name}"] = _variable(("step",), values, "", f"{name} at each step")
    if result.scan.size:
        for k, name in enumerate(_SCAN):
            ds[f"scan_{name}"] = _variable(("scan",), result.scan[:, k], "", "first scan of g")
    if result.frontier.size:
        for k, name in enumerate(_FRONTIER):
            ds[f"frontier_{name}"] = _variable(
                ("frontier",), result.frontier[:, k], "", "fidelity against fit"
            )
    _add_identified(ds, result.identified)
    ds.attrs = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "subject": result.subject,
        "model": result.model,
        "coupling": "diffusive",
        "schedule": result.schedule,
        "seed": result.seed,
        "tr_s": result.tr_s,
        **{name: float(value) for name, value in result.metrics.items()},
        "settings": result.settings,
        "versions": json.dumps(dict(result.versions)),
        "notices": json.dumps(list(result.notices)),
        "truth": json.dumps(dict(result.truth)),
    }
    return ds


def _variable(dims: tuple[str, ...], values: Any, unit: str, meaning: str) -> xr.Variable:
    return xr.Variable(dims, np.asarray(values), {"units": unit, "long_name": meaning})


def _add_identified(ds: xr.Dataset, found: tuple[Identified, ...]) -> None:
    if not found:
        return
    ds.coords["quantity"] = [one.name for one in found]
    for field in ("value", "low", "high"):
        ds[f"identified_{field}"] = ("quantity", np.array([getattr(one, field) for one in found]))
    ds["identified"] = ("quantity", np.array([int(one.is_identified) for one in found], np.int8))
    ds["identified"].attrs["long_name"] = "1 where the 95 % interval is within a factor of two"


def write_fit(result: FitResult, path: Path) -> None:
    """Write ``fit.nc``; the file appears whole or not at all."""
    # In memory first: HDF5 that meets a full disk complains in hundreds of lines, and crashes.
    image = io.BytesIO()
    with h5netcdf.File(image, "w") as file:
        to_dataset(result).dump_to_store(H5NetCDFStore(file))
    part = path.with_suffix(".part")
    part.write_bytes(image.getbuffer())
    part.replace(path)


def read_fit(path: Path) -> FitResult:
    """Read a fitted model file back.

    Raises:
        DataError: If it is not one, or of a newer schema.
    """
    try:
        with xr.open_dataset(path, engine="h5netcdf") as file:
            ds = file.load()
    except (OSError, ValueError) as problem:
        raise DataError(f"{path} is not a fitted model file: {problem}.") from problem
    version = int(ds.attrs.get("schema_version", 0))
    if ds.attrs.get("schema") != SCHEMA or not 1 <= version <= SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema {ds.attrs.get('schema')!r} version {version}; this version reads "
            f"{SCHEMA!r} up to {SCHEMA_VERSION}. Fit again, or update."
        )
    return _from_dataset(ds)


def _starting(ds: xr.Dataset, prefix: str) -> dict[str, xr.DataArray]:
    return {str(n)[len(prefix) :]: ds[n] for n in ds.data_vars if str(n).startswith(prefix)}


def _columns(ds: xr.Dataset, prefix: str, names: tuple[str, ...]) -> Array:
    if f"{prefix}_{names[0]}" not in ds:
        return np.zeros((0, len(names)))
    return np.stack([ds[f"{prefix}_{name}"].values for name in names], 1)


def _from_dataset(ds: xr.Dataset) -> FitResult:
    attrs: Mapping[str, Any] = ds.attrs
    plain = {"seed", "tr_s", "schema_version"}
    metrics = {
        str(k): float(v)
        for k, v in attrs.items()
        if k not in plain and isinstance(v, int | float | np.number)
    }
    rest = _starting(ds, "rest_")
    return FitResult(
        subject=str(attrs["subject"]),
        model=str(attrs["model"]),
        schedule=str(attrs["schedule"]),
        seed=int(attrs["seed"]),
        labels=tuple(str(label) for label in ds["region"].values),
        parameters={
            name: FittedParameter(name, v.values, str(v.attrs["units"]), str(v.attrs["long_name"]))
            for name, v in _starting(ds, "parameter_").items()
        },
        weights=ds["weights"].values,
        prior_weights=ds["prior_weights"].values,
        lengths_mm=ds["lengths"].values if "lengths" in ds else None,
        resting_state={k: v.values for k, v in rest.items() if v.attrs["units"] != "Hz"},
        resting_rates_hz={k: v.values for k, v in rest.items() if v.attrs["units"] == "Hz"},
        free={k: v.values for k, v in _starting(ds, "free_").items()},
        fc_train=ds["empirical_fc_train"].values,
        fc_test=ds["empirical_fc_test"].values if "empirical_fc_test" in ds else None,
        fc_simulated=ds["simulated_fc_runs"].values,
        bold_simulated=ds["simulated_bold"].values,
        noise_seeds=tuple(int(s) for s in ds["noise_seed"].values),
        tr_s=float(attrs["tr_s"]),
        metrics=metrics,
        history={k: v.values for k, v in _starting(ds, "history_").items()},
        scan=_columns(ds, "scan", _SCAN),
        frontier=_columns(ds, "frontier", _FRONTIER),
        identified=tuple(
            Identified(str(n), float(v), float(lo), float(hi), bool(k))
            for n, v, lo, hi, k in zip(
                ds["quantity"].values,
                ds["identified_value"].values,
                ds["identified_low"].values,
                ds["identified_high"].values,
                ds["identified"].values,
                strict=True,
            )
        )
        if "quantity" in ds.coords
        else (),
        settings=str(attrs["settings"]),
        versions=json.loads(attrs["versions"]),
        notices=tuple(json.loads(attrs["notices"])),
        truth=json.loads(attrs.get("truth", "{}")),
    )
