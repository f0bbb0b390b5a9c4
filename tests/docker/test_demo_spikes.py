"""The demo has the spikes that a build of the image asks for, also outside the image."""

import importlib.util
import platform
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cosim

SMOKE_TEST = Path(__file__).resolve().parents[2] / "docker" / "smoke_test.py"


@pytest.fixture(scope="module")
def smoke():
    spec = importlib.util.spec_from_file_location("smoke_test", SMOKE_TEST)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def result(smoke):
    return cosim.run(cosim.load(smoke.demo_file(), [f"duration_ms={smoke.DURATION_MS}"]))


def test_the_spikes_are_those_that_the_image_must_have(smoke, result):
    """One process here, two ranks in the image: the number of ranks changes no spike."""
    kept = smoke.expected()
    if platform.machine() != kept["machine"]:
        pytest.skip(f"the spikes are of {kept['machine']}")
    assert smoke.digest(result) == {key: kept[key] for key in ("n_spikes", "sha256")}


def changed(result, name, times_ms):
    """The result with other spike times of one population."""
    return SimpleNamespace(
        spikes={**result.spikes, name: replace(result.spikes[name], times_ms=times_ms)}
    )


def test_one_spike_that_moves_by_a_step_is_seen(smoke, result):
    name = next(iter(result.spikes))
    times_ms = result.spikes[name].times_ms.copy()
    times_ms[len(times_ms) // 2] += smoke.STEP_MS
    assert smoke.digest(changed(result, name, times_ms)) != smoke.digest(result)


def test_the_last_bit_of_a_time_does_not_count(smoke, result):
    name = next(iter(result.spikes))
    times_ms = np.nextafter(result.spikes[name].times_ms, np.inf)
    assert smoke.digest(changed(result, name, times_ms)) == smoke.digest(result)
