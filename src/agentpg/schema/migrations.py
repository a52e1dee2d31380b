"""Migrations: numbered scripts that only go forward, each applied once and whole.

Each is one transaction, which holds an advisory lock, waits only shortly for its table
locks and is tried again when it did not get them. So a worker's statement is never kept
behind a migration that is itself kept behind a long transaction.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import resources

from agentpg.db import (
    Connection,
    Database,
    LockNotAvailable,
    Statements,
    TupleRow,
    class_row,
    connect,
    driver_errors,
    render,
)
from agentpg.errors import (
    MigrationBlocked,
    MigrationChanged,
    NamesTaken,
    PermissionDenied,
    SchemaMismatch,
    TablesInTheWay,
)
from agentpg.schema.searchpath import search_path_statements, set_search_path
from agentpg.schema.splitting import relations

LOCK_TIMEOUT = timedelta(seconds=1)
PATIENCE = timedelta(minutes=5)

# The tables of a database made by the guide, which a first migration must not meet.
OLD_TABLES = ("tasks", "agent_executions", "users")

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
_WORKS_WITH = re.compile(r"^-- works with: (\d+)$", re.MULTILINE)

# Waits between attempts to get the locks: 0.2 s, doubled up to 5 s, each ± half.
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: its number, its name and its SQL."""

    version: int
    name: str
    text: str = field(repr=False)

    @property
    def works_with(self) -> int:
        """The oldest version of the schema whose code keeps working after this migration.

        The migration says it in a line of its own; only its own version, if it does not.
        """
        said = _WORKS_WITH.search(self.text)
        return int(said[1]) if said else self.version

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, as hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def record(self) -> dict[str, object]:
        """The parameters of the statement `record_migration`."""
        return {
            "version": self.version,
            "name": self.name,
            "checksum": self.checksum,
            "works_with": self.works_with,
        }

    def __str__(self) -> str:
        return f"{self.version:04} {self.name}"


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that the database has."""

    version: int
    name: str
    checksum: str
    works_with: int

    def __str__(self) -> str:
        return f"{self.version:04} {self.name}"


@dataclass(frozen=True, slots=True)
class Existing:
    """What there is in a database before anything is applied."""

    has_schema: bool
    may_create: bool
    has_migrations: bool
    tables: list[str]


def released_migrations() -> list[Migration]:
    """The migrations of this release, in order."""
    files = (resources.files("agentpg.sql") / "migrations").iterdir()
    found = [(_NAME.fullmatch(file.name), file) for file in files]
    return sorted(
        (Migration(int(m[1]), m[2], file.read_text(encoding="utf-8")) for m, file in found if m),
        key=lambda migration: migration.version,
    )


def migrate(
    database: Database,
    *,
    lock_timeout: timedelta = LOCK_TIMEOUT,
    patience: timedelta = PATIENCE,
    migrations: Sequence[Migration] | None = None,
) -> list[Migration]:
    """Bring the schema to this release, making it where it is missing; what was applied.

    A migration waits `lock_timeout` (1 s by default) for its locks, gives way to whoever
    waits behind it, and tries again for `patience` (5 min by default). The search_path of
    the database and of the role is set where the role may; `search_path_statements` says
    what is left.

    Raises MigrationChanged, SchemaMismatch where the schema is newer than this release,
    TablesInTheWay where `adopt` is wanted, NamesTaken where others have a table of a name that
    a migration needs, and MigrationBlocked. Each migration is applied whole or not at all.
    """
    known = released_migrations() if migrations is None else list(migrations)
    with (
        connect(database, "agentpg schema migrate") as connection,
        driver_errors(database.target()),
    ):
        done = apply_pending(connection, database.schema, known, lock_timeout, patience)
        set_search_path(connection, database.schema)
    return done


def apply_pending(
    connection: Connection[TupleRow],
    schema: str,
    known: Sequence[Migration],
    lock_timeout: timedelta = LOCK_TIMEOUT,
    patience: timedelta = PATIENCE,
) -> list[Migration]:
    """What `migrate` does, on a connection in autocommit mode; the search_path apart."""
    done: list[Migration] = []
    while pending := pending_migrations(connection, schema, known):
        step = _Step(connection, schema, known, lock_timeout)
        applied = _insist(step, pending[0], patience)
        done += [applied] if applied else []
    return done


def bring_up_to_date(database: Database) -> None:
    """Migrate, or leave a newer schema as it is where this release works on it.

    Raises what `migrate` raises, SchemaMismatch only where this release cannot work.
    """
    try:
        migrate(database)
    except SchemaMismatch:
        check_version(database)


def plan(database: Database, *, migrations: Sequence[Migration] | None = None) -> list[Migration]:
    """The migrations that `migrate` would apply now.

    Raises MigrationChanged, SchemaMismatch, TablesInTheWay and NamesTaken as `migrate` does.
    """
    known = released_migrations() if migrations is None else list(migrations)
    with (
        connect(database, "agentpg schema plan") as connection,
        driver_errors(database.target()),
    ):
        return pending_migrations(connection, database.schema, known)


def script(
    database: Database,
    *,
    lock_timeout: timedelta = LOCK_TIMEOUT,
    migrations: Sequence[Migration] | None = None,
) -> str:
    """What `migrate` would run now, as a script for psql; empty where there is nothing to do.

    Raises what `plan` raises.
    """
    known = released_migrations() if migrations is None else list(migrations)
    with (
        connect(database, "agentpg schema migrate") as connection,
        driver_errors(database.target()),
    ):
        pending = pending_migrations(connection, database.schema, known)
        make_schema = not _existing(connection, database.schema).has_schema
        parts = transactions(connection, database.schema, pending, lock_timeout, make_schema)
        parts += _search_path_transaction(connection, database.schema)
    return "\n".join(["\\set ON_ERROR_STOP on\n", *parts]) if parts else ""


def transactions(
    connection: Connection[TupleRow],
    schema: str,
    migrations: Sequence[Migration],
    lock_timeout: timedelta = LOCK_TIMEOUT,
    make_schema: bool = False,
) -> list[str]:
    """Each of the migrations as a transaction for psql; the first one makes the schema."""
    return [
        _transaction(connection, schema, migration, lock_timeout, make_schema and number == 0)
        for number, migration in enumerate(migrations)
    ]


def check_version(database: Database) -> None:
    """Raise SchemaMismatch unless this release works on the schema.

    It does on the one it was made with, and on a newer one that says so: then a worker of
    the release before may start while, or after, the schema is upgraded.
    """
    wanted = released_migrations()[-1].version
    with (
        connect(database, "agentpg schema version") as connection,
        driver_errors(database.target()),
    ):
        applied = applied_migrations(connection, database.schema)
    found = applied[-1].version if applied else 0
    if found < wanted or any(step.works_with > wanted for step in applied):
        raise _mismatch(database.schema, found, wanted)


def applied_migrations(connection: Connection[TupleRow], schema: str) -> list[Applied]:
    """What the schema records as applied, in order; nothing where it is missing."""
    if not _existing(connection, schema).has_migrations:
        return []
    cursor = connection.cursor(row_factory=class_row(Applied))
    return cursor.execute(Statements("schema_admin", schema)["applied_migrations"]).fetchall()


def pending_migrations(
    connection: Connection[TupleRow], schema: str, known: Sequence[Migration]
) -> list[Migration]:
    """Those of `known` that the schema lacks. Raises what `plan` raises."""
    applied = applied_migrations(connection, schema)
    check_newest(schema, applied, known)
    if not applied:
        _refuse_tables_in_the_way(connection, schema)
    done = {migration.version for migration in applied}
    pending = [migration for migration in known if migration.version not in done]
    try:
        _refuse_names_taken(connection, schema, known, pending)
    except NamesTaken:
        # Without the lock, another process may have applied some of them since they were read.
        if applied_migrations(connection, schema) == applied:
            raise
        return pending_migrations(connection, schema, known)
    if pending and not _existing(connection, schema).may_create:
        # The server would make the tables in the next schema of the search_path.
        raise PermissionDenied(f"permission denied for schema {schema}")
    return pending


def check_newest(schema: str, applied: Sequence[Applied], known: Sequence[Migration]) -> None:
    """Raise what forbids to work on a schema with these migrations, old ones excepted."""
    newest = known[-1].version
    if applied and applied[-1].version > newest:
        raise _mismatch(schema, applied[-1].version, newest)
    checksums = {migration.version: migration.checksum for migration in known}
    for migration in applied:
        if checksums.get(migration.version) != migration.checksum:
            raise MigrationChanged(migration=migration)


@dataclass(frozen=True, slots=True)
class _Step:
    """One attempt to apply the next migration."""

    connection: Connection[TupleRow]
    schema: str
    known: Sequence[Migration]
    lock_timeout: timedelta

    def apply(self) -> Migration | None:
        """The migration that was applied; None if another process was first."""
        with self.connection.transaction():
            for statement in _opening(self.connection, self.schema, self.lock_timeout):
                self.connection.execute(statement.encode())
            pending = pending_migrations(self.connection, self.schema, self.known)
            if not pending:
                return None
            make_schema = not _existing(self.connection, self.schema).has_schema
            for statement in _applying(self.connection, self.schema, pending[0], make_schema):
                self.connection.execute(statement.encode())
        return pending[0]


def _insist(step: _Step, migration: Migration, patience: timedelta) -> Migration | None:
    """Apply the next migration; where a lock is not to be had, step aside and come again."""
    deadline = time.monotonic() + patience.total_seconds()
    wait = _FIRST_WAIT
    while True:
        try:
            return step.apply()
        except LockNotAvailable:
            if time.monotonic() + wait > deadline:
                raise MigrationBlocked(
                    migration=migration, seconds=f"{patience.total_seconds():g}"
                ) from None
        time.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        wait = min(wait * 2, _LONGEST_WAIT)


def _opening(connection: Connection[TupleRow], schema: str, lock_timeout: timedelta) -> list[str]:
    """How each transaction begins: with a short patience, and alone."""
    statements = Statements("schema_admin", schema)
    milliseconds = str(round(lock_timeout.total_seconds() * 1000))
    return [
        render(connection, statements["set_lock_timeout"], {"milliseconds": milliseconds}),
        render(connection, statements["lock_schema"], {"schema": schema}),
    ]


def _applying(
    connection: Connection[TupleRow], schema: str, migration: Migration, make_schema: bool
) -> list[str]:
    """What applies one migration, within its transaction."""
    statements = Statements("schema_admin", schema)
    return [
        *([render(connection, statements["create_schema"])] if make_schema else []),
        render(connection, statements["enter_schema"]),
        migration.text,
        render(connection, statements["record_migration"], migration.record()),
    ]


def _transaction(
    connection: Connection[TupleRow],
    schema: str,
    migration: Migration,
    lock_timeout: timedelta,
    make_schema: bool,
) -> str:
    """The same as a text for psql."""
    statements = [
        *_opening(connection, schema, lock_timeout),
        *_applying(connection, schema, migration, make_schema),
    ]
    body = "\n".join(_ended(statement) for statement in statements)
    return f"-- {migration}\nBEGIN;\n{body}\nCOMMIT;\n"


def _search_path_transaction(connection: Connection[TupleRow], schema: str) -> list[str]:
    statements = search_path_statements(connection, schema)
    body = "\n".join(map(_ended, statements))
    return [f"-- search_path\nBEGIN;\n{body}\nCOMMIT;\n"] if statements else []


def _ended(statement: str) -> str:
    text = statement.strip()
    return text if text.endswith(";") else f"{text};"


def _refuse_tables_in_the_way(connection: Connection[TupleRow], schema: str) -> None:
    tables = [t for t in _existing(connection, schema).tables if t in OLD_TABLES]
    if tables:
        raise TablesInTheWay(schema=schema, tables=", ".join(tables))


def _refuse_names_taken(
    connection: Connection[TupleRow],
    schema: str,
    known: Sequence[Migration],
    pending: Sequence[Migration],
) -> None:
    """What is pending may make again what was made before, but nothing that others have."""
    ours = relations(migration.text for migration in known if migration not in pending)
    names = relations(migration.text for migration in pending) - ours
    rows = connection.execute(
        Statements("schema_admin", schema)["names_taken"], {"schema": schema, "names": list(names)}
    ).fetchall()
    if rows:
        raise NamesTaken(schema=schema, names=", ".join(row[0] for row in rows))


def _existing(connection: Connection[TupleRow], schema: str) -> Existing:
    cursor = connection.cursor(row_factory=class_row(Existing))
    cursor.execute(
        Statements("schema_admin", schema)["existing"],
        {"schema": schema, "tables": [*OLD_TABLES, "schema_migrations"]},
    )
    return cursor.fetchall()[0]


def _mismatch(schema: str, found: int, wanted: int) -> SchemaMismatch:
    return SchemaMismatch(schema=schema, found=found, wanted=wanted)
