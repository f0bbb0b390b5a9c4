"""The shipped connectomes, as anatomy knows them."""

from pathlib import Path

import numpy as np
import pytest

from cosim.meanfield.connectome import load_connectome


@pytest.mark.parametrize("side", ["L", "R"])
def test_the_loop_through_the_basal_ganglia_runs_in_the_direction_of_anatomy(side):
    """Cortex to striatum to pallidum to thalamus to cortex; the file itself has rows as sources."""
    brain = load_connectome("tvb96", "none", 3.0, Path())
    cortex = [i for i, name in enumerate(brain.regions) if name.startswith("RM-")]
    putamen, pallidum, thalamus = (
        brain.index(f"{name}_{side}") for name in ("BG-Pu", "BG-Pa", "TM-F")
    )
    weights = brain.weights
    assert np.count_nonzero(weights[putamen, cortex]) > 20
    assert not weights[cortex, putamen].any()
    assert weights[pallidum, putamen] > 0
    assert weights[putamen, pallidum] == 0
    assert weights[thalamus, pallidum] > 0
    assert weights[pallidum, thalamus] == 0
    assert np.count_nonzero(weights[cortex, thalamus]) > 20
    assert np.all(brain.lengths_mm[weights > 0] > 0)
