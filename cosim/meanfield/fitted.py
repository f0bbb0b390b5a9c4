"""The brain of one person, as a fit wrote it: connectome, model and parameters from ``fit.nc``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.errors import ConfigurationError
from cosim.registry import unknown_name

SCHEMA = "cosim-fit"
SCHEMA_VERSION = 1
MODELS = ("reduced_wong_wang_tanh", "reduced_wong_wang_exc_inh")
# What a fit calls its parameters, with the unit that it must have.
_UNITS = {
    "g": "nA",
    "g_EE": "nA",
    "g_IE": "nA",
    "g_EI": "nA",
    "I_o": "nA",
    "I_ext": "nA",
    "lambda": "",
    "sigma": "1/sqrt(ms)",
}


@dataclass(frozen=True)
class FittedBrain:
    """What a fit found.

    Attributes:
        subject: Whose brain it is.
        model: Model that was fitted, by the name that both packages use.
        diffusive: Whether regions feel differences of gating.
        regions: Region labels.
        weights: Fitted connectome ``[target, source]``, shape ``(n_regions, n_regions)``.
        lengths_mm: Tract lengths, same shape, mm; None if the subject has none.
        parameters: Parameters by TVB's names, each ``(n_regions,)``.
        sigma: Noise of both gating variables, per sqrt(ms).
        rest: Gating variables at rest, shape ``(2, n_regions)``.
        tr_s: Repetition time of the fitted BOLD, s.
    """

    subject: str
    model: str
    diffusive: bool
    regions: tuple[str, ...]
    weights: NDArray[np.float64]
    lengths_mm: NDArray[np.float64] | None
    parameters: Mapping[str, NDArray[np.float64]]
    sigma: float
    rest: NDArray[np.float64]
    tr_s: float


def read_fitted(name: str, base: Path) -> FittedBrain:
    """Read a fitted model file.

    Args:
        name: Path of the file that ``cosim fit`` wrote, relative to ``base``.
        base: Folder that a relative path starts from.

    Raises:
        ConfigurationError: If it is none, of an unknown version, or holds what TVB cannot run.
    """
    if not (base / name).is_file():
        raise ConfigurationError(
            f"brain.fitted = {name!r}: there is no file {base / name}; give the fit.nc that cosim "
            f"fit wrote, relative to the experiment file."
        )
    try:
        with xr.open_dataset(base / name, engine="h5netcdf") as file:
            return _fitted_brain(name, file.load())
    except ConfigurationError:
        raise
    # Of a damaged file HDF5, its readers and NumPy raise whatever comes to them.
    except Exception as error:  # noqa: BLE001
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or ["damaged"])[0]
        raise ConfigurationError(
            f"brain.fitted = {name!r}: cannot be read ({reason[:200]}); give the fit.nc that cosim "
            f"fit wrote, relative to the experiment file."
        ) from None


def _fitted_brain(name: str, ds: xr.Dataset) -> FittedBrain:
    """What a file says, checked."""
    problems = [*_schema_problems(ds)] or [*_content_problems(ds)]
    if problems:
        raise ConfigurationError(*(f"brain.fitted = {name!r}: {line}" for line in problems))
    p = {key: np.asarray(ds[f"parameter_{key}"].values, dtype=np.float64) for key in _UNITS}
    return FittedBrain(
        subject=str(ds.attrs["subject"]),
        model=str(ds.attrs["model"]),
        diffusive=ds.attrs["coupling"] == "diffusive",
        regions=tuple(str(label) for label in ds["region"].values),
        weights=np.asarray(ds["weights"].values, dtype=np.float64),
        lengths_mm=np.asarray(ds["lengths"].values, float) if "lengths" in ds else None,
        # The same equations in TVB's symbols: g = G J_N, g_EE = w_p J_N, g_IE = J_i, g_EI = J_N.
        parameters={
            "J_N": p["g_EI"],
            "G": p["g"] / p["g_EI"],
            "w_p": p["g_EE"] / p["g_EI"],
            "J_i": p["g_IE"],
            "I_o": p["I_o"],
            "I_ext": p["I_ext"],
            "lamda": p["lambda"],
        },
        sigma=float(p["sigma"][0]),
        rest=np.stack([ds["rest_E"].values, ds["rest_I"].values]).astype(np.float64),
        tr_s=float(ds.attrs["tr_s"]),
    )


def _schema_problems(ds: xr.Dataset) -> list[str]:
    schema, version = ds.attrs.get("schema"), ds.attrs.get("schema_version")
    if schema != SCHEMA or version != SCHEMA_VERSION:
        return [
            f"has schema {schema!r} version {version}; this version reads {SCHEMA!r} version "
            f"{SCHEMA_VERSION}. Fit again, or update."
        ]
    missing = [name for name in ("subject", "model", "coupling", "tr_s") if name not in ds.attrs]
    return [f"lacks the attributes {', '.join(missing)}; fit again."] if missing else []


def _content_problems(ds: xr.Dataset) -> list[str]:
    model, coupling = str(ds.attrs.get("model")), str(ds.attrs.get("coupling"))
    problems = []
    if model not in MODELS:
        problems.append(unknown_name("fitted model", model, MODELS, "TVB runs only these here."))
    if coupling not in ("diffusive", "direct"):
        problems.append(unknown_name("coupling", coupling, ("diffusive", "direct")))
    wanted = [*(f"parameter_{key}" for key in _UNITS), "weights", "rest_E", "rest_I"]
    missing = [key for key in wanted if key not in ds]
    if missing:
        return [*problems, f"lacks {', '.join(missing)}; fit again."]
    for key, unit in _UNITS.items():
        found = str(ds[f"parameter_{key}"].attrs.get("units"))
        if found != unit:
            problems.append(f"{key} is in {found!r}, expected {unit!r}; fit again, or update.")
    for key in wanted:
        if not np.isfinite(ds[key].values).all():
            problems.append(f"{key} holds values that are not finite; fit again.")
    if np.ptp(ds["parameter_sigma"].values) > 0:
        problems.append("sigma differs from region to region, and TVB's noise here is one number.")
    if float(ds["parameter_g_EI"].min()) <= 0:
        problems.append("g_EI is not above 0 everywhere, and the others are counted in it.")
    return problems
