"""Read an experiment file: safe YAML in, a validated Experiment or one line per mistake out."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from cosim.config import Brain, Circuit, Experiment, Input, Limits, Monitor, Output, Synchronization
from cosim.errors import ConfigurationError
from cosim.registry import unknown_name

# Which section's keys an unknown key could have meant, by the last named key of its path.
_SECTIONS: dict[str, type[BaseModel]] = {
    "": Experiment,
    "brain": Brain,
    "circuits": Circuit,
    "inputs": Input,
    "outputs": Output,
    "synchronization": Synchronization,
    "limits": Limits,
    "monitors": Monitor,
}


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader that also refuses repeated keys and reads ``1e-3`` as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key_node, _ in node.value:
            key = str(getattr(key_node, "value", key_node))
            if key in keys:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            keys.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1 wants a dot in a float, so PyYAML reads 1e-3 as text; every user means the number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*)(?:\.[\d_]*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


def _parse(text: str, origin: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (_Loader is a SafeLoader)
    except RecursionError:
        raise ConfigurationError(f"{origin}: nested too deeply to be an experiment.") from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise ConfigurationError(
            f"{origin}{where}: not plain YAML ({problem}); write plain keys and values."
        ) from None


def load(path: str | Path, overrides: Iterable[str] = ()) -> Experiment:
    """Read and validate an experiment file.

    Args:
        path: The YAML file. Relative paths in it are relative to its folder.
        overrides: ``key=value`` with dotted keys, such as ``brain.parameters.G=0.3`` or
            ``circuits.0.regions=[rPCUN]``; values are read as YAML.

    Returns:
        The experiment.

    Raises:
        ConfigurationError: With one line per mistake, all of them at once.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise ConfigurationError(f"Cannot read the experiment file {str(path)!r}: {reason}.") from None
    document = _parse(text, str(path))
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigurationError(
            f"{path}: holds a {type(document).__name__}, not keys and values; start with 'brain:'."
        )
    for override in overrides:
        _apply(document, override)
    return validate(document, base=path.parent)


def validate(document: Mapping[str, Any], base: Path = Path()) -> Experiment:
    """Validate plain data as an experiment.

    Args:
        document: The keys and values of an experiment file.
        base: Folder that relative paths are relative to.

    Raises:
        ConfigurationError: With one line per mistake, all of them at once.
    """
    if "base" in document:
        raise ConfigurationError(unknown_name("key", "base", _keys(Experiment)))
    try:
        return Experiment.model_validate({**document, "base": base})
    except ValidationError as error:
        raise ConfigurationError(*describe(error)) from None


def describe(error: ValidationError) -> list[str]:
    """One line per mistake: where, what was written, what is expected."""
    lines: list[str] = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"] if not _is_type_branch(part))
        lines.append(_describe_one(where, item))
    return list(dict.fromkeys(lines))


def _is_type_branch(part: object) -> bool:
    # pydantic names the tried branch of a union in the path: "float", "list[...]".
    return isinstance(part, str) and (
        part in {"float", "constrained-float", "literal['auto']"}
        or part.startswith(("list[", "function-before[", "literal["))
    )


def _describe_one(where: str, item: Any) -> str:
    value = item["input"]
    shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
    kind = item["type"]
    if kind == "extra_forbidden":
        parent, _, key = where.rpartition(".")
        return f"{unknown_name('key', key, _keys(_section(parent)))} (in {parent or 'the experiment'})"
    if kind == "missing":
        return f"{where}: is required and missing; add it."
    if kind == "value_error":
        return f"{where}: {item['ctx']['error']}" if where else str(item["ctx"]["error"])
    message = item["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return f"{where} = {shown}: must be {message}."


def _section(parent: str) -> type[BaseModel]:
    named = [part for part in parent.split(".") if part and not part.isdigit()]
    if len(named) >= 2 and named[-2] == "monitors":
        return Monitor
    return _SECTIONS.get(named[-1] if named else "", Experiment)


def _keys(section: type[BaseModel]) -> list[str]:
    return [
        field.alias or name for name, field in section.model_fields.items() if not field.exclude
    ]


def _apply(document: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigurationError(
            f"--set {override!r}: is not key=value; write for example --set brain.parameters.G=0.3."
        )
    *parents, last = key.strip().split(".")
    place: Any = document
    for depth, part in enumerate(parents):
        if isinstance(place, list):
            place = _item(place, part, override)
            continue
        if not isinstance(place, dict):
            raise ConfigurationError(
                f"--set {override!r}: {'.'.join(parents[:depth])} holds a plain value, "
                f"it has no key {part!r}."
            )
        if place.get(part) is None:
            place[part] = {}
        place = place[part]
    value = _parse(text, f"--set {override!r}")
    if isinstance(place, list):
        place[place.index(_item(place, last, override))] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ConfigurationError(
            f"--set {override!r}: {'.'.join(parents)} holds a plain value, it has no key {last!r}."
        )


def _item(items: list[Any], part: str, override: str) -> Any:
    if not part.isdigit() or int(part) >= len(items):
        raise ConfigurationError(
            f"--set {override!r}: {part!r} is not a position in a list of {len(items)}; "
            f"count from 0."
        )
    return items[int(part)]
