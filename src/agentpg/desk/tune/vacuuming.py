"""VACUUM of one table, and VACUUM FULL where there is room for it.

A rewrite takes the live rows and the indexes once more before it lets go of the old ones, and
writes as much WAL. Nobody reads or writes the table meanwhile, so it is refused where the room is
not known to suffice, and while somebody uses the table, unless that is said. It shares the lock
of backups.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    LockNotAvailable,
    ServerError,
    Statements,
    class_row,
    connect,
    driver_errors,
    lasting,
    server_message,
)
from agentpg.desk.backup.sessions import be_undisturbed
from agentpg.desk.check import looked, size
from agentpg.desk.doctor.disk.asking import Asking
from agentpg.desk.doctor.disk.facts import Facts, Place, Table
from agentpg.desk.doctor.disk.looking import look_at_disks
from agentpg.desk.doctor.disk.policy import policy_of
from agentpg.desk.doctor.disk.rewriting import Room, gain_bytes, lacking, rooms
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.errors import (
    RewriteTooLarge,
    RoomUnknown,
    ServerBusy,
    TableInUse,
    TableLocked,
    TableNotFound,
    VacuumNotAllowed,
    VacuumThroughPooler,
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

    `name` is the table's with its schema. `gain_bytes` is measured where `measured` says so, and
    else reckoned from the statistics. `rooms` are what a rewrite needs on each file system.
    """

    table: Table
    oid: int
    name: str
    full: bool
    gain_bytes: int
    rooms: tuple[Room, ...]
    users: tuple[User, ...]

    @property
    def measured(self) -> bool:
        """Whether what is free in it was measured."""
        return self.table.free_share is not None

    @property
    def needed_bytes(self) -> int:
        """All that a rewrite takes, on whatever file systems."""
        return sum(room.needed_bytes for room in self.rooms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacuumed:
    """What became of it: sizes of the table with its indexes, and what the server warned of."""

    table: str
    before_bytes: int
    after_bytes: int
    took: timedelta
    warnings: tuple[str, ...] = ()

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

    @property
    def lock_milliseconds(self) -> int:
        """`lock_timeout` for PostgreSQL, where 0 is without end."""
        return max(round(self.lock_timeout / timedelta(milliseconds=1)), 1)


def plan_vacuum(
    database: Database, settings: Settings, name: str, options: VacuumOptions
) -> VacuumPlan:
    """What it would do, and change nothing.

    Raises TableNotFound, TableLocked, VacuumNotAllowed, and VacuumThroughPooler.
    """
    full = options.full
    with (
        driver_errors(database.target()),
        connect(database, "agentpg tune") as connection,
    ):
        _require_session(connection, database)
        [(oid,)] = connection.execute(_SQL["find_table"], {"table": name}).fetchall()
        be_undisturbed(connection)
        # Its size can be told under no lock that keeps everybody away.
        connection.execute(_SQL["wait_at_most"], {"limit": str(options.lock_milliseconds)})
        with _locked_said(name, options):
            whole = _name(connection, oid, name)
            users = _users(connection, oid, database.schema)
            table = Asking(database, connection).table(oid)
    needed: tuple[Room, ...] = ()
    if full:
        needed = rooms(_certain(look_at_disks(database, settings, policy_of(settings))), table)
    return VacuumPlan(
        table=table,
        oid=oid,
        name=whole,
        full=full,
        gain_bytes=gain_bytes(table) if full else 0,
        rooms=needed,
        users=users,
    )


def refuse(plan: VacuumPlan, options: VacuumOptions) -> None:
    """Raises RewriteTooLarge, RoomUnknown and TableInUse where it should not be done."""
    if not plan.full:
        return
    name, room = plan.table.name, lacking(plan.rooms)
    if room is not None and room.free_bytes is not None:
        raise RewriteTooLarge(
            table=name,
            needed=size(room.needed_bytes),
            free=size(room.free_bytes),
            mount=room.place,
        )
    if room is not None and not options.assume_room:
        raise RoomUnknown(table=name, place=room.place, needed=size(room.needed_bytes))
    if plan.users and not options.while_in_use:
        raise TableInUse(table=name, sessions=len(plan.users))


def run_vacuum(
    database: Database, settings: Settings, name: str, options: VacuumOptions
) -> Vacuumed:
    """Look once more, do it, and measure.

    Raises what `plan_vacuum` and `refuse` raise, TableLocked where the table was not to be had
    within the time, and WorkUnderWay beside a backup.
    """
    with (
        driver_errors(database.target()),
        connect(database, "agentpg tune") as connection,
    ):
        _require_session(connection, database)
        be_undisturbed(connection)
        with turn(connection, database.schema, UNDISTURBED):
            plan = plan_vacuum(database, settings, name, options)
            refuse(plan, options)
            return _run(connection, plan, options)


def statement_of(plan: VacuumPlan) -> str:
    """The SQL that is run, to be shown."""
    return "; ".join(_shown(one, plan.name) for one in _statements(full=plan.full))


def _run(connection: Connection[Any], plan: VacuumPlan, options: VacuumOptions) -> Vacuumed:
    warnings: list[str] = []

    def heard(said: Any) -> None:
        if said.severity_nonlocalized == "WARNING":
            warnings.append(said.message_primary or "")

    connection.add_notice_handler(heard)
    limit = {"limit": str(options.lock_milliseconds)}
    connection.execute(_SQL["wait_at_most"], limit)
    connection.execute(_SQL["sort_beside"])
    with _locked_said(plan.table.name, options):
        before = _size(connection, plan.oid)
    began = _clock(connection)
    warnings += _vacuum(connection, plan, options)
    took = _clock(connection) - began
    return Vacuumed(
        table=plan.table.name,
        before_bytes=before,
        after_bytes=_size(connection, plan.oid),
        took=took,
        warnings=tuple(warnings),
    )


def _vacuum(
    connection: Connection[Any], plan: VacuumPlan, options: VacuumOptions
) -> tuple[str, ...]:
    """Do it, and return why the statistics could not be made anew, which undoes nothing."""
    vacuum, analyze = (_composed(one, plan.name) for one in _statements(full=plan.full))
    with _locked_said(plan.table.name, options):
        connection.execute(vacuum, {})
    try:
        connection.execute(analyze, {})
    except ServerError as error:
        if connection.broken:
            raise
        return (f"ANALYZE: {server_message(error)}",)
    return ()


@contextmanager
def _locked_said(table: str, options: VacuumOptions) -> Iterator[None]:
    try:
        yield
    except (LockNotAvailable, ServerBusy) as error:
        cause = error.__cause__ if isinstance(error, ServerBusy) else error
        if not isinstance(cause, LockNotAvailable):
            raise
        seconds = f"{options.lock_timeout.total_seconds():g}"
        raise TableLocked(server_message(cause), table=table, seconds=seconds) from None


def _statements(*, full: bool) -> tuple[str, str]:
    return ("vacuum_full" if full else "vacuum"), "analyze"


def _composed(statement: str, name: str) -> Any:
    # The name is the catalogue's own, quoted where it must be.
    return _SQL.compose(statement, table=Fragment(name))


def _shown(statement: str, name: str) -> str:
    """Without the line of purpose, and with per cent signs as the server gets them."""
    text: str = _composed(statement, name).as_string(None)
    return text.replace("%%", "%").splitlines()[-1]


def _require_session(connection: Connection[Any], database: Database) -> None:
    """A pooler that lends a server's process for a transaction keeps neither lock nor limit."""
    if lasting(connection) == "transaction":
        raise VacuumThroughPooler(target=database.target())


def _name(connection: Connection[Any], oid: int | None, name: str) -> str:
    """The whole name of a table that the role may vacuum."""
    rows = connection.execute(_SQL["name_table"], {"oid": oid}).fetchall()
    kind, whole, allowed = rows[0] if rows else ("", "", False)
    if kind not in _KINDS:
        raise TableNotFound(table=name)
    if not allowed:
        raise VacuumNotAllowed(table=name)
    return str(whole)


def _users(connection: Connection[Any], oid: int, schema: str) -> tuple[User, ...]:
    [(found,)] = connection.execute(_SQL["schema_of"], {"oid": oid}).fetchall()
    cursor = connection.cursor(row_factory=class_row(User))
    values = {"oid": oid, "ours": found == schema}
    return tuple(cursor.execute(_SQL["read_users_of"], values).fetchall())


def _certain(facts: Facts) -> Facts:
    """Without the places that are not there: a link to nowhere says nothing of room."""

    def is_there(place: Place) -> bool:
        return looked(place.folder.is_dir) is True

    return replace(facts, places=tuple(one for one in facts.places if is_there(one)))


def _size(connection: Connection[Any], oid: int) -> int:
    [(taken,)] = connection.execute(_SQL["size_of"], {"oid": oid}).fetchall()
    return int(taken)


def _clock(connection: Connection[Any]) -> Any:
    [(moment,)] = connection.execute(_SQL["clock"]).fetchall()
    return moment
