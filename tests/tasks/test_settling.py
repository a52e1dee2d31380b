"""Outcomes wait for the database, and each is recorded once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from agentpg.db import Connection, Database, Statements, SteadyConnection, connect
from agentpg.embedded import EmbeddedServer
from agentpg.schema import migrate
from agentpg.tasks.attempt import released
from agentpg.tasks.handlers import App
from agentpg.tasks.model import NewTask, Outcome, Settlement
from agentpg.tasks.run import Run
from agentpg.tasks.settling import Settling
from tests.invariants import contradictions
from tests.servers import SCHEMA, OwnServers
from tests.tasks.engine import Engine
from tests.tasks.recording import (
    differences,
    execution,
    locked,
    only_call,
    open_execution,
    rescue,
    run,
    waits_for_a_lock,
)
from tests.waiting import eventually


@pytest.fixture
def server(own_server: OwnServers) -> EmbeddedServer:
    """A server that the test may stop."""
    started = own_server()
    started.start()
    return started


@pytest.fixture
def away(server: EmbeddedServer, tmp_path: Path) -> Iterator[Engine]:
    """An installation whose server may go away."""
    database = Database(server.dsn(), SCHEMA)
    migrate(database)
    engine = Engine(database, tmp_path)
    yield engine
    engine.close()
    assert contradictions(database) == {}


def restart(server: EmbeddedServer, mode: Literal["fast", "immediate"]) -> None:
    server.stop(mode)
    server.start()


def test_an_outcome_waits_until_the_database_is_back(away: Engine, server: EmbeddedServer) -> None:
    under_way, let_go, returned = threading.Event(), threading.Event(), threading.Event()

    def work(run: Run) -> str:
        under_way.set()
        let_go.wait(30)
        returned.set()
        return "kept"

    app = App()
    app.add(work, agent_name="A", task_type="t")
    away.work(app)
    task_id = away.client.submit("A", "t")
    assert under_way.wait(20)
    server.stop("immediate")
    let_go.set()
    assert returned.wait(20)
    server.start()
    task = away.ended(task_id)
    assert (task.status, task.result, task.attempt) == ("completed", "kept", 1)
    assert away.outcomes(task_id) == ["completed"]


def test_everything_completes_through_restarts(away: Engine, server: EmbeddedServer) -> None:
    workers = [away.process(lease="3s") for _ in range(2)]
    tasks = [NewTask(agent_name="Plain", task_type="nap") for _ in range(600)]
    away.client.submit_many(tasks)
    modes: tuple[Literal["fast", "immediate"], ...] = ("fast", "immediate")
    for done, mode in zip((100, 300), modes, strict=True):
        eventually(
            lambda: away.ask("SELECT count(*) FROM tasks WHERE status = 'completed'")[0][0] >= done  # noqa: B023
        )
        restart(server, mode)
    away.until_all_ended()
    assert away.ask("SELECT status, count(*) FROM tasks GROUP BY 1") == [("completed", 600)]
    assert away.ask(
        "SELECT count(*), count(DISTINCT task_id) FROM agent_executions WHERE outcome = 'completed'"
    ) == [(600, 600)]
    assert all(worker.alive for worker in workers)


def test_an_outage_longer_than_the_lease_rescues_nobody(
    away: Engine, server: EmbeddedServer, tmp_path: Path
) -> None:
    workers = [away.process(lease="2s") for _ in range(2)]
    ids = [away.registered(worker) for worker in workers]
    end = tmp_path / "end"
    task = NewTask(agent_name="Plain", task_type="until", payload={"path": str(end)})
    for task_id in away.client.submit_many([task] * 10):
        away.until_running(task_id)
    server.stop("fast")
    assert not threading.Event().wait(3), "an outage longer than the lease"
    server.start()
    for _ in range(15):
        beat_once(away)
    end.touch()
    away.until_all_ended()
    assert away.ask("SELECT max(attempt), count(*) FROM tasks WHERE status = 'completed'") == [
        (1, 10)
    ]
    assert [away.registered(worker) for worker in workers] == ids


def beat_once(engine: Engine) -> None:
    """Wait until every worker has beaten once more."""
    beats = "SELECT id, heartbeat FROM workers WHERE ended_at IS NULL"
    before = dict(engine.ask(beats))
    eventually(lambda: all(n > before.get(worker, -1) for worker, n in engine.ask(beats)))


_SETTLER = "agentpg settling test"


@asynccontextmanager
async def settling_of(database: Database) -> AsyncIterator[tuple[Settling, asyncio.Task[None]]]:
    """Settling as a worker has it, and the task in which it writes."""
    connection = SteadyConnection(database, _SETTLER)
    settling = Settling(connection, database.schema, lambda _: None)
    writing = asyncio.create_task(settling.run())
    try:
        yield settling, writing
    finally:
        writing.cancel()
        await connection.close()


def open_call(connection: Connection[Any], task_id: UUID) -> None:
    """A call of the task's first attempt is about to be made."""
    names = {"agent_name": "Spender", "provider": "p", "model": "m"}
    values = {"id": uuid7(), "task_id": task_id, "attempt": 1, **names}
    statement = Statements("usage", SCHEMA)["open_call"]
    assert connection.execute(statement, values).fetchone() == (True,)


def cut(database: Database) -> None:
    """End the connection that settles."""
    ending = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE %s"
    )
    run(database, ending, f"%{_SETTLER}%")


async def until(condition: Callable[[], object]) -> None:
    """Wait in a thread, so that the loop goes on."""
    await asyncio.to_thread(eventually, condition)


@pytest.mark.parametrize(
    "outcome", [Outcome.LOST, Outcome.RELEASED, Outcome.CANCELLED, Outcome.TIMED_OUT]
)
def test_an_open_call_ends_with_its_attempt(database: Database, outcome: Outcome) -> None:
    """Also one that was opened while the outcome was being written, by a child process that
    was killed: its connection outlives it for a moment."""
    worker = uuid7()
    task = open_execution(database, worker)
    settlement: Settlement = released(task.id, 1, "stopped")._replace(outcome=outcome)

    async def settle() -> None:
        with connect(database, autocommit=False) as opening:
            open_call(opening, task.id)
            async with settling_of(database) as (settling, _):
                settling.put(worker, settlement)
                await until(lambda: waits_for_a_lock(database))
                opening.commit()
                await asyncio.wait_for(settling.flushed(), 30)

    asyncio.run(settle())
    assert (only_call(database).status, execution(database, task)["outcome"]) == ("lost", outcome)
    assert differences(database) == []


def test_a_worker_that_dies_as_it_settles_leaves_no_open_call(database: Database) -> None:
    worker = uuid7()
    task = open_execution(database, worker)
    with connect(database) as connection:
        open_call(connection, task.id)

    async def die_before_the_end() -> None:
        with connect(database, autocommit=False) as holder:
            holder.execute("SELECT FROM llm_requests FOR UPDATE")
            async with settling_of(database) as (settling, writing):
                settling.put(worker, released(task.id, 1, "stopped"))
                await until(lambda: waits_for_a_lock(database))
                writing.cancel()
                cut(database)

    asyncio.run(die_before_the_end())
    assert contradictions(database) == {}
    assert rescue(database) == 1
    assert (only_call(database).status, execution(database, task)["outcome"]) == ("lost", "lost")
    assert contradictions(database) == {}


def test_a_call_is_closed_when_the_database_is_back(database: Database) -> None:
    worker = uuid7()
    task = open_execution(database, worker)
    with connect(database) as connection:
        open_call(connection, task.id)

    async def settle() -> None:
        async with settling_of(database) as (settling, _):
            with locked(database, task):
                settling.put(worker, released(task.id, 1, "stopped"))
                await until(lambda: waits_for_a_lock(database))
                cut(database)
            await asyncio.wait_for(settling.flushed(), 30)

    asyncio.run(settle())
    assert (only_call(database).status, execution(database, task)["outcome"]) == (
        "lost",
        "released",
    )
