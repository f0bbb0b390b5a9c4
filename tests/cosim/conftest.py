"""An experiment on four regions, and how it is refused."""

import zipfile

import pytest
from four_regions import (
    LENGTHS_MM,
    REGIONS,
    START,
    WEIGHTS,
    text_of,
)

from cosim.config import Brain, Experiment, Synchronization
from cosim.errors import ConfigurationError
from cosim.plan import plan


@pytest.fixture
def zipped(tmp_path):
    """Write a TVB connectivity zip; a member given as None is left out."""

    def write(name="four.zip", labels=REGIONS, **members):
        text = {
            "weights.txt": text_of(WEIGHTS),
            "tract_lengths.txt": text_of(LENGTHS_MM),
            "centres.txt": "\n".join(f"{label} {n} 0 0" for n, label in enumerate(labels)),
        }
        text |= {f"{key}.txt": value for key, value in members.items()}
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member, content in text.items():
                if content is not None:
                    archive.writestr(member, content)
        return name

    return write


@pytest.fixture
def experiment(zipped, tmp_path):
    """An experiment on the four regions; keys of the brain and of the experiment are mixed."""
    zipped()

    def make(*circuits, duration_ms=20.0, window_ms="auto", **brain):
        return Experiment(
            duration_ms=duration_ms,
            brain=Brain(**{"connectome": "four.zip", "initial": START, "monitors": {}, **brain}),
            circuits=list(circuits),
            synchronization=Synchronization(window_ms=window_ms),
            base=tmp_path,
        )

    return make


@pytest.fixture
def problems(experiment):
    """The lines that an experiment is refused with."""

    def of(*circuits, **options):
        with pytest.raises(ConfigurationError) as caught:
            plan(experiment(*circuits, **options))
        assert not any("\n" in line for line in caught.value.problems)
        return caught.value.problems

    return of
