"""Mean-field models that the fit can be given: each is one file that satisfies `MeanFieldModel`."""

from fitting.errors import ConfigurationError
from fitting.models.base import MeanFieldModel, Parameters, ParameterSpec
from fitting.models.hopf import Hopf
from fitting.models.reduced_wong_wang import ReducedWongWang

__all__ = [
    "Hopf",
    "MeanFieldModel",
    "ParameterSpec",
    "Parameters",
    "ReducedWongWang",
    "model_names",
    "named_model",
]

_MODELS: dict[str, MeanFieldModel] = {
    "reduced_wong_wang_tanh": ReducedWongWang(squash_currents=True),
    "reduced_wong_wang_exc_inh": ReducedWongWang(squash_currents=False),
    "hopf": Hopf(),
}


def model_names() -> tuple[str, ...]:
    """Names a fit file may give as its ``model``."""
    return tuple(_MODELS)


def named_model(name: str) -> MeanFieldModel:
    """Return the model a fit file names.

    Raises:
        ConfigurationError: If there is none of that name.
    """
    if name not in _MODELS:
        raise ConfigurationError(f"Unknown model {name!r}; write one of: {', '.join(_MODELS)}.")
    return _MODELS[name]
