"""An exact moment of a database: a snapshot, and a point in the WAL that has the same commits.

A recovery that stops at the point must give what the snapshot shows. So between the two nothing
may commit, and nothing may have reached the WAL that the snapshot does not show yet. Locking every
table in SHARE mode gives both: the lock is had only when every transaction that wrote has ended
altogether, its commit in the WAL and visible to all; and nobody writes until it is let go. No
right to read is enough for that lock in any release, so who makes backups may leave it to another
role, such as the owner of the tables.

The tables are locked by one connection, and the snapshot is another's: so the locks are let go
as soon as the point is named, and the snapshot stays for as long as the counting takes. Prepared
transactions are waited for like any other. Not held are sequences, whose values are never part
of a snapshot, and changes of the catalogue alone, such as a new function.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    Statements,
    connect,
    dict_row,
    driver_errors,
    identifier,
    snapshot,
)
from agentpg.desk.backup.sessions import be_undisturbed
from agentpg.errors import HoldRefused, ServerBusy, WritesNotHeld

_SQL = Statements("base", "")

# Autovacuum holds a lock that is in the way, and gives way after this.
_SOON = "100ms"
_LARGE_OBJECTS = ("pg_catalog", "pg_largeobject")
_UNKNOWN = "–"

# The class of what the server lacks memory, disk or connections for.
_NO_RESOURCES = "53"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long writes may be held up, and how often that is tried.

    `lock` bounds the wait for one table, in which who wants to write waits behind us; `all` bounds
    one attempt. Between attempts there are pauses, each a half longer than the last.
    """

    lock: timedelta = timedelta(milliseconds=500)
    all: timedelta = timedelta(seconds=2)
    attempts: int = 20
    pause: timedelta = timedelta(milliseconds=200)
    longest_pause: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Named:
    """The exact moment: `snapshot` can be imported while `connection`, which exported it, lasts.

    `name` is the point's, `lsn` and `at` where in the WAL it is, and when by the server's clock.

    `held` is how long writes were held up when it succeeded, `held_up` that of all attempts.
    """

    connection: Connection[Any]
    name: str
    snapshot: str
    lsn: str
    at: datetime
    held: timedelta
    held_up: timedelta
    attempts: int


def holder_of(database: Database, other: Database | None) -> Database:
    """Who locks the tables: the role that makes the backup where it may, else the other one.

    Raises HoldRefused where neither may.
    """
    for one in (database, other):
        if one is not None and _may_hold(one):
            return one
    raise HoldRefused(role=(other or database).user(), backup=database.user())


def _may_hold(database: Database) -> bool:
    with connect(database) as connection, driver_errors(database.target(), connection):
        be_undisturbed(connection)
        return bool(connection.execute(_SQL["may_hold"]).fetchall()[0][0])


@contextmanager
def exact_moment(
    database: Database,
    name: str,
    patience: Patience | None = None,
    holder: Database | None = None,
) -> Iterator[Named]:
    """Name a moment of the cluster, and give the database's snapshot of it.

    The role must be allowed to create the mark; `holder`, by default the same, to lock the tables.
    Raises WritesNotHeld, which tells who is in the way, where some transaction goes on writing for
    too long.
    """
    patience = patience or Patience()
    spent, pause, writers = timedelta(), patience.pause, ""
    for attempt in range(1, patience.attempts + 1):
        if attempt > 1:
            time.sleep(pause.total_seconds())
            pause = min(pause * 1.5, patience.longest_pause)
        with snapshot(database, "agentpg backup", be_undisturbed) as reader:
            hold = _Hold()
            named = _named(holder or database, reader, name, patience, hold)
            spent += hold.lasted
            if named is not None:
                yield Named(reader, name, *named, held=hold.lasted, held_up=spent, attempts=attempt)
                return
            writers = _writers(reader)
    raise WritesNotHeld(attempts=patience.attempts, blockers=writers or _UNKNOWN)


class _Hold:
    """For how long writes are held up: from the first wish for a lock to their release."""

    def __init__(self) -> None:
        self.lasted = timedelta()

    def __enter__(self) -> None:
        self._begun = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.lasted = timedelta(seconds=time.monotonic() - self._begun)


def _named(
    database: Database, reader: Connection[Any], name: str, patience: Patience, hold: _Hold
) -> tuple[str, str, datetime] | None:
    """The snapshot, and the point's position and moment; None where somebody writes on."""
    holder = connect(database, "agentpg backup: hold writes")
    try:
        with driver_errors(database.target(), holder), holder:
            be_undisturbed(holder)
            holder.autocommit = False
            tables = _tables(holder)
            # The list was read in a transaction of its own, so that locking begins with none.
            holder.rollback()
            with hold:
                _hold(holder, tables, patience)
                [(exported,)] = reader.execute(_SQL["export_snapshot"]).fetchall()
                _require_held(reader, holder)
                [(lsn, at)] = reader.execute(_SQL["create_mark"], {"name": name}).fetchall()
                holder.commit()
            # The point reaches the disk, and whoever receives WAL, with what comes after it.
            holder.execute(_SQL["write_on"])
            holder.commit()
            # A table that came in between was not held, and may have rows since.
            return (exported, lsn, at) if _tables(reader) == tables else None
    except ServerBusy as error:
        # More locks than the server has room for are too many in the next attempt as well.
        if str(getattr(error.__cause__, "sqlstate", "")).startswith(_NO_RESOURCES):
            raise
        return None


def _hold(holder: Connection[Any], tables: list[tuple[str, str]], patience: Patience) -> None:
    waits = {"lock": _milliseconds(patience.lock), "all": _milliseconds(patience.all)}
    holder.execute(_SQL["set_patience"], waits)
    [role] = holder.cursor(row_factory=dict_row).execute(_SQL["read_role"]).fetchall()
    if role["is_superuser"]:
        holder.execute(_SQL["be_quick_with_autovacuum"], {"soon": _SOON})
        tables = [*tables, _LARGE_OBJECTS]
    if tables:
        names = ", ".join(f"ONLY {identifier(*table)}" for table in tables)
        holder.execute(_SQL.compose("hold_writes", tables=Fragment(names)), {})


def _require_held(reader: Connection[Any], holder: Connection[Any]) -> None:
    """Another role's connection string may lead to another server."""
    pid = {"pid": holder.info.backend_pid}
    [(held,)] = reader.execute(_SQL["is_held_here"], pid).fetchall()
    if not held and _tables(reader):
        raise HoldRefused(role=holder.info.user, backup=reader.info.user)


def _tables(connection: Connection[Any]) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in connection.execute(_SQL["list_tables"]).fetchall()]


def _writers(connection: Connection[Any]) -> str:
    return "; ".join(row[0] for row in connection.execute(_SQL["list_writers"]).fetchall())


def _milliseconds(time: timedelta) -> str:
    return f"{int(time / timedelta(milliseconds=1))}ms"
