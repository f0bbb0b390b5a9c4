"""What a circuit records beside its spikes, as plain, validated data."""

from typing import Annotated

from pydantic import Field, model_validator

from cosim.config_base import Finite, Fraction, Plain, Positive, Section

CellIndex = Annotated[int, Field(ge=0, strict=True), Plain]
Cells = Annotated[list[CellIndex], Field(min_length=1)]
Position = Annotated[list[Finite], Field(min_length=3, max_length=3)]


class TraceVariable(Section):
    """A variable of a cell, in the words of NetPyNE's ``recordTraces``.

    Attributes:
        var: NEURON variable, such as ``v``, ``cai``, ``ina`` or ``g``.
        sec: Section.
        loc: Position along the section.
        mech: Density mechanism that has the variable; or
        synMech: the synaptic mechanism, by the circuit's label; or
        pointp: the point process, by the circuit's label. None of them: the membrane itself.
    """

    var: str
    sec: str = "soma"
    loc: Fraction = 0.5
    mech: str | None = None
    synMech: str | None = None
    pointp: str | None = None

    @model_validator(mode="after")
    def _one_owner(self) -> "TraceVariable":
        named = [n for n in ("mech", "synMech", "pointp") if getattr(self, n) is not None]
        if len(named) > 1:
            raise ValueError(
                f"name one of mech, synMech, pointp that has {self.var!r}, not {len(named)}."
            )
        return self


def _check_cells(cells: list[int]) -> None:
    doubled = [cell for cell in cells if cells.count(cell) > 1]
    if doubled:
        raise ValueError(f"cells names {doubled[0]} twice; name each cell once.")


class Trace(Section):
    """One variable of some cells over time.

    Attributes:
        population: Population of the circuit.
        cells: Indices of the cells in it, from 0.
        variable: Which variable; the membrane potential of the soma if omitted.
        period_ms: Sampling period, ms; a whole number of the circuit's ``dt_ms``.
    """

    population: str
    cells: Cells = Field(default_factory=lambda: [0])
    variable: TraceVariable = Field(default_factory=lambda: TraceVariable(var="v"))
    period_ms: Positive = 0.1

    @model_validator(mode="after")
    def _each_cell_once(self) -> "Trace":
        _check_cells(self.cells)
        return self


class Concentration(Section):
    """The concentration of a species of reaction-diffusion in some cells over time.

    Attributes:
        species: Label of a species, state or parameter in the circuit's ``rxdParams``.
        population: Population of the circuit.
        cells: Indices of the cells in it, from 0.
        region: Label of the rxd region; may be omitted where the species is in one only.
        sec: Section.
        loc: Position along the section.
        period_ms: Sampling period, ms; a whole number of the circuit's ``dt_ms``.
    """

    species: str
    population: str
    cells: Cells = Field(default_factory=lambda: [0])
    region: str | None = None
    sec: str = "soma"
    loc: Fraction = 0.5
    period_ms: Positive = 1.0

    @model_validator(mode="after")
    def _each_cell_once(self) -> "Concentration":
        _check_cells(self.cells)
        return self


class FieldPotential(Section):
    """The local field potential at some points, from the membrane currents of all cells.

    Attributes:
        electrodes_um: Position ``[x, y, z]`` of each electrode in the space in which NetPyNE
            places the circuit's cells, um; y is depth, as in NetPyNE's ``recordLFP``.
        period_ms: Sampling period, ms; a whole number of the circuit's ``dt_ms``.
    """

    electrodes_um: Annotated[list[Position], Field(min_length=1)]
    period_ms: Positive = 0.5


class Record(Section):
    """What a circuit records beside its spikes; in every region where a copy of it stands.

    Attributes:
        traces: Variables of cells.
        lfp: The local field potential.
        concentrations: Concentrations of species of reaction-diffusion.
    """

    traces: list[Trace] = Field(default_factory=list)
    lfp: FieldPotential | None = None
    concentrations: list[Concentration] = Field(default_factory=list)
