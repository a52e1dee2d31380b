"""Merging rows of a backup into the live tables, in one transaction, with a way back.

The file that undoes it (`undoing.py`) is on the disk before anything is changed for good.
Triggers that people have made do not fire meanwhile.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    ServerError,
    Statements,
    connect,
    driver_errors,
    identifier,
    render,
    server_message,
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
from agentpg.desk.backup.restore.triggers import Trigger, triggers_of
from agentpg.desk.backup.restore.undoing import UndoFile, undo_file
from agentpg.desk.backup.restore.unfinished import Unfinished, reason_of
from agentpg.errors import AgentpgError, ConditionWrong

_TASKS = "tasks"

# Syntax, names, types, values; what a role may not do is among them, and no such mistake.
_WRONG_SQL = ("42", "22")
_NO_RIGHT = "42501"


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
        with undo_file(options.undo, connection, merge.sql) as undo:
            dependents = merge.run(remaking)
            merge.write_undo(remaking, undo)
        _end(connection, options.undo)
    return replace(differences, dependents=dependents)


def _end(connection: Connection[Any], undo: Path) -> None:
    """Commit. Where the server says no, there is nothing to undo; if it is gone, there may be."""
    try:
        with driver_errors(""):
            connection.commit()
    except AgentpgError:
        if not connection.closed:
            undo.unlink(missing_ok=True)
        raise


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
        self.sql = Statements("table_recovery", source.database.schema)
        self._staged = {
            table: f"agentpg_back_{secrets.token_hex(4)}" for table in tables if not table.gone
        }
        self._gone = [table for table in tables if table.gone]
        self._triggers: dict[Table, list[Trigger]] = {}

    def lock(self) -> None:
        """Let nobody else write to what is compared."""
        for table in self._staged:
            statement = self.sql.compose("lock_table", table=Fragment(table.path))
            self._connection.execute(statement, {})
            self._triggers[table] = triggers_of(self._connection, self.sql, table)

    def compare(self) -> tuple[Differences, Remaking]:
        """What differs, and what is made for what is gone."""
        for side in (self._connection, self._restored):
            side.execute(self.sql["pin"])
        # A moment in the condition means the same on both sides.
        [(zone,)] = self._connection.execute(self.sql["read_zone"]).fetchall()
        self._restored.execute(self.sql["set_zone"], {"zone": zone})
        remaking = NOTHING
        if self._outline is not None:
            remaking = plan_remaking(
                self._outline, self._restored, self._connection, self.sql, self._gone
            )
        lost = (TableDifference(table=str(table)) for table in self._gone)
        there = (
            _compare(self._connection, self._restored, self.sql, table, staging, self._options)
            for table, staging in self._staged.items()
        )
        return Differences((*lost, *there), remaking.dependents), remaking

    def write_undo(self, remaking: Remaking, undo: UndoFile) -> None:
        """How what was done is undone, in the opposite order."""
        undo.write(remaking.removals)
        undo.write(f"DROP TABLE {table.path};" for table in reversed(self._gone))
        for table, staging in reversed(self._staged.items()):
            undo.undo_rows(table, staging, _before(staging), self._triggers[table])

    def run(self, remaking: Remaking) -> tuple[Dependent, ...]:
        """Do it, but for the end of the transaction; what went with tables that were gone."""
        for table, staging in self._staged.items():
            self._choose(table, staging)
        if self._outline is not None:
            make_tables(self._outline, remaking, self._restored, self._connection, self.sql)
        for table in self._gone:
            self._settle(table, table.path)
        self._merge_all()
        if self._outline is None:
            return ()
        # Their foreign keys want the rows that came back.
        return finish_tables(self._outline, remaking, self._connection, self.sql)

    def _choose(self, table: Table, staging: str) -> None:
        """Let only those rows be staged that will be merged, and keep what they replace."""
        parts = parts_of(table, staging, EVERYTHING)
        step = "drop_staged_unchanged" if self._options.overwrite else "drop_staged_changed"
        self._connection.execute(self.sql.compose(step, **parts), {})
        self._settle(table, staging)
        parts["before"] = Fragment(identifier(_before(staging)))
        for step in ("make_before", "keep_before"):
            self._connection.execute(self.sql.compose(step, **parts), {})

    def _merge_all(self) -> None:
        """Merge, while no trigger fires that people have made, and let sequences be ahead."""
        triggers = [one for table in self._staged for one in self._triggers[table]]
        for one in triggers:
            self._connection.execute(one.off.encode())
        for table, staging in self._staged.items():
            _merge(self._connection, self.sql, table, staging, self._options)
        self._connection.execute(self.sql["check_now"])
        for one in triggers:
            self._connection.execute(one.on.encode())
        for table in self._staged:
            _catch_up(self._connection, self.sql, table)

    def _settle(self, table: Table, where: str) -> None:
        """What becomes of unfinished tasks among the rows that come back."""
        ours = (table.schema, table.name) == (self._source.database.schema, _TASKS)
        if ours and self._options.unfinished != "keep":
            step = self.sql.compose(f"{self._options.unfinished}_tasks", tasks=Fragment(where))
            self._connection.execute(step, {"reason": reason_of(self._source.backup)})


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
        _condition_told(options.where),
        restored.cursor().copy(render(restored, sql.compose("copy_out", **parts)).encode()) as read,
        connection.cursor().copy(
            render(restored, sql.compose("copy_in", **parts)).encode()
        ) as write,
    ):
        for piece in read:
            write.write(piece)
    [row] = connection.execute(sql.compose("difference", **parts), {}).fetchall()
    return TableDifference(table=str(table), missing=row[0], changed=row[1], only_live=row[2])


@contextmanager
def _condition_told(where: str) -> Iterator[None]:
    """Say of a condition that the server does not take that it is that."""
    try:
        yield
    except ServerError as error:
        said = error.sqlstate or ""
        if where and said.startswith(_WRONG_SQL) and said != _NO_RIGHT:
            raise ConditionWrong(server_message(error), where=where) from None
        raise


def _merge(
    connection: Connection[Any], sql: Statements, table: Table, staging: str, options: MergeOptions
) -> None:
    parts = parts_of(table, staging, EVERYTHING)
    if options.overwrite and table.others:
        connection.execute(sql.compose("update_changed", **parts), {})
    connection.execute(sql.compose("insert_missing", **parts), {})


def _catch_up(connection: Connection[Any], sql: Statements, table: Table) -> None:
    """Let the sequences of a table give no number that has come back, as after a TRUNCATE."""
    rows = connection.execute(sql["numbering"], {"table": table.path}).fetchall()
    for sequence, column in rows:
        parts = {"table": table.path, "sequence": sequence, "column": identifier(column)}
        fragments = {name: Fragment(text) for name, text in parts.items()}
        connection.execute(sql.compose("catch_up", **fragments), {"sequence": sequence})


def _before(staging: str) -> str:
    """Where rows are kept as they were before the merge."""
    return f"{staging}_before"
