"""Take over a database that the guide made: its tables stay, with every row.

The tables are moved into the schema, in place, and given the columns, the constraints and
the indexes that the first migration would have made; all else that it makes is made. Rows
that were there are marked `adopted`, which exempts them from what they may not satisfy.

What is unfinished, `pending`, `running` or `waiting`, becomes `pending`, since no worker of
agentpg's holds it, and is held until somebody releases it, unless it shall run. A status
that agentpg does not know, NULL included, stays as it is: no worker ever claims it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from agentpg.db import (
    Connection,
    Database,
    DataError,
    Fragment,
    IntegrityError,
    LockNotAvailable,
    TupleRow,
    connect,
    driver_errors,
    server_message,
)
from agentpg.errors import AdoptionRefused
from agentpg.language import N_
from agentpg.schema.inspection import Dependent, Grantee, Inspection, StatusCount, inspect
from agentpg.schema.migrations import LOCK_TIMEOUT, Migration, released_migrations
from agentpg.schema.reshaping import Reshaping, Step, Writer
from agentpg.schema.searchpath import set_search_path
from agentpg.schema.splitting import created, split

HELD_REASON = "adopted"

_LOCKED = N_("other sessions are using the tables; stop the programs that write to them")
_CHANGED = N_("the tables have changed since the plan was shown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How to adopt.

    `source` is the schema that the tables are in; None: the one that has them. `time_zone`
    is that of timestamps without one; None: the server's. With `run_pending` unfinished
    tasks are not held.
    """

    source: str | None = None
    time_zone: str | None = None
    run_pending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What an adoption does: where the tables are, what is in them, and each statement.

    `unfinished` counts the tasks that become `pending`; `unknown` the statuses that stay
    as they are. `dependents` are views, triggers, foreign keys and grants of others, which
    stay.
    """

    source: str
    schema: str
    time_zone: str
    rows: dict[str, int]
    unfinished: int
    unknown: list[StatusCount]
    dependents: list[Dependent]
    steps: list[Step]

    def script(self) -> str:
        """All statements, as one transaction for psql."""
        body = "\n".join(f"{step.statement.strip().rstrip(';')};" for step in self.steps)
        return f"\\set ON_ERROR_STOP on\nBEGIN;\n{body}\nCOMMIT;\n"


def plan_adoption(database: Database, wishes: Wishes | None = None) -> Adoption:
    """What `adopt` would do now; nothing is changed.

    Raises AdoptionRefused with all that is in the way.
    """
    with (
        connect(database, "agentpg schema adopt", autocommit=False) as connection,
        driver_errors(database.target()),
    ):
        adoption = _plan(connection, database.schema, wishes or Wishes())
        connection.rollback()
    return adoption


def adopt(
    database: Database,
    wishes: Wishes | None = None,
    *,
    shown: Adoption | None = None,
    lock_timeout: timedelta = LOCK_TIMEOUT,
) -> Adoption:
    """Take over the tables in one transaction; what was done.

    With `shown`, nothing is done unless the statements are still those of that plan. The
    locks are waited for `lock_timeout` each, 1 s by default. Raises AdoptionRefused, and
    then nothing was changed.
    """
    with (
        connect(database, "agentpg schema adopt", autocommit=False) as connection,
        driver_errors(database.target()),
    ):
        try:
            adoption = _run(connection, database.schema, wishes or Wishes(), shown, lock_timeout)
        except (IntegrityError, DataError) as error:
            raise AdoptionRefused(server_message(error)) from error
        except LockNotAvailable:
            raise AdoptionRefused(obstacles=[(_LOCKED, {})]) from None
        connection.commit()
        connection.autocommit = True
        set_search_path(connection, database.schema)
    return adoption


def _run(
    connection: Connection[TupleRow],
    schema: str,
    wishes: Wishes,
    shown: Adoption | None,
    lock_timeout: timedelta,
) -> Adoption:
    admin = Writer(connection, schema, "schema_admin")
    milliseconds = str(round(lock_timeout.total_seconds() * 1000))
    opening = admin.step("set_lock_timeout", "", {"milliseconds": milliseconds})
    connection.execute(opening.statement.encode())
    adoption = _plan(connection, schema, wishes)
    if shown is not None and shown.steps != adoption.steps:
        raise AdoptionRefused(obstacles=[(_CHANGED, {})])
    for step in adoption.steps:
        connection.execute(step.statement.encode())
    return adoption


def _plan(connection: Connection[TupleRow], schema: str, wishes: Wishes) -> Adoption:
    found = inspect(connection, schema, wishes.source, wishes.time_zone)
    if found.obstacles:
        raise AdoptionRefused(obstacles=found.obstacles)
    return Adoption(
        source=found.source,
        schema=schema,
        time_zone=found.time_zone,
        rows=found.rows,
        unfinished=found.unfinished,
        unknown=found.unknown,
        dependents=found.dependents,
        steps=list(_steps(connection, schema, found, wishes)),
    )


def _steps(
    connection: Connection[TupleRow], schema: str, found: Inspection, wishes: Wishes
) -> Iterator[Step]:
    write, admin = Writer(connection, schema), Writer(connection, schema, "schema_admin")
    values = {"run_pending": wishes.run_pending, "held_reason": HELD_REASON}
    yield admin.step("lock_schema", schema, {"schema": schema})
    yield write.step("check_at_once", "")
    yield from _move(write, found)
    yield admin.step("enter_schema", schema)
    for trigger in found.triggers:
        names = {"table": trigger.table_name, "trigger": trigger.name}
        yield write.step("disable_trigger", f"{trigger.table_name}.{trigger.name}", **names)
    first, *later = released_migrations()
    yield from _first_migration(write, found, first, values)
    yield _record(admin, first)
    for migration in later:
        yield Step("migration", str(migration), migration.text)
        yield _record(admin, migration)
    for trigger in found.triggers:
        names = {"table": trigger.table_name, "trigger": trigger.name}
        yield write.step("enable_trigger", f"{trigger.table_name}.{trigger.name}", **names)
    yield from _grants(write, found.grantees)


def _move(write: Writer, found: Inspection) -> Iterator[Step]:
    owner = next(iter(found.tables.values())).owner
    foreign_owner = not next(iter(found.tables.values())).is_ours
    if not found.has_schema:
        yield write.step("create_schema_for", write.schema, owner=owner)
    for table in found.tables:
        yield write.step("lock_table", table, schema=found.source, table=table)
        if found.source != write.schema:
            names = {"old_schema": found.source, "table": table}
            yield write.step("move_table", table, **names)
    if foreign_owner:
        yield write.step("act_as_owner", owner, owner=owner)


def _first_migration(
    write: Writer, found: Inspection, migration: Migration, values: dict[str, object]
) -> Iterator[Step]:
    shapes = {
        name: Reshaping(
            write=write,
            found=table,
            wanted=found.wanted[name],
            conversions=found.conversions[name],
            key_becomes=found.key_becomes if name == "users" else "",
            keeps_roles=found.keeps_roles and name == "users",
        )
        for name, table in found.tables.items()
    }
    for statement in split(migration.text):
        kind, name, table = created(statement)
        if kind == "TABLE" and name in shapes:
            yield from shapes[name].prepare()
            yield from shapes[name].fill(values if name == "tasks" else {})
            yield from shapes[name].finish()
            if name == "agent_executions":
                yield write.step("count_old_attempts", "tasks")
        elif kind == "INDEX" and table in shapes:
            wanted = next(i for i in found.wanted[table].indexes if i.name == name)
            yield from shapes[table].index(wanted, statement)
        else:
            yield Step("create", name, statement)


def _record(admin: Writer, migration: Migration) -> Step:
    return admin.step("record_migration", str(migration), migration.record())


def _grants(write: Writer, grantees: Sequence[Grantee]) -> Iterator[Step]:
    for grantee in grantees:
        yield write.step("grant_usage", grantee.role, role=Fragment(grantee.role))
        if grantee.writes_tasks:
            yield write.step("grant_writing", grantee.role, role=Fragment(grantee.role))
