"""The fenced blocks of a documentation page: files, experiments, programs, commands."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
)
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FILE_NAME = re.compile(r"# ([\w.-]+\.(?:py|yaml))")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        language: What stands after the fence.
        text: What stands in it.
    """

    language: str
    text: str

    @property
    def file_name(self) -> str | None:
        """The name in its first line, if it shows a file."""
        found = _FILE_NAME.match(self.text)
        return found[1] if found else None

    @property
    def commands(self) -> list[str]:
        """Its lines as a shell would take them."""
        joined = self.text.replace("\\\n", " ")
        return [line.strip() for line in joined.splitlines() if line.strip()]


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    return [Block(*found) for found in _FENCE.findall(page.read_text(encoding="utf-8"))]


def page_name(page: Path) -> str:
    """How a test names it."""
    return page.relative_to(ROOT).as_posix()
