"""A migration's text as single statements, each with the comment above it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_CREATED = re.compile(
    r"^CREATE (TABLE|VIEW|FUNCTION|TRIGGER|(?:UNIQUE )?INDEX) (\w+)(?:\s+ON (\w+))?", re.MULTILINE
)


def split(text: str) -> list[str]:
    """The statements in order; joined, they are the whole text.

    A statement ends at the end of a line, behind a semicolon that is neither in a comment
    nor between dollar quotes. Migrations are written so.
    """
    return ["".join(lines) for lines in _grouped(text)]


def created(statement: str) -> tuple[str, str, str]:
    """What a statement creates: its kind, its name, and an index's table; or empty texts."""
    found = _CREATED.search(statement)
    if found is None:
        return "", "", ""
    kind = "INDEX" if found[1].endswith("INDEX") else found[1]
    return kind, found[2], found[3] or ""


def relations(texts: Iterable[str]) -> set[str]:
    """The names of the tables, views and indexes that these texts create."""
    made = [created(statement) for text in texts for statement in split(text)]
    return {name for kind, name, _ in made if kind in ("TABLE", "VIEW", "INDEX")}


def _grouped(text: str) -> Iterator[list[str]]:
    lines: list[str] = []
    quoted = False
    for line in text.splitlines(keepends=True):
        lines.append(line)
        quoted ^= line.count("$$") % 2 == 1
        code = line.partition("--")[0].rstrip()
        if not quoted and code.endswith(";"):
            yield lines
            lines = []
    if "".join(lines).strip():
        yield lines
