"""The file that undoes a merge: plain SQL, run by psql, that brings back exactly what was there.

It has the rows as they were merged, and as they were before. It locks the tables, and looks
first: where a merged row has changed since, or is gone, it stops and changes nothing, so that it
undoes no work of others, and nothing twice. Then rows that were changed become what they were,
and those that had been missing go, all of a table at once, since rows may name one another.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from agentpg.db import Connection, Fragment, Statements, identifier, literal, render
from agentpg.desk.backup.held import hold, make_held
from agentpg.desk.backup.restore.tables import EVERYTHING, Table, parts_of
from agentpg.desk.backup.restore.triggers import Trigger
from agentpg.errors import FileNotWritten

_HEAD = """\
-- Brings back what was there before rows of a backup were merged:
--   psql --no-psqlrc --set ON_ERROR_STOP=1 --file THIS_FILE
-- Where one of these rows has changed since, it changes nothing.
\\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL standard_conforming_strings = on;
SET LOCAL datestyle = 'ISO, MDY';
SET LOCAL intervalstyle = 'postgres';
SET LOCAL extra_float_digits = 1;
SET LOCAL row_security = off;
"""
# Folders of files that are being written.
_DRAFTS = ".agentpg-undo-"
_CHANGED = "rows of {table} have changed since they were merged; nothing was undone"


class UndoFile:
    """The file while it is written, by the transaction that merges."""

    def __init__(self, file: BinaryIO, connection: Connection[Any], sql: Statements) -> None:
        self._file, self._connection, self._sql = file, connection, sql

    def write(self, statements: Iterable[str]) -> None:
        """Write SQL as it is."""
        for statement in statements:
            self._file.write(f"{statement}\n".encode())

    def undo_rows(
        self, table: Table, staging: str, before: str, triggers: Iterable[Trigger]
    ) -> None:
        """How the rows that were merged from `staging`, and were as in `before`, are undone."""
        parts = {
            **parts_of(table, staging, EVERYTHING),
            "before": Fragment(identifier(before)),
            "said": Fragment(literal(_CHANGED.format(table=table))),
        }
        self._statements(parts, "lock_table", "make_staging", "make_before")
        self._rows(parts, "undo_merged", "merged_rows")
        self._rows(parts, "undo_before", "rows_before")
        self._statements(parts, "undo_check")
        self.write(trigger.off for trigger in triggers)
        self._statements(parts, *(["undo_changes"] if table.others else []), "undo_inserts")
        self._statements(parts, "check_now")
        self.write(trigger.on for trigger in triggers)

    def _statements(self, parts: dict[str, str], *names: str) -> None:
        self.write(f"{self._rendered(name, parts)};" for name in names)

    def _rows(self, parts: dict[str, str], into: str, query: str) -> None:
        """Rows of this transaction, as psql takes them from the file."""
        self._statements(parts, into)
        with self._connection.cursor().copy(self._rendered(query, parts).encode()) as rows:
            for piece in rows:
                self._file.write(piece)
        self.write(["\\."])

    def _rendered(self, name: str, parts: dict[str, str]) -> str:
        return render(self._connection, self._sql.compose(name, **parts))


@contextmanager
def undo_file(path: Path, connection: Connection[Any], sql: Statements) -> Iterator[UndoFile]:
    """A new file that only its owner reads, whole and on the disk when this ends.

    Until then it has no name, so that nothing is left where this fails; what a process left that
    was killed meanwhile is removed by the next one. Raises FileNotWritten.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        _remove_left(path.parent)
        with _draft_beside(path) as draft:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_HEAD.encode())
                yield UndoFile(file, connection, sql)
                file.write(b"COMMIT;\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error


@contextmanager
def _draft_beside(path: Path) -> Iterator[Path]:
    with make_held(path.parent, _DRAFTS) as folder:
        try:
            yield folder / path.name
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_left(folder: Path) -> None:
    for left in folder.glob(f"{_DRAFTS}*"):
        with suppress(OSError), hold(left):
            shutil.rmtree(left, ignore_errors=True)
