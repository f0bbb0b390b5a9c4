"""Processes that start together leave a cache of compiled functions that works."""

import os
import subprocess
import sys

import pytest

from cosim.compile_lock import compiling_alone

CALL = """
import sys, time
time.sleep(float(sys.argv[1]))
import numpy as np
import cosim.meanfield
from cosim.meanfield.kernels import exc_inh_rates
print(exc_inh_rates(np.full((1, 2), 0.2), np.full((1, 1), 0.2), *[np.ones(1)] * 15))
"""


def start(after_s, cache, home):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "XDG_CACHE_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-c", CALL, str(after_s)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_process_waits_while_another_one_compiles(tmp_path, monkeypatch):
    """It would be done after 2 to 4 s; 0.2 s after the release it may not have begun."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with compiling_alone("kernels"):
        other = start(0, os.environ.get("NUMBA_CACHE_DIR", ""), tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(timeout=5)
    assert other.wait(timeout=60) == 0, other.stderr.read().decode()


def test_a_home_that_cannot_be_written_is_no_obstacle(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with compiling_alone("kernels"):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.6, 0.9, 1.2, 1.5, 1.8])
def test_two_ranks_on_an_empty_cache_do_not_spoil_it(tmp_path, after_s):
    """Without the lock three of eleven delays between 0 and 3 s left a cache that crashed."""
    cache = tmp_path / "numba"
    processes = [start(0, cache, tmp_path), start(after_s, cache, tmp_path)]
    results = [process.communicate(timeout=120) for process in processes]
    late = start(0, cache, tmp_path)
    results.append(late.communicate(timeout=120))
    assert [process.returncode for process in (*processes, late)] == [0, 0, 0]
    assert len({out for out, _ in results}) == 1
