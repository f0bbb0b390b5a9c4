"""The structural connectome: regions, weights and tract lengths, read with TVB's own reader."""

import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tvb.datatypes.connectivity import Connectivity

from cosim.errors import ConfigurationError
from cosim.registry import unknown_name

# The connectomes of the tvb-data package, by the names an experiment file uses.
SHIPPED = {
    "hagmann66": "connectivity_66.zip",
    "tvb68": "connectivity_68.zip",
    "tvb76": "connectivity_76.zip",
    "tvb96": "connectivity_96.zip",  # with thalamus and basal ganglia
}
# How a message ends that cannot show all labels.
ALL_REGIONS = "`cosim check FILE --regions` lists all."
# Files whose rows are sources. Read as TVB reads them, the striatum of these would project to 33
# cortical regions and hear none, the pallidum to the striatum, and the thalamus to the pallidum.
_ROWS_ARE_SOURCES = ("tvb96",)
# Where the axes of their centres point: R or L, A or P, S or I.
# The files do not say; the labels of frontal, occipital, left, right and dorsal regions do.
_ORIENTATIONS = {"hagmann66": "ALS", "tvb68": "PLS", "tvb76": "ALS", "tvb96": "RAS"}


@dataclass(frozen=True)
class Connectome:
    """Weights and delays between regions; rows are targets, columns are sources, as in TVB.

    Attributes:
        name: What the user called it.
        regions: Region labels.
        weights: Connection strength ``[target, source]``, shape ``(n_regions, n_regions)``,
            diagonal zero: a region's own recurrence belongs to its model.
        lengths_mm: Tract lengths, same shape, mm.
        centres_mm: Positions of the regions, shape ``(n_regions, 3)``, mm.
        speed_mm_per_ms: Conduction speed, mm/ms.
        diffusive: Whether a region feels differences, ``sum_j C_ij (S_j - S_i)``, instead of
            ``sum_j C_ij S_j``.
        orientation: Where the three axes of the centres point, such as ``RAS``: right, anterior,
            superior; empty if nobody knows.
    """

    name: str
    regions: tuple[str, ...]
    weights: NDArray[np.float64]
    lengths_mm: NDArray[np.float64]
    centres_mm: NDArray[np.float64]
    speed_mm_per_ms: float
    diffusive: bool = False
    orientation: str = ""

    @property
    def operator(self) -> NDArray[np.float64]:
        """What turns the state of all regions, had it always been the same, into coupling."""
        if not self.diffusive:
            return self.weights
        return self.weights - np.diag(self.weights.sum(axis=1))

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return len(self.regions)

    @property
    def delays_ms(self) -> NDArray[np.float64]:
        """Delays ``[target, source]``, shape ``(n_regions, n_regions)``, ms."""
        return self.lengths_mm / self.speed_mm_per_ms

    def delay_steps(self, dt_ms: float) -> NDArray[np.int64]:
        """Delays in mean-field steps, rounded to the nearest as TVB does, same shape."""
        return np.rint(self.delays_ms / dt_ms).astype(np.int64)

    def index(self, region: str) -> int:
        """Position of a region.

        Raises:
            ConfigurationError: If there is no such region.
        """
        if region not in self.regions:
            raise ConfigurationError(unknown_name("region", region, self.regions, ALL_REGIONS))
        return self.regions.index(region)


def load_connectome(name: str, normalize: str, speed_mm_per_ms: float, base: Path) -> Connectome:
    """Read a connectome with TVB's reader and make it ready to simulate.

    Args:
        name: A shipped name or the path of a TVB connectivity zip, relative to ``base``.
        normalize: ``none`` | ``max`` (largest weight 1) | ``region`` (TVB's
            ``scaled_weights('region')``: largest row sum 1); after the diagonal is set to zero.
        speed_mm_per_ms: Conduction speed, mm/ms.
        base: Folder that a relative path starts from.

    Raises:
        ConfigurationError: If it cannot be read or is not a usable connectome.
    """
    path = _locate(name, base)
    try:
        # TVB takes a relative path as one of its own files, in the folder of tvb-data.
        tvb = Connectivity.from_file(str(path.absolute()))
        labels = tuple(str(label) for label in tvb.region_labels)
        weights = np.array(tvb.weights, dtype=np.float64)
        lengths = np.array(tvb.tract_lengths, dtype=np.float64)
        centres = np.array(tvb.centres, dtype=np.float64)
    # TVB's reader raises whatever NumPy, zipfile or its own traits raise on a malformed member.
    except Exception as error:  # noqa: BLE001
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigurationError(
            f"brain.connectome = {name!r}: is not a TVB connectivity zip ({reason}); it must "
            f"hold weights.txt, tract_lengths.txt and centres.txt (a line LABEL X Y Z per region)."
        ) from None
    if name in _ROWS_ARE_SOURCES:
        weights, lengths = weights.T.copy(), lengths.T.copy()
    if weights.ndim == 2 and weights.shape[0] == weights.shape[1]:
        np.fill_diagonal(weights, 0.0)
    _check(name, labels, weights, lengths)
    scale = {
        "none": 1.0,
        "max": weights.max(),
        # TVB: the largest cumulative input to any region becomes 1.
        "region": np.abs(weights.sum(axis=1)).max(),
    }[normalize]
    return Connectome(
        name, labels, weights / scale, lengths, centres, speed_mm_per_ms,
        orientation=_ORIENTATIONS.get(name, ""),
    )  # fmt: skip


def _locate(name: str, base: Path) -> Path:
    if name in SHIPPED:
        return Path(str(files("tvb_data").joinpath("connectivity", SHIPPED[name])))
    path = base / name
    try:
        exists = path.exists()
    except OSError:  # a name too long for any file
        exists = False
    if not exists:
        raise ConfigurationError(
            f"brain.connectome: {unknown_name('connectome', name, SHIPPED)} "
            f"No file {str(path)!r} either: give one of these names or a TVB connectivity zip."
        )
    if not zipfile.is_zipfile(path):
        raise ConfigurationError(
            f"brain.connectome = {name!r}: is not a zip file; give a TVB connectivity zip."
        )
    return path


def _check(
    name: str,
    labels: tuple[str, ...],
    weights: NDArray[np.float64],
    lengths: NDArray[np.float64],
) -> None:
    n = len(labels)
    problems = []
    if len(set(labels)) < n:
        doubled = next(label for label in labels if labels.count(label) > 1)
        problems.append(f"the label {doubled!r} stands twice; labels must be unique")
    for what, matrix in (("weights", weights), ("tract lengths", lengths)):
        if matrix.shape != (n, n):
            problems.append(f"{what} have shape {matrix.shape}, {n} labels need ({n}, {n})")
            continue
        bad = np.argwhere(~(matrix >= 0) | np.isinf(matrix))
        if bad.size:
            i, j = bad[0]
            problems.append(
                f"{what} from {labels[j]} to {labels[i]} are {matrix[i, j]:g}; "
                f"they must be finite and >= 0"
            )
    if not problems and not weights.any():
        problems.append("no two regions are connected; at least one weight must be above 0")
    if problems:
        raise ConfigurationError(*(f"brain.connectome = {name!r}: {text}." for text in problems))
