"""What our own tables, columns and indexes mean, as `sql/schema.sql` says beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

_OBJECT = re.compile(
    r"\s*(?:CREATE (TABLE|VIEW|FUNCTION|UNIQUE INDEX|INDEX|TRIGGER)|(CONSTRAINT)) (\w+)"
)
_COLUMN = re.compile(r" {4}([a-z_][a-z0-9_]*) .*?--\s*(.+)")
_VALUE = re.compile(r" {8}('\w+'),? *--\s*(.+)")
_COMMENT = re.compile(r"\s*--\s?(.*)")


@dataclass(frozen=True, slots=True)
class Meanings:
    """Sentences by what they explain: a column of a table, or an object by its name."""

    columns: dict[tuple[str, str], str] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)


@cache
def our_meanings() -> Meanings:
    """The meanings of the present schema."""
    text = (resources.files("agentpg.sql") / "schema.sql").read_text(encoding="utf-8")
    return parse_meanings(text)


def parse_meanings(text: str) -> Meanings:
    """Read the comment above each object, and the one beside each column.

    >>> text = "-- Pets.\\nCREATE TABLE pets (\\n    name text, -- as called\\n);"
    >>> parse_meanings(text)
    Meanings(columns={('pets', 'name'): 'as called'}, objects={'pets': 'Pets.'})
    """
    meanings = Meanings()
    above: list[str] = []
    table = named = ""
    for line in text.splitlines():
        comment = _COMMENT.fullmatch(line)
        if comment:
            above.append(comment[1].strip())
            continue
        found = _OBJECT.match(line)
        if found:
            named = found[3]
            table = named if found[1] == "TABLE" else table
            _explain(meanings.objects, named, " ".join(above))
        elif beside := _VALUE.fullmatch(line):
            _explain(meanings.objects, named, f"{beside[1]}: {beside[2]}.")
        elif table and (beside := _COLUMN.fullmatch(line)):
            meanings.columns[table, beside[1]] = beside[2].strip()
        table = "" if line.startswith(")") else table
        above = []
    return meanings


def _explain(objects: dict[str, str], name: str, more: str) -> None:
    if more:
        objects[name] = " ".join(part for part in (objects.get(name), more) if part)
