"""Arrival times are told apart by source, and every delay is longer than it was written."""

import pytest

RULE = {
    "preConds": {"pop": "E"},
    "postConds": {"pop": "E"},
    "probability": 1.0,
    "weight": 0.001,
    "delay": 0.05,
    "synMech": "exc",
}


@pytest.fixture
def delays(hh_circuit, in_regions, build, connections):
    engine = build(in_regions(hh_circuit({"E": 4}, [RULE]), "V1"), dt_ms=0.05)
    return [(source, delay) for source, _, _, delay in connections(engine)]


def test_a_delay_of_one_step_stays_above_it(delays):
    """On several ranks NEURON refuses a shortest delay that does not exceed its step."""
    assert min(delay for _, delay in delays) > 0.05


def test_later_sources_arrive_later_by_nanoseconds(delays):
    arrivals = {source: {d for s, d in delays if s == source} for source in range(4)}
    assert all(len(times) == 1 for times in arrivals.values())
    offsets = [min(arrivals[source]) - 0.05 for source in range(4)]
    assert offsets == pytest.approx([1e-9, 2e-9, 3e-9, 4e-9], abs=1e-13)
    assert max(delay for _, delay in delays) < 0.05 + 1e-8


def test_many_connections_of_one_source_end_before_the_next_source(
    hh_circuit, in_regions, build, connections
):
    """25 rules between the same cells: their events come one by one, then the next source's."""
    engine = build(in_regions(hh_circuit({"E": 4}, 25 * [RULE]), "V1"), dt_ms=0.05)
    made = connections(engine)
    targets = {target for _, target, *_ in made}
    for target in targets:
        onto = sorted((delay, source) for source, where, _, delay in made if where == target)
        sources = [source for _, source in onto]
        assert len({delay for delay, _ in onto}) == len(onto) == 75
        assert sources == sorted(sources)
