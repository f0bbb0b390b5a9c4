"""The fit file: what a user may write, checked once, in words."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fitting.errors import ConfigurationError
from fitting.names import unknown_name

Schedule = Literal["linear_noise", "windows", "linear_noise_then_windows"]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]


class _Strict(BaseModel):
    """A section of the file: unknown keys are refused, nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SubjectFiles(_Strict):
    """A subject from files; paths are relative to the fit file."""

    weights: Path
    bold: Path | dict[str, Path]
    tr_s: float | None = None
    lengths: Path | None = None
    labels: Path | None = None


class Segment(_Strict):
    """Repetitions ``[start, stop)`` of a scan; written ``[0, 600]`` where there is one scan."""

    scan: str | None = None
    start: Annotated[int, Field(ge=0)] = 0
    stop: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            if len(value) != 2:
                raise ValueError(f"has {len(value)} numbers; write [start, stop] in TRs")
            return {"start": value[0], "stop": value[1]}
        if isinstance(value, str):
            return {"scan": value}
        return value


class Split(_Strict):
    """Which repetitions are fitted and which are kept for the test."""

    train: Segment = Segment()
    test: Segment | None = None


class Fitted(_Strict):
    """What is varied."""

    connectome: bool = True


class ConnectomeSection(_Strict):
    """How measured weights become the prior connectome: ``log(1 + weight / scale)``.

    With ``scale: largest`` the logarithm is gentle and weights keep their range over decades; with
    ``scale: one`` counts are compressed by their logarithm until all are much alike, which halves
    what the unfitted connectome explains. Where ``schedule: windows`` is chosen and nothing is
    written here, ``scale: one`` and ``floor: 0`` stand, as published.
    """

    scale: Literal["largest", "one"] = "largest"
    floor: Annotated[float, Field(ge=0, lt=1)] = 0.1


class OperatingPointSection(_Strict):
    """The resting state that holds whatever is fitted (schedules with linear_noise)."""

    rate_hz: Positive = 3.5
    kappa_per_ms: Positive = 0.004
    g_EI: Positive = 0.15
    I_o: Positive = 0.382
    sigma: Positive = 0.005


class LinearNoiseSection(_Strict):
    """The default schedule.

    FC must show in a scan of ``visible_minutes``: what would drown in its sampling noise does not
    count as a fit. It is the length of the published table, whatever is simulated afterwards;
    ``n_effective`` gives the number of independent samples instead.
    """

    steps: Count = 1200
    learning_rate: Positive = 0.1
    optimiser: Literal["adam", "lbfgs"] = "adam"
    scan: Annotated[int, Field(ge=0)] = 15
    scan_low: Positive = 0.05
    scan_high: Positive = 20.0
    fc_mean: Weight = 6.0
    fc_variance: Weight = 2.5
    bold_amplitude: Weight = 0.0
    gain_prior: Weight = 0.001
    visible_minutes: Positive = 14.4
    n_effective: Positive | None = None
    start_jitter: Annotated[float, Field(ge=0)] = 0.1
    held_out: Annotated[float, Field(ge=0, lt=0.9)] = 0.0
    frontier: tuple[Positive, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    frontier_steps: Count = 200
    patience: Count | None = None


class _WindowsBase(_Strict):
    """Windows of simulation, state carried, gradient cut between them."""

    window_s: Positive = 30.0
    epochs: Count = 20
    learning_rate: Positive = 0.01
    optimiser: Literal["adam", "lbfgs"] = "adam"
    dt_ms: Positive = 5.0
    clip_norm: Positive | None = 1.0
    patience: Count | None = None
    fc_correlation: Weight = 1.0
    fc_mean: Weight = 0.0
    fc_variance: Weight = 0.0
    fcd: Weight = 0.0
    bold_amplitude: Weight = 0.0
    power_spectrum: Weight = 0.0
    lagged_covariance: Weight = 0.0
    state_entropy: Weight = 0.0
    resting_state: Weight = 0.0
    gain_prior: Weight = 0.001


class WindowsSection(_WindowsBase):
    """The published schedule.

    Windows, epochs, learning rate and weights are those of the code published with Griffiths, Wang
    et al. (2022): entropy .1 of E and half of that of I, boundary 5, priors 1.
    """

    free: tuple[str, ...] = ("g", "g_EE", "g_IE", "g_EI")
    state_entropy: Weight = 0.1
    parameter_prior: Weight = 1.0
    bifurcation_prior: Weight = 5.0


class RefinementSection(_WindowsBase):
    """The simulated second half of ``linear_noise_then_windows``.

    FC is that of a whole simulated scan whose last window carries the gradient, and its mean and
    spread stay in the objective with the weights of the first half.
    """

    epochs: Count = 5
    learning_rate: Positive = 0.003
    fc_mean: Weight = 6.0
    fc_variance: Weight = 2.5


class SimulationSection(_Strict):
    """How the fitted network is simulated for its metrics."""

    minutes: Positive = 14.4
    settle_s: Annotated[float, Field(ge=0)] = 60.0
    seeds: tuple[int, ...] = Field(default=(1001, 1002, 1003), min_length=1)
    dt_ms: Positive = 2.5
    scheme: Literal["heun", "euler"] = "heun"
    single_precision: bool = True


class FitFile(_Strict):
    """A whole fit file."""

    subject: str | SubjectFiles
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    regions: Literal["all", "cortical"] | tuple[str, ...] = "all"
    split: Split = Split()
    model: str = "reduced_wong_wang_tanh"
    fit: Fitted = Fitted()
    connectome: ConnectomeSection = ConnectomeSection()
    schedule: Schedule = "linear_noise"
    operating_point: OperatingPointSection = OperatingPointSection()
    linear_noise: LinearNoiseSection = LinearNoiseSection()
    windows: WindowsSection = WindowsSection()
    refinement: RefinementSection = RefinementSection()
    simulation: SimulationSection = SimulationSection()

    @model_validator(mode="before")
    @classmethod
    def _published_connectome(cls, data: Any) -> Any:
        """The published schedule takes the logarithm of the counts themselves."""
        if not isinstance(data, dict) or data.get("schedule") != "windows":
            return data
        written = data.get("connectome", {})
        if not isinstance(written, dict):
            return data
        return data | {"connectome": {"scale": "one", "floor": 0.0} | written}


def read_fit_file(path: Path, overrides: Sequence[str] = ()) -> FitFile:
    """Read and check a fit file.

    Args:
        path: A YAML file.
        overrides: ``key=value`` with dots for sections, as ``linear_noise.steps=400``; the value
            is read as YAML.

    Raises:
        ConfigurationError: With every problem found.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be read: {problem.strerror}.") from problem
    data = _yaml(text, str(path))
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path} holds no keys; a fit file starts with `subject: ...`.")
    for override in overrides:
        _override(data, override)
    return check_fit_file(data)


def check_fit_file(data: dict[str, Any]) -> FitFile:
    """Check what was read from a fit file."""
    try:
        return FitFile.model_validate(data)
    except ValidationError as problem:
        raise ConfigurationError(*_in_words(problem)) from None


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        what = getattr(problem, "problem", None) or "it cannot be parsed"
        raise ConfigurationError(f"{where}{line} is not YAML: {what}.") from None


def _override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigurationError(f"--set {override!r} is not key=value, such as seed=3.")
    *sections, last = key.strip().split(".")
    place = data
    for section in sections:
        inner = place.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigurationError(
                f"--set {override!r}: {section} is {inner!r}, not a section with keys."
            )
        place = inner
    place[last] = _yaml(text, f"--set {key}")


def _fields_at(location: Iterable[Any]) -> list[str]:
    """The keys that exist where an unknown one was written."""
    model: Any = FitFile
    for part in location:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            continue
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((c for c in candidates if hasattr(c, "model_fields")), model)
    return list(model.model_fields)


def _in_words(problem: ValidationError) -> list[str]:
    """One line for each error of a validation."""
    lines: list[str] = []
    for error in problem.errors():
        location = [part for part in error["loc"] if part not in ("SubjectFiles", "str")]
        # pydantic names the branch of a union, such as literal['all','cortical'], inside the path
        location = [part for part in location if not str(part).startswith(("literal", "tuple"))]
        key = ".".join(str(part) for part in location)
        if error["type"] == "extra_forbidden":
            line = unknown_name("key", key, _keys_with_prefix(location))
        elif error["type"] == "missing":
            line = f"{key} is missing; every fit file needs it."
        else:
            line = f"{key} = {error['input']!r}: {error['msg'][:1].lower()}{error['msg'][1:]}."
        if line not in lines:
            lines.append(line)
    return lines


def _keys_with_prefix(location: list[Any]) -> list[str]:
    prefix = "".join(f"{part}." for part in location[:-1])
    return [f"{prefix}{name}" for name in _fields_at(location[:-1])]
