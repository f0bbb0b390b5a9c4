"""``connectome.nc``: what connected the regions of a run, beside its results."""

from pathlib import Path
from typing import TYPE_CHECKING

import h5netcdf
import h5py
import numpy as np
import xarray as xr

from cosim.patient_file import patient_file
from cosim.result_files import atomic_file

if TYPE_CHECKING:  # at run time it would load TVB, which no reader of results needs
    from cosim.meanfield.connectome import Connectome

CONNECTOME_FILE = "connectome.nc"
_FRAME = ("right", "anterior", "superior")
# Where a letter of an orientation such as ALS points to: axis of the frame, sign.
_DIRECTIONS = {
    "R": (0, 1.0), "L": (0, -1.0), "A": (1, 1.0), "P": (1, -1.0), "S": (2, 1.0), "I": (2, -1.0),
}  # fmt: skip


def connectome_dataset(connectome: "Connectome", dt_ms: float) -> xr.Dataset:
    """A connectome as a run felt it.

    Args:
        connectome: Regions, weights, delays and centres.
        dt_ms: Mean-field step, to which delays are rounded, ms.

    Returns:
        ``weight[target, source]``, without the global coupling; ``length_mm`` and ``delay_ms`` of
        the same axes; and, where the connectome has them, ``centre_mm[region, axis]``, whose axes
        are right, anterior and superior where the file's orientation is known, else x, y and z.
    """
    regions = np.array(connectome.regions, dtype=np.str_)
    pair = ("target", "source")
    found = xr.Dataset(
        {
            "weight": (pair, connectome.weights, {"long_name": "before the global coupling G"}),
            "length_mm": (pair, connectome.lengths_mm, {"units": "mm"}),
            "delay_ms": (pair, connectome.delay_steps(dt_ms) * dt_ms, {"units": "ms"}),
        },
        {"target": regions, "source": regions},
        {
            "name": connectome.name,
            "conduction_speed_mm_per_ms": connectome.speed_mm_per_ms,
            "coupling": "diffusive" if connectome.diffusive else "additive",
        },
    )
    centres_mm = connectome.centres_mm
    # TVB asks nothing of the centres, so a file may hold too few; a fitted brain's are zeros.
    whole = centres_mm.shape == (len(regions), 3) and np.isfinite(centres_mm).all()
    if whole and np.ptp(centres_mm, axis=0).any():
        axes = ("x", "y", "z")
        if connectome.orientation:
            turned = np.empty_like(centres_mm)
            for column, letter in enumerate(connectome.orientation):
                axis, sign = _DIRECTIONS[letter]
                turned[:, axis] = sign * centres_mm[:, column]
            centres_mm, axes = turned, _FRAME
        found["centre_mm"] = (("region", "axis"), centres_mm, {"units": "mm"})
        found = found.assign_coords(region=regions, axis=np.array(axes, dtype=np.str_))
    return found


def write_connectome(directory: Path, connectome: xr.Dataset) -> None:
    """Write ``connectome.nc`` atomically.

    Args:
        directory: Folder of the run.
        connectome: As :func:`connectome_dataset` makes it.
    """
    # Not by xarray, whose writer loads Dask for half a second of every run.
    with (
        atomic_file(directory / CONNECTOME_FILE) as path,
        patient_file(path) as opened,
        h5netcdf.File(opened, "w") as file,
    ):
        file.dimensions = dict(connectome.sizes)
        file.attrs.update(connectome.attrs)
        for name, variable in connectome.variables.items():
            text = variable.dtype.kind == "U"
            stored = file.create_variable(
                str(name),
                tuple(str(dim) for dim in variable.dims),
                dtype=h5py.string_dtype() if text else np.float64,
                compression=None if text else "gzip",
            )
            stored[...] = variable.values.astype(object) if text else variable.values
            stored.attrs.update(variable.attrs)
