"""The whole engine through a real PgBouncer, beside a worker that connects directly."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from agentpg.db import Database
from agentpg.settings import load_settings
from agentpg.tasks.client import Client
from agentpg.tasks.client_async import AsyncClient
from agentpg.tasks.model import NewTask
from tests.apps.plain import app as plain
from tests.invariants import contradictions
from tests.pgbouncer import PROGRAM, PgBouncer, knows_prepared_statements, pgbouncer
from tests.slow_line import slow_line
from tests.tasks.engine import Engine
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")

_WITHOUT = pytest.param({}, id="transaction")
_SESSION = pytest.param({"pool_mode": "session", "default_pool_size": 20}, id="session")
_PREPARED = pytest.param(
    {"max_prepared_statements": 100},
    id="prepared",
    marks=pytest.mark.skipif(
        PROGRAM is None or not knows_prepared_statements(),
        reason="this PgBouncer knows no max_prepared_statements (1.21 does)",
    ),
)


@pytest.fixture(params=[_WITHOUT, _SESSION, _PREPARED])
def pooler(request: pytest.FixtureRequest, database: Database) -> Iterator[PgBouncer]:
    """In each mode; three processes of the server for everybody, where they are shared."""
    with pgbouncer(database, **{"default_pool_size": 3, **request.param}) as made:
        yield made


@pytest.fixture
def pooled(pooler: PgBouncer, database: Database, tmp_path: Path) -> Iterator[Engine]:
    """An installation of which everything is reached through the pooler."""
    made = Engine(pooler.database, tmp_path)
    yield made
    made.close()
    assert contradictions(database) == {}


def test_tasks_run_with_their_calls_recorded(pooled: Engine, database: Database) -> None:
    pooled.work(plain, concurrency=10)
    pooled.process()
    tasks = [
        NewTask(agent_name="Plain", task_type="call", payload={"seconds": 0.01}) for _ in range(50)
    ]
    tasks += [NewTask(agent_name="Plain", task_type="echo") for _ in range(500)]
    pooled.client.submit_many(tasks)
    pooled.until_all_ended()
    with psycopg.connect(database.dsn) as connection:
        [done] = connection.execute("SELECT count(*) FROM tasks WHERE status = 'completed'")
        [calls] = connection.execute("SELECT count(*) FROM llm_requests WHERE status = 'ok'")
    assert (done, calls) == ((550,), (50,))


def test_one_process_is_shared_by_many_clients(database: Database, tmp_path: Path) -> None:
    """A single process of the server, so whatever anybody leaves there, all others meet."""
    with pgbouncer(database, default_pool_size=1) as pooler:
        engine = Engine(pooler.database, tmp_path)
        for _ in range(2):
            engine.work(plain, concurrency=5)
        ids = engine.client.submit_many([NewTask(agent_name="Plain", task_type="nap")] * 200)
        for task_id in ids[:20]:
            assert engine.ended(task_id).status == "completed"
        engine.until_all_ended()
        assert engine.ask("SELECT name FROM pg_prepared_statements") == []
        assert engine.ask("SHOW enable_seqscan") == [("on",)]
        assert engine.ask("SELECT * FROM pg_listening_channels()") == []
        engine.close()


def test_a_client_that_has_submitted_keeps_no_process(database: Database) -> None:
    """Whatever comes late to the pooler of what the driver sends."""
    keyed = [
        NewTask(agent_name="Plain", task_type="echo", idempotency_key=f"k{number}")
        for number in range(2)
    ]

    async def submit(late: Database, stranger: psycopg.Connection) -> None:
        async with AsyncClient(late, settings=load_settings()) as client:
            await client.submit_many(keyed)
            stranger.execute("SELECT 1")

    with (
        pgbouncer(database, default_pool_size=1, query_wait_timeout=20) as pooler,
        psycopg.connect(pooler.database.dsn, autocommit=True) as stranger,
        slow_line(pooler.database) as late,
    ):
        with Client(late, settings=load_settings()) as client:
            client.submit_many(keyed)
            stranger.execute("SELECT 1")
        asyncio.run(submit(late, stranger))


def test_an_idle_worker_finds_work_without_being_told(pooled: Engine) -> None:
    worker = pooled.work(plain, poll_interval="1s")
    eventually(lambda: pooled.ask("SELECT id FROM workers WHERE id = %s AND idle", worker.id))
    started = time.monotonic()
    assert pooled.run("Plain", "echo").status == "completed"
    assert time.monotonic() - started < 10


def test_a_running_task_is_cancelled_between_two_beats(pooled: Engine) -> None:
    """The heartbeat of a lease of 300 s comes every 50 s."""
    pooled.work(plain, lease="300s")
    task_id = pooled.client.submit("Plain", "nap", {"seconds": 300})
    pooled.until_running(task_id)
    assert pooled.client.cancel(task_id) == "running"
    eventually(lambda: pooled.status(task_id) == "cancelled", timeout=20)


def test_the_dead_are_rescued(pooled: Engine) -> None:
    dead = pooled.process()
    task_id = pooled.client.submit("Plain", "first_slow")
    pooled.until_running(task_id)
    pooled.work(plain, lease="1s")
    dead.send(signal.SIGKILL)
    assert pooled.ended(task_id).result == 2
    assert pooled.outcomes(task_id) == ["lost", "completed"]


def test_the_pooler_may_restart(pooled: Engine, pooler: PgBouncer) -> None:
    worker = pooled.work(plain)
    eventually(lambda: pooled.ask("SELECT id FROM workers WHERE id = %s", worker.id))
    ids = pooled.client.submit_many([NewTask(agent_name="Plain", task_type="nap")] * 100)
    pooler.restart()
    for task_id in ids:
        assert pooled.ended(task_id).status == "completed"
    assert worker.alive


def test_direct_and_pooled_workers_are_colleagues(
    pooled: Engine, database: Database, tmp_path: Path
) -> None:
    """And a submission through the pooler wakes the one that listens."""
    (tmp_path / "direct").mkdir()
    direct = Engine(database, tmp_path / "direct")
    listening = direct.work(plain, poll_interval="60s")
    eventually(lambda: direct.ask("SELECT id FROM workers WHERE id = %s AND idle", listening.id))
    assert pooled.run("Plain", "echo").status == "completed"
    pooled.work(plain)
    pooled.client.submit_many([NewTask(agent_name="Plain", task_type="nap")] * 100)
    pooled.until_all_ended()
    assert len(direct.ask("SELECT DISTINCT worker FROM agent_executions")) == 2
    direct.close()


def test_submissions_of_every_kind(pooled: Engine, pooler: PgBouncer) -> None:
    pooled.work(plain)

    async def submit() -> None:
        async with AsyncClient(pooler.database, settings=load_settings()) as client:
            for number in range(10):
                task = await client.submit("Plain", "echo", {"n": number})
                assert (await client.wait(task, timeout=timedelta(seconds=60))).result
            keyed = NewTask(agent_name="Plain", task_type="echo", idempotency_key="k")
            assert len(set(await client.submit_many([keyed, keyed]))) == 1

    asyncio.run(submit())
    with Client(pooler.database, settings=load_settings()) as client:
        for number in range(10):
            client.submit("Plain", "echo", {"n": number})
        with psycopg.connect(pooler.database.dsn) as own, own.transaction():
            client.submit("Plain", "echo", connection=own)
    pooled.ask("INSERT INTO tasks (agent_name, task_type) VALUES ('Plain', 'echo')")
    pooled.until_all_ended()
    counted = pooled.ask("SELECT status, count(*) FROM tasks GROUP BY 1")
    assert counted == [("completed", 23)]
