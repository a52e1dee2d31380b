"""The hot statements read what they need and no history, on a large table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from agentpg.db import Connection, Statements, connect
from agentpg.tasks.retry import LOSSES_TO_QUARANTINE
from tests.plans.plan import Plan, plan_of
from tests.servers import SharedServer

WORKER = uuid7()

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


def seeded(server: SharedServer, pending: int, *, history: bool) -> Iterator[Connection[Any]]:
    with server.database() as database, connect(database) as connection:
        connection.execute(f"SET search_path = {database.schema}")
        if history:
            connection.execute(_HISTORY)
            connection.execute(_EXECUTIONS)
        connection.execute(_PENDING, (pending,))
        connection.execute(_RUNNING, (WORKER,))
        if history:
            connection.execute("VACUUM ANALYZE")
        yield connection


@pytest.fixture(scope="module")
def used(shared_server: SharedServer) -> Iterator[Connection[Any]]:
    """A long history and a small backlog."""
    yield from seeded(shared_server, 2000, history=True)


@pytest.fixture(scope="module")
def flooded(shared_server: SharedServer) -> Iterator[Connection[Any]]:
    """A new installation with a large backlog that was never analysed."""
    yield from seeded(shared_server, 200_000, history=False)


@pytest.fixture(params=["used", "flooded"])
def connection(request: pytest.FixtureRequest) -> Connection[Any]:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def statement(file: str, name: str) -> Any:
    return Statements(file, "agentic_ai")[name]


# The table of workers has a handful of rows: it is read by whatever index, or whole.
OF_WORKERS = {"workers_pkey", "workers_alive_idx"}

BATCHES = pytest.mark.parametrize("batch", [1, 50, 500])


@BATCHES
def test_a_claim_reads_the_next_tasks_and_no_more(connection: Connection[Any], batch: int) -> None:
    handlers = [f"Agent{n}\x1fwork" for n in range(20)]
    plan = plan_of(
        connection,
        statement("worker", "claim"),
        {"worker": uuid7(), "batch": batch, "handlers": handlers, "not_twice": []},
    )
    ready = plan.part("ready")
    assert ready.indexes() - OF_WORKERS == {"tasks_ready_idx"}
    assert "Sort" not in ready.kinds()
    assert "Incremental Sort" not in ready.kinds()
    assert plan.scanned() <= {"workers"}
    assert plan.part("claimed").indexes() == {"tasks_pkey"}


@BATCHES
def test_a_settle_finds_its_rows_by_their_keys(connection: Connection[Any], batch: int) -> None:
    plan = plan_of(connection, statement("worker", "settle"), settlements(connection, batch))
    assert plan.indexes() == {"tasks_pkey", "agent_executions_pkey"}
    assert not plan.scanned()


@BATCHES
def test_a_heartbeat_looks_only_at_what_its_worker_holds(used: Connection[Any], batch: int) -> None:
    held = running(used, batch)
    parameters = {"worker": WORKER, "ids": held, "attempts": [1] * len(held)}
    assert plan_of(used, statement("worker", "check_held"), parameters).indexes() == {"tasks_pkey"}
    forgotten = plan_of(used, statement("worker", "find_forgotten"), parameters)
    assert by_status(forgotten)


def test_a_rescue_finds_the_running_by_their_state(connection: Connection[Any]) -> None:
    plan = plan_of(
        connection,
        statement("upkeep", "put_back"),
        {"losses_to_quarantine": LOSSES_TO_QUARANTINE},
    )
    assert "tasks_status_idx" in plan.part("orphaned").indexes()
    assert "tasks" not in plan.scanned()


def test_a_task_is_read_by_its_keys(connection: Connection[Any]) -> None:
    parameters = {"id": uuid7(), "reason": None, "channel": "c"}
    for file, name, index in (
        ("lookup", "get_task", "tasks_pkey"),
        ("lookup", "executions", "agent_executions_pkey"),
        ("lookup", "llm_requests", "llm_requests_execution_idx"),
        ("lifecycle", "cancel", "tasks_pkey"),
        ("lifecycle", "retry", "tasks_pkey"),
        ("lifecycle", "hold", "tasks_pkey"),
    ):
        plan = plan_of(connection, statement(file, name), parameters)
        if name != "llm_requests":  # an empty table is read from end to end
            assert plan.indexes() == {index}, name


def test_a_repeated_key_is_found_by_its_index(used: Connection[Any]) -> None:
    parameters = {
        "ids": [uuid7()],
        "agent_names": ["Agent1"],
        "task_types": ["work"],
        "payloads": [None],
        "keys": ["k"],
    }
    plan = plan_of(used, statement("lifecycle", "find_first"), parameters)
    assert plan.indexes() == {"tasks_idempotency_key_idx"}


def test_the_guide_s_query_by_agent_uses_an_index(used: Connection[Any]) -> None:
    plan = plan_of(used, "SELECT * FROM tasks WHERE agent_name = 'ReportAgent'", None)
    assert plan.indexes() == {"tasks_agent_name_idx"}


def test_the_guide_s_pending_and_failed_tasks_use_an_index(used: Connection[Any]) -> None:
    columns = "agent_name, task_type, status, created_at"
    pending = f"SELECT {columns} FROM tasks WHERE status = 'pending' ORDER BY created_at DESC"
    assert not plan_of(used, pending, None).scanned()
    failed = (
        f"SELECT {columns} FROM tasks WHERE status = 'failed' ORDER BY created_at DESC LIMIT 10"
    )
    assert plan_of(used, failed, None).indexes() == {"tasks_status_idx"}


def test_closing_an_execution_writes_no_index(used: Connection[Any]) -> None:
    """The update stays in its page (HOT), since no index holds what it writes."""
    [[indexed]] = used.execute(
        "SELECT string_agg(indexdef, ' ') FROM pg_indexes WHERE tablename = 'agent_executions'"
    ).fetchall()
    for column in ("execution_end", "duration_seconds", "outcome", "error_message", "llm_", "cost"):
        assert column not in indexed


def by_status(plan: Plan) -> bool:
    return plan.indexes() <= {"tasks_status_idx"} and not plan.scanned()


def running(connection: Connection[Any], number: int) -> list[UUID]:
    rows = connection.execute(
        "SELECT id FROM tasks WHERE worker = %s LIMIT %s", (WORKER, number)
    ).fetchall()
    assert len(rows) == number
    return [row[0] for row in rows]


def settlements(connection: Connection[Any], number: int) -> dict[str, list[Any]]:
    ids = running(connection, number)
    same = {
        "workers": WORKER, "attempts": 1, "statuses": "completed", "outcomes": "completed",
        "results": '{"a": 1}', "error_messages": None, "attempt_errors": None, "seconds": 0.1,
        "delays": 0.0, "errors": 0, "crashes": 0, "max_attempts": 3, "suspects": False,
    }  # fmt: skip
    return {"ids": ids, **{name: [value] * number for name, value in same.items()}}
