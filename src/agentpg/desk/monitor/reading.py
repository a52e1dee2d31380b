"""Asking a server that may be in trouble: each question reads only, waits for no lock, and ends
by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from agentpg.db import (
    Composed,
    Connection,
    Database,
    Statements,
    class_row,
    connect,
    driver_errors,
    render,
)

Row = TypeVar("Row")

_SQL = Statements("monitor", "")

# Whoever looks must not become a part of what he looks at.
_LOCK_TIMEOUT = timedelta(milliseconds=500)
_STATEMENT_TIMEOUT = timedelta(seconds=10)


class Reader:
    """Asks over one connection; the driver's errors become ours.

    Each question is a transaction of its own, which ends after `timeout`.
    """

    def __init__(
        self,
        database: Database,
        connection: Connection[Any],
        timeout: timedelta = _STATEMENT_TIMEOUT,
    ) -> None:
        self._connection = connection
        self._target = database.target()
        self._timeout = timeout
        self.schema = database.schema

    def rows(
        self, statements: Statements, name: str, kind: type[Row], /, **values: object
    ) -> list[Row]:
        """The rows that a statement gives, each as a `kind`."""
        return self.rows_of(statements[name], kind, **values)

    def rows_of(self, statement: Composed, kind: type[Row], /, **values: object) -> list[Row]:
        """The same for a statement that was composed."""
        with self._question():
            cursor = self._connection.cursor(row_factory=class_row(kind))
            return cursor.execute(statement, values).fetchall()

    def row(self, statements: Statements, name: str, kind: type[Row], /, **values: object) -> Row:
        """The one row that a statement gives."""
        [found] = self.rows(statements, name, kind, **values)
        return found

    @contextmanager
    def question(self, timeout: timedelta | None = None) -> Iterator[Connection[Any]]:
        """A transaction that reads only, waits for no lock, and whose statements end soon: after
        `timeout`, by default that of the reader."""
        with self._question(timeout):
            yield self._connection

    def shown(self, statements: Statements, name: str, /, **values: object) -> str:
        """A statement as it can be typed."""
        return f"{render(self._connection, statements[name], values)};"

    @property
    def is_lost(self) -> bool:
        """Whether the connection is of no more use."""
        return self._connection.closed or self._connection.broken

    @property
    def server_version(self) -> int:
        """As in server_version_num: 150014."""
        return self._connection.info.server_version

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _question(self, timeout: timedelta | None = None) -> Iterator[None]:
        limits = {
            "statement": f"{(timeout or self._timeout) // timedelta(milliseconds=1)}ms",
            "lock": f"{_LOCK_TIMEOUT // timedelta(milliseconds=1)}ms",
        }
        with driver_errors(self._target, self._connection), self._connection.transaction():
            self._connection.execute(_SQL["limits"], limits)
            yield


@contextmanager
def reading(database: Database, name: str) -> Iterator[Reader]:
    """A reader with a connection that calls itself `name`. Raises DatabaseUnavailable."""
    with connect(database, name) as connection:
        yield Reader(database, connection)
