"""Executions to record calls on, and what the ledger says about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

from agentpg.db import Database, Statements, SteadyConnection, connect, dict_row
from agentpg.tasks.model import Claimed, LlmRequest
from agentpg.tasks.upkeep import Upkeep
from agentpg.tasks.usage import Ledger, LlmCall

Row = dict[str, Any]


def open_execution(database: Database, worker: UUID | None = None) -> Claimed:
    """A task that some worker has just claimed."""
    with connect(database) as connection:
        row = connection.execute(
            """
            WITH claimed AS (
                INSERT INTO tasks (agent_name, task_type, status, attempt, worker, started_at)
                VALUES ('Spender', 'spend', 'running', 1, coalesce(%s, uuid7()), now())
                RETURNING *
            )
            INSERT INTO agent_executions
                (task_id, attempt, agent_name, task_type, worker, execution_start)
            SELECT id, attempt, agent_name, task_type, worker, now() FROM claimed
            RETURNING task_id
            """,
            (worker,),
        ).fetchone()
    assert row is not None
    return claimed(row[0])


def claimed(task_id: UUID, attempt: int = 1) -> Claimed:
    """One attempt as its worker has it."""
    values: dict[str, Any] = dict.fromkeys(Claimed._fields)
    values.update(
        id=task_id, agent_name="Spender", task_type="spend", attempt=attempt, errors=0, crashes=0
    )
    return Claimed(**values)


def end_execution(database: Database, task: Claimed, outcome: str = "completed") -> None:
    """End it as some other statement would."""
    run(
        database,
        "UPDATE agent_executions SET execution_end = now(), outcome = %s"
        " WHERE task_id = %s AND attempt = %s",
        outcome,
        task.id,
        task.attempt,
    )


def run(database: Database, statement: str, *values: Any) -> None:
    """Run a statement."""
    with connect(database) as connection:
        connection.execute(statement.encode(), values)


def rescue(database: Database) -> int:
    """Put back the tasks of dead workers; how many there were."""
    with connect(database) as connection:
        counts = Upkeep(connection, database.schema).run_once()
    return counts.put_back + counts.ended


def calls(database: Database) -> list[LlmRequest]:
    """The recorded calls, in the order of their start."""
    columns = ", ".join(LlmRequest.__dataclass_fields__)
    rows = _rows(database, f"SELECT {columns} FROM llm_requests ORDER BY id")
    return [LlmRequest(**row) for row in rows]


def only_call(database: Database) -> LlmRequest:
    """The one recorded call."""
    [call] = calls(database)
    return call


def execution(database: Database, task: Claimed) -> Row:
    """The execution of an attempt."""
    [row] = _rows(
        database,
        "SELECT * FROM agent_executions WHERE task_id = %s AND attempt = %s",
        task.id,
        task.attempt,
    )
    return row


def differences(database: Database) -> list[Row]:
    """Executions whose counters are not the sums of their calls."""
    statement = Statements("usage", database.schema)["ledger_differences"]
    with connect(database) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(statement, {"since": None}).fetchall()


@asynccontextmanager
async def ledger_of(database: Database) -> AsyncIterator[Ledger]:
    """A ledger as a worker has it."""
    connection = SteadyConnection(database, "agentpg test")
    ledger = Ledger(connection, database.schema)
    try:
        yield ledger
        assert await ledger.drain(10)
    finally:
        await connection.close()


def caller(ledger: Ledger, task: Claimed) -> Callable[..., LlmCall]:
    """What `run.llm_call` is in a handler."""
    loop = asyncio.get_running_loop()

    def llm_call(*, provider: str = "openai", model: str = "gpt-4o-mini") -> LlmCall:
        return LlmCall(ledger, task, loop, provider=provider, model=model)

    return llm_call


@contextmanager
def locked(database: Database, task: Claimed) -> Iterator[None]:
    """Within it, nothing can be written to the task's execution."""
    with connect(database, autocommit=False) as connection:
        connection.execute("SELECT FROM agent_executions WHERE task_id = %s FOR UPDATE", (task.id,))
        yield


def waits_for_a_lock(database: Database) -> bool:
    """Whether some statement in this database waits for another."""
    return bool(
        _rows(
            database,
            "SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    )


def _rows(database: Database, statement: str, *values: Any) -> list[Row]:
    with connect(database) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(statement.encode(), values).fetchall()
