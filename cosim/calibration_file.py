"""The file that `cosim calibrate` writes and an experiment includes: numbers of inputs, and why."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, PlainSerializer, ValidationError

from cosim.config import Circuit as CircuitSection
from cosim.config_base import Finite, NonNegative, Section, plain_values, written_down
from cosim.errors import ConfigurationError
from cosim.experiment_file import describe, parse
from cosim.placement import regions_of
from cosim.result_files import atomic_file

VERSION = 1

_SIGNIFICANT = 6


class InputValues(Section):
    """The numbers found for one input.

    Attributes:
        input: Its position in the circuit's list of inputs.
        to: Population that it drives, to tell a list that was changed since.
        weight_uS: As in the experiment file.
        background_hz: As in the experiment file.
        scale: As in the experiment file.
        offset: As in the experiment file.
    """

    input: Annotated[int, Field(ge=0, strict=True)]
    to: str
    weight_uS: NonNegative | None = None
    background_hz: NonNegative | None = None
    scale: Finite | None = None
    offset: Finite | None = None

    @property
    def values(self) -> dict[str, float]:
        """The keys of the input that are replaced."""
        given = self.model_dump(exclude={"input", "to"})
        return {key: value for key, value in given.items() if value is not None}


class Curves(Section):
    """Mean field and circuit over the operating range; lists of one value per point.

    Attributes:
        source_factor: Rates of all source regions over their rates at rest.
        coupling_nA: Long-range current into the region, nA.
        mean_field_hz: Stationary rates of the mean-field node, per rate, Hz.
        circuit_hz: Rates of the calibrated circuit, measured with other random numbers than those
            by which it was calibrated, per rate, Hz.
        standard_error_hz: Their standard errors, per rate, Hz.
        before_hz: Rates of the circuit with the inputs as written, per rate, Hz.
    """

    source_factor: list[Finite]
    coupling_nA: list[Finite]
    mean_field_hz: dict[str, list[Finite]]
    circuit_hz: dict[str, list[Finite]]
    standard_error_hz: dict[str, list[Finite]]
    before_hz: dict[str, list[Finite]]


class ClosedLoop(Section):
    """The region in the running brain, as a circuit and as mean field; the same noise.

    Attributes:
        from_ms: Start of the averages, ms.
        to_ms: Their end, ms.
        circuit: Mean of each rate, Hz, and of the gating variable that others feel.
        before: The same with the inputs as written; None if that run stopped by itself.
        mean_field: The same where the region is mean field.
    """

    from_ms: Finite
    to_ms: Finite
    circuit: dict[str, Finite]
    before: dict[str, Finite] | None = None
    mean_field: dict[str, Finite]


class RegionCalibration(Section):
    """What was found for one region.

    Attributes:
        circuit: Reference of the circuit.
        parameters: Its parameters.
        inputs: The numbers.
        curves: The two curves.
        residual: Of the excitatory rate, circuit over mean field minus 1: ``rest``, ``largest`` in
            magnitude and ``rms`` over the curve; of the inhibitory rate ``inhibitory_rest``.
        closed_loop: The check in the running brain.
    """

    circuit: str
    parameters: Annotated[
        dict[str, Any], BeforeValidator(plain_values), PlainSerializer(written_down)
    ]
    inputs: list[InputValues]
    curves: Curves
    residual: dict[str, Finite]
    closed_loop: ClosedLoop | None = None


class Calibration(Section):
    """A whole calibration file.

    Attributes:
        cosim_calibration: Version of the format.
        experiment: The file that was calibrated.
        seed: Its seed.
        made: Operating range, simulated time of the open loop, CPU time of this rank, s.
        regions: What was found.
    """

    cosim_calibration: int = VERSION
    experiment: str = ""
    seed: int = 0
    made: dict[str, Finite | str] = Field(default_factory=dict)
    regions: dict[str, RegionCalibration]


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration file.

    Args:
        calibration: What was found.
        path: The file; an older one is replaced.

    Raises:
        ResultsError: If it cannot be written; an older one stays as it was.
    """
    document = rounded(calibration.model_dump(exclude_none=True))
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=100)
    head = "# Written by `cosim calibrate`. Include it: circuits: - {calibration: THIS FILE, ...}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_text(head + text, encoding="utf-8")


def rounded(value: Any) -> Any:
    """Plain data with numbers to six significant digits."""
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.{_SIGNIFICANT}g}") if isinstance(value, float) else value


def read_calibration(name: str, base: Path) -> Calibration:
    """Read a calibration file.

    Args:
        name: Its path.
        base: Folder that a relative path starts from.

    Raises:
        ConfigurationError: If it cannot be read, or is no calibration.
    """
    path = base / name
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise ConfigurationError(
            f"cannot read {name!r}: {reason}. `cosim calibrate` writes it."
        ) from None
    document = parse(text, name)
    if not isinstance(document, dict) or "cosim_calibration" not in document:
        raise ConfigurationError(
            f"{name!r} is not what `cosim calibrate` writes: it has no key cosim_calibration."
        )
    if document["cosim_calibration"] != VERSION:
        raise ConfigurationError(
            f"{name!r} has format {document['cosim_calibration']!r}, this program reads "
            f"{VERSION}; calibrate again."
        )
    try:
        return Calibration.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(*(f"{name}: {line}" for line in describe(error))) from None


def split_by_region(section: CircuitSection) -> list[CircuitSection]:
    """One section per copy, so that copies may have inputs of their own."""
    if section.regions is None:
        return [section]
    return [section.model_copy(update={"regions": [region]}) for region in section.regions]


def with_values(
    section: CircuitSection, values: Mapping[int, Mapping[str, float]]
) -> CircuitSection:
    """A section whose inputs have other numbers.

    Args:
        section: The circuit, its inputs written out.
        values: Keys and values per position of an input.
    """
    inputs = [
        item.model_copy(update=dict(values.get(position, {})))
        for position, item in enumerate(section.inputs or ())
    ]
    return section.model_copy(update={"inputs": inputs})


def apply_calibration(
    section: CircuitSection, base: Path
) -> tuple[list[CircuitSection], list[str]]:
    """The circuit of each region with the numbers of its calibration file.

    Args:
        section: The circuit, its inputs written out.
        base: Folder of the experiment file.

    Returns:
        Sections that need no file any more, and one line per region that tells where its numbers
        are from.

    Raises:
        ConfigurationError: If the file is missing, or is of another circuit.
    """
    name = section.calibration
    if name is None:
        return [section], []
    known = read_calibration(name, base).regions
    parts, notices = [], []
    for part in split_by_region(section.model_copy(update={"calibration": None})):
        (region, *others) = regions_of(part)
        if others:
            raise ConfigurationError(
                "has no meaning for a circuit over several regions; remove it."
            )
        if region not in known:
            raise ConfigurationError(
                f"{name!r} has no region {region!r}, only {', '.join(known)}; calibrate again."
            )
        found = known[region]
        _check_same(part, found, name, region)
        parts.append(with_values(part, {item.input: item.values for item in found.inputs}))
        worst = 100.0 * found.residual.get("largest", float("nan"))
        notices.append(
            f"the inputs of {region} have the values of {name}, with which its excitatory rate was "
            f"within {abs(worst):.2g} % of the mean field's."
        )
    return parts, notices


def _check_same(part: CircuitSection, found: RegionCalibration, name: str, region: str) -> None:
    written = part.model_dump(include={"circuit", "parameters"})
    if (written["circuit"], rounded(written["parameters"])) != (
        found.circuit,
        rounded(found.parameters),
    ):
        raise ConfigurationError(
            f"{name!r} was made for {found.circuit} with parameters {found.parameters} in "
            f"{region}, and here it is {written['circuit']} with {written['parameters']}; "
            f"calibrate again."
        )
    inputs = part.inputs or []
    for item in found.inputs:
        if item.input >= len(inputs) or inputs[item.input].to != item.to:
            raise ConfigurationError(
                f"{name!r} has values for input {item.input} to {item.to!r}, and the circuit of "
                f"{region} has no such input there; calibrate again."
            )
