"""Merging rows of a backup into the live tables, in one transaction, with a way back.

The file that undoes it is on the disk before anything is changed for good: plain SQL that
brings back exactly what was there.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    Statements,
    connect,
    driver_errors,
    environment_of,
    render,
)
from agentpg.desk.backup.leash import run_tool
from agentpg.desk.backup.restore.tables import EVERYTHING, Source, Table, parts_of
from agentpg.desk.backup.restore.unfinished import Unfinished, reason_of
from agentpg.errors import FileNotWritten

_TASKS = "tasks"

_HEAD = """\
-- Brings back what was there before rows of a backup were merged:
--   psql --no-psqlrc --set ON_ERROR_STOP=1 --file THIS_FILE
\\set ON_ERROR_STOP on
BEGIN;
SET LOCAL standard_conforming_strings = on;
SET LOCAL datestyle = 'ISO, MDY';
SET LOCAL intervalstyle = 'postgres';
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOptions:
    """`where` chooses rows, as SQL. `overwrite`: changed rows become what they were.

    `undo` is the file that brings back what was there; it must not exist.
    """

    undo: Path
    where: str = ""
    overwrite: bool = False
    unfinished: Unfinished = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """How a table of the backup differs from the live one, row by row; None where it is gone."""

    table: str
    missing: int | None = None
    changed: int | None = None
    only_live: int | None = None


@dataclass(frozen=True, slots=True)
class Differences:
    """What was found, before anything is changed."""

    tables: tuple[TableDifference, ...]

    @property
    def nothing_to_do(self) -> bool:
        """Whether all rows are there already."""
        return all(t.missing == 0 and t.changed == 0 for t in self.tables)


Agree = Callable[[Differences], bool]


def bring_back(
    source: Source, live: Database, tables: Sequence[Table], options: MergeOptions, agree: Agree
) -> Differences:
    """Show the differences to `agree`, and merge where it says yes.

    Nobody waits for us while it is asked. Then the tables are compared once more and merged in
    one transaction, for which their writers wait. Each table that is gone is made after that,
    in a transaction of its own.
    """
    there = [table for table in tables if not table.gone]
    gone = [table for table in tables if table.gone]
    sql = Statements("table_recovery", source.database.schema)
    with (
        driver_errors(live.target()),
        connect(live, "agentpg backup restore", autocommit=False) as connection,
        connect(source.database, "agentpg backup restore") as restored,
    ):
        staged = {table: f"agentpg_back_{secrets.token_hex(4)}" for table in there}

        def compared(*, lock: bool) -> Differences:
            connection.execute(sql["pin"])
            lost = [TableDifference(table=str(table)) for table in gone]
            if lock:
                for table in there:
                    connection.execute(sql.compose("lock_table", table=Fragment(table.path)), {})
            return Differences(
                (
                    *lost,
                    *(_compare(connection, restored, sql, t, staged[t], options) for t in there),
                )
            )

        differences = compared(lock=False)
        connection.rollback()
        if differences.nothing_to_do or not agree(differences):
            return differences
        differences = compared(lock=True)
        with _undo_file(options.undo) as write:
            # Before the rows that they name; nothing that is there names them.
            write(f"DROP TABLE {table.path};" for table in reversed(gone))
            for table in reversed(there):
                write(_keep(connection, sql, table, staged[table], source, options))
        with _removed_on_failure(options.undo):
            for table in there:
                _merge(connection, sql, table, staged[table], options)
        connection.commit()
    # Their foreign keys want the rows that came back, and tables that nobody has locked.
    for table in gone:
        _make_again(source, live, table)
    return differences


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    """Leave no file that undoes what was not done."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _compare(
    connection: Connection[Any],
    restored: Connection[Any],
    sql: Statements,
    table: Table,
    staging: str,
    options: MergeOptions,
) -> TableDifference:
    parts = parts_of(table, staging, f"({options.where})" if options.where else EVERYTHING)
    connection.execute(sql.compose("make_staging", **parts), {})
    with (
        restored.cursor().copy(render(restored, sql.compose("copy_out", **parts)).encode()) as read,
        connection.cursor().copy(
            render(restored, sql.compose("copy_in", **parts)).encode()
        ) as write,
    ):
        for piece in read:
            write.write(piece)
    [row] = connection.execute(sql.compose("difference", **parts), {}).fetchall()
    return TableDifference(table=str(table), missing=row[0], changed=row[1], only_live=row[2])


def _keep(
    connection: Connection[Any],
    sql: Statements,
    table: Table,
    staging: str,
    source: Source,
    options: MergeOptions,
) -> Iterator[str]:
    """Let only those rows be staged that will be merged; how to undo that."""
    parts = parts_of(table, staging, EVERYTHING)
    step = "drop_staged_unchanged" if options.overwrite else "drop_staged_changed"
    connection.execute(sql.compose(step, **parts), {})
    ours = (table.schema, table.name) == (source.database.schema, _TASKS)
    if ours and options.unfinished != "keep":
        reason = {"reason": reason_of(source.backup)}
        connection.execute(sql.compose(f"{options.unfinished}_staged", **parts), reason)
    for step in ("undo_inserts", *(["undo_changes"] if table.others else [])):
        for (statement,) in connection.execute(sql.compose(step, **parts), {}):
            yield str(statement)


def _merge(
    connection: Connection[Any], sql: Statements, table: Table, staging: str, options: MergeOptions
) -> None:
    parts = parts_of(table, staging, EVERYTHING)
    if options.overwrite and table.others:
        connection.execute(sql.compose("update_changed", **parts), {})
    connection.execute(sql.compose("insert_missing", **parts), {})


def _make_again(source: Source, live: Database, table: Table) -> None:
    """Make a table that is gone, with all that belongs to it, as pg_dump writes it."""
    with _private_file() as path:
        dump: list[str | Path] = [source.programs.tool("pg_dump"), f"--table={table.path}"]
        dump += ["--no-tablespaces", "--no-password", f"--file={path}"]
        run_tool(dump, environment_of(source.database.dsn))
        load: list[str | Path] = [source.programs.tool("psql"), "--no-psqlrc", "--quiet"]
        load += ["--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
        run_tool([*load, "--no-password", f"--file={path}"], environment_of(live.dsn))


@contextmanager
def _private_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="agentpg-table-") as folder:
        yield Path(folder, "table.sql")


@contextmanager
def _undo_file(path: Path) -> Iterator[Callable[[Iterable[str]], None]]:
    """A file that only its owner reads, on the disk when this ends."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_HEAD)

            def write(statements: Iterable[str]) -> None:
                file.writelines(f"{statement}\n" for statement in statements)

            yield write
            file.write("COMMIT;\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error
