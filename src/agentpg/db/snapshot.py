"""Reading many things as of one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection, IsolationLevel
from psycopg.rows import TupleRow

from agentpg.db.border import driver_errors
from agentpg.db.connect import Database, connect


@contextmanager
def snapshot(
    database: Database, application_name: str = "agentpg"
) -> Iterator[Connection[TupleRow]]:
    """A connection that sees one moment of the database and can change nothing.

    The driver's errors become ours. Keep it short: vacuum can remove nothing that has
    died since.
    """
    connection = connect(database, application_name, autocommit=False)
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with driver_errors(database.target(), connection), connection:
        yield connection
