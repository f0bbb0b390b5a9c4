"""Any experiment that can be written down can be planned, or is refused line by line."""

from copy import deepcopy

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cosim.errors import ConfigurationError
from cosim.experiment_file import validate
from cosim.plan import Plan, plan, resolved_summary

SOUND = {
    "seed": 7,
    "duration_ms": 100.0,
    "brain": {
        "connectome": "hagmann66",
        "normalize": "none",
        "conduction_speed_mm_per_ms": 3.0,
        "coupling": "additive",
        "delays": "tract",
        "model": "reduced_wong_wang_exc_inh",
        "parameters": {"G": 0.2},
        "fic": None,
        "dt_ms": 0.1,
        "noise": {"S_e": 0.001},
        "initial": None,
        "monitors": {"temporal_average": {"period_ms": 1.0}},
        "engine": "auto",
    },
    "circuits": [
        {
            "circuit": "balanced_ei",
            "regions": ["rPCUN"],
            "parameters": {"order": 10},
            "calibration": None,
            "mechanisms": None,
            "dt_ms": 0.05,
            "inputs": [
                {
                    "from": "R_e",
                    "to": "E",
                    "as": "spikes",
                    "receptor": "exc",
                    "coupling": "per_source",
                    "weight_uS": 0.1,
                    "trains_per_source": 1,
                    "rate_scale": 1.0,
                    "background_hz": 0.0,
                    "where": None,
                    "correlation": None,
                }
            ],
            "outputs": [{"from": "E", "to": "R_e"}],
            "record": None,
        }
    ],
    "synchronization": {"window_ms": "auto"},
    "limits": {"rate_hz": 500.0, "clipped_fraction": 0.01},
    "checkpoint": {"every_ms": 50.0, "every_minutes": None, "keep": 2},
}


def places(value, where=()):
    """Every key and position of nested plain data, outermost first."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inside:
        yield (*where, key)
        if isinstance(item, dict | list):
            yield from places(item, (*where, key))


PLACES = list(places(SOUND))
NUMBERS = st.sampled_from(
    [0, 1, -1, 2, 3, 0.05, 0.1, 0.3, 1e-9, 1e-300, 1e300, 5e-324, float("nan"), float("inf"),
     -0.0, 7.0, 23.3, 500.0, 1e6, 2**31, 2**63, 10**400]
)  # fmt: skip
NAMES = st.sampled_from(
    ["", "none", "auto", "tract", "max", "diffusive", "tvb76", "E", "I", "R_e", "R_i", "S_e", "S_i",
     "coupling", "current", "variable", "aggregated", "rPCUN", "lPCUN", "no such thing", "raw",
     "bold", "eeg", "wong_wang", "reduced_wong_wang", "reduced_wong_wang_tanh", "compiled", "exc",
     "inh", "a/b", "../x.py:y", "\x00", "é" * 300]
)  # fmt: skip
PLAIN = st.none() | st.booleans() | NUMBERS | NAMES
SMALL = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=4,
)
SECTIONS = st.sampled_from(
    [
        {"rate_hz": 3.0},
        {"S_e": 0.5, "S_i": [0.1] * 66},
        {"sec": "soma", "loc": 0.5},
        {"process": "multiple", "c": 0.5},
        {"traces": [{"population": "E", "cells": [0, 99]}]},
        {"lfp": {"electrodes_um": [[0, 0, 0]]}},
        {"E": 1.0, "I": 0.5},
        ["E", "I"],
        ["rPCUN", "lPCUN"],
        {"raw": {"period_ms": 0.1}, "bold": {"period_ms": 4.0}},
        {"G": [0.1] * 66, "w_p": 1.4},
    ]
)
CHANGES = st.lists(
    st.tuples(st.sampled_from(PLACES), NUMBERS | NAMES | SMALL | SECTIONS), max_size=3
)


def changed(changes):
    """The sound document with other values in some places, as far as these are still there."""
    document = deepcopy(SOUND)
    for where, value in changes:
        inside = document
        try:
            for key in where[:-1]:
                inside = inside[key]
            inside[where[-1]] = deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue
    return document


@pytest.mark.timeout(120)
@settings(max_examples=150, deadline=None)
@given(CHANGES)
@example([])
@example([(("brain", "dt_ms"), 1e-300)])
@example([(("duration_ms",), 1e300)])
@example([(("circuits", 0, "regions"), [])])
def test_any_document_is_planned_or_refused_line_by_line(changes):
    try:
        planned = plan(validate(changed(changes)))
    except ConfigurationError as error:
        assert error.problems
        for line in error.problems:
            assert line.strip()
            assert len(line.splitlines()) == 1
            assert len(line) < 1000
        return
    assert isinstance(planned, Plan)
    assert resolved_summary(planned)
