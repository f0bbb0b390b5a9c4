"""A run of any length holds the same memory: results stream to the disk."""

from pathlib import Path

import pytest
from own_process import told_by

import cosim

DATA = Path(__file__).parent / "data"


@pytest.mark.slow
def test_ten_minutes_hold_the_memory_of_the_first(tmp_path):
    """60,000 windows, 30 checkpoints, spikes, traces, monitors: its own memory grows by less
    than 20 MB after the first."""
    seen = told_by(DATA / "resident.py", DATA / "long.yaml", tmp_path / "out", 600)
    assert len(seen) == 100
    after_a_minute = [mb for seconds, mb in seen if seconds > 59]
    assert max(after_a_minute) - after_a_minute[0] < 20.0
    result = cosim.RunResult.open(tmp_path / "out")
    assert result.complete
    assert result.spikes["rPCUN.E"].times_ms[-1] > 590_000
