"""What the image is made of agrees with the package, and its scripts have no known mistakes."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
SCRIPTS = sorted(DOCKER.glob("slurm/*.sbatch"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("fit", "formats", "cluster", "nwb", "notebook")


def locked():
    """Version and number of hashes of each package of the lock file."""
    text = (DOCKER / "requirements.lock").read_text().replace("\\\n", " ")
    entries = re.findall(r"^([\w.-]+)==(\S+)(.*)$", text, re.MULTILINE)
    return {canonicalize_name(name): (version, rest) for name, version, rest in entries}


def checked(tool, *files):
    """Run a linter of this environment or of the machine on files."""
    program = shutil.which(tool, path=Path(sys.executable).parent) or shutil.which(tool)
    if program is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([program, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stdout


def test_hadolint_reports_nothing():
    checked("hadolint", DOCKER / "Dockerfile")


def test_shellcheck_reports_nothing():
    assert len(SCRIPTS) == 3
    checked("shellcheck", *DOCKER.glob("*.sh"), *SCRIPTS)


def test_the_lock_file_satisfies_the_package_and_has_hashes():
    """PyTorch stands in a file of its own, for its CPU build is not on the package index."""
    pinned = locked()
    optional = [line for extra in EXTRAS for line in PROJECT["optional-dependencies"][extra]]
    torch = Requirement((DOCKER / "torch.txt").read_text().splitlines()[-1])
    for requirement in map(Requirement, [*PROJECT["dependencies"], *optional]):
        if requirement.name == "torch":
            (version,) = (s.version for s in torch.specifier)
        else:
            version, _ = pinned[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, requirement
    assert not [name for name, (_, rest) in pinned.items() if "--hash=sha256:" not in rest]


def test_all_extras_are_in_the_image_but_those_of_developers():
    developers = {"test", "lint", "docs"}
    assert set(PROJECT["optional-dependencies"]) - developers == set(EXTRAS)
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"--extra {extra} " in makefile for extra in EXTRAS)


def test_the_label_has_the_version_of_the_package():
    assert f"ARG VERSION={PROJECT['version']}\n" in (DOCKER / "Dockerfile").read_text()


def test_what_the_slurm_scripts_share_is_the_same_in_all():
    shared = {re.search(r"(?s)# --- The same.*# --- Until here", f.read_text())[0] for f in SCRIPTS}
    assert len(shared) == 1
