"""The moment that a dump holds: tables locked, and a snapshot that several sessions share.

The locks come before the snapshot. They let everybody read and write, and keep away what a
snapshot does not protect from: a table that is emptied by TRUNCATE or rewritten later looks
empty in it. A table that was made or dropped between is noticed, since the tables are listed
before and in the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    LockNotAvailable,
    ServerError,
    Statements,
    identifier,
    snapshot,
)
from agentpg.desk.backup.sessions import be_undisturbed
from agentpg.errors import TablesNotReadable

# Tables in one LOCK statement.
_AT_ONCE = 500

# What LOCK says of a table or a schema that was dropped since it was listed.
_GONE = ("42P01", "3F000")

_CHANGED = "tables were made, dropped or renamed meanwhile"


class Disturbed(Exception):
    """Others need tables for themselves, or change them, so that this try can't go on.

    `sessions` are those that were seen.
    """

    def __init__(self, reason: str, sessions: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sessions = sessions


@dataclass(frozen=True, slots=True)
class Table:
    """A table: what it takes in bytes, and about how many rows it has."""

    oid: int
    size_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A snapshot that is kept by `connection`; others import it by its name."""

    connection: Connection[Any]
    snapshot: str
    taken_at: datetime
    lsn: str
    tables: Sequence[Table]
    catalogue: str

    @property
    def size_bytes(self) -> int:
        """What all tables take."""
        return sum(table.size_bytes for table in self.tables)


@contextmanager
def hold_moment(database: Database, lock_milliseconds: int) -> Iterator[Moment]:
    """Lock all tables that may be read, and take the snapshot of that moment.

    Raises Disturbed, also where a table was not to be had within this time.
    """
    sql = Statements("backup", database.schema)
    listed: list[Any] = []

    def prepare(connection: Connection[Any]) -> None:
        be_undisturbed(connection)
        connection.execute(sql["wait_for_locks"], {"milliseconds": str(lock_milliseconds)})
        _require_readable(connection, sql)
        listed.extend(connection.execute(sql["tables"]))

    with snapshot(database, "agentpg backup", prepare) as connection:
        with _disturbance_said(lock_milliseconds):
            _lock(connection, sql, [(schema, name) for _, schema, name in listed])
        [(name, taken_at, lsn)] = connection.execute(sql["export_snapshot"]).fetchall()
        if connection.execute(sql["tables"]).fetchall() != listed:
            raise Disturbed(_CHANGED)
        sizes = connection.execute(sql["sizes"], {"tables": [oid for oid, *_ in listed]})
        tables = [Table(*row) for row in sizes]
        catalogue = catalogue_of(connection, sql)
        yield Moment(connection, name, taken_at.astimezone(UTC), lsn, tables, catalogue)


def _require_readable(connection: Connection[Any], sql: Statements) -> None:
    names = [name for (name,) in connection.execute(sql["not_readable"])]
    if names:
        raise TablesNotReadable(names=", ".join(names))


def catalogue_of(connection: Connection[Any], sql: Statements) -> str:
    """A text that changes with every object that is made, altered or dropped."""
    [(text,)] = connection.execute(sql["catalogue"]).fetchall()
    return str(text)


@contextmanager
def _disturbance_said(lock_milliseconds: int) -> Iterator[None]:
    try:
        yield
    except LockNotAvailable:
        seconds = f"{lock_milliseconds / 1000:g}"
        raise Disturbed(f"no lock on a table within {seconds} s") from None
    except ServerError as error:
        if error.sqlstate not in _GONE:
            raise
        raise Disturbed(_CHANGED) from None


def _lock(connection: Connection[Any], sql: Statements, tables: list[tuple[str, str]]) -> None:
    for start in range(0, len(tables), _AT_ONCE):
        names = ", ".join(f"ONLY {identifier(*name)}" for name in tables[start : start + _AT_ONCE])
        connection.execute(sql.compose("lock_tables", tables=Fragment(names)), {})
