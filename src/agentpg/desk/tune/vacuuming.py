"""VACUUM of one table, and VACUUM FULL where there is room for it.

A rewrite takes the live rows and the indexes once more before it lets go of the old ones, and
writes as much WAL. Nobody reads or writes the table meanwhile, so it is refused without room,
and while somebody uses the table, unless that is said. It shares the lock of backups.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    LockNotAvailable,
    Statements,
    class_row,
    connect,
    driver_errors,
    server_message,
)
from agentpg.desk.check import Unlooked, size
from agentpg.desk.doctor.disk.asking import Asking
from agentpg.desk.doctor.disk.case import rewrite_bytes
from agentpg.desk.doctor.disk.facts import Facts, Table, Volume
from agentpg.desk.doctor.disk.looking import look_at_disks
from agentpg.desk.doctor.disk.policy import policy_of
from agentpg.desk.doctor.disk.volumes import place_at, volumes_of
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.errors import (
    PermissionDenied,
    RewriteTooLarge,
    RoomUnknown,
    TableInUse,
    TableLocked,
    TableNotFound,
)
from agentpg.settings import Settings

_SQL = Statements("vacuum", "")

# Ordinary tables, materialized views, and the tables that TOAST keeps.
_KINDS = ("r", "m", "t")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A session that uses the table: it would wait for the rewrite, or the rewrite for it."""

    pid: int
    role: str
    application: str
    state: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumPlan:
    """What a vacuum of a table would do.

    `gain_bytes` is measured where `measured` says so, and else reckoned from the statistics.
    `needed_bytes` is for a rewrite; `free_bytes` is what its file system has left, None where
    that can't be seen, and `mount` which that is.
    """

    table: Table
    oid: int
    full: bool
    measured: bool
    gain_bytes: int
    needed_bytes: int
    mount: str
    free_bytes: int | None
    users: tuple[User, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacuumed:
    """What became of it: sizes of the table with its indexes."""

    table: str
    before_bytes: int
    after_bytes: int
    took: timedelta

    @property
    def gained_bytes(self) -> int:
        """What it takes less than before."""
        return self.before_bytes - self.after_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumOptions:
    """How: `assume_room` and `while_in_use` go ahead where a rewrite is refused else."""

    full: bool = False
    lock_timeout: timedelta = timedelta(seconds=5)
    assume_room: bool = False
    while_in_use: bool = False


def plan_vacuum(database: Database, settings: Settings, name: str, *, full: bool) -> VacuumPlan:
    """What it would do, and change nothing. Raises TableNotFound."""
    with (
        driver_errors(database.target()),
        connect(database, "agentpg tune") as connection,
    ):
        oid, table, folder = _table(connection, name)
        users = _users(connection, oid, database.schema)
        table = _measured(database, connection, table)
    volume = _volume_of(look_at_disks(database, settings, policy_of(settings)), folder)
    share = table.dead_share if table.free_share is None else table.free_share
    return VacuumPlan(
        table=table,
        oid=oid,
        full=full,
        measured=table.free_share is not None,
        gain_bytes=int(share * table.size_bytes) if full else 0,
        needed_bytes=rewrite_bytes(table) if full else 0,
        mount="" if volume is None else volume.mount,
        free_bytes=None if volume is None else volume.free_bytes,
        users=users,
    )


def refuse(plan: VacuumPlan, options: VacuumOptions) -> None:
    """Raises RewriteTooLarge, RoomUnknown and TableInUse where it should not be done."""
    if not plan.full:
        return
    name = plan.table.name
    if plan.free_bytes is None:
        if not options.assume_room:
            raise RoomUnknown(table=name, needed=size(plan.needed_bytes))
    elif plan.free_bytes < plan.needed_bytes:
        raise RewriteTooLarge(
            table=name,
            needed=size(plan.needed_bytes),
            free=size(plan.free_bytes),
            mount=plan.mount,
        )
    if plan.users and not options.while_in_use:
        raise TableInUse(table=name, sessions=len(plan.users))


def run_vacuum(
    database: Database, settings: Settings, name: str, options: VacuumOptions
) -> Vacuumed:
    """Look once more, do it, and measure.

    Raises what `refuse` raises, TableNotFound, TableLocked where the table was not to be had
    within the time, PermissionDenied, and WorkUnderWay beside a backup.
    """
    plan = plan_vacuum(database, settings, name, full=options.full)
    refuse(plan, options)
    with (
        driver_errors(database.target()),
        connect(database, "agentpg tune") as connection,
        turn(connection, database.schema, UNDISTURBED),
    ):
        before = _size(connection, plan.oid)
        began = _clock(connection)
        _vacuum(connection, plan.table.name, options)
        took = _clock(connection) - began
        after = _size(connection, plan.oid)
    return Vacuumed(table=plan.table.name, before_bytes=before, after_bytes=after, took=took)


def statement_of(plan: VacuumPlan) -> str:
    """The SQL that is run, to be shown."""
    text: str = _statement(plan.table.name, full=plan.full).as_string(None)
    # Without the line of purpose.
    return text.splitlines()[-1]


def _vacuum(connection: Connection[Any], name: str, options: VacuumOptions) -> None:
    milliseconds = int(options.lock_timeout.total_seconds() * 1000)
    connection.execute(_SQL["wait_at_most"], {"limit": str(milliseconds)})
    warnings: list[str] = []

    def heard(said: Any) -> None:
        if said.severity_nonlocalized == "WARNING":
            warnings.append(said.message_primary or "")

    connection.add_notice_handler(heard)
    try:
        connection.execute(_statement(name, full=options.full))
    except LockNotAvailable as error:
        seconds = f"{options.lock_timeout.total_seconds():g}"
        raise TableLocked(server_message(error), table=name, seconds=seconds) from None
    if warnings:
        # The server says no more than that where the role may not, and leaves the table out.
        raise PermissionDenied(warnings[0])


def _statement(name: str, *, full: bool) -> Any:
    # The name is the catalogue's own, quoted where it must be.
    return _SQL.compose("vacuum_full" if full else "vacuum", table=Fragment(name))


def _table(connection: Connection[Any], name: str) -> tuple[int, Table, str]:
    rows = connection.execute(_SQL["find_table"], {"table": name}).fetchall()
    oid = rows[0][0] if rows else None
    if oid is None:
        raise TableNotFound(table=name)
    cursor = connection.cursor(row_factory=class_row(_Row))
    [row] = cursor.execute(_SQL["read_table"], {"oid": oid}).fetchall()
    if row.kind not in _KINDS:
        raise TableNotFound(table=name)
    table = Table(
        name=row.name,
        size_bytes=row.size_bytes,
        index_bytes=row.index_bytes,
        live_rows=row.live_rows,
        dead_rows=row.dead_rows,
        vacuumed_at=row.vacuumed_at,
    )
    return oid, table, row.folder


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    kind: str
    size_bytes: int
    index_bytes: int
    live_rows: int
    dead_rows: int
    vacuumed_at: Any
    folder: str


def _measured(database: Database, connection: Connection[Any], table: Table) -> Table:
    share = Asking(database, connection).free_share(table.name)
    return table if share is None else replace(table, free_share=share)


def _users(connection: Connection[Any], oid: int, schema: str) -> tuple[User, ...]:
    [(found,)] = connection.execute(_SQL["schema_of"], {"oid": oid}).fetchall()
    cursor = connection.cursor(row_factory=class_row(User))
    values = {"oid": oid, "ours": found == schema}
    return tuple(cursor.execute(_SQL["read_users_of"], values).fetchall())


def _volume_of(facts: Facts, folder: str) -> Volume | None:
    """The file system of the table: that of the data, or its tablespace's."""
    if not folder or isinstance(facts.data, Unlooked):
        return facts.volume("data")
    try:
        [volume] = volumes_of([place_at("tablespace", Path(folder))])
    except OSError:
        return None
    return volume


def _size(connection: Connection[Any], oid: int) -> int:
    [(taken,)] = connection.execute(_SQL["size_of"], {"oid": oid}).fetchall()
    return int(taken)


def _clock(connection: Connection[Any]) -> Any:
    [(moment,)] = connection.execute(_SQL["clock"]).fetchall()
    return moment
