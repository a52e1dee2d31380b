"""Putting a restored database in the place of another one, and back again.

Both are renamed in one transaction, so that whatever is killed when, one of the two has the
name. What was replaced stays under a name of its own until it is dropped by name. A database
with sessions can't be renamed: the renaming keeps new ones waiting, while a second connection
ends those that are there.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    ServerError,
    Statements,
    connect,
    driver_errors,
    server_message,
)
from agentpg.desk.backup.restore.naming import Stage, is_staged, staged
from agentpg.errors import NothingToUndo, SwapNotDone

_WORKER = "agentpg worker"
_IN_USE = "55006"
_PAUSE_SECONDS = 0.05
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Connected:
    """A session of a database."""

    pid: int
    role: str
    application: str

    @property
    def is_worker(self) -> bool:
        """Whether it is one of a worker."""
        return self.application.startswith(_WORKER)

    def __str__(self) -> str:
        return f"{self.pid} ({', '.join(filter(None, (self.role, self.application)))})"


def sessions_of(connection: Connection[Any], sql: Statements, name: str) -> tuple[Connected, ...]:
    """Who is connected to a database."""
    rows = connection.execute(sql["sessions"], {"database": name}).fetchall()
    return tuple(Connected(*row) for row in rows)


def put_in_place(server: Database, new: str, name: str, kept: str, *, end: bool) -> None:
    """Give `name` to the database `new`; the one that has it now is called `kept` then.

    An empty `kept` says that none has it. `end` lets it end the sessions of the old one.
    Raises SwapNotDone; then nothing has changed.
    """
    sql = Statements("restore", server.schema)
    renames = [*([(name, kept)] if kept else []), (new, name)]
    with driver_errors(server.target()), connect(server, "agentpg backup restore") as connection:
        for attempt in range(1, _TRIES + 1):
            try:
                with _Ending(server, [old for old, _ in renames] if end else []):
                    _rename(connection, sql, renames)
            except ServerError as error:
                if error.sqlstate != _IN_USE or attempt == _TRIES:
                    raise SwapNotDone(server_message(error)) from None
            else:
                return


def kept_databases(server: Database, name: str) -> tuple[str, ...]:
    """What was replaced by restores of this database, or put back for them, the oldest first."""
    sql = Statements("restore", server.schema)
    with driver_errors(server.target()), connect(server, "agentpg backup restore") as connection:
        names = [row[0] for row in connection.execute(sql["databases"])]
    kept = [one for one in names if is_staged(one, "before", "undone", of=name)]
    return tuple(sorted(kept, key=lambda one: one[-len("20261128_140355") :]))


def undo(server: Database, name: str, *, end: bool) -> tuple[str, str]:
    """Put back what the last restore replaced; its name until now, and that of the other now.

    Raises NothingToUndo and SwapNotDone.
    """
    before = [one for one in kept_databases(server, name) if is_staged(one, "before")]
    if not before:
        raise NothingToUndo(database=name)
    stage: Stage = "undone"
    kept = staged(name, stage, datetime.now(UTC))
    put_in_place(server, before[-1], name, kept, end=end)
    return before[-1], kept


def drop_databases(server: Database, names: Sequence[str]) -> None:
    """Remove databases that restores have kept."""
    sql = Statements("restore", server.schema)
    with driver_errors(server.target()), connect(server, "agentpg backup restore") as connection:
        for name in names:
            connection.execute(sql.compose("drop_database", database=name))


def _rename(connection: Connection[Any], sql: Statements, renames: list[tuple[str, str]]) -> None:
    with connection.transaction():
        for old, name in renames:
            connection.execute(sql.compose("rename_database", database=old, new=name))


class _Ending:
    """While it lasts, sessions of these databases are ended, again and again."""

    def __init__(self, server: Database, names: list[str]) -> None:
        self._server, self._names = server, names
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> None:
        if self._names:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._names:
            self._thread.join()

    def _work(self) -> None:
        sql = Statements("restore", self._server.schema)
        with connect(self._server, "agentpg backup restore") as connection:
            while not self._over.wait(_PAUSE_SECONDS):
                for name in self._names:
                    connection.execute(sql["end_sessions"], {"database": name})
