"""Finished tasks of any age, each with its executions and calls."""

from __future__ import annotations

from uuid import UUID, uuid4

from agentpg.db import Connection, Database, TupleRow, connect

_TASKS = """
WITH made AS (
    INSERT INTO tasks (agent_name, task_type, status, created_at, finished_at, attempt, payload)
    SELECT 'Old', 'work', %(status)s, now() - %(age)s::interval, now() - %(age)s::interval, 2,
           jsonb_build_object('n', n, 'text', repeat(md5(n::text), %(width)s))
    FROM generate_series(1, %(number)s) AS n
    RETURNING id, created_at
), tried AS (
    INSERT INTO agent_executions
        (task_id, attempt, agent_name, task_type, execution_start, execution_end, outcome)
    SELECT id, attempt, 'Old', 'work', created_at, created_at, 'completed'
    FROM made, generate_series(1, 2) AS attempt
), called AS (
    INSERT INTO llm_requests
        (task_id, attempt, agent_name, status, started_at, ended_at, cost_usd, cost_source)
    SELECT id, 2, 'Old', 'ok', created_at, created_at, 0.0000012345, 'test' FROM made
)
SELECT id FROM made
"""

TABLES = ("tasks", "agent_executions", "llm_requests")


def write_ended(
    database: Database,
    number: int = 1,
    *,
    status: str = "completed",
    age: str = "40 days",
    width: int = 1,
) -> list[UUID]:
    """Tasks that ended so long ago, with two executions and one call each; their ids."""
    parameters = {"number": number, "status": status, "age": age, "width": width}
    with connect(database) as connection:
        return [task for (task,) in connection.execute(_TASKS, parameters)]


def a_worker(database: Database, *, running: int, idle: bool, beat: str = "now()") -> UUID:
    """A worker that exists only as a row, which says what it has to do; its id."""
    worker = uuid4()
    change(
        database,
        "INSERT INTO workers (id, host, pid, version, concurrency, lease_seconds, handlers,"
        f" running, idle, heartbeat_at) VALUES (%s, 'h', 1, '0', 20, 30, '[]', %s, %s, {beat})",
        worker,
        running,
        idle,
    )
    return worker


def change(database: Database, statement: str, *parameters: object) -> None:
    """Execute a statement."""
    with connect(database) as connection:
        connection.execute(statement.encode(), parameters or None)


def task_ids(database: Database) -> set[UUID]:
    """The ids of all tasks."""
    with connect(database) as connection:
        return {task for (task,) in connection.execute("SELECT id FROM tasks")}


def everything(database: Database) -> list[str]:
    """Each row of history as text, in order."""
    with connect(database) as connection:
        return [row for table in TABLES for row in _rows(connection, table)]


def _rows(connection: Connection[TupleRow], table: str) -> list[str]:
    found = connection.execute(f"SELECT t::text FROM {table} t ORDER BY t".encode())
    return [f"{table}{row}" for (row,) in found]
