"""Named statements: SQL lives in `sql/`, and code refers to it by name.

A file of statements looks like this:

    -- name: cancel_pending
    -- Cancel tasks that have not started.
    UPDATE {schema}.tasks SET …;

`{schema}` and other names in braces become quoted identifiers; values are parameters,
written `%(name)s`, or `%(name)b` to send an array in binary form, which costs a fifth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from psycopg import ClientCursor, Connection, sql
from psycopg.abc import AdaptContext
from psycopg.adapt import PyFormat, Transformer
from psycopg.rows import TupleRow
from psycopg.sql import Composed

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


class Fragment(str):
    """SQL that the server's catalogue or a file of `sql/` gave: put in as it is, not quoted.

    The statement is for `render`, or for running with parameters: per cent signs are doubled.
    """

    __slots__ = ()


class Statement(Composed):
    """A statement that is the same each time, so that its text is made once."""

    _text: bytes | None = None

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        """Its text; names of this project's have the same form for every connection."""
        if self._text is None:
            self._text = super().as_bytes(context)
        return self._text


class Statements:
    """The statements of one file of `sql/`, bound to one schema.

    >>> Statements("tasks", "agentic_ai")["no_such_name"]
    Traceback (most recent call last):
    KeyError: 'sql/tasks.sql has no statement no_such_name'
    """

    __slots__ = ("_bound", "_file", "_schema")

    def __init__(self, file: str, schema: str) -> None:
        self._file = file
        self._schema = schema
        self._bound: dict[str, Statement] = {}

    def __getitem__(self, name: str) -> Composed:
        """The statement `name`, ready to execute."""
        if name not in self._bound:
            self._bound[name] = Statement(list(self.compose(name)))
        return self._bound[name]

    def compose(self, name: str, **identifiers: str | Composed) -> Composed:
        """The statement `name` with further identifiers, fragments of SQL, or whole statements
        with their parameters, filled in."""
        statements = read_statements(self._file)
        if name not in statements:
            raise KeyError(f"sql/{self._file}.sql has no statement {name}")
        names: dict[str, str | Composed] = {"schema": self._schema, **identifiers}
        quoted = {key: _quoted(value) for key, value in names.items()}
        return sql.SQL(statements[name]).format(**quoted)


def _quoted(name: str | Composed) -> sql.Composable:
    if isinstance(name, Composed):
        return name
    if isinstance(name, Fragment):
        return sql.SQL(name.replace("%", "%%"))
    return sql.Identifier(name)


@cache
def read_statements(file: str) -> dict[str, str]:
    """Name to text, for each statement of one file."""
    text = (resources.files("agentpg.sql") / f"{file}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    return {
        name: body.strip().rstrip(";") for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def compose_script(text: str, **identifiers: str) -> Composed:
    """A whole script, such as a migration, with its identifiers in braces filled in."""
    quoted = {key: sql.Identifier(value) for key, value in identifiers.items()}
    return sql.SQL(text).format(**quoted)


def identifier(*parts: str) -> str:
    """A quoted name, as text to show: identifier("agentic_ai", "tasks")."""
    return sql.Identifier(*parts).as_string(None)


def array_literal(values: Sequence[object]) -> str:
    """The text of an array, for a parameter such as `%(names)s::text[]`.

    For a few values that are sent again and again: the driver dumps a list anew each time.
    """
    dumper = Transformer().get_dumper(list(values), PyFormat.TEXT)
    return bytes(dumper.dump(list(values)) or b"").decode() if values else "{}"


def literal(value: object) -> str:
    """A quoted value, as text to show."""
    return sql.Literal(value).as_string(None)


def render(
    connection: Connection[TupleRow],
    statement: Composed,
    parameters: Mapping[str, Any] | None = None,
) -> str:
    """A statement with its values filled in, as text to show or to run as it is."""
    return ClientCursor(connection).mogrify(statement, parameters or {})
