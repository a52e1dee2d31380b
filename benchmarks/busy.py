"""A healthy busy server: tasks come and are run, tables are written, old history is removed."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator

from agentpg import Client, NewTask
from agentpg.db import Database, connect
from benchmarks.retention import Site

# An hour's tasks would fill a disk; who keeps all of them is told so, and rightly. Retention keeps
# them for longer than an hour.
_REMOVE = """
WITH gone AS (
    DELETE FROM agentic_ai.tasks WHERE finished_at < now() - interval '2 min' RETURNING id
)
DELETE FROM agentic_ai.agent_executions AS e USING gone WHERE e.task_id = gone.id
"""
_REMOVE_EVERY_SECONDS = 30


@contextlib.contextmanager
def busy(site: Site) -> Iterator[None]:
    """A worker with all that it can do, sessions that change rows of other tables, and one that
    removes what was done a while ago."""
    over = threading.Event()
    threads = [threading.Thread(target=_keep_submitting, args=(site, over))]
    threads += [threading.Thread(target=_keep_writing, args=(site, over)) for _ in range(2)]
    threads.append(threading.Thread(target=_keep_removing, args=(site, over)))
    with site.worker():
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


def _keep_submitting(site: Site, over: threading.Event) -> None:
    tasks = [NewTask(agent_name="Bench", task_type="nothing", payload={"n": n}) for n in range(500)]
    with Client(site.database) as client:
        while not over.wait(0.5):
            client.submit_many(tasks)


def _keep_writing(site: Site, over: threading.Event) -> None:
    """As a busy application does: short transactions all over its tables."""
    with connect(Database(site.superuser_dsn("agentic_ai")), "the application") as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'filled'"
        ).fetchall()
        for number in itertools.count():
            if over.wait(0.005):
                return
            table = tables[number % len(tables)][0]
            row = number % 1000 + 1
            statement = f"UPDATE filled.{table} SET text = md5(text) WHERE id = {row}"
            connection.execute(statement.encode())


def _keep_removing(site: Site, over: threading.Event) -> None:
    while not over.wait(_REMOVE_EVERY_SECONDS):
        site.run(_REMOVE)
