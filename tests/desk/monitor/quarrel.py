"""Sessions that stand in each other's way: one holds a lock, one wants it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from agentpg.db import Connection, Database, ServerError, connect
from tests.waiting import eventually

SECRET = "not-for-the-screen"

_WORKER = """
INSERT INTO workers (id, host, pid, version, concurrency, lease_seconds, handlers, running)
VALUES (%s, 'agents-1', 4711, '0.1.0', 20, 30, '[["Billing", "invoice"]]', 1)
"""
_TASK = """
INSERT INTO tasks (id, agent_name, task_type, status, attempt, worker, started_at)
VALUES (%s, %s, %s, 'running', 1, %s, now())
"""


@dataclass(frozen=True, slots=True)
class Quarrel:
    """Who holds the lock for which worker, and who waits for which task."""

    holder: int
    waiter: int
    worker: UUID
    task: UUID


@contextmanager
def quarrel(database: Database) -> Iterator[Quarrel]:
    """A worker's session holds a lock in a transaction that idles; a handler's own waits."""
    worker, held, waiting = uuid7(), uuid7(), uuid7()
    with connect(database) as setup:
        setup.execute(_WORKER, (worker,))
        setup.execute(_TASK, (held, "Billing", "invoice", worker))
        setup.execute(_TASK, (waiting, "Report", "weekly", worker))
    holder = connect(database, f"agentpg worker {worker}", autocommit=False)
    waiter = connect(database, f"report {waiting}")
    thread = threading.Thread(target=_wait, args=(waiter,))
    try:
        holder.execute("LOCK TABLE users IN EXCLUSIVE MODE")
        thread.start()
        _until_it_waits(database, waiter.info.backend_pid)
        yield Quarrel(holder.info.backend_pid, waiter.info.backend_pid, worker, waiting)
    finally:
        with suppress(ServerError):
            holder.rollback()
        holder.close()
        thread.join()
        waiter.close()


def _wait(connection: Connection[tuple[object, ...]]) -> None:
    with suppress(ServerError):
        connection.execute(
            "UPDATE users SET username = username"
            f" WHERE username = 'x' /* connect with password={SECRET} */"
        )


def _until_it_waits(database: Database, pid: int) -> None:
    with connect(database) as looking:
        asked = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
        eventually(lambda: (looking.execute(asked, (pid,)).fetchone() or (False,))[0])
