"""Which loop steps the mean field: TVB's own, or a compiled one with the same numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cosim.clock import SyncWindow
from cosim.errors import ConfigurationError
from cosim.meanfield.compiled_network import KERNELS, CompiledNetwork
from cosim.meanfield.models import ModelFamily
from cosim.meanfield.network import MeanFieldNetwork
from cosim.saved_state import State


class Network(Protocol):
    """A mean-field network that a caller advances in windows; see ``MeanFieldNetwork``."""

    regions: tuple[str, ...]
    family: ModelFamily
    dt_ms: float

    def initial_state(self) -> NDArray[np.float64]:
        """Every variable at all times up to 0, shape ``(n_variables, n_regions)``."""

    @property
    def step(self) -> int:
        """Steps done."""

    @property
    def n_clipped(self) -> NDArray[np.int64]:
        """Steps in which each region's gating was clipped, shape ``(n_regions,)``."""

    def advance(self, window: SyncWindow) -> NDArray[np.float64]:
        """Integrate over one window; ``(n_steps, n_variables, n_regions)``."""

    def impose(
        self, window: SyncWindow, columns: NDArray[np.int64], states: NDArray[np.float64]
    ) -> None:
        """Write the states of replaced regions into the past and the present."""

    def sample(
        self, window: SyncWindow, states: NDArray[np.float64]
    ) -> Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Let every monitor see the window's states; times and values of each."""

    def state(self) -> State:
        """State, past and monitors, between two windows."""

    def restore(self, state: State) -> None:
        """Go on from a state of a network of the same class, built alike."""


@dataclass(frozen=True)
class Engine:
    """The loop of a run.

    Attributes:
        name: ``tvb`` or ``compiled``.
        why: The reason, for whoever reads the provenance.
    """

    name: str
    why: str

    @property
    def network(self) -> type[Any]:
        """The class to build; both take a ``MeanField``."""
        return CompiledNetwork if self.name == "compiled" else MeanFieldNetwork


def choose_engine(wanted: str, family: ModelFamily, precision: str = "single") -> Engine:
    """The loop that steps a model.

    Every coupling, integrator and monitor of an experiment file works with both; a model needs a
    kernel of its own.

    Args:
        wanted: ``auto``, ``tvb`` or ``compiled``.
        family: The model.
        precision: ``single`` or ``double``; TVB's loop has no other than single.

    Raises:
        ConfigurationError: If ``compiled`` or ``double`` is wanted of a model without a kernel, or
            ``double`` of TVB's loop.
    """
    if precision == "double" and (wanted == "tvb" or family.tvb_class not in KERNELS):
        raise ConfigurationError(
            f"brain.precision = 'double': TVB's loop, which "
            f"{'is asked for' if wanted == 'tvb' else f'steps {family.name}'}, keeps its past in "
            f"single precision; take precision: single"
            f"{', or engine: auto.' if family.tvb_class in KERNELS else '.'}"
        )
    if wanted == "tvb":
        return Engine("tvb", "asked for")
    if family.tvb_class in KERNELS:
        asked = wanted == "compiled"
        return Engine("compiled", "asked for" if asked else f"{family.name} has a kernel")
    if wanted == "compiled":
        known = ", ".join(kind.__name__ for kind in KERNELS)
        raise ConfigurationError(
            f"brain.engine = 'compiled': {family.name} has no kernel (there are {known}); take "
            f"engine: auto or tvb."
        )
    return Engine("tvb", f"{family.name} has no kernel")
