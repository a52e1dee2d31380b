"""The file that undoes a change of an index, and undoing it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from agentpg.db import Database, ServerError, connect, driver_errors, lasting, server_message
from agentpg.desk import undo_file
from agentpg.desk.backup.sessions import be_undisturbed
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.desk.undo_file import Place, UndoFile, odd, place_on, require_here
from agentpg.errors import IndexNotUndone, VacuumThroughPooler

# Rows can be written meanwhile, so that it is not for a transaction.
_PATIENCE = "SET lock_timeout = '1min'"

_PART = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_NAME = rf"{_PART}(?:\.{_PART})?"
_TEXT = r"\s?E?'(?:[^']|'')*'"
_KNOWN = re.compile(
    rf"SET lock_timeout = {_TEXT}|SET default_tablespace = {_TEXT}"
    rf"|DROP INDEX CONCURRENTLY IF EXISTS {_NAME}"
    r"|CREATE (?:UNIQUE )?INDEX CONCURRENTLY .*"
    rf"|ALTER INDEX {_NAME} ALTER COLUMN \d+ SET STATISTICS \d+"
    rf"|COMMENT ON INDEX {_NAME} IS {_TEXT}",
    re.DOTALL,
)


def write_undo(home: Path, place: Place, name: str, done: str, statements: Sequence[str]) -> Path:
    """A new file, on the disk before the change is made. Raises FileNotWritten."""
    file = UndoFile(kind="indexes", statements=(_PATIENCE, *statements), place=place)
    return undo_file.write_undo(home, file, done=done, now=datetime.now(UTC), name=name)


def read_undo(path: Path) -> UndoFile:
    """What a file undoes. Raises FileNotRead, and UndoUnreadable where a statement is none that we
    would have written: nothing else is run."""
    file = undo_file.read_undo(path, "indexes")
    if not all(_KNOWN.fullmatch(one) for one in file.statements):
        raise odd(path)
    return file


def take_back(database: Database, undo: UndoFile, path: Path) -> None:
    """Undo it, while rows are written, and not beside a backup.

    Raises UndoElsewhere, IndexNotUndone, WorkUnderWay, VacuumThroughPooler, and the errors of the
    database.
    """
    with (
        driver_errors(database.target()),
        connect(database, "agentpg tune indexes") as connection,
    ):
        if lasting(connection) == "transaction":
            raise VacuumThroughPooler(target=database.target())
        require_here(undo, path, place_on(database, connection), database.target())
        be_undisturbed(connection)
        with turn(connection, database.schema, UNDISTURBED):
            for statement in undo.statements:
                try:
                    connection.execute(statement.encode())
                except ServerError as error:
                    if connection.broken:
                        raise
                    raise IndexNotUndone(server_message(error), path=path) from None


def built_concurrently(definition: str) -> str:
    """The same CREATE INDEX, while rows are written.

    >>> built_concurrently("CREATE INDEX a ON public.t USING btree (b)")
    'CREATE INDEX CONCURRENTLY a ON public.t USING btree (b)'
    """
    return re.sub(r"^(CREATE (?:UNIQUE )?INDEX) ", r"\1 CONCURRENTLY ", definition)
