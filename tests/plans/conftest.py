"""The installations whose plans are looked at; no test changes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agentpg.db import Connection, connect
from tests.plans.plan import WORKER
from tests.servers import SharedServer

# A history of 200,000 tasks, of which 2 % belong to one agent.
_HISTORY = """
INSERT INTO tasks (agent_name, task_type, status, created_at, finished_at, attempt)
SELECT CASE WHEN mod(n, 50) = 0 THEN 'ReportAgent' ELSE 'Agent' || mod(n, 20) END, 'work',
       CASE WHEN mod(n, 100) = 0 THEN 'failed' ELSE 'completed' END,
       now() - n * interval '1 second', now(), 1
FROM generate_series(1, 200000) AS n
"""
_EXECUTIONS = """
INSERT INTO agent_executions
    (task_id, attempt, agent_name, task_type, execution_start, execution_end, outcome)
SELECT id, 1, agent_name, task_type, created_at, finished_at, status FROM tasks
"""
_CALLS = """
INSERT INTO llm_requests (task_id, attempt, agent_name, status, ended_at)
SELECT id, 1, agent_name, 'ok', now() FROM tasks WHERE status = 'completed'
"""
_PENDING = """
INSERT INTO tasks (agent_name, task_type, priority)
SELECT 'Agent' || mod(n, 20), 'work', mod(n, 3) * 100 FROM generate_series(1, %s) AS n
"""
_RUNNING = """
WITH running AS (
    INSERT INTO tasks (agent_name, task_type, status, worker, attempt)
    SELECT 'Agent1', 'work', 'running', %s, 1 FROM generate_series(1, 600)
    RETURNING id, agent_name, task_type
)
INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, execution_start)
SELECT id, 1, agent_name, task_type, now() FROM running
"""


def _seeded(server: SharedServer, pending: int, *, history: bool) -> Iterator[Connection[Any]]:
    with server.database() as database, connect(database) as connection:
        connection.execute(f"SET search_path = {database.schema}")
        if history:
            connection.execute(_HISTORY)
            connection.execute(_EXECUTIONS)
            connection.execute(_CALLS)
        connection.execute(_PENDING, (pending,))
        connection.execute(_RUNNING, (WORKER,))
        if history:
            connection.execute("VACUUM ANALYZE")
        yield connection


@pytest.fixture(scope="package")
def used(shared_server: SharedServer) -> Iterator[Connection[Any]]:
    """A long history and a small backlog."""
    yield from _seeded(shared_server, 2000, history=True)


@pytest.fixture(scope="package")
def flooded(shared_server: SharedServer) -> Iterator[Connection[Any]]:
    """A new installation with a large backlog that was never analysed."""
    yield from _seeded(shared_server, 200_000, history=False)
