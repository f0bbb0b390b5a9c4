"""The experiment as plain, validated data: what a YAML file or Python objects may say."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from cosim.clock import require_whole_steps


def _plain_numbers(value: Any) -> Any:
    """NumPy scalars and arrays as plain numbers and lists, so that both may be written."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def _plain_values(value: Any) -> Any:
    """The same for numbers inside dictionaries and lists."""
    if isinstance(value, dict):
        return {key: _plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_values(item) for item in value]
    return _plain_numbers(value)


def _written_down(value: Any) -> Any:
    """Plain data as it is; for any other object of a Python user, what Python prints of it."""
    if isinstance(value, dict):
        return {str(key): _written_down(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_written_down(item) for item in value]
    return value if value is None or isinstance(value, str | bool | int | float) else repr(value)


# Strict: the text "0.1" or the truth value yes is a mistake in the file, not a number.
_Plain = BeforeValidator(_plain_numbers)
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True), _Plain]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True), _Plain]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True), _Plain]
Count = Annotated[int, Field(ge=1, strict=True), _Plain]
PerRegion = Annotated[Finite | list[Finite], _Plain]


class _Section(BaseModel):
    """A part of the experiment; unknown keys are refused, nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Monitor(_Section):
    """One of TVB's monitors.

    Attributes:
        period_ms: Sampling period, ms; a whole number of mean-field steps.
    """

    period_ms: Positive


def _default_monitors() -> dict[str, Monitor]:
    return {"temporal_average": Monitor(period_ms=1.0), "bold": Monitor(period_ms=2000.0)}


class Brain(_Section):
    """The mean-field network in TVB.

    Attributes:
        connectome: ``hagmann66``, ``tvb68``, ``tvb76`` (from tvb-data) or a TVB connectivity zip.
        normalize: ``none`` leaves weights as stored, ``max`` makes the largest 1, ``region``
            is TVB's ``scaled_weights('region')``. The diagonal is always set to zero.
        conduction_speed_mm_per_ms: Conduction speed, mm/ms.
        model: ``reduced_wong_wang_exc_inh`` (two states) or ``reduced_wong_wang`` (one).
        parameters: Parameters of the model by TVB's names, scalar or one value per region.
        dt_ms: Integration step, ms.
        noise: Standard deviation of additive noise per state variable, per sqrt(ms).
        initial: Initial value per state variable; omitted, the resting fixed point.
        monitors: TVB monitors by name.
    """

    connectome: str = "hagmann66"
    normalize: Literal["none", "max", "region"] = "none"
    conduction_speed_mm_per_ms: Positive = 3.0
    model: str = "reduced_wong_wang_exc_inh"
    parameters: dict[str, PerRegion] = Field(default_factory=dict)
    dt_ms: Positive = 0.1
    noise: dict[str, NonNegative] = Field(default_factory=dict)
    initial: dict[str, PerRegion] | None = None
    monitors: dict[str, Monitor] = Field(default_factory=_default_monitors)

    @model_validator(mode="before")
    @classmethod
    def _connectome_as_text(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("connectome"), Path):
            return {**values, "connectome": str(values["connectome"])}
        return values


class Input(_Section):
    """Rates of the mean field as Poisson spike trains into one population.

    Attributes:
        source: Mean-field rate (written ``from``); None takes the model's excitatory rate.
        to: Population that receives the trains.
        receptor: Synaptic mechanism of the circuit.
        coupling: ``per_source``: own trains from each source region, weight
            ``weight_uS * G * C_ij``; ``aggregated``: one train of rate
            ``rate_scale * G * sum_j C_ij R_j``, weight ``weight_uS``.
        trains_per_source: Trains of each cell from each source region (per_source).
        weight_uS: Synaptic weight, uS, see ``coupling``.
        rate_scale: Factor on the aggregated rate.
    """

    source: str | None = Field(default=None, alias="from")
    to: str = "E"
    receptor: str = "exc"
    coupling: Literal["per_source", "aggregated"] = "per_source"
    trains_per_source: Count = 4
    weight_uS: NonNegative = 0.1
    rate_scale: NonNegative = 1.0

    @model_validator(mode="after")
    def _only_what_is_used(self) -> "Input":
        unused = self._unused
        if unused in self.model_fields_set:
            raise ValueError(f"{unused} has no meaning with coupling: {self.coupling}; remove it.")
        return self

    @property
    def _unused(self) -> str:
        return "rate_scale" if self.coupling == "per_source" else "trains_per_source"

    @model_serializer(mode="wrap")
    def _as_it_may_be_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in serialize(self).items() if key != self._unused}


class Gating(_Section):
    """Where a circuit keeps a gating variable, in the words of NetPyNE's ``recordTraces``.

    Attributes:
        var: NEURON variable; its value must lie in [0, 1].
        sec: Section.
        loc: Position along the section.
        mech: Density mechanism that has the variable; or
        synMech: the synaptic mechanism, by the circuit's label; or
        pointp: the point process, by the circuit's label.
    """

    var: str
    sec: str = "soma"
    loc: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.5
    mech: str | None = None
    synMech: str | None = None
    pointp: str | None = None

    @model_validator(mode="after")
    def _one_owner(self) -> "Gating":
        named = [n for n in ("mech", "synMech", "pointp") if getattr(self, n) is not None]
        if len(named) != 1:
            raise ValueError(
                f"name one of mech, synMech, pointp that has {self.var!r}, not {len(named)}."
            )
        return self


class Output(_Section):
    """One population as a variable of the mean field.

    Attributes:
        source: Population (written ``from``).
        to: Mean-field variable that it feeds: a rate such as ``R_e``, from its spikes, or a gating
            variable such as ``S_e``, from ``gating``.
        gating: For a gating variable: what is averaged over the population's cells.
    """

    source: str = Field(alias="from")
    to: str
    gating: Gating | None = None


def _reference_as_text(reference: object) -> str:
    return (
        reference if isinstance(reference, str) else f"<Python object {type(reference).__name__}>"
    )


class Circuit(_Section):
    """A spiking circuit that stands in for one or more regions.

    Attributes:
        circuit: A registered name, ``path/to/file.py:function``, a NetPyNE JSON file, or (from
            Python) netParams, ``(netParams, simConfig)`` or a function that returns them.
        regions: Regions replaced, each by an independent copy.
        populations: For one circuit that spans regions: population name to region.
        parameters: Arguments of the circuit's function.
        mechanisms: Folder of .mod files that the circuit needs; compiled once, kept in the user's
            cache.
        dt_ms: NEURON's step, ms; divides the mean field's. None: the circuit's own, else 0.05.
        inputs: Mean field to spiking.
        outputs: Spiking to mean field; None takes E to the excitatory rate and I to the
            inhibitory one, where the model has them.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    circuit: Annotated[Any, PlainSerializer(_reference_as_text)]
    regions: list[str] | None = None
    populations: dict[str, str] | None = None
    parameters: Annotated[
        dict[str, Any], BeforeValidator(_plain_values), PlainSerializer(_written_down)
    ] = Field(default_factory=dict)
    mechanisms: str | None = None
    dt_ms: Positive | None = None
    inputs: list[Input] = Field(default_factory=list)
    outputs: list[Output] | None = None

    @model_validator(mode="after")
    def _one_placement(self) -> "Circuit":
        if (self.regions is None) == (self.populations is None):
            raise ValueError(
                "give either regions (a copy in each) or populations (one circuit over regions), "
                f"not {'both' if self.regions is not None else 'neither'}."
            )
        if not (self.regions or self.populations):
            raise ValueError("no region is replaced: name at least one.")
        doubled = [r for r in self.regions or [] if (self.regions or []).count(r) > 1]
        if doubled:
            raise ValueError(f"region {doubled[0]!r} is listed twice; list each region once.")
        return self


class Synchronization(_Section):
    """How often the two sides exchange.

    Attributes:
        window_ms: Window, ms; ``auto`` takes the longest whole number of steps within the
            shortest delay that crosses between the two sides.
    """

    window_ms: Positive | Literal["auto"] = "auto"


class Limits(_Section):
    """When a run stops by itself.

    Attributes:
        rate_hz: Ceiling of a population's rate, averaged over 100 ms, Hz.
        clipped_fraction: Largest fraction of (step, region) pairs whose gating variable was
            clipped to [0, 1].
    """

    rate_hz: Positive = 500.0
    clipped_fraction: Annotated[float, Field(ge=0, le=1, strict=True), _Plain] = 0.01


class Experiment(_Section):
    """A whole run. Build it from Python objects or with :func:`cosim.load`.

    Attributes:
        seed: Seed of every random number of the run.
        duration_ms: Simulated time, ms; a whole number of ``brain.dt_ms``.
        brain: The mean field.
        circuits: What replaces regions; none gives a plain TVB run.
        synchronization: The window.
        limits: When a run stops by itself.
        base: Folder that relative paths are relative to; not part of the file.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True), _Plain] = 7
    duration_ms: Positive = 2000.0
    brain: Brain = Field(default_factory=Brain)
    circuits: list[Circuit] = Field(default_factory=list)
    synchronization: Synchronization = Field(default_factory=Synchronization)
    limits: Limits = Field(default_factory=Limits)
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
