"""NEURON and NetPyNE, loaded in the right way: the only file that imports either."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cosim.errors import ConfigurationError, CosimError
from cosim.spiking.chatter import quiet, quiet_library
from cosim.spiking.mechanisms import clashes, compiled, content_key, mechanisms_in
from cosim.spiking.mpi_library import loaded_mpi_library
from cosim.stop_signal import interrupts_held


def neuron_hoc() -> Any:
    """NEURON's interpreter, imported without a display and without MPI."""
    os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
    os.environ["NEURON_INIT_MPI"] = "0"  # load_neuron starts MPI where there is one
    with quiet():
        from neuron import h
    return h


def neuron_rxd() -> Any:
    """NEURON's module of reactions and diffusion."""
    neuron_hoc()
    with quiet():
        from neuron.rxd import rxd
    return rxd


@contextlib.contextmanager
def _pictures_kept() -> Iterator[None]:
    """While NetPyNE is imported, which turns matplotlib's pictures off where it sees no display.

    A notebook on a server has none either, and would show no figure from then on.
    """
    if "netpyne" in sys.modules or os.environ.get("DISPLAY"):
        yield
        return
    before = os.environ.get("DISPLAY")
    # It looks at this variable alone, and nothing opens a window while modules are imported.
    os.environ["DISPLAY"] = ":none"
    try:
        yield
    finally:
        del os.environ["DISPLAY"]
        if before is not None:
            os.environ["DISPLAY"] = before


@contextlib.contextmanager
def _importing_netpyne() -> Iterator[None]:
    """While NetPyNE is imported: it prints nothing, pictures stay on, and a Ctrl-C waits.

    It imports others within ``except:``, which would swallow a Ctrl-C and leave those out.
    """
    with quiet(), _pictures_kept(), interrupts_held():
        yield


def netpyne_sim() -> Any:
    """NetPyNE's module that holds the network and runs it."""
    neuron_hoc()
    with _importing_netpyne():
        from netpyne import sim
    return sim


def netpyne_specs() -> Any:
    """NetPyNE's module of NetParams and SimConfig."""
    neuron_hoc()
    with _importing_netpyne():
        from netpyne import specs
    return specs


def field_electrode(positions_um: Any) -> Any:
    """NetPyNE's electrode, which knows what a segment's current makes of potential at each site.

    Args:
        positions_um: Sites, shape ``(n_sites, 3)``, um.
    """
    neuron_hoc()
    with _importing_netpyne():
        from netpyne.support.recxelectrode import RecXElectrode
    return RecXElectrode(np.array(positions_um, dtype=np.float64).T)


def neuroml_reader() -> Any:
    """NetPyNE's reader of NeuroML 2, a class; None where the packages it needs are missing."""
    neuron_hoc()
    with _importing_netpyne():
        from netpyne.conversion import neuromlFormat
    return getattr(neuromlFormat, "NetPyNEBuilder", None)


# File behind each mechanism that this process has loaded, by its name in NEURON.
_loaded_mechanisms: dict[str, Path] = {}
_loaded_contents: set[str] = set()


def load_mechanisms(folder: Path) -> None:
    """Make the mechanisms of a folder known to NEURON; compiles them the first time.

    Args:
        folder: Folder of .mod files.

    Raises:
        ConfigurationError: If they cannot be compiled, or NEURON has one of their names already.
    """
    mechanisms = mechanisms_in(folder)
    content = content_key(folder)
    if content in _loaded_contents:
        return
    h = neuron_hoc()
    problems = clashes(mechanisms, _loaded_mechanisms, _known_mechanisms(h), Path.cwd())
    if problems:
        raise ConfigurationError(*problems)
    _load_compiled(h, folder, content)
    _loaded_mechanisms.update({m.name: m.file for m in mechanisms})


def load_functions(folder: Path) -> None:
    """Make functions that belong to no mechanism (SUFFIX nothing) known to NEURON.

    Args:
        folder: Folder of .mod files.

    Raises:
        ConfigurationError: If they cannot be compiled or loaded.
    """
    content = content_key(folder)
    if content not in _loaded_contents:
        _load_compiled(neuron_hoc(), folder, content)


def _load_compiled(h: Any, folder: Path, content: str) -> None:
    library = compiled(folder, str(h.nrnversion(0)))
    with quiet(), quiet_library():
        loaded = h.nrn_load_dll(str(library))
    if not loaded:
        raise ConfigurationError(f"mechanisms: NEURON could not load {library}; delete that file.")
    _loaded_contents.add(content)


def known_mechanisms() -> frozenset[str]:
    """Names of all density mechanisms and point processes that are loaded now."""
    return frozenset(_known_mechanisms(neuron_hoc()))


def _known_mechanisms(h: Any) -> Iterator[str]:
    """Names of all density mechanisms and point processes, artificial cells included."""
    for kind in (0, 1):
        known, name = h.MechanismType(kind), h.ref("")
        for index in range(int(known.count())):
            known.select(index)
            known.selected(name)
            yield str(name[0])


def load_neuron(world_size: int) -> None:
    """Load NEURON; with more than one process, onto the MPI that mpi4py has loaded.

    Collective: every rank of the world calls it, the one that will run TVB too.

    Args:
        world_size: Processes that mpiexec started; 1 loads NEURON without MPI.

    Raises:
        CosimError: If NEURON sees another number of processes.
    """
    if world_size == 1:
        neuron_hoc()
        return
    library = loaded_mpi_library()
    if library is not None:
        # Read when NEURON first touches MPI; without it every rank would run alone, silently.
        os.environ.setdefault("MPI_LIB_NRN_PATH", library)
    h = neuron_hoc()
    with quiet(), quiet_library():
        h.nrnmpi_init()
        context = h.ParallelContext()
        seen = int(context.nhost_world())
        # By default NEURON answers its own errors by aborting the world, without a reason.
        context.mpiabort_on_error(0)
    if seen != world_size:
        raise CosimError(
            f"NEURON sees {seen} process{'es' * (seen != 1)} but mpiexec started {world_size}: "
            f"libmpi was not found. Set MPI_LIB_NRN_PATH to the libmpi.so.* of this MPI."
        )


def split_world(n_neuron_ranks: int) -> None:
    """Make the first ranks one NEURON world and leave each other rank alone. Collective.

    Args:
        n_neuron_ranks: Ranks 0 to n - 1 of the world simulate together.
    """
    with quiet():
        neuron_hoc().ParallelContext().subworlds(n_neuron_ranks)


def netpyne_seeds(seed: int) -> dict[str, int]:
    """NetPyNE's four seeds for the seed of a run.

    Args:
        seed: Seed of the run.
    """
    drawn = np.random.SeedSequence(seed).generate_state(4)
    # NEURON's Random123 takes 32 bits; one less keeps clear of its signed readers.
    return {
        name: int(value >> 1)
        for name, value in zip(("conn", "stim", "loc", "cell"), drawn, strict=True)
    }


def clear_reaction_diffusion() -> None:
    """Forget species, regions and reactions; NetPyNE's own way closes the user's figures too."""
    from neuron import crxd

    for reaction in list(crxd.rxd._all_reactions):
        if reaction() is not None:
            crxd.rxd._unregister_reaction(reaction)
    for species in list(crxd.species._all_species):
        if species() is not None:
            species().__del__()
    crxd.region._all_regions = []
    crxd.region._region_count = 0
    crxd.region._c_region_lookup = None
    crxd.species._species_counts = 0
    crxd.section1d._purge_cptrs()
    crxd.initializer.has_initialized = crxd.initializer.is_initializing = False
    crxd.rxd.free_conc_ptrs()
    crxd.rxd.free_curr_ptrs()
    crxd.rxd.rxd_include_node_flux1D(0, None, None, None)
    crxd.species._has_1d = crxd.species._has_3d = False
    crxd.rxd._zero_volume_indices = np.ndarray(0, dtype=np.int_)
    crxd.rxd.set_solve_type(dimension=1)
    crxd.rxd.clear_rates()
