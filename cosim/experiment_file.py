"""Read an experiment file: safe YAML in, a validated Experiment or one line per mistake out."""

import re
import reprlib
from collections.abc import Iterable, Mapping
from copy import copy
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from cosim.config import (
    Brain,
    CellVariable,
    Checkpointing,
    Circuit,
    Correlation,
    Experiment,
    FeedbackInhibition,
    Input,
    Limits,
    Monitor,
    Output,
    Synchronization,
    Where,
)
from cosim.errors import ConfigurationError
from cosim.registry import unknown_name

# Which section's keys an unknown key could have meant, by the last named key of its path.
_SECTIONS: dict[str, type[BaseModel]] = {
    "": Experiment,
    "brain": Brain,
    "fic": FeedbackInhibition,
    "circuits": Circuit,
    "inputs": Input,
    "outputs": Output,
    "gating": CellVariable,
    "variable": CellVariable,
    "where": Where,
    "correlation": Correlation,
    "synchronization": Synchronization,
    "limits": Limits,
    "checkpoint": Checkpointing,
    "monitors": Monitor,
}


# Aliases can make a short file stand for a huge value; this shows its beginning only.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_SHORT.maxlevel = 3


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without tags, repeated keys and loops; reads ``1e-3`` as a number."""

    def __init__(self, stream: str):
        super().__init__(stream)
        # Children are made before their parent, so that an alias to its own parent is refused.
        self.deep_construct = True

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise yaml.composer.ComposerError(None, None, f"the tag {tag!r}", event.start_mark)
        return super().compose_node(parent, index)

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


def parse(text: str, origin: str) -> Any:
    """Plain YAML as plain data.

    Args:
        text: What the file says.
        origin: Its name, for messages.

    Raises:
        ConfigurationError: If it is not plain YAML.
    """
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
        raise ConfigurationError(
            f"Cannot read the experiment file {str(path)!r}: {reason}."
        ) from None
    document = parse(text, str(path))
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigurationError(
            f"{path}: holds a {type(document).__name__}, not keys and values; start with 'brain:'."
        )
    for override in overrides:
        _apply(document, override)
    return validate(document, base=path.parent)


def assignments(overrides: Iterable[str]) -> dict[str, Any]:
    """What ``key=value`` on the command line says, read as the file's values are.

    Args:
        overrides: Such as ``order=50``; dotted keys nest.

    Raises:
        ConfigurationError: If one is not ``key=value``.
    """
    document: dict[str, Any] = {}
    for override in overrides:
        _apply(document, override)
    return document


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
    items = error.errors()
    places = [item["loc"] for item in items]
    lines: dict[str, str] = {}
    for item in items:
        loc = item["loc"]
        # A list with one wrong entry is told by the entry, not also by what else it could be.
        if (
            loc
            and _is_type_branch(loc[-1])
            and any(len(other) > len(loc) and other[: len(loc) - 1] == loc[:-1] for other in places)
        ):
            continue
        where = ".".join(_one_line(part) for part in loc if not _is_type_branch(part))
        line = _describe_one(where, item)
        # The branches of a union are one mistake: what was written fits none of them.
        start, must, expected = line.partition(": must be ")
        if must and start in lines:
            lines[start] = f"{lines[start].removesuffix('.')} or {expected}"
        else:
            lines[start] = line
    return list(lines.values())


def _one_line(part: object) -> str:
    text = str(part)
    return text if text.isprintable() else repr(text)


def _is_type_branch(part: object) -> bool:
    # pydantic names the tried branch of a union in the path: "float", "list[...]".
    return isinstance(part, str) and (
        part in {"str", "float", "constrained-float", "literal['auto']"}
        or part.startswith(("list[", "dict[", "function-before[", "literal["))
    )


def _describe_one(where: str, item: Any) -> str:
    shown = _SHORT.repr(item["input"])
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    kind = item["type"]
    if kind == "extra_forbidden":
        key = str(item["loc"][-1])
        parent = where.removesuffix(_one_line(key)).removesuffix(".")
        return (
            f"{unknown_name('key', key, _keys(_section(parent)))} (in {parent or 'the experiment'})"
        )
    if kind == "invalid_key":
        return f"{where}: is a key of type {type(item['input']).__name__}; write keys as text."
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
        at = _position(place, part, ".".join(parents[:depth]), override)
        child = place[at] if isinstance(place, list) else place.get(at)
        # A copy: through an alias of the file the same value may stand in other places too.
        place[at] = {} if child is None else copy(child)
        place = place[at]
    at = _position(place, last, ".".join(parents), override)
    place[at] = parse(text, f"--set {override!r}")


def _position(place: Any, part: str, parent: str, override: str) -> Any:
    """Where in a mapping or list the next part of a dotted key stands."""
    if isinstance(place, dict):
        return part
    if not isinstance(place, list):
        raise ConfigurationError(
            f"--set {override!r}: {parent} holds a plain value, it has no key {part!r}."
        )
    if not part.isdecimal() or int(part) >= len(place):
        raise ConfigurationError(
            f"--set {override!r}: {part!r} is not a position in a list of {len(place)}; "
            f"count from 0."
        )
    return int(part)
