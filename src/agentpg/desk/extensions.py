"""Extensions of the server: where they are, and what pgstattuple measures."""

from __future__ import annotations

from typing import Any

from agentpg.db import Connection, Statements, tuple_row

_SQL = Statements("extensions", "")


def schema_of(connection: Connection[Any], name: str) -> str | None:
    """The schema of an extension in this database; None where it is not there."""
    cursor = connection.cursor(row_factory=tuple_row)
    found = cursor.execute(_SQL["find"], {"name": name}).fetchone()
    return None if found is None else str(found[0])


def measure_table(connection: Connection[Any], table: str | int) -> tuple[float, float] | None:
    """The shares of a table, by its whole name or its oid, that are free and that dead rows take;
    None where pgstattuple is not there. Raises what the server raises."""
    schema = schema_of(connection, "pgstattuple")
    if schema is None:
        return None
    statement = _SQL.compose("measure_table", extension=schema)
    cursor = connection.cursor(row_factory=tuple_row)
    [(free, dead)] = cursor.execute(statement, {"table": str(table)}).fetchall()
    return float(free), float(dead)
