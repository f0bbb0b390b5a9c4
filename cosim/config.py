"""The experiment as plain, validated data: what a YAML file or Python objects may say."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from cosim.clock import require_whole_steps
from cosim.config_base import Count, Fraction, NonNegative, PerRegion, Plain, Positive, Section
from cosim.config_circuit import CellVariable as CellVariable
from cosim.config_circuit import Circuit as Circuit
from cosim.config_circuit import Correlation as Correlation
from cosim.config_circuit import Input as Input
from cosim.config_circuit import Output as Output
from cosim.config_circuit import Where as Where


class Monitor(Section):
    """One of TVB's monitors.

    Attributes:
        period_ms: Sampling period, ms; a whole number of mean-field steps.
    """

    period_ms: Positive


# What a fitted brain brings and no key may overrule.
_FITTED = ("connectome", "normalize", "model", "coupling")


def _default_monitors() -> dict[str, Monitor]:
    return {"temporal_average": Monitor(period_ms=1.0), "bold": Monitor(period_ms=2000.0)}


class FeedbackInhibition(Section):
    """Feedback inhibition control: J_i of each region such that all rest at one rate.

    Attributes:
        rate_hz: Excitatory rate at rest, Hz (Deco et al. 2014: 3).
    """

    rate_hz: Positive = 3.0


class Brain(Section):
    """The mean-field network in TVB.

    Attributes:
        fitted: The ``fit.nc`` that ``cosim fit`` wrote: connectome, model, parameters, noise, start
            and coupling of one person; ``parameters``, ``noise`` and ``initial`` overrule it.
        connectome: ``hagmann66``, ``tvb68``, ``tvb76``, ``tvb96`` (from tvb-data) or a TVB
            connectivity zip; tvb96 has thalamus and basal ganglia.
        normalize: ``none`` leaves weights as stored, ``max`` makes the largest 1, ``region``
            is TVB's ``scaled_weights('region')``. The diagonal is always set to zero.
        conduction_speed_mm_per_ms: Conduction speed, mm/ms.
        coupling: ``additive``: regions feel ``sum_j C_ij S_j``; ``diffusive``: ``sum_j C_ij (S_j -
            S_i)``. None: additive, or as fitted.
        delays: ``tract``: length over speed; ``none``; or one delay for all connections, ms. None:
            tract, or none for a fitted brain, as fits have none.
        model: ``reduced_wong_wang_exc_inh`` (two states), ``reduced_wong_wang_tanh`` (the same with
            squashed currents) or ``reduced_wong_wang`` (one state).
        parameters: Parameters of the model by TVB's names, scalar or one value per region.
        fic: Feedback inhibition control, which sets the model's J_i; None leaves it as given.
        dt_ms: Integration step, ms.
        noise: Standard deviation of additive noise per state variable, per sqrt(ms).
        initial: Initial value per state variable; omitted, the resting fixed point.
        monitors: TVB monitors by name, and ``balloon``: BOLD as a fit defines it, from the gating
            variable that regions feel.
        engine: What steps the network: ``tvb``, TVB's own loop; ``compiled``, a compiled loop with
            the same numbers; ``auto``: compiled where the model has a kernel.
        precision: Of weights and of what regions feel of the past: ``single``, as TVB keeps them,
            or ``double`` (compiled loop only).
    """

    fitted: str | None = None
    connectome: str = "hagmann66"
    normalize: Literal["none", "max", "region"] = "none"
    conduction_speed_mm_per_ms: Positive = 3.0
    coupling: Literal["additive", "diffusive"] | None = None
    delays: Literal["tract", "none"] | Positive | None = None
    model: str = "reduced_wong_wang_exc_inh"
    parameters: dict[str, PerRegion] = Field(default_factory=dict)
    fic: FeedbackInhibition | None = None
    dt_ms: Positive = 0.1
    noise: dict[str, NonNegative] = Field(default_factory=dict)
    initial: dict[str, PerRegion] | None = None
    monitors: dict[str, Monitor] = Field(default_factory=_default_monitors)
    engine: Literal["auto", "tvb", "compiled"] = "auto"
    precision: Literal["single", "double"] = "single"

    @model_validator(mode="before")
    @classmethod
    def _connectome_as_text(cls, values: Any) -> Any:
        if isinstance(values, dict):
            return {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}
        return values

    @model_validator(mode="after")
    def _fitted_brings_its_own(self) -> "Brain":
        brought = [name for name in _FITTED if name in self.model_fields_set]
        if self.fitted is not None and brought:
            come = "comes" if len(brought) == 1 else "come"
            raise ValueError(
                f"{', '.join(brought)} {come} from fitted = {self.fitted!r}; remove "
                f"{'it' if len(brought) == 1 else 'them'}."
            )
        return self

    @model_serializer(mode="wrap")
    def _as_it_may_be_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unused = _FITTED if self.fitted is not None else ()
        return {key: value for key, value in serialize(self).items() if key not in unused}


class Synchronization(Section):
    """How often the two sides exchange.

    Attributes:
        window_ms: Window, ms; ``auto`` takes the longest whole number of steps within the
            shortest delay that crosses between the two sides.
        injection: How input spikes enter NEURON's event queue, with the same spikes: ``compiled``,
            many in one call of a library that is compiled once; ``netcon``, one by one; ``auto``,
            compiled where the library is there or the run is long enough to pay for it.
    """

    window_ms: Positive | Literal["auto"] = "auto"
    injection: Literal["auto", "compiled", "netcon"] = "auto"


class Limits(Section):
    """When a run stops by itself.

    Attributes:
        rate_hz: Ceiling of a population's rate, averaged over 100 ms, Hz.
        clipped_fraction: Largest fraction of (step, region) pairs whose gating variable was
            clipped to [0, 1].
    """

    rate_hz: Positive = 500.0
    clipped_fraction: Fraction = 0.01


class Checkpointing(Section):
    """When the state of a run is saved, so that it can go on after an interruption.

    With this section, however empty, SIGTERM saves the run and ends it.

    Attributes:
        every_ms: Simulated time between two checkpoints, ms; None: not by simulated time.
        every_minutes: Wall-clock time between two checkpoints, minutes; None: not by the clock.
        keep: How many of them are kept.
        keep_when_done: Whether they stay when the run has reached its end.
    """

    every_ms: Positive | None = None
    every_minutes: Positive | None = None
    keep: Count = 2
    keep_when_done: bool = False


class Experiment(Section):
    """A whole run. Build it from Python objects or with :func:`cosim.load`.

    Attributes:
        seed: Seed of every random number of the run.
        duration_ms: Simulated time, ms; a whole number of ``brain.dt_ms``.
        brain: The mean field.
        circuits: What replaces regions; none gives a plain TVB run.
        synchronization: The window.
        limits: When a run stops by itself.
        checkpoint: When its state is saved; None: never.
        base: Folder that relative paths are relative to; not part of the file.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True), Plain] = 7
    duration_ms: Positive = 2000.0
    brain: Brain = Field(default_factory=Brain)
    circuits: list[Circuit] = Field(default_factory=list)
    synchronization: Synchronization = Field(default_factory=Synchronization)
    limits: Limits = Field(default_factory=Limits)
    checkpoint: Checkpointing | None = None
    base: Path = Field(default=Path(), exclude=True)

    @property
    def n_steps(self) -> int:
        """Mean-field steps of the run.

        Raises:
            ConfigurationError: If the duration is not a whole number of steps.
        """
        return require_whole_steps("duration_ms", self.duration_ms, self.brain.dt_ms, "brain.dt_ms")

    def resolved(self) -> dict[str, Any]:
        """The experiment as plain data with the file's keys, defaults filled in."""
        return self.model_dump(mode="json", by_alias=True)
