"""Where a fitted region rests among the regimes of its model."""

import numpy as np
from matplotlib.figure import Figure

from fitting.result import FitResult


def regime_figure(result: FitResult) -> Figure | None:
    """Stub until the bifurcation analysis is there."""
    return None
