"""Whether an MPI launcher started this program, told without loading MPI."""

import os

# Set to see where an error came from, not only its line.
TRACEBACK = "COSIM_TRACEBACK"

# What launchers tell each process: Hydra (MPICH, Intel MPI) and Slurm's PMI-2, Open MPI, PMIx.
_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "PMIX_SIZE")


def launched_size() -> int:
    """How many ranks a launcher says it started; 1 without one."""
    sizes = [int(text) for name in _SIZES if (text := os.environ.get(name, "")).isdigit()]
    return max(sizes, default=1)


def launched_rank() -> int:
    """This process's rank by the launcher's word; 0 without one."""
    ranks = [int(text) for name in _RANKS if (text := os.environ.get(name, "")).isdigit()]
    return max(ranks, default=0)
