"""What an MPI launcher tells the programs it starts, and what MPI is told before it is loaded."""

import os

# Set to see where an error came from, not only its line.
TRACEBACK = "COSIM_TRACEBACK"

# What launchers tell each process: Hydra (MPICH, Intel MPI) and Slurm's PMI-2, Open MPI, PMIx.
_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "PMIX_SIZE")

_LOCAL_SIZES = ("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE")

# MPICH's control variable: offer the core (sched_yield) after 10 polls, not 1000. Sleeping instead,
# MPIR_CVAR_ENABLE_HEAVY_YIELD, costs half as much wall time again (docs/scale.md).
_SHARING = {"MPIR_CVAR_POLLS_BEFORE_YIELD": "10"}


def launched_size() -> int:
    """How many ranks a launcher says it started; 1 without one."""
    sizes = [int(text) for name in _SIZES if (text := os.environ.get(name, "")).isdigit()]
    return max(sizes, default=1)


def launched_rank() -> int:
    """This process's rank by the launcher's word; 0 without one."""
    ranks = [int(text) for name in _RANKS if (text := os.environ.get(name, "")).isdigit()]
    return max(ranks, default=0)


def ranks_on_this_node() -> int:
    """How many ranks a launcher says it started on this node; 1 where none says."""
    texts = [os.environ.get(name, "") for name in _LOCAL_SIZES]
    return max((int(text) for text in texts if text.isdigit()), default=1)


def ranks_outnumber_cores() -> bool:
    """Whether this node has fewer cores than ranks, so that a rank that polls keeps others out."""
    ranks, allowed = ranks_on_this_node(), len(os.sched_getaffinity(0))
    # A rank that may use one core of several was bound to it, and the others to theirs.
    return ranks > (os.cpu_count() or 1) or 1 < allowed < ranks


def crowding() -> str:
    """One line where ranks outnumber cores on this node; empty elsewhere."""
    if not ranks_outnumber_cores():
        return ""
    allowed = len(os.sched_getaffinity(0))
    cores = allowed if allowed > 1 else os.cpu_count() or 1
    return (
        f"{ranks_on_this_node()} ranks take turns on {cores} core(s), which is slower than a core "
        f"for each; the results are the same."
    )


def share_cores() -> None:
    """Where ranks outnumber cores, let MPICH give its core away while it polls.

    To be called before MPI is loaded. NEURON exchanges spikes by a blocking collective, inside
    which nothing else can be done about it. What the user has set stays.
    """
    if ranks_outnumber_cores():
        for name, value in _SHARING.items():
            os.environ.setdefault(name, value)
