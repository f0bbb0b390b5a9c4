"""Packets between the two sides of an MPI world. The only file that imports mpi4py."""

import json
import math
import os
import time
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from cosim.clock import SyncWindow
from cosim.errors import ConfigurationError, SynchronizationError
from cosim.signals import Packet, PacketLayout, Wish
from cosim.transport.launcher import share_cores
from cosim.transport.rank_layout import RankLayout

share_cores()  # the next line starts MPI
from mpi4py import MPI  # noqa: E402

_TAG = 7  # both directions are ordered by MPI; the exchange number travels in the message
_FAILED, _SPEAKS = 8, 9  # see claim_last_word
_WISHES = 10  # from a rank of a side to its root
_HEADER = 4  # exchange, first step, number of steps, wish

# A waiting rank first polls, soon offering its core to whoever wants it. Then it sleeps between
# polls, for longer the longer it has waited: the side that waits is the faster one, and being late
# by a tenth of what it waited does not make it the slower. So it neither answers late nor takes a
# core from the ranks that work.
_OWN_S = 2e-5
_POLL_S = 2e-4
_SLEEP_SHARE = 0.1
_SLEEP_S = 5e-5
_LONGEST_SLEEP_S = 5e-4

# How much earlier than its neighbours a rank may fail for the same reason and yet be silent.
_SETTLE_S = 0.3


def _wait(request: Any, timeout_s: float, what: str) -> None:
    """Complete a request or raise after the time limit."""
    begin = time.monotonic()
    while not request.Test():
        waited = time.monotonic() - begin
        if waited > timeout_s:
            raise SynchronizationError(
                f"{what}: nothing from the peer within {timeout_s:g} s; look at its last message "
                f"above, or raise --timeout if a window or the build takes longer."
            )
        if waited < _POLL_S:
            if waited > _OWN_S:
                os.sched_yield()
        else:
            time.sleep(min(max(waited * _SLEEP_SHARE, _SLEEP_S), _LONGEST_SLEEP_S))


def _gather_flat(comm: Any, flat: NDArray[Any], timeout_s: float, what: str) -> list[NDArray[Any]]:
    """Every rank's one-dimensional array, in rank order, on rank 0; an empty list elsewhere."""
    length = np.array([flat.size], dtype=np.int64)
    lengths = np.zeros(comm.size, dtype=np.int64)
    _wait(comm.Igather(length, lengths, root=0), timeout_s, what)
    everything = np.empty(int(lengths.sum()), dtype=flat.dtype)
    collected = (everything, lengths) if comm.rank == 0 else None
    _wait(comm.Igatherv(flat, collected, root=0), timeout_s, what)
    return np.split(everything, np.cumsum(lengths)[:-1]) if comm.rank == 0 else []


class MpiGroup:
    """The ranks of one side.

    Args:
        comm: Their communicator.
        timeout_s: Wall-clock limit for one collective operation.
    """

    def __init__(self, comm: Any, timeout_s: float):
        self._comm, self._timeout_s = comm, timeout_s
        self.rank: int = comm.rank
        self.size: int = comm.size
        self._wish = Wish.NOTHING

    def sum(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Element-wise sum over the group's ranks, on every rank."""
        if self.size == 1:
            return values
        total = np.empty_like(values)
        request = self._comm.Iallreduce(np.ascontiguousarray(values), total, op=MPI.SUM)
        _wait(request, self._timeout_s, "Sum of spike counts over the NEURON ranks")
        return total

    def gather(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Every rank's ``(n_rows, n)`` values, in rank order, on the root; empty elsewhere."""
        if self.size == 1:
            return [values]
        n_rows = values.shape[0]
        flat = np.ascontiguousarray(values.T).ravel()
        parts = _gather_flat(self._comm, flat, self._timeout_s, "Spikes from the NEURON ranks")
        return [part.reshape(-1, n_rows).T for part in parts]

    def wish_at_root(self, wish: Wish) -> Wish:
        """What the root knows of the wishes of its group; other ranks tell it theirs.

        A rank that is not the root does not wait: its wish may count one window later.

        Args:
            wish: What this rank wants.
        """
        if self.rank != 0:
            if wish > self._wish:
                self._comm.Send(np.array([wish], dtype=np.int64), dest=0, tag=_WISHES)
                self._wish = wish
            return wish
        told = np.empty(1, dtype=np.int64)
        while self.size > 1 and self._comm.Iprobe(source=MPI.ANY_SOURCE, tag=_WISHES):
            self._comm.Recv(told, source=MPI.ANY_SOURCE, tag=_WISHES)
            self._wish = max(self._wish, Wish(int(told[0])))
        return max(wish, self._wish)

    def broadcast(self, values: NDArray[np.float64]) -> None:
        """Copy the root's values to every rank, in place."""
        if self.size > 1:
            request = self._comm.Ibcast(values, root=0)
            _wait(request, self._timeout_s, "Rates from the group's root")

    def barrier(self) -> None:
        """Wait until every rank of the group is here."""
        _wait(self._comm.Ibarrier(), self._timeout_s, "Barrier of one side")


class MpiTransport:
    """Point-to-point messages between the roots of both sides, shared within a side.

    Plain float64 buffers: exchange number, first step and number of steps, then the values.

    Args:
        world: Communicator of all ranks.
        layout: Who runs what.
        group: The ranks of this side.
        incoming: What the peer's packets contain.
        outgoing: What this side's packets contain.
        timeout_s: Wall-clock limit for one receive. A stuck peer then raises on this side
            with the window's number instead of hanging the job.
    """

    def __init__(
        self,
        world: Any,
        layout: RankLayout,
        group: MpiGroup,
        incoming: PacketLayout,
        outgoing: PacketLayout,
        timeout_s: float,
    ):
        self._world, self._peer, self._group = world, layout.peer_root, group
        self._incoming, self._outgoing = incoming, outgoing
        self._timeout_s = timeout_s
        self._sending: tuple[Any, NDArray[np.float64]] | None = None
        self._wish = Wish.NOTHING

    def send(self, packet: Packet) -> None:
        """Hand a packet over; returns without waiting for the peer."""
        self._wish = self._group.wish_at_root(packet.wish)
        if self._group.rank != 0:
            return
        values = self._outgoing.pack(packet)
        window = packet.signals[0].window if packet.signals else None
        start, n_steps = (window.start_step, window.n_steps) if window else (0, 0)
        message = np.concatenate([[packet.exchange, start, n_steps, self._wish], values.ravel()])
        if self._sending is not None:
            _wait(self._sending[0], self._timeout_s, f"Packet {packet.exchange - 1} not taken")
        # Kept alive until delivered.
        self._sending = self._world.Isend(message, dest=self._peer, tag=_TAG), message

    def close(self) -> None:
        """Wait until the peer has taken the last packet; MPI must not end with it under way."""
        if self._sending is not None:
            _wait(self._sending[0], self._timeout_s, "The last packet was not taken")
            self._sending = None

    def receive(self, exchange: int, window: SyncWindow) -> Packet:
        """Wait for the peer's packet of one exchange.

        Raises:
            SynchronizationError: If it does not come in time, or is another exchange's.
        """
        n_columns = self._incoming.n_columns
        n_steps = window.n_steps if self._incoming.signals else 0
        message = np.empty(_HEADER + n_steps * n_columns)
        where = f"Window {window.index} (t = {window.stop_ms:g} ms)"
        if self._group.rank == 0:
            request = self._world.Irecv(message, source=self._peer, tag=_TAG)
            try:
                _wait(request, self._timeout_s, where)
            except SynchronizationError:
                request.Cancel()  # MPI would go on to write into a buffer that is gone
                raise
            except MPI.Exception as error:
                reason = str(error).splitlines()[0].removesuffix(", error stack:")
                raise SynchronizationError(
                    f"{where}: the peer's message does not fit ({reason}); the two sides are out "
                    f"of step."
                ) from None
            message[3] = max(message[3], self._wish)
        self._group.broadcast(message)
        got, start, n_got, wish = (int(value) for value in message[:_HEADER])
        if (got, n_got) != (exchange, n_steps) or (n_steps and start != window.start_step):
            raise SynchronizationError(
                f"{where}: expected exchange {exchange} over {n_steps} steps from step "
                f"{window.start_step}, the peer sent exchange {got} over {n_got} from {start}; "
                f"the two sides are out of step."
            )
        values = message[_HEADER:].reshape(n_steps, n_columns)
        return self._incoming.unpack(exchange, window, values, Wish(wish))


class MpiWorld:
    """All ranks that mpirun started, split into the two sides.

    Args:
        timeout_s: Wall-clock limit for one receive or collective operation.
    """

    def __init__(self, timeout_s: float):
        self.comm = MPI.COMM_WORLD
        self.layout = RankLayout(self.comm.size, self.comm.rank)
        self._timeout_s = timeout_s
        side = self.comm.Split(color=int(self.layout.is_tvb), key=self.comm.rank)
        self.group = MpiGroup(side, timeout_s)

    def transport(self, incoming: PacketLayout, outgoing: PacketLayout) -> MpiTransport:
        """This side's end of the connection."""
        return MpiTransport(self.comm, self.layout, self.group, incoming, outgoing, self._timeout_s)

    def gather_records(self, record: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Every rank's record of plain values, in rank order, on rank 0; None elsewhere."""
        text = np.frombuffer(json.dumps(record).encode(), dtype=np.uint8)
        parts = _gather_flat(self.comm, text, self._timeout_s, "Records of all ranks")
        return [json.loads(part.tobytes()) for part in parts] if self.comm.rank == 0 else None

    @property
    def rank(self) -> int:
        """Rank in the world."""
        return self.layout.rank

    @property
    def size(self) -> int:
        """Ranks in the world."""
        return self.layout.size

    def share_record(self, record: dict[str, Any]) -> dict[str, Any]:
        """Rank 0's record of plain values, on every rank."""
        text = np.frombuffer(json.dumps(record).encode(), dtype=np.uint8)
        length = np.array([text.size], dtype=np.int64)
        what = "A record from rank 0"
        _wait(self.comm.Ibcast(length, root=0), self._timeout_s, what)
        shared = text.copy() if self.rank == 0 else np.empty(int(length[0]), dtype=np.uint8)
        _wait(self.comm.Ibcast(shared, root=0), self._timeout_s, what)
        told: dict[str, Any] = json.loads(shared.tobytes())
        return told

    def barrier(self, patient: bool = False) -> None:
        """Wait until every rank is here.

        Args:
            patient: Whether what the others do may take as long as it likes.
        """
        limit_s = math.inf if patient else self._timeout_s
        _wait(self.comm.Ibarrier(), limit_s, "End of the run")


def whole_world(timeout_s: float) -> MpiGroup:
    """All ranks that mpirun started, as one group that runs NEURON together.

    Args:
        timeout_s: Wall-clock limit for one collective operation.
    """
    return MpiGroup(MPI.COMM_WORLD.Dup(), timeout_s)


def claim_last_word() -> bool:
    """Whether this rank, of those that fail at about one time, is the one to say why.

    Ranks often fail for one reason, such as a mistake in the file. Each tells all others that
    it failed, waits a moment, and then the lowest of them speaks, unless another already does.
    """
    world = MPI.COMM_WORLD
    others = [rank for rank in range(world.size) if rank != world.rank]
    nothing = np.empty(0)
    pending = [world.Isend(nothing, dest=rank, tag=_FAILED) for rank in others]
    deadline = time.monotonic() + _SETTLE_S
    while time.monotonic() < deadline:
        MPI.Request.Testall(pending)
        time.sleep(_SETTLE_S / 20)
    below = others[: world.rank]
    if any(world.Iprobe(source=rank, tag=_SPEAKS) for rank in others) or any(
        world.Iprobe(source=rank, tag=_FAILED) for rank in below
    ):
        return False
    pending += [world.Isend(nothing, dest=rank, tag=_SPEAKS) for rank in others]
    MPI.Request.Testall(pending)
    return True


def abort(status: int) -> NoReturn:
    """End every rank of the world, now.

    An exception on one rank would otherwise leave the others waiting for ever.
    """
    MPI.COMM_WORLD.Abort(status)
    os._exit(status)  # never reached where Abort works as MPI requires


def sleep_until_all_are_here(timeout_s: float) -> None:
    """A barrier of the world whose waiting ranks leave their cores to the others."""
    _wait(MPI.COMM_WORLD.Ibarrier(), timeout_s, "End of the program")


def check_world(expected: int) -> None:
    """Refuse a world in which every rank believes to be alone.

    Raises:
        ConfigurationError: If mpi4py sees fewer ranks than the launcher started.
    """
    size = MPI.COMM_WORLD.size
    if size != expected:
        raise ConfigurationError(
            f"mpi4py sees {size} rank(s) but the launcher started {expected}: mpirun and mpi4py "
            f"belong to different MPIs. Use the mpirun of {MPI.Get_library_version().split()[0]}."
        )
