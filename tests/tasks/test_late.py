"""Tasks that come in below the marks of a worker that is at work above them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from agentpg.db import Database, connect
from agentpg.tasks.handlers import App
from agentpg.tasks.run import Run
from tests.tasks.engine import Engine
from tests.waiting import eventually

BACKLOG = 3000


class Line:
    """A backlog of tasks that are run one by one, as many as the test lets through."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.began: list[UUID] = []
        self._tickets = threading.Semaphore(0)
        app = App()
        app.add(self._handle, agent_name="A", task_type="t")
        engine.ask(
            "INSERT INTO tasks (agent_name, task_type, created_at, run_at)"
            " SELECT 'A', 't', now() - interval '1 hour', now() - interval '1 hour'"
            " FROM generate_series(1, %s)",
            BACKLOG,
        )
        engine.work(app, concurrency=1)
        self.let_through(5)

    def _handle(self, run: Run) -> None:
        self.began.append(run.task.id)
        self._tickets.acquire(timeout=30)

    def let_through(self, number: int) -> None:
        """Have so many tasks run, and wait for that."""
        before = len(self.began)
        for _ in range(number):
            self._tickets.release()
        eventually(lambda: len(self.began) >= before + number)

    def until_begun(self, *task_ids: UUID) -> None:
        """Let tasks through until the turn of these has come, which is long before the last."""

        def turn_has_come() -> bool:
            self._tickets.release()
            return set(task_ids) <= set(self.began)

        eventually(turn_has_come)
        assert len(self.began) < BACKLOG

    def close(self) -> None:
        """Let everything through."""
        self.engine.ask("UPDATE tasks SET held_reason = 'over' WHERE status = 'pending'")
        for _ in range(BACKLOG):
            self._tickets.release()


@pytest.fixture
def line(engine: Engine) -> Iterator[Line]:
    line = Line(engine)
    yield line
    line.close()


def submitted_urgently(engine: Engine) -> UUID:
    return engine.client.submit("A", "t", priority=3)


def inserted_with_an_old_run_at(engine: Engine) -> UUID:
    task_id = uuid7()
    engine.ask(
        "INSERT INTO tasks (id, agent_name, task_type, run_at) VALUES (%s, 'A', 't', '-infinity')",
        task_id,
    )
    return task_id


def released_from_a_hold(engine: Engine) -> UUID:
    [[task_id]] = engine.ask(
        "UPDATE tasks SET held_reason = 'wait', run_at = '2001-01-01' WHERE id ="
        " (SELECT id FROM tasks WHERE status = 'pending' ORDER BY id DESC LIMIT 1) RETURNING id"
    )
    engine.client.release(task_id)
    return UUID(str(task_id))


@pytest.mark.parametrize(
    "arrive", [submitted_urgently, inserted_with_an_old_run_at, released_from_a_hold]
)
def test_a_late_task_is_begun_soon(line: Line, arrive: Callable[[Engine], UUID]) -> None:
    line.until_begun(arrive(line.engine))


def test_a_late_commit_is_begun_soon(line: Line, database: Database) -> None:
    with connect(database, autocommit=False) as connection:
        late = line.engine.client.submit("A", "t", connection=connection)
        connection.execute(
            "UPDATE agentic_ai.tasks SET run_at = now() - interval '2 hours' WHERE id = %s", (late,)
        )
        line.let_through(20)
        connection.commit()
    line.until_begun(late)


def test_the_order_is_priority_then_run_at_then_id(line: Line) -> None:
    engine = line.engine
    engine.ask("UPDATE tasks SET held_reason = 'wait' WHERE status = 'pending'")
    wanted = engine.ask(
        "WITH chosen AS ("
        "    SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM tasks"
        "    WHERE status = 'pending' ORDER BY id DESC LIMIT 40)"
        " UPDATE tasks t SET priority = mod(n, 4) * 10, held_reason = NULL,"
        "   run_at = now() - mod(n, 3) * interval '1 minute'"
        " FROM chosen c WHERE t.id = c.id RETURNING t.priority, t.run_at, t.id"
    )
    ordered = [task_id for *_, task_id in sorted(wanted)]
    line.until_begun(*ordered)
    assert [task for task in line.began if task in ordered] == ordered


def test_a_delayed_task_begins_when_it_is_due_and_not_at_the_next_poll(engine: Engine) -> None:
    app = App()
    app.add(lambda run: run.task.attempt, agent_name="A", task_type="t")
    worker = engine.work(app, poll_interval="30s")
    eventually(lambda: engine.ask("SELECT 1 FROM workers WHERE id = %s AND idle", worker.id))
    task = engine.run("A", "t", delay=timedelta(seconds=2))
    assert task.started_at is not None
    assert task.started_at - task.run_at < timedelta(seconds=5)
