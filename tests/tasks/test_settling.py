"""Outcomes wait for the database, and each is recorded once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from agentpg.db import Database
from agentpg.embedded import EmbeddedServer
from agentpg.schema import migrate
from agentpg.tasks.handlers import App
from agentpg.tasks.model import NewTask
from agentpg.tasks.run import Run
from tests.invariants import contradictions
from tests.servers import SCHEMA, OwnServers
from tests.tasks.engine import Engine
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
