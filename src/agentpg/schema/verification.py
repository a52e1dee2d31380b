"""Compare the schema in the database with the one that this release expects.

The expected one is made from `schema.sql` in a scratch schema, in a transaction that is
rolled back, so that both are described by the same server in the same words.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    ServerError,
    Statements,
    TupleRow,
    connect,
    driver_errors,
    render,
)
from agentpg.errors import SchemaMismatch
from agentpg.schema.migrations import applied_migrations, check_newest, released_migrations

Kind = Literal["missing", "differs", "extra"]

# How an object is made again from what the server printed of it.
_AGAIN = {
    "constraint": "replace_constraint",
    "trigger": "replace_trigger",
    "view": "replace_view",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not as this release expects it.

    `kind` is "missing", "differs", or "extra" for what somebody else added, which is
    allowed. `expected` and `found` are definitions; None where there is none.
    """

    kind: Kind
    object: str
    expected: str | None = None
    found: str | None = None

    def __str__(self) -> str:
        if self.kind == "differs":
            return f"differs: {self.object}: found {self.found}; expected {self.expected}"
        return f"{self.kind}: {self.object}: {self.expected or self.found}".rstrip(": ")


def present_schema() -> str:
    """The text of `schema.sql`: the whole schema of this release, with its comments."""
    return (resources.files("agentpg.sql") / "schema.sql").read_text(encoding="utf-8")


def verify(database: Database) -> list[Difference]:
    """What differs from this release's schema, and what others added; empty where nothing.

    Columns are compared by name, not by position. Raises SchemaMismatch for another
    version, MigrationChanged, and PermissionDenied for a role that may not make a schema.
    """
    with (
        connect(database, "agentpg schema verify", autocommit=False) as connection,
        driver_errors(database.target()),
    ):
        _check_migrations(connection, database.schema)
        found = _facts(connection, database.schema)
        scratch = _make_scratch(connection)
        expected = _facts(connection, scratch)
        differences = [
            difference
            for difference in compare(expected, found)
            if not _same_again(connection, scratch, difference)
        ]
        connection.rollback()
    return differences


def compare(expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Difference]:
    """The differences between two descriptions: first what is wrong, then what is more."""
    for name, definition in expected.items():
        if name not in found:
            yield Difference("missing", name, expected=definition)
        elif found[name] != definition:
            yield Difference("differs", name, expected=definition, found=found[name])
    for name in sorted(found.keys() - expected.keys()):
        yield Difference("extra", name, found=found[name])


def _check_migrations(connection: Connection[TupleRow], schema: str) -> None:
    known = released_migrations()
    applied = applied_migrations(connection, schema)
    check_newest(schema, applied, known)
    if len(applied) < len(known):
        found = applied[-1].version if applied else 0
        raise SchemaMismatch(schema=schema, found=found, wanted=known[-1].version)


def _make_scratch(connection: Connection[TupleRow]) -> str:
    scratch = f"agentpg_scratch_{secrets.token_hex(6)}"
    statements = Statements("schema_admin", scratch)
    connection.execute(statements["create_schema"])
    connection.execute(statements["enter_schema"])
    connection.execute(present_schema().encode())
    return scratch


def _same_again(connection: Connection[TupleRow], scratch: str, difference: Difference) -> bool:
    """Whether the two are one and the same when both are made from what was printed.

    The server keeps the form in which a condition was written, and prints it in another:
    after a restore the same condition looks different.
    """
    kind = difference.object.partition(" ")[0]
    if difference.kind != "differs" or kind not in _AGAIN:
        return False
    texts = (difference.expected or "", difference.found or "")
    expected, found = (_again(connection, scratch, difference.object, text) for text in texts)
    return expected is not None and expected == found


def _again(
    connection: Connection[TupleRow], scratch: str, name: str, definition: str
) -> str | None:
    """How the server prints what was made from a definition; None where it can't be made."""
    kind, _, path = name.partition(" ")
    table, _, part = path.partition(".")
    statement = Statements("schema_admin", scratch).compose(
        _AGAIN[kind], table=table, part=part, definition=Fragment(definition)
    )
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(render(connection, statement).encode())
            return _facts(connection, scratch).get(name)
    except ServerError:
        return None


def _facts(connection: Connection[TupleRow], schema: str) -> dict[str, str]:
    """What the schema holds: kind and name to definition."""
    statements = Statements("schema_admin", schema)
    # The server leaves out the schema of what the search_path finds.
    connection.execute(statements["enter_schema"])
    rows = connection.execute(statements["facts"], {"schema": schema}).fetchall()
    return {f"{kind} {name}": " ".join(definition.split()) for kind, name, definition in rows}
