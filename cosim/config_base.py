"""What every section of an experiment is made of: strict numbers, plain data, no unknown keys."""

from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _plain_numbers(value: Any) -> Any:
    """NumPy scalars and arrays as plain numbers and lists, so that both may be written."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def plain_values(value: Any) -> Any:
    """The same for numbers inside dictionaries and lists."""
    if isinstance(value, dict):
        return {key: plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    return _plain_numbers(value)


def written_down(value: Any) -> Any:
    """Plain data as it is; for any other object of a Python user, what Python prints of it."""
    if isinstance(value, dict):
        return {str(key): written_down(item) for key, item in value.items()}
    if isinstance(value, list):
        return [written_down(item) for item in value]
    return value if value is None or isinstance(value, str | bool | int | float) else repr(value)


# Strict: the text "0.1" or the truth value yes is a mistake in the file, not a number.
Plain = BeforeValidator(_plain_numbers)
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True), Plain]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True), Plain]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True), Plain]
Fraction = Annotated[float, Field(ge=0, le=1, strict=True), Plain]
Count = Annotated[int, Field(ge=1, strict=True), Plain]
PerRegion = Annotated[Finite | list[Finite], Plain]


class Section(BaseModel):
    """A part of the experiment; unknown keys are refused, nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
