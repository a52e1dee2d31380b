"""The pages of the documentation, and the code blocks in them.

A comment right before a block says how it is meant:

    <!-- file: greeter.py -->        the block is a file; it is saved
    <!-- example: greeter.py -->     the same, and it equals examples/greeter.py
    <!-- terminal: worker -->        it runs in a terminal of its own until the page ends
    <!-- until: text -->             with it: the next block runs when the terminal shows this
    <!-- exit: 1 -->                 the command ends with this code
    <!-- output -->                  a text: what the block before it printed
    <!-- not run: reason -->         it can't run here

A comment anywhere in the page, `<!-- begins with: … -->`, says what the reader has, such as
`a database` (the default), `nothing`, or `a database, a model`; test_pages.py has them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]

# Languages of drawings and of output, which nobody types.
DRAWN = {"mermaid", "text"}

_AT_THE_TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")

_COMMENT = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: its language, its text, its line, and the marks before it."""

    language: str
    text: str
    line: int
    marks: dict[str, str] = field(default_factory=dict)

    def __contains__(self, mark: str) -> bool:
        return mark in self.marks


@dataclass(frozen=True, slots=True)
class Page:
    """One Markdown file."""

    path: Path
    tokens: list[Token]

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return str(self.path.relative_to(ROOT))

    @property
    def begins_with(self) -> str:
        """What the reader has when the page begins."""
        return self._mark("begins with") or "a database"

    def blocks(self) -> Iterator[Block]:
        """Its code blocks in order."""
        marks: dict[str, str] = {}
        for token in self.tokens:
            if token.type == "html_block":
                marks |= _marks(token.content)
            elif token.type == "fence":
                yield Block(
                    token.info.strip(), token.content, token.map[0] + 1 if token.map else 0, marks
                )
                marks = {}
            elif token.nesting >= 0 and token.type not in ("inline", "text"):
                marks = {}

    @property
    def twin(self) -> Page | None:
        """The English page that this one is the Korean of."""
        english = self.path.with_name(self.path.name.replace(".ko.md", ".md"))
        return read(english) if english != self.path and english.exists() else None

    def does_what(self, other: Page) -> bool:
        """Whether its reader types, saves and is shown what the other page's is."""
        return self._to_do() == other._to_do()

    def _to_do(self) -> tuple[str, list[tuple[str, str, dict[str, str]]]]:
        return self.begins_with, [(b.language, b.text, b.marks) for b in self.blocks()]

    def _mark(self, name: str) -> str:
        found = (_marks(t.content).get(name) for t in self.tokens if t.type == "html_block")
        return next((value for value in found if value), "")


@cache
def read(path: Path) -> Page:
    """A page, parsed."""
    return Page(
        path, MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
    )


def pages() -> list[Page]:
    """Every page that people read in the repository."""
    top = [ROOT / name for name in _AT_THE_TOP]
    inside = sorted((ROOT / "src").rglob("*.md")) + sorted((ROOT / "benchmarks").glob("*.md"))
    return [read(path) for path in (*top, *sorted((ROOT / "docs").rglob("*.md")), *inside)]


def _marks(html: str) -> dict[str, str]:
    marks = {}
    for comment in _COMMENT.findall(html):
        name, _, value = comment.partition(":")
        marks[name.strip()] = value.strip()
    return marks
