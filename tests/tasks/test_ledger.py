"""The counters of an execution are the sums of its calls, whatever happens to whom."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from agentpg.db import Database, Statements, connect
from agentpg.tasks import ledger as ledger_module
from agentpg.tasks.ledger import Ledger, Opening
from agentpg.tasks.model import Claimed
from tests.servers import OwnServers, _install_schema
from tests.tasks.recording import (
    caller,
    calls,
    differences,
    end_execution,
    execution,
    ledger_of,
    only_call,
    open_execution,
    rescue,
    run,
)
from tests.waiting import eventually


def _opening(task: Claimed, id_text: str = "01900000-0000-7000-8000-000000000001") -> Opening:
    return Opening(
        id=UUID(id_text),
        task_id=task.id,
        attempt=task.attempt,
        agent_name=task.agent_name,
        task_type=task.task_type,
        provider="openai",
        model="gpt-4o-mini",
    )


def _ending_values(task: Claimed, **known: Any) -> dict[str, Any]:
    opening = _opening(task)
    values: dict[str, Any] = dict.fromkeys(
        (
            "response_model", "response_id", "input_tokens", "cache_read_tokens",
            "cache_write_tokens", "output_tokens", "reasoning_tokens", "cost_usd",
            "finish_reason", "error_message",
        )
    )  # fmt: skip
    values.update(
        id=opening.id, task_id=task.id, attempt=task.attempt, status="ok",
        duration_seconds=1.0, cost_source="unpriced",
    )  # fmt: skip
    return {**values, **known}


def _execute(database: Database, name: str, values: dict[str, Any]) -> None:
    with connect(database) as connection:
        connection.execute(Statements("usage", database.schema)[name], values)


def test_statements_may_be_repeated(database: Database) -> None:
    task = open_execution(database)

    async def work() -> None:
        async with ledger_of(database) as ledger:
            await ledger.open(_opening(task))
            await ledger.open(_opening(task))

    asyncio.run(work())
    assert execution(database, task)["llm_calls"] == 1
    for _ in range(2):
        _execute(database, "close_call", _ending_values(task, input_tokens=10, output_tokens=5))
    counted = execution(database, task)
    assert (counted["llm_total_tokens"], counted["llm_unknown_calls"]) == (15, 0)
    assert differences(database) == []


def test_a_lost_call_may_still_end_once_on_its_own_attempt(database: Database) -> None:
    task = open_execution(database)

    async def zombie() -> None:
        async with ledger_of(database) as ledger:
            async with caller(ledger, task)() as call:
                assert rescue(database) == 1
                assert only_call(database).status == "lost"
                assert differences(database) == []
                _claim_again(database, task)
                call.usage(input_tokens=10, output_tokens=5)
            await call.end(None)

    asyncio.run(zombie())
    row = only_call(database)
    assert (row.status, row.error_message, row.attempt) == ("ok", None, 1)
    assert execution(database, task)["llm_total_tokens"] == 15
    newer = execution(database, task._replace(attempt=2))
    assert (newer["llm_calls"], newer["llm_total_tokens"]) == (0, 0)
    assert differences(database) == []


def test_a_call_that_its_attempt_left_open_is_given_up(database: Database) -> None:
    task, other = open_execution(database), open_execution(database)

    async def work() -> None:
        async with ledger_of(database) as ledger:
            left, kept = caller(ledger, task)(), caller(ledger, other)()
            await left.start()
            await kept.start()
            await ledger.give_up(task.id, task.attempt)
            assert [call.status for call in calls(database)] == ["lost", "open"]
            left.usage(input_tokens=1, output_tokens=2)
            await left.end(None)
            await kept.end(None)

    asyncio.run(work())
    assert [(c.status, c.input_tokens) for c in calls(database)] == [("ok", 1), ("ok", None)]
    assert differences(database) == []


def test_an_opening_that_comes_too_late_leaves_nothing_open(database: Database) -> None:
    """The first try came through, its answer did not, and then the attempt was ended."""
    task = open_execution(database)
    opening = _opening(task)

    async def work() -> None:
        async with ledger_of(database) as ledger:
            await ledger.open(opening)
            end_execution(database, task)
            with pytest.raises(Exception, match="has ended"):
                await ledger.open(opening)

    asyncio.run(work())
    assert only_call(database).status == "lost"
    assert differences(database) == []


def test_differences_are_found(database: Database) -> None:
    task = open_execution(database)

    async def work() -> None:
        async with ledger_of(database) as ledger, caller(ledger, task)() as call:
            call.usage(input_tokens=10, output_tokens=5)

    asyncio.run(work())
    assert differences(database) == []
    run(database, "UPDATE agent_executions SET llm_total_tokens = 14")
    [difference] = differences(database)
    assert (difference["llm_total_tokens"], difference["total_tokens"]) == (14, 15)
    run(database, "UPDATE agent_executions SET adopted = true")
    assert differences(database) == []


def test_the_statements_use_primary_keys(database: Database) -> None:
    """However long the history is: their plans have no scan of a whole table."""
    task = open_execution(database)
    for name, values in (
        ("open_call", {**_opening_values(task)}),
        ("close_call", _ending_values(task)),
        ("give_up_call", {"id": _opening(task).id}),
    ):
        with connect(database) as connection:
            connection.execute("SET enable_seqscan = off")
            text = Statements("usage", database.schema)[name].as_string(connection)
            plan = connection.execute(("EXPLAIN " + text).encode(), values).fetchall()
        assert "Seq Scan" not in str(plan), plan


def _opening_values(task: Claimed) -> dict[str, Any]:
    opening = _opening(task)
    return {name: getattr(opening, name) for name in Opening.__dataclass_fields__}


def test_a_database_that_is_away_delays_the_call_and_not_its_end(
    own_server: OwnServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_CLOSING_SECONDS", 0.1)
    server = own_server()
    server.start()
    database = Database(server.dsn())
    _install_schema(database)
    task = open_execution(database)

    async def work() -> None:
        async with ledger_of(database) as ledger:
            await ledger.open(_opening(task, "01900000-0000-7000-8000-000000000009"))
            await asyncio.to_thread(server.stop, "fast")
            begun = asyncio.Event()
            handler = asyncio.create_task(_handler(ledger, task, begun, server.stop))
            _, late = await asyncio.wait({handler}, timeout=0.5)
            assert late
            assert not begun.is_set()
            await asyncio.to_thread(server.start)
            await asyncio.wait_for(handler, 15)
            await asyncio.to_thread(server.start)
            assert await ledger.drain(15)
            await ledger.give_up(task.id, task.attempt)

    asyncio.run(work())
    assert [(c.status, c.input_tokens) for c in calls(database)] == [("lost", None), ("ok", 7)]
    assert differences(database) == []


async def _handler(ledger: Ledger, task: Claimed, begun: asyncio.Event, stop: Any) -> None:
    """A handler whose database goes away while its call is under way."""
    async with caller(ledger, task)() as call:
        begun.set()
        await asyncio.to_thread(stop, "fast")
        call.usage(input_tokens=7, output_tokens=1)


def _claim_again(database: Database, task: Claimed) -> None:
    run(
        database,
        "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, execution_start)"
        " VALUES (%s, 2, 'Spender', 'spend', now())",
        task.id,
    )


def test_sums_hold_at_every_moment_of_many_calls(database: Database) -> None:
    tasks = [open_execution(database) for _ in range(4)]

    async def spend(ledger: Ledger, task: Claimed, number: int) -> None:
        async with caller(ledger, task)(model="gpt-4o") as call:
            if number % 3:
                call.usage(input_tokens=number * 7, output_tokens=number)

    async def work() -> None:
        async with ledger_of(database) as ledger:
            spending = [
                asyncio.create_task(spend(ledger, task, n)) for n in range(50) for task in tasks
            ]
            while not all(done.done() for done in spending):
                assert await asyncio.to_thread(differences, database) == []
            await asyncio.gather(*spending)

    asyncio.run(work())
    eventually(lambda: differences(database) == [])
    assert sum(execution(database, task)["llm_calls"] for task in tasks) == 200
