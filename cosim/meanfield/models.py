"""Reduced Wong-Wang models for TVB that also carry their firing rates.

They are TVB's own models with the population rates as additional, non-integrated state variables:
after the step from t to t + dt, ``R`` holds the rate over that step, H of the state and the delayed
coupling at t. So rates can cross to a spiking circuit and be seen by every TVB monitor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvb.basic.neotraits.api import Final, List, NArray
from tvb.simulator.models.wong_wang import ReducedWongWang
from tvb.simulator.models.wong_wang_exc_inh import ReducedWongWangExcInh

from cosim.errors import ConfigurationError
from cosim.meanfield.kernels import (
    exc_inh,
    exc_inh_rates,
    one_state,
    one_state_rate,
    tanh,
    tanh_rates,
)
from cosim.registry import unknown_name


def _rows(state: NDArray[np.float64]) -> NDArray[np.float64]:
    """(variable, region, 1) as (region, variable), what the compiled equations read."""
    return state.reshape(state.shape[:-1]).T


def _columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(region, variable) as TVB's (variable, region, 1)."""
    return values.T[..., np.newaxis]


class _WithRates:
    """What both models add: rates are filled in before each step and left out of the equations."""

    # Parameters of the compiled equations, in their order.
    _drift_names: tuple[str, ...]
    _rate_names: tuple[str, ...]
    _fixed: dict[tuple[str, ...], tuple[Any, ...]] | None = None

    def fix_parameters(self) -> None:
        """Look every parameter up once: TVB's attributes cost more than the equations they enter.

        Call it when the model is fully configured; later changes of a parameter are not seen.
        """
        self._fixed = {}
        for names in (self._drift_names, self._rate_names):
            self._fixed[names] = tuple(getattr(self, name) for name in names)

    def _values(self, names: tuple[str, ...]) -> tuple[Any, ...]:
        if self._fixed is not None:
            return self._fixed[names]
        return tuple(getattr(self, name) for name in names)

    def update_state_variables_before_integration(
        self,
        state: NDArray[np.float64],
        coupling: NDArray[np.float64],
        local_coupling: float = 0.0,
        stimulus: float = 0.0,
    ) -> None:
        # In place, and None returned: TVB then spares itself clipping the whole state twice a step.
        n = self.nintvar  # type: ignore[attr-defined]
        state[n:] = self.rates_hz(state[:n], coupling)  # type: ignore[attr-defined]

    def update_state_variables_after_integration(self, state: NDArray[np.float64]) -> None:
        return None


class ExcInhWithRates(_WithRates, ReducedWongWangExcInh):
    """TVB's two-state model (Deco et al. 2014) with its rates R_e, R_i in Hz."""

    state_variables = ("S_e", "S_i", "R_e", "R_i")
    non_integrated_variables = ("R_e", "R_i")
    _drift_names = (
        "a_e", "b_e", "d_e", "gamma_e", "tau_e", "w_p", "W_e", "J_N", "a_i", "b_i", "d_i",
        "gamma_i", "tau_i", "W_i", "J_i", "G", "lamda", "I_o", "I_ext",
    )  # fmt: skip
    _rate_names = (
        "a_e", "b_e", "d_e", "w_p", "W_e", "J_N", "a_i", "b_i", "d_i", "W_i", "J_i", "G", "lamda",
        "I_o", "I_ext",
    )  # fmt: skip
    _nvar = 4
    variables_of_interest = List(
        of=str,
        choices=("S_e", "S_i", "R_e", "R_i"),
        default=("S_e", "S_i", "R_e", "R_i"),
    )
    state_variable_range = Final(
        default={
            "S_e": np.array([0.0, 1.0]),
            "S_i": np.array([0.0, 1.0]),
            "R_e": np.array([0.0, 100.0]),
            "R_i": np.array([0.0, 100.0]),
        }
    )

    def dfun(
        self,
        x: NDArray[np.float64],
        c: NDArray[np.float64],
        local_coupling: float = 0.0,
        **_: Any,
    ) -> NDArray[np.float64]:
        """Time derivative of S_e, S_i, shape ``(2, n_regions, 1)``, per ms."""
        return _columns(exc_inh(_rows(x), _rows(c), *self._values(self._drift_names)))

    def rates_hz(self, S: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.float64]:
        """R_e, R_i for gating ``(2, n_regions, 1)`` and coupling ``(1, n_regions, 1)``, Hz."""
        return _columns(exc_inh_rates(_rows(S), _rows(c), *self._values(self._rate_names)))


class TanhWithRates(ExcInhWithRates):
    """The two-state model with tanh on both currents, as fitted by Griffiths, Wang et al. (2022).

    Its parameters are TVB's; theirs are g = G J_N, g_EE = w_p J_N, g_IE = J_i and g_EI = J_N.

    References:
        Griffiths, Wang et al. (2022), doi:10.1101/2022.05.19.492664, eqs 4-13.
    """

    def dfun(
        self,
        x: NDArray[np.float64],
        c: NDArray[np.float64],
        local_coupling: float = 0.0,
        **_: Any,
    ) -> NDArray[np.float64]:
        """Time derivative of S_e, S_i, shape ``(2, n_regions, 1)``, per ms."""
        return _columns(tanh(_rows(x), _rows(c), *self._values(self._drift_names)))

    def rates_hz(self, S: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.float64]:
        """R_e, R_i for gating ``(2, n_regions, 1)`` and coupling ``(1, n_regions, 1)``, Hz."""
        return _columns(tanh_rates(_rows(S), _rows(c), *self._values(self._rate_names)))


class OneStateWithRate(_WithRates, ReducedWongWang):
    """The one-state model (Deco et al. 2013) with its rate R in Hz and a global coupling G.

    TVB's own class counts in kHz and ms; here ``a`` (Hz/nA), ``b`` (Hz), ``d`` (s) and ``gamma``
    carry the same numbers in Hz, so that R is in Hz. The equations are TVB's with ``G * c`` for
    the coupling; the defaults are those of the parameter table of Deco et al. (2013) with the
    recurrence w = .9 and I_o = .3 nA of the bistable regime.
    """

    a = NArray(default=np.array([270.0]), doc="Input gain, Hz/nA.")
    b = NArray(default=np.array([108.0]), doc="Input shift, Hz.")
    d = NArray(default=np.array([0.154]), doc="Input scaling, s.")
    gamma = NArray(default=np.array([0.641e-3]), doc="Kinetic parameter, dimensionless per Hz ms.")
    w = NArray(default=np.array([0.9]), doc="Local excitatory recurrence.")
    I_o = NArray(default=np.array([0.3]), doc="External input, nA.")
    G = NArray(default=np.array([2.0]), doc="Global coupling.")

    state_variables = ("S", "R")
    non_integrated_variables = ("R",)
    _drift_names = ("a", "b", "d", "gamma", "tau_s", "w", "J_N", "I_o", "G")
    _rate_names = ("a", "b", "d", "w", "J_N", "I_o", "G")
    _nvar = 2
    variables_of_interest = List(of=str, choices=("S", "R"), default=("S", "R"))
    state_variable_range = Final(default={"S": np.array([0.0, 1.0]), "R": np.array([0.0, 100.0])})

    def dfun(
        self, x: NDArray[np.float64], c: NDArray[np.float64], local_coupling: float = 0.0
    ) -> NDArray[np.float64]:
        """Time derivative of S, shape ``(1, n_regions, 1)``, per ms."""
        return _columns(one_state(_rows(x), _rows(c), *self._values(self._drift_names)))

    def rates_hz(self, S: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.float64]:
        """R for gating ``(1, n_regions, 1)`` and coupling ``(1, n_regions, 1)``, Hz."""
        return _columns(one_state_rate(_rows(S), _rows(c), *self._values(self._rate_names)))


@dataclass(frozen=True)
class Gate:
    """How a rate drives its gating variable: dS/dt = -S/tau + (1 - S or 1) gamma R.

    Attributes:
        variable: The gating variable, such as ``S_e``.
        tau: Name of the model's time constant, ms.
        gamma: Name of the model's kinetic parameter.
        saturating: Whether the factor (1 - S) is there.
    """

    variable: str
    tau: str
    gamma: str
    saturating: bool


@dataclass(frozen=True)
class ModelFamily:
    """What the rest of the program needs to know of a TVB model.

    Attributes:
        name: Name in the experiment file.
        tvb_class: The TVB model.
        gating: Integrated state variables, in order.
        rates: Rate variables, in order.
        gates: Per rate variable, the gating variable that it drives.
        coupling: The gating variable that other regions feel.
        parameters: Names of the parameters that a user may set.
    """

    name: str
    tvb_class: type[Any]
    gating: tuple[str, ...]
    rates: tuple[str, ...]
    gates: Mapping[str, Gate]
    coupling: str

    @property
    def variables(self) -> tuple[str, ...]:
        """All state variables, in TVB's order."""
        return self.gating + self.rates

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that a user may set."""
        hidden = {"sigma_noise", "variables_of_interest", "gid"}
        numbers = (
            name
            for name in self.tvb_class.declarative_attrs
            if isinstance(getattr(self.tvb_class, name, None), NArray)
        )
        return tuple(sorted(set(numbers) - hidden))

    def build(self, parameters: Mapping[str, Any]) -> Any:
        """A TVB model instance.

        Args:
            parameters: Scalar or ``(n_regions,)`` per name.
        """
        arrays = {name: np.atleast_1d(np.asarray(v, float)) for name, v in parameters.items()}
        return self.tvb_class(**arrays)


_TWO_STATES: Mapping[str, Any] = {
    "gating": ("S_e", "S_i"),
    "rates": ("R_e", "R_i"),
    "gates": {
        "R_e": Gate("S_e", "tau_e", "gamma_e", saturating=True),
        "R_i": Gate("S_i", "tau_i", "gamma_i", saturating=False),
    },
    "coupling": "S_e",
}

MODELS: dict[str, ModelFamily] = {
    family.name: family
    for family in (
        ModelFamily("reduced_wong_wang_exc_inh", ExcInhWithRates, **_TWO_STATES),
        ModelFamily("reduced_wong_wang_tanh", TanhWithRates, **_TWO_STATES),
        ModelFamily(
            "reduced_wong_wang",
            OneStateWithRate,
            ("S",),
            ("R",),
            {"R": Gate("S", "tau_s", "gamma", saturating=True)},
            "S",
        ),
    )
}


def model_family(name: str) -> ModelFamily:
    """The model of a name.

    Raises:
        ConfigurationError: If there is no such model.
    """
    if name not in MODELS:
        raise ConfigurationError(f"brain.model: {unknown_name('model', name, MODELS)}")
    return MODELS[name]
