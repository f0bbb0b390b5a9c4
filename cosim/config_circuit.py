"""What replaces regions, as plain, validated data: circuits, their inputs and their outputs."""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from cosim.config_base import (
    Count,
    Finite,
    Fraction,
    NonNegative,
    Positive,
    Section,
    plain_values,
    written_down,
)
from cosim.config_record import Record

# What ``from`` says for the long-range input itself, instead of a rate.
COUPLING = "coupling"

_KEYS_OF = {
    "spikes": ("receptor", "coupling", "weight_uS", "where", "correlation", "background_hz"),
    "current": ("scale", "offset", "where"),
    "variable": ("variable", "scale", "offset"),
}
_KEYS_OF_COUPLING = {"per_source": ("trains_per_source",), "aggregated": ("rate_scale",)}
_ALWAYS = ("source", "to", "as_")


class CellVariable(Section):
    """Where a cell keeps a variable, in the words of NetPyNE's ``recordTraces``.

    Attributes:
        var: NEURON variable; read as a gating variable, its value must lie in [0, 1].
        sec: Section.
        loc: Position along the section.
        mech: Density mechanism that has the variable; or
        synMech: the synaptic mechanism, by the circuit's label; or
        pointp: the point process, by the circuit's label.
    """

    var: str
    sec: str = "soma"
    loc: Fraction = 0.5
    mech: str | None = None
    synMech: str | None = None
    pointp: str | None = None

    @model_validator(mode="after")
    def _one_owner(self) -> "CellVariable":
        named = [n for n in ("mech", "synMech", "pointp") if getattr(self, n) is not None]
        if len(named) != 1:
            raise ValueError(
                f"name one of mech, synMech, pointp that has {self.var!r}, not {len(named)}."
            )
        return self


class Where(Section):
    """Where on a cell an input arrives; over several places it is spread by membrane length.

    Attributes:
        sec: Section, or several; or
        distance_um: nearest and farthest path distance from the middle of the soma, um.
        loc: Position along each section, for ``sec``.
    """

    sec: str | list[str] | None = None
    distance_um: list[NonNegative] | None = None
    loc: Fraction = 0.5

    @model_validator(mode="after")
    def _one_way(self) -> "Where":
        if (self.sec is None) == (self.distance_um is None):
            raise ValueError("give either sec or distance_um.")
        if self.sec == []:
            raise ValueError("sec names no section; name at least one.")
        if self.distance_um is not None:
            if "loc" in self.model_fields_set:
                raise ValueError("loc has no meaning with distance_um; remove it.")
            if len(self.distance_um) != 2 or self.distance_um[0] >= self.distance_um[1]:
                raise ValueError(
                    f"distance_um = {self.distance_um}: give two distances, the nearer first."
                )
        return self

    @property
    def sections(self) -> tuple[str, ...] | None:
        """The named sections."""
        if self.sec is None:
            return None
        return (self.sec,) if isinstance(self.sec, str) else tuple(self.sec)

    @model_serializer(mode="wrap")
    def _as_it_may_be_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unused = ("sec", "loc") if self.sec is None else ("distance_um",)
        return {key: value for key, value in serialize(self).items() if key not in unused}


class Correlation(Section):
    """Correlated Poisson trains (Kuhn et al. 2003), among all trains of one source region.

    Attributes:
        process: ``single``: trains share the spikes of one common train; ``multiple``: every train
            copies each spike of a mother train with probability ``c``.
        c: Correlation coefficient of the counts of any two trains, above 0 and up to 1.
    """

    process: Literal["single", "multiple"]
    c: Annotated[float, Field(gt=0, le=1, strict=True)]


class Input(Section):
    """What one population receives from the mean field.

    Attributes:
        source: Mean-field rate (written ``from``), or ``coupling``: the long-range input current
            ``G J_N sum_j C_ij S_j(t - tau_ij)``, nA. None takes the model's excitatory rate.
        to: Population that receives it.
        as_: (written ``as``) ``spikes``: Poisson trains; ``current``: a current into the
            membrane; ``variable``: the value of a variable of the cells.
        receptor: For spikes: synaptic mechanism of the circuit.
        coupling: For spikes: ``per_source``: own trains from each source region, weight
            ``weight_uS * G * C_ij``; ``aggregated``: one train of rate
            ``rate_scale * G * sum_j C_ij R_j``, weight ``weight_uS``; the only one for
            ``from: coupling``.
        trains_per_source: Trains of each cell from each source region (per_source).
        weight_uS: Synaptic weight, uS, see ``coupling``.
        rate_scale: Factor on the aggregated rate; Hz per nA for ``from: coupling``.
        background_hz: For spikes: rate of further Poisson spikes at each cell, whatever the brain
            does, Hz; for per_source spread evenly over the source regions' trains and weights.
        correlation: For spikes: correlation between the trains of one source region.
        where: For spikes and current: place on the cell; None: the middle of the soma.
        scale: For current and variable: what a unit of the source makes, nA or the variable's
            unit per Hz of ``G * sum_j C_ij R_j`` or per nA of the coupling.
        variable: For variable: which one; it is ``offset + scale * source`` over every mean-field
            step.
        offset: See ``variable``; for current what is injected without any source, nA.
    """

    source: str | None = Field(default=None, alias="from")
    to: str = "E"
    as_: Literal["spikes", "current", "variable"] = Field(default="spikes", alias="as")
    receptor: str = "exc"
    coupling: Literal["per_source", "aggregated"] = "per_source"
    trains_per_source: Count = 4
    weight_uS: NonNegative = 0.1
    rate_scale: NonNegative = 1.0
    background_hz: NonNegative = 0.0
    correlation: Correlation | None = None
    where: Where | None = None
    scale: Finite = 1.0
    variable: CellVariable | None = None
    offset: Finite = 0.0

    @property
    def aggregated(self) -> bool:
        """Whether the sources are added up before they arrive."""
        return self.as_ != "spikes" or self.source == COUPLING or self.coupling == "aggregated"

    @property
    def _used(self) -> tuple[str, ...]:
        keys = (*_ALWAYS, *_KEYS_OF[self.as_])
        if self.as_ == "spikes":
            keys += _KEYS_OF_COUPLING["aggregated" if self.aggregated else "per_source"]
        return keys

    @model_validator(mode="after")
    def _only_what_is_used(self) -> "Input":
        of_a_rate = self.as_ == "spikes" and self.source == COUPLING
        if of_a_rate and "coupling" in self.model_fields_set and self.coupling == "per_source":
            raise ValueError(
                "coupling: per_source has no meaning with from: coupling, which is one sum; "
                "remove it."
            )
        kind = f"coupling: {self.coupling}" if self.as_ == "spikes" else f"as: {self.as_}"
        kind = f"from: {COUPLING}" if of_a_rate else kind
        for name in type(self).model_fields:
            if name in self.model_fields_set and name not in self._used:
                raise ValueError(f"{name} has no meaning with {kind}; remove it.")
        if self.correlation is not None and self.background_hz > 0:
            raise ValueError(
                "background_hz: spikes that no region sends cannot be correlated; give them in an "
                "input of their own, with rate_scale: 0 and coupling: aggregated."
            )
        if self.as_ == "variable" and self.variable is None:
            raise ValueError("as: variable needs variable: {pointp: NAME, var: NAME}; add it.")
        return self

    @model_serializer(mode="wrap")
    def _as_it_may_be_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        names = {field.alias or name: name for name, field in type(self).model_fields.items()}
        return {
            key: value
            for key, value in serialize(self).items()
            if names.get(key, key) in self._used and not (value is None and key != "from")
        }


class Output(Section):
    """A population as a variable of the mean field.

    Attributes:
        source: (written ``from``) Population; or a list of populations, whose cells are pooled; or
            populations with weights, whose rates are added with them.
        to: Mean-field variable that it feeds: a rate such as ``R_e``, from its spikes, or a gating
            variable such as ``S_e``, from ``gating``.
        gating: For a gating variable: what is averaged over the population's cells.
    """

    source: str | list[str] | dict[str, NonNegative] = Field(alias="from")
    to: str
    gating: CellVariable | None = None

    @model_validator(mode="after")
    def _some_population(self) -> "Output":
        if not self.source:
            raise ValueError("from names no population; name at least one.")
        names = self.populations
        doubled = [name for name in names if names.count(name) > 1]
        if doubled:
            raise ValueError(f"from names population {doubled[0]!r} twice; name it once.")
        if isinstance(self.source, dict) and not any(self.source.values()):
            raise ValueError("from has no weight above 0; the rate would be 0 for ever.")
        if self.gating is not None and len(names) > 1:
            raise ValueError(f"gating is read from one population, not {len(names)}; name one.")
        return self

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the populations."""
        return (self.source,) if isinstance(self.source, str) else tuple(self.source)

    @property
    def weights(self) -> tuple[float, ...] | None:
        """Weight of each population's rate; None where cells are pooled."""
        return tuple(self.source.values()) if isinstance(self.source, dict) else None


def _reference_as_text(reference: object) -> str:
    return (
        reference if isinstance(reference, str) else f"<Python object {type(reference).__name__}>"
    )


class Circuit(Section):
    """A spiking circuit that stands in for one or more regions.

    Attributes:
        circuit: A registered name, ``path/to/file.py:function``, a NetPyNE JSON file, or (from
            Python) netParams, ``(netParams, simConfig)`` or a function that returns them.
        regions: Regions replaced, each by an independent copy.
        populations: For one circuit that spans regions: population name to region.
        parameters: Arguments of the circuit's function.
        calibration: File that ``cosim calibrate`` wrote, relative to the experiment file; its
            values replace those of the inputs, region by region.
        mechanisms: Folder of .mod files that the circuit needs; compiled once, kept in the user's
            cache.
        dt_ms: NEURON's step, ms; divides the mean field's. None: the circuit's own, else 0.05.
        inputs: Mean field to spiking; None takes those registered with the circuit, if any.
        outputs: Spiking to mean field; None takes those registered with the circuit, else E to
            the excitatory rate and I to the inhibitory one, where the model has them.
        record: What is recorded beside the spikes.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    circuit: Annotated[Any, PlainSerializer(_reference_as_text)]
    regions: list[str] | None = None
    populations: dict[str, str] | None = None
    parameters: Annotated[
        dict[str, Any], BeforeValidator(plain_values), PlainSerializer(written_down)
    ] = Field(default_factory=dict)
    calibration: str | None = None
    mechanisms: str | None = None
    dt_ms: Positive | None = None
    inputs: list[Input] | None = None
    outputs: list[Output] | None = None
    record: Record | None = None

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
