"""How packets travel: within a process, or between MPI ranks."""
