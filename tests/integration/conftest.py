"""What ends a run after a window."""

import pytest
from interrupted_run import Died

from cosim.checkpointing import Checkpointer


@pytest.fixture
def die_at(monkeypatch):
    """``die_at(ms)`` ends runs after the window that reaches a time; None lets them go on."""
    after, limit = Checkpointer.after, [None]

    def dies_after(self, sides, standing, wish):
        after(self, sides, standing, wish)
        if limit[0] is not None and standing.window.stop_ms >= limit[0]:
            raise Died

    monkeypatch.setattr(Checkpointer, "after", dies_after)
    return lambda ms: limit.__setitem__(0, ms)
