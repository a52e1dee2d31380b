"""Putting a restored database in the place of another one, and back again.

Both are renamed in one transaction, so that whatever is killed when, one of the two has the
name. What was replaced stays under a name of its own until it is dropped by name. A database
with sessions can't be renamed: the renaming keeps new ones waiting, while a second connection
ends those that are there, if they may be ended.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
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
    is_connection_lost,
    server_message,
)
from agentpg.desk.backup.restore.naming import Stage, is_staged, staged
from agentpg.desk.backup.restore.unfinished import PUT_BACK, Unfinished, settle_unfinished
from agentpg.errors import (
    AgentpgError,
    NothingToUndo,
    RestoreTargetInUse,
    RestoreTargetPrepared,
    SwapNotDone,
    WorkersConnected,
)

_WORKER = "agentpg worker"
_UNDONE: Stage = "undone"
_IN_USE = "55006"
_PAUSE_SECONDS = 0.05
_TRIES = 5
_MOST_SESSIONS = 5


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Whose sessions may be ended: those of workers, and those of all others."""

    workers: bool = False
    others: bool = False


def require_free(
    connection: Connection[Any], sql: Statements, name: str, ends: Ends
) -> tuple[Connected, ...]:
    """Who is connected to a database that is to be renamed, and may be ended for it.

    Raises WorkersConnected, RestoreTargetInUse and RestoreTargetPrepared.
    """
    asked = {"database": name}
    sessions = tuple(Connected(*row) for row in connection.execute(sql["sessions"], asked))
    workers = {one.application for one in sessions if one.is_worker}
    if workers and not ends.workers:
        raise WorkersConnected(number=len(workers), database=name)
    others = [one for one in sessions if not one.is_worker]
    if others and not ends.others:
        listed = ", ".join(map(str, others[:_MOST_SESSIONS]))
        raise RestoreTargetInUse(database=name, sessions=listed)
    prepared = [str(row[0]) for row in connection.execute(sql["prepared"], asked)]
    if prepared:
        listed = ", ".join(prepared[:_MOST_SESSIONS])
        raise RestoreTargetPrepared(database=name, transactions=listed)
    return sessions


def put_in_place(server: Database, new: str, name: str, kept: str, ends: Ends) -> None:
    """Give `name` to the database `new`; the one that has it now is called `kept` then.

    An empty `kept` says that none has it. Sessions of `new` are ended, those of the old one as far
    as `ends` lets. Raises SwapNotDone; then nothing has changed. A server that ends meanwhile has
    renamed both or none.
    """
    sql = Statements("restore", server.schema)
    renames = [*([(name, kept)] if kept else []), (new, name)]
    ended = {**({name: ends} if kept else {}), new: Ends(workers=True, others=True)}
    with driver_errors(server.target()), connect(server, "agentpg backup restore") as connection:
        for attempt in range(1, _TRIES + 1):
            ending = _Ending(server, ended)
            try:
                with ending:
                    _rename(connection, sql, renames)
            except ServerError as error:
                if is_connection_lost(error):
                    raise
                if error.sqlstate != _IN_USE or attempt == _TRIES:
                    raise SwapNotDone(ending.failure or server_message(error)) from None
            else:
                return


def kept_databases(server: Database, name: str) -> tuple[str, ...]:
    """What was replaced by restores of this database, or put back for them, the oldest first."""
    sql = Statements("restore", server.schema)
    with driver_errors(server.target()), connect(server, "agentpg backup restore") as connection:
        names = [row[0] for row in connection.execute(sql["databases"])]
    kept = [one for one in names if is_staged(one, "before", "undone", of=name)]
    return tuple(sorted(kept, key=lambda one: one[-len("20261128_140355") :]))


def to_put_back(server: Database, name: str) -> str:
    """What the last restore of this database replaced. Raises NothingToUndo."""
    before = [one for one in kept_databases(server, name) if is_staged(one, "before")]
    if not before:
        raise NothingToUndo(database=name)
    return before[-1]


@dataclass(frozen=True, slots=True)
class PutBack:
    """What was put back: its name until now, the other one's now, and how many of its tasks had
    not ended. `kept` is empty where somebody has dropped the other."""

    put_back: str
    kept: str
    unfinished: int


def undo(server: Database, name: str, ends: Ends, unfinished: Unfinished = "hold") -> PutBack:
    """Put back what the last restore replaced, with its unfinished tasks settled before.

    Raises NothingToUndo, WorkersConnected, RestoreTargetInUse, RestoreTargetPrepared and
    SwapNotDone.
    """
    before = to_put_back(server, name)
    sql = Statements("restore", server.schema)
    with driver_errors(server.target()), connect(server, "agentpg backup restore") as connection:
        require_free(connection, sql, name, ends)
        there = name in [row[0] for row in connection.execute(sql["databases"])]
    kept = staged(name, _UNDONE, datetime.now(UTC)) if there else ""
    number = settle_unfinished(server.renamed(before), PUT_BACK, unfinished)
    put_in_place(server, before, name, kept, ends)
    return PutBack(before, kept, number)


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
    """While it lasts, sessions of these databases are ended, again and again.

    `failure` says why that was not possible, such as for a role that may not end a superuser's.
    """

    def __init__(self, server: Database, databases: Mapping[str, Ends]) -> None:
        self._server, self._databases = server, databases
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.failure = ""

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            self._end_sessions()
        except AgentpgError as error:
            self.failure = str(error)

    def _end_sessions(self) -> None:
        sql, server = Statements("restore", self._server.schema), self._server
        with (
            driver_errors(server.target()),
            connect(server, "agentpg backup restore") as connection,
        ):
            while not self._over.wait(_PAUSE_SECONDS):
                for name, ends in self._databases.items():
                    whose = {"worker": _WORKER, "workers": ends.workers, "others": ends.others}
                    connection.execute(sql["end_sessions"], {"database": name, **whose})
