"""Figures of a fit count regions in whole numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import Normalize

from fitting.report import _matrix


@pytest.mark.parametrize("n_regions", [4, 20, 83])
def test_ticks_of_a_matrix_are_regions(n_regions):
    figure, axis = plt.subplots()
    _matrix(axis, np.eye(n_regions), "FC", "r", Normalize(-1, 1), "RdBu_r")
    for ticks in (axis.get_xticks(), axis.get_yticks()):
        assert np.array_equal(ticks, np.round(ticks))
    plt.close(figure)
