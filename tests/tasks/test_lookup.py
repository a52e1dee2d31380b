"""The state of the engine as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from agentpg.db import Connection, connect
from agentpg.tasks import lookup
from agentpg.tasks.handlers import App
from tests.apps.plain import app as plain
from tests.tasks.engine import Engine
from tests.waiting import eventually

SCHEMA = "agentic_ai"


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection[Any]]:
    with connect(engine.database) as made:
        yield made


def test_an_empty_installation(connection: Connection[Any]) -> None:
    assert lookup.unfinished(connection, SCHEMA) == lookup.Unfinished(
        ready=0, delayed=0, held=0, running=0, waiting=0, oldest_ready=None
    )
    assert lookup.finished_today(connection, SCHEMA) == {}
    assert lookup.workers(connection, SCHEMA) == []
    assert lookup.nobody_knows(connection, SCHEMA) == []


def test_unfinished_tasks_are_told_apart(engine: Engine, connection: Connection[Any]) -> None:
    oldest = engine.client.get(engine.client.submit("A", "t"))
    engine.client.submit("A", "t")
    engine.client.submit("A", "t", delay=timedelta(hours=1))
    engine.client.hold(engine.client.submit("A", "t"), reason="look first")
    engine.ask("INSERT INTO tasks (agent_name, task_type, status) VALUES ('X', 'x', 'running')")
    engine.ask("INSERT INTO tasks (agent_name, task_type, status) VALUES ('X', 'x', 'waiting')")
    found = lookup.unfinished(connection, SCHEMA)
    assert (found.ready, found.delayed, found.held) == (2, 1, 1)
    assert (found.running, found.waiting) == (1, 1)
    assert found.oldest_ready == oldest.run_at


def test_what_ended_today_is_counted(engine: Engine, connection: Connection[Any]) -> None:
    for status in ("completed", "completed", "failed", "cancelled"):
        engine.ask(
            "INSERT INTO tasks (agent_name, task_type, status) VALUES ('A', 't', %s)", status
        )
    engine.ask(
        "INSERT INTO tasks (agent_name, task_type, status, created_at)"
        " VALUES ('A', 't', 'failed', now() - interval '25 hours')"
    )
    engine.client.submit("A", "t")
    assert lookup.finished_today(connection, SCHEMA) == {
        "completed": 2,
        "failed": 1,
        "cancelled": 1,
    }


def test_workers_that_live_and_those_that_stopped(
    engine: Engine, connection: Connection[Any]
) -> None:
    first = engine.work(plain, concurrency=7)
    eventually(lambda: len(lookup.workers(connection, SCHEMA)) == 1)
    [row] = lookup.workers(connection, SCHEMA)
    assert (row.id, row.concurrency, row.lease_seconds) == (first.id, 7, 30.0)
    assert ["Plain", "echo"] in row.handlers
    assert (row.ended_at, row.ended_how) == (None, None)
    first.stop()
    second = engine.work(plain)
    eventually(lambda: len(lookup.workers(connection, SCHEMA)) == 2)
    alive, ended = lookup.workers(connection, SCHEMA)
    assert (alive.id, ended.id) == (second.id, first.id)
    assert ended.ended_how == "stopped"
    engine.ask("UPDATE workers SET ended_at = now() - interval '2 days' WHERE id = %s", first.id)
    assert [worker.id for worker in lookup.workers(connection, SCHEMA)] == [second.id]


def test_tasks_that_nobody_knows(engine: Engine, connection: Connection[Any]) -> None:
    app = App()
    app.add(lambda run: None, agent_name="A", task_type="known")
    for kind in ("strange", "strange", "odd"):
        engine.client.submit("A", kind)
    engine.client.hold(engine.client.submit("A", "held"), reason="look first")
    known = engine.client.submit("A", "known", delay=timedelta(hours=1))
    worker = engine.work(app)
    eventually(lambda: lookup.workers(connection, SCHEMA))
    assert [
        (unknown.task_type, unknown.tasks) for unknown in lookup.nobody_knows(connection, SCHEMA)
    ] == [("strange", 2), ("odd", 1)]
    worker.stop()
    strangers = {unknown.task_type for unknown in lookup.nobody_knows(connection, SCHEMA)}
    assert strangers == {"strange", "odd", "known"}
    engine.client.cancel(known)
