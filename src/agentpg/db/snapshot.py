"""Reading many things as of one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg import Connection, IsolationLevel
from psycopg.rows import TupleRow

from agentpg.db.border import driver_errors
from agentpg.db.connect import Database, connect


@contextmanager
def snapshot(
    database: Database,
    application_name: str = "agentpg",
    prepare: Callable[[Connection[TupleRow]], None] | None = None,
) -> Iterator[Connection[TupleRow]]:
    """A connection that sees one moment of the database and can change nothing.

    The moment is that of the first statement that reads; `prepare` is called with the
    connection before its transaction begins. The driver's errors become ours. Keep it short:
    vacuum can remove nothing that has died since.
    """
    connection = connect(database, application_name)
    with driver_errors(database.target(), connection), connection:
        if prepare is not None:
            prepare(connection)
        connection.autocommit = False
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield connection
