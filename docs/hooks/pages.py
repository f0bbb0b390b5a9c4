"""What mkdocs does to pages before they are HTML.

``<!-- command line -->`` becomes one section per command, made from the program itself,
``<!-- fit file -->`` the keys of a fit file, and ``<!-- README: HEADING -->`` that section of the
README (its limits), so that none is written twice. Links to files of the repository that are no
pages (tests, examples, README) become their names. Long names in tables may break at their parts.
"""

import inspect
import json
import posixpath
import re
from pathlib import Path
from typing import Any

import typer

README = Path(__file__).parents[2] / "README.md"
_OTHER_PAGES = re.compile(r"[a-z]+:|#")


def on_page_markdown(markdown: str, page: Any, files: Any, **_: Any) -> str:
    """Called by mkdocs for every page."""
    markdown = re.sub(r"<!-- README: (.+?) -->", lambda m: readme_section(m[1]), markdown)
    if "<!-- command line -->" in markdown:
        markdown = markdown.replace("<!-- command line -->", command_line())
    if "<!-- fit file -->" in markdown:
        markdown = markdown.replace("<!-- fit file -->", fit_file())
    return _without_links_out(markdown, page, files)


def on_page_content(html: str, **_: Any) -> str:
    """Called by mkdocs with a page's HTML: docstrings mark names as Sphinx does."""
    html = re.sub(r":(?:func|class|meth|attr|data|mod):(?=<code>)", "", html)
    return re.sub(r"<td\b.*?</td>", lambda cell: _with_breaks(cell[0]), html, flags=re.S)


def _with_breaks(cell: str) -> str:
    """A cell whose long names may be broken after a slash, or after the dots of a module's name."""

    def broken(code: re.Match[str]) -> str:
        text = code[1].replace("/", "/<wbr>")
        if re.fullmatch(r"(\w+\.){2,}\w+", text):
            text = text.replace(".", ".<wbr>")
        return f"<code>{text}</code>"

    return re.sub(r"<code>([^<]*)</code>", broken, cell)


def readme_section(heading: str) -> str:
    """The text under a heading of the README, up to the next one of the same level."""
    text = README.read_text(encoding="utf-8")
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.M | re.S)
    if found is None:
        raise ValueError(f"README.md has no heading {heading!r}")
    return found[2].strip()


def command_line() -> str:
    """One section per command: synopsis, what it does, a table of its options."""
    from cosim.cli import app

    group: Any = typer.main.get_command(app)
    return "\n".join(_section(name, command) for name, command in group.commands.items())


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    synopsis = " ".join([f"cosim {name}", *(_named(p) for p in arguments), "[OPTIONS]"])
    lines = [f"## cosim {name}", "", f"`{synopsis}`", "", command.help or "", ""]
    lines += ["| argument, option | meaning | default |", "|---|---|---|"]
    lines += [f"| `{_named(p)}` | {p.help or ''} | |" for p in arguments]
    for option in options:
        names = ", ".join(f"`{one}`" for one in (*option.opts, *option.secondary_opts))
        names += f" {option.metavar}" if option.metavar else ""
        default = "" if option.default in (None, False, ...) else f"`{option.default}`"
        lines.append(f"| {names} | {option.help or ''} | {default} |")
    return "\n".join([*lines, ""])


def _named(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def fit_file() -> str:
    """The keys of a fit file with their defaults, section by section, from its own schema."""
    from fitting.config import FitFile

    plain, sections = [], []
    for key, field in FitFile.model_fields.items():
        keys = getattr(type(field.default), "model_fields", None)
        if keys is None:
            plain.append((key, field))
            continue
        about = inspect.cleandoc(type(field.default).__doc__ or "").replace("``", "`")
        sections.append(f"### `{key}`\n\n{about}\n\n{_keys(keys.items(), f'{key}.')}")
    return "\n\n".join([_keys(plain), *sections])


def _keys(fields: Any, before: str = "") -> str:
    lines = ["| key | default |", "|---|---|"]
    for key, field in fields:
        default = field.default
        text = "needed" if field.is_required() else f"`{_written(default)}`"
        lines.append(f"| `{before}{key}` | {text} |")
    return "\n".join(lines)


def _written(value: Any) -> str:
    """A default as YAML has it."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(exclude_defaults=True) or "all"
    return "none" if value is None else json.dumps(value) if not isinstance(value, str) else value


def _without_links_out(markdown: str, page: Any, files: Any) -> str:
    here = posixpath.dirname(page.file.src_uri)

    def mended(match: re.Match[str]) -> str:
        text, target = match.groups()
        if _OTHER_PAGES.match(target):
            return match.group(0)
        path, hash_, anchor = target.partition("#")
        inside = posixpath.normpath(posixpath.join(here, path))
        if files.get_file_from_path(inside):
            return match.group(0)
        # The README's own links start at the root of the repository.
        from_root = path.removeprefix("docs/")
        if path != from_root and files.get_file_from_path(from_root):
            return f"[{text}]({posixpath.relpath(from_root, here or '.')}{hash_}{anchor})"
        name = inside.removeprefix("../").rstrip("/")
        said = name in text or (text.startswith("`") and text.strip("`/") in name)
        return text if said else f"{text} (`{name}`)"

    # Not after an exclamation mark: a missing picture is a mistake.
    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", mended, markdown)
