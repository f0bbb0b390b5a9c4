"""A short run of the brain alone, and how it is interrupted."""

from pathlib import Path

import pytest

import cosim
from cosim.experiment_file import validate

DATA = Path(__file__).parents[1] / "integration" / "data"
EVERYTHING = DATA / "everything.yaml"


class Died(BaseException):
    """Stands for whatever ends a process; in memory nothing can go on after it."""


def brain_alone(**changes):
    """A run of a second of the mean field: windows of 100 ms, a checkpoint after each second."""
    document = {
        "seed": 7,
        "duration_ms": 1000.0,
        "brain": {
            "noise": {"S_e": 0.001},
            "monitors": {"temporal_average": {"period_ms": 3.3}, "bold": {"period_ms": 100.0}},
        },
        "checkpoint": {"every_ms": 200.0},
    }
    return {**document, **changes}


def interrupted(folder, die_at, at_ms=500.0, **changes):
    die_at(at_ms)
    with pytest.raises(Died):
        cosim.run(validate(brain_alone(**changes)), folder)
    die_at(None)


def same(a, b):
    return a.mean_field.identical(b.mean_field) and a.exchange.identical(b.exchange)
