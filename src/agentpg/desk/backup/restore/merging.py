"""Merging rows of a backup into the live tables, in one transaction, with a way back.

The file that undoes it is on the disk before anything is changed for good: plain SQL that
brings back exactly what was there.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    Statements,
    connect,
    driver_errors,
    render,
)
from agentpg.desk.backup.restore.outline import Outline, open_outline
from agentpg.desk.backup.restore.remaking import (
    NOTHING,
    Dependent,
    Remaking,
    finish_tables,
    make_tables,
    plan_remaking,
)
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
    """What was found, and what went with tables that are gone."""

    tables: tuple[TableDifference, ...]
    dependents: tuple[Dependent, ...] = ()

    @property
    def nothing_to_do(self) -> bool:
        """Whether all rows are there already."""
        return all(t.missing == 0 and t.changed == 0 for t in self.tables)


Agree = Callable[[Differences], bool]


def bring_back(
    source: Source, live: Database, tables: Sequence[Table], options: MergeOptions, agree: Agree
) -> Differences:
    """Show the differences to `agree`, and merge where it says yes; what was found and done.

    Nobody waits for us while it is asked. Then the tables are compared once more, and all is
    merged, and what is gone made, in one transaction, for which their writers wait.
    """
    gone = [table for table in tables if table.gone]
    opened: AbstractContextManager[Outline | None] = (
        open_outline(source.database, source.programs) if gone else nullcontext()
    )
    with (
        opened as outline,
        driver_errors(live.target()),
        connect(live, "agentpg backup restore", autocommit=False) as connection,
        connect(source.database, "agentpg backup restore", autocommit=False) as restored,
    ):
        merge = _Merge(source, connection, restored, tables, options, outline)
        differences, _ = merge.compare()
        connection.rollback()
        if differences.nothing_to_do or not agree(differences):
            return differences
        merge.lock()
        differences, remaking = merge.compare()
        with _undo_file(options.undo) as write:
            merge.write_undo(remaking, write)
        with _removed_on_failure(options.undo):
            dependents = merge.run(remaking)
            connection.commit()
    return replace(differences, dependents=dependents)


class _Merge:
    """The tables on both sides, compared and merged."""

    def __init__(
        self,
        source: Source,
        connection: Connection[Any],
        restored: Connection[Any],
        tables: Sequence[Table],
        options: MergeOptions,
        outline: Outline | None,
    ) -> None:
        self._source, self._options, self._outline = source, options, outline
        self._connection, self._restored = connection, restored
        self._sql = Statements("table_recovery", source.database.schema)
        self._staged = {
            table: f"agentpg_back_{secrets.token_hex(4)}" for table in tables if not table.gone
        }
        self._gone = [table for table in tables if table.gone]

    def lock(self) -> None:
        """Let nobody else write to what is compared."""
        for table in self._staged:
            statement = self._sql.compose("lock_table", table=Fragment(table.path))
            self._connection.execute(statement, {})

    def compare(self) -> tuple[Differences, Remaking]:
        """What differs, and what is made for what is gone."""
        for side in (self._connection, self._restored):
            side.execute(self._sql["pin"])
        remaking = NOTHING
        if self._outline is not None:
            remaking = plan_remaking(
                self._outline, self._restored, self._connection, self._sql, self._gone
            )
        lost = (TableDifference(table=str(table)) for table in self._gone)
        there = (
            _compare(self._connection, self._restored, self._sql, table, staging, self._options)
            for table, staging in self._staged.items()
        )
        return Differences((*lost, *there), remaking.dependents), remaking

    def write_undo(self, remaking: Remaking, write: Callable[[Iterable[str]], None]) -> None:
        """What is made goes first; where it was not made after all, there is nothing to undo."""
        write(remaking.removals)
        write(f"DROP TABLE {table.path};" for table in reversed(self._gone))
        for table, staging in reversed(self._staged.items()):
            write(self._keep(table, staging))

    def run(self, remaking: Remaking) -> tuple[Dependent, ...]:
        """Do it, but for the end of the transaction; what went with tables that were gone."""
        if self._outline is not None:
            make_tables(self._outline, remaking, self._restored, self._connection, self._sql)
        for table in self._gone:
            self._settle(table, table.path)
        for table, staging in self._staged.items():
            _merge(self._connection, self._sql, table, staging, self._options)
        if self._outline is None:
            return ()
        # Their foreign keys want the rows that came back.
        return finish_tables(self._outline, remaking, self._connection, self._sql)

    def _keep(self, table: Table, staging: str) -> Iterator[str]:
        """Let only those rows be staged that will be merged; how to undo that."""
        parts = parts_of(table, staging, EVERYTHING)
        step = "drop_staged_unchanged" if self._options.overwrite else "drop_staged_changed"
        self._connection.execute(self._sql.compose(step, **parts), {})
        self._settle(table, staging)
        for step in ("undo_inserts", *(["undo_changes"] if table.others else [])):
            for (statement,) in self._connection.execute(self._sql.compose(step, **parts), {}):
                yield str(statement)

    def _settle(self, table: Table, where: str) -> None:
        """What becomes of unfinished tasks among the rows that come back."""
        ours = (table.schema, table.name) == (self._source.database.schema, _TASKS)
        if ours and self._options.unfinished != "keep":
            step = self._sql.compose(f"{self._options.unfinished}_tasks", tasks=Fragment(where))
            self._connection.execute(step, {"reason": reason_of(self._source.backup)})


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


def _merge(
    connection: Connection[Any], sql: Statements, table: Table, staging: str, options: MergeOptions
) -> None:
    parts = parts_of(table, staging, EVERYTHING)
    if options.overwrite and table.others:
        connection.execute(sql.compose("update_changed", **parts), {})
    connection.execute(sql.compose("insert_missing", **parts), {})


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
