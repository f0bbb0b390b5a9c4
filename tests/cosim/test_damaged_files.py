"""Connectomes and fitted models that are damaged, or something else, are refused in one line."""

import io
import random
import zipfile

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosim.errors import ConfigurationError
from cosim.meanfield.connectome import load_connectome
from cosim.meanfield.fitted import SCHEMA, SCHEMA_VERSION, read_fitted

N = 5
WEIGHTS = np.arange(N * N, dtype=float).reshape(N, N) / 10
UNITS = {
    "g": "nA", "g_EE": "nA", "g_IE": "nA", "g_EI": "nA", "I_o": "nA", "I_ext": "nA",
    "lambda": "", "sigma": "1/sqrt(ms)",
}  # fmt: skip


def connectivity():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, matrix in (("weights", WEIGHTS), ("tract_lengths", 30 * WEIGHTS)):
            text = "\n".join(" ".join(f"{x:.3f}" for x in row) for row in matrix)
            archive.writestr(f"{name}.txt", text)
        archive.writestr("centres.txt", "\n".join(f"R{i} {i} 0 0" for i in range(N)))
    return buffer.getvalue()


def fitted(path):
    each = {
        f"parameter_{key}": ("region", np.full(N, 0.3), {"units": unit})
        for key, unit in UNITS.items()
    }
    rest = {name: ("region", np.full(N, 0.2)) for name in ("rest_E", "rest_I")}
    attrs = {
        "schema": SCHEMA, "schema_version": SCHEMA_VERSION, "subject": "s",
        "model": "reduced_wong_wang_tanh", "coupling": "diffusive", "tr_s": 0.72,
    }  # fmt: skip
    variables = {"weights": (("region", "source"), WEIGHTS), **each, **rest}
    labels = {"region": [f"R{i}" for i in range(N)]}
    xr.Dataset(variables, labels, attrs).to_netcdf(path, engine="h5netcdf")
    return path.read_bytes()


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return {"c.zip": connectivity(), "fit.nc": fitted(tmp_path_factory.mktemp("fit") / "fit.nc")}


def read(name, base):
    if name == "c.zip":
        return load_connectome(name, "max", 3.0, base)
    return read_fitted(name, base)


def spoiled(data, how, seed):
    rng = random.Random(seed)
    damaged = bytearray(data)
    at = rng.randrange(len(data))
    if how == "cut":
        del damaged[at:]
    elif how == "zeros":
        damaged[at : at + 32] = bytes(32)
    elif how == "other":
        damaged = bytearray(rng.randbytes(rng.randrange(200)))
    else:
        for _ in range(1 if how == "flip" else 20):
            damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def test_the_undamaged_files_are_read(sound, tmp_path):
    for name, data in sound.items():
        (tmp_path / name).write_bytes(data)
        assert read(name, tmp_path).regions == tuple(f"R{i}" for i in range(N))


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["c.zip", "fit.nc"]),
    how=st.sampled_from(["flip", "flips", "cut", "zeros", "other"]),
    seed=st.integers(0, 2**32),
)
def test_a_damaged_file_is_read_or_refused_in_one_line(sound, tmp_path, name, how, seed):
    (tmp_path / name).write_bytes(spoiled(sound[name], how, seed))
    try:
        found = read(name, tmp_path)
    except ConfigurationError as error:
        for line in error.problems:
            assert name in line
            assert len(line.splitlines()) == 1
        return
    assert np.isfinite(found.weights).all()
    assert found.weights.shape == (len(found.regions),) * 2
