"""Which rank runs what: NEURON on ranks 0 to N-2, TVB on the last."""

from dataclasses import dataclass

from cosim.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class RankLayout:
    """Roles of the ranks of one MPI world.

    TVB takes the last rank because NEURON's subworlds are contiguous from rank 0 (NEURON's
    ``ParallelContext.subworlds``): ranks 0 to N-2 form one NEURON world, the last is alone.

    Args:
        size: Ranks in the world, at least 2.
        rank: This rank.

    Raises:
        ConfigurationError: If there is no rank for one of the sides.
    """

    size: int
    rank: int

    def __post_init__(self) -> None:
        if self.size < 2:
            raise ConfigurationError(
                f"{self.size} rank is too few to run side by side: start mpirun with -n 2 or more, "
                f"or leave mpirun out to run in one process."
            )

    @property
    def n_neuron(self) -> int:
        """Ranks that run NEURON."""
        return self.size - 1

    @property
    def tvb_rank(self) -> int:
        """World rank of TVB."""
        return self.size - 1

    @property
    def is_tvb(self) -> bool:
        """Whether this rank runs TVB."""
        return self.rank == self.tvb_rank

    @property
    def side(self) -> str:
        """``TVB`` or ``NEURON``."""
        return "TVB" if self.is_tvb else "NEURON"

    @property
    def peer_root(self) -> int:
        """World rank that speaks for the other side."""
        return 0 if self.is_tvb else self.tvb_rank
