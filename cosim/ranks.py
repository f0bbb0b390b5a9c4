"""All ranks of a run, as far as they have to agree on something."""

from typing import Any, Protocol


class Ranks(Protocol):
    """All ranks of a run; a single process is one."""

    @property
    def rank(self) -> int:
        """This rank."""

    @property
    def size(self) -> int:
        """How many there are."""

    def gather_records(self, record: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Every rank's record of plain values, in rank order, on rank 0; None elsewhere."""

    def share_record(self, record: dict[str, Any]) -> dict[str, Any]:
        """Rank 0's record, on every rank."""


class OneRank:
    """A run in one process."""

    rank = 0
    size = 1

    def gather_records(self, record: dict[str, Any]) -> list[dict[str, Any]] | None:
        """A list of the one record."""
        return [record]

    def share_record(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record."""
        return record
