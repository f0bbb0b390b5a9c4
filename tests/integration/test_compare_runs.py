"""`cosim compare` on runs of the real thing: the same noise, one region replaced by spikes."""

import pytest

import cosim
from cosim.compare import compare


def experiment(circuits):
    return cosim.Experiment(
        seed=3,
        duration_ms=3000.0,
        brain=cosim.Brain(
            dt_ms=0.5,
            noise={"S_e": 0.002},
            monitors={"temporal_average": cosim.Monitor(period_ms=10.0)},
        ),
        circuits=circuits,
    )


@pytest.mark.timeout(120)
def test_a_replaced_region_changes_what_feels_it_and_little_else(tmp_path):
    """3 s, so nothing is claimed of the region itself (examples/fidelity.py does, in 60 s).

    The neighbours feel G J_N C dS: with the largest C of .25 and S off by a standard deviation,
    .02 for a second, S of .28 moves by 9.7 /nA x .2 x .15 x .25 x .02 = .0015, half a percent; of
    noise that was not shared the neighbours' own S would differ by some percent.
    """
    circuit = cosim.Circuit(circuit="wong_wang", regions=["rPCUN"])
    cosim.run(experiment([]), tmp_path / "a")
    result = cosim.run(experiment([circuit]), tmp_path / "b")
    [found] = compare(tmp_path / "a", [tmp_path / "b"])
    assert found.replaced == ("rPCUN",)
    assert set(found.neighbours) == {"rISTC", "lPCUN", "rCUN", "rCAC", "rPC"}
    assert found.facts["pairs"][0]["same_noise"]
    spikes = result.spikes["rPCUN.E"].times_ms
    rate_hz = ((spikes > 1000.0) & (spikes <= 3000.0)).sum() / 400 / 2.0
    assert found.measure("mean R_e", "rPCUN").b == pytest.approx(rate_hz, rel=1e-3)
    for name in found.neighbours:
        assert abs(found.measure("mean S_e", name).change) < 0.015
    assert found.measure("FC likeness", "65 other regions").change > 0.9
