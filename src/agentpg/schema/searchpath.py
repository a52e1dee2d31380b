"""The search_path of the database and of the owning role: unqualified names mean our tables.

What is set there already is kept behind the schema. A dump does not carry these settings.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from agentpg.db import (
    Connection,
    Database,
    Statements,
    TupleRow,
    class_row,
    connect,
    driver_errors,
    identifier,
    render,
)

_log = logging.getLogger("agentpg.schema")


@dataclass(frozen=True, slots=True)
class _Stored:
    """The settings in force, and whether this role may change the database's."""

    database: str
    role: str
    owns_database: bool
    of_database: str | None
    of_role: str | None


def set_search_path(connection: Connection[TupleRow], schema: str) -> None:
    """Set it on the database and on the role where this role may, and log what it may not."""
    if not search_path_statements(connection, schema):
        return
    statements = Statements("schema_admin", schema)
    with connection.transaction():
        # Two that change the same setting at the same moment would make one of them fail.
        connection.execute(statements["lock_schema"], {"schema": schema})
        stored = _stored(connection, schema)
        for statement in _for_role(connection, schema, stored):
            connection.execute(statement.encode())
        for statement in _for_database(connection, schema, stored):
            if stored.owns_database:
                connection.execute(statement.encode())
            else:
                _log.warning("the owner of the database has to run: %s", statement)


def remaining_search_path(database: Database) -> list[str]:
    """The statements that somebody with more rights has to run, in one transaction.

    None where unqualified names find the schema's tables.
    """
    with (
        connect(database, "agentpg schema search_path") as connection,
        driver_errors(database.target()),
    ):
        return search_path_statements(connection, database.schema)


def search_path_statements(
    connection: Connection[TupleRow], schema: str, role: str | None = None
) -> list[str]:
    """The statements that are left to run in one transaction; none where all is well.

    `role` is the owning role, by default the one that is connected.
    """
    stored = _stored(connection, schema, role)
    return [*_for_role(connection, schema, stored), *_for_database(connection, schema, stored)]


def first_search_path_statements(
    connection: Connection[TupleRow], schema: str, database: str, role: str
) -> list[str]:
    """The same for a database and a role that are not made yet."""
    stored = _Stored(database, role, owns_database=True, of_database=None, of_role=None)
    return [*_for_role(connection, schema, stored), *_for_database(connection, schema, stored)]


def _for_role(connection: Connection[TupleRow], schema: str, stored: _Stored) -> list[str]:
    if _leads_to(schema, stored.of_role):
        return []
    setting = Statements("schema_admin", schema).compose(
        "set_role_search_path", role=stored.role, database=stored.database
    )
    path = stored.of_role or stored.of_database
    return [_choice(connection, schema, path), setting.as_string(connection)]


def _for_database(connection: Connection[TupleRow], schema: str, stored: _Stored) -> list[str]:
    if _leads_to(schema, stored.of_database):
        return []
    setting = Statements("schema_admin", schema).compose(
        "set_database_search_path", database=stored.database
    )
    return [_choice(connection, schema, stored.of_database), setting.as_string(connection)]


def _choice(connection: Connection[TupleRow], schema: str, present: str | None) -> str:
    others = present or "public"
    if _leads_to(schema, others):
        others = others.partition(",")[2].strip() or "public"
    statement = Statements("schema_admin", schema)["choose_search_path"]
    return render(connection, statement, {"schema": schema, "others": others})


def _leads_to(schema: str, search_path: str | None) -> bool:
    """Whether the schema comes first in a search_path as the catalogue writes it."""
    first = re.match(r'\s*("(?:[^"]|"")*"|[^,\s]+)', search_path or "")
    return first is not None and first[1] in (schema, identifier(schema))


def _stored(connection: Connection[TupleRow], schema: str, role: str | None = None) -> _Stored:
    cursor = connection.cursor(row_factory=class_row(_Stored))
    cursor.execute(Statements("schema_admin", schema)["search_path_settings"], {"role": role})
    return cursor.fetchall()[0]
