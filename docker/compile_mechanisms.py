"""Compile every folder of .mod files of the package below XDG_CACHE_HOME, for COSIM_MECHANISMS."""

from importlib.metadata import version
from pathlib import Path

import cosim
from cosim.spiking.interpreter import neuron_hoc
from cosim.spiking.mechanisms import cache_folder, compiled


def main() -> None:
    """Compile them all, and leave no lock files."""
    neuron_version = str(neuron_hoc().nrnversion(0))
    folders = sorted({file.parent for file in Path(cosim.__file__).parent.rglob("*.mod")})
    for folder in folders:
        compiled(folder, neuron_version)
    for lock in cache_folder().glob("*.lock"):
        lock.unlink()
    print(f"{len(folders)} folders of mechanisms compiled for NEURON {version('neuron')}")


if __name__ == "__main__":
    main()
