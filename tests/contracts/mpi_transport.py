"""The MPI transport keeps the contract. Not collected by itself: every rank runs these tests.

    mpiexec -n 2 python -m pytest -q tests/contracts/mpi_transport.py

Two ranks: where a side has more, its root alone knows why a packet did not come, and the failures
that are provoked here would leave the others behind.
"""

import pytest
from transport_contract import End, TransportContract

from cosim.transport.mpi import MpiWorld

# Longer than two ranks on one shared core may drift apart within a test, short for the one that
# waits it out.
_TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def world():
    return MpiWorld(_TIMEOUT_S)


class TestMpi(TransportContract):
    @pytest.fixture
    def join(self, world):
        def joined(a, b):
            mine, peers = (a, b) if world.layout.is_tvb else (b, a)
            return [End(world.transport(peers, mine), mine, peers)]

        # Tests stay in step, so that a packet of one is never taken in another.
        world.barrier()
        yield joined
        world.barrier()
