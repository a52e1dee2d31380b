"""Heartbeats: workers that die, sleep, or are taken for dead."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from agentpg.tasks.handlers import App
from agentpg.tasks.model import NewTask
from agentpg.tasks.run import Run
from tests.apps.plain import app as plain
from tests.tasks.engine import Engine
from tests.waiting import eventually


def naps(number: int, **payload: Any) -> list[NewTask]:
    return [
        NewTask(agent_name="Plain", task_type="nap", payload=payload or None) for _ in range(number)
    ]


def test_what_a_killed_worker_held_is_done_by_another(engine: Engine) -> None:
    first = engine.process()
    held = engine.client.submit("Plain", "call")
    once = engine.client.submit("Plain", "once")
    more = engine.client.submit_many(
        [NewTask(agent_name="Plain", task_type="first_slow") for _ in range(3)]
    )
    eventually(lambda: engine.client.llm_requests(held))
    for task_id in (once, *more):
        engine.until_running(task_id)
    second = engine.process()
    first.kill()
    for task_id in more:
        assert engine.ended(task_id).result == 2
        assert engine.outcomes(task_id) == ["lost", "completed"]
    assert engine.ended(held).status == "completed"
    lost, done = engine.client.llm_requests(held)
    assert (lost.status, lost.input_tokens, lost.attempt) == ("lost", None, 1)
    assert (done.status, done.input_tokens, done.attempt) == ("ok", 100, 2)
    dead, alive = engine.client.executions(held)
    assert (dead.outcome, dead.llm_calls, dead.llm_unknown_calls) == ("lost", 1, 1)
    assert (alive.llm_calls, alive.llm_total_tokens) == (1, 120)
    task = engine.ended(once)
    assert (task.status, engine.outcomes(once)) == ("failed", ["lost"])
    assert second.alive
    assert engine.ask("SELECT ended_how FROM workers WHERE pid = %s", first.pid) == [("lost",)]


def test_a_worker_that_slept_too_long_is_fenced_and_starts_over(engine: Engine) -> None:
    """It is stopped past its lease; what it then says about its task is not recorded."""
    first = engine.process()
    task_id = engine.client.submit("Plain", "first_slow", {"seconds": 3})
    engine.until_running(task_id)
    [(old_id,)] = engine.registered(first)
    first.send(signal.SIGSTOP)
    second = engine.process()
    assert engine.ended(task_id).result == 2
    first.send(signal.SIGCONT)
    [(new_id,)] = eventually(lambda: engine.registered(first))
    assert new_id != old_id
    assert engine.outcomes(task_id) == ["lost", "completed"]
    second.stop()
    assert engine.run("Plain", "echo").status == "completed"
    assert engine.ask("SELECT ended_how FROM workers WHERE id = %s", old_id) == [("lost",)]
    assert engine.registered(first) == [(new_id,)]


def test_a_worker_that_is_resumed_takes_nobody_for_dead(engine: Engine) -> None:
    first, second = engine.process(), engine.process()
    first.send(signal.SIGSTOP)
    eventually(lambda: not engine.registered(first))
    task_id = engine.client.submit("Plain", "nap", {"seconds": 1})
    engine.until_running(task_id)
    first.send(signal.SIGCONT)
    eventually(lambda: engine.registered(first))
    assert engine.ended(task_id).attempt == 1
    assert engine.registered(second)


def test_a_worker_declared_dead_drops_all_it_holds(engine: Engine) -> None:
    begun, dropped = [], threading.Event()

    async def slow(run: Run) -> None:
        begun.append(run.task.attempt)
        try:
            await asyncio.sleep(60)
        finally:
            dropped.set()

    app = App()
    app.add(slow, agent_name="A", task_type="t", on_crash="fail")
    worker = engine.work(app, lease="1s", shutdown_grace="100ms")
    task_id = engine.client.submit("A", "t")
    engine.until_running(task_id)
    dead = worker.id
    engine.ask("UPDATE workers SET ended_at = now(), ended_how = 'lost' WHERE id = %s", dead)
    assert dropped.wait(20)
    eventually(lambda: worker.id != dead)
    assert engine.ended(task_id).status == "failed"
    assert engine.outcomes(task_id) == ["lost"]
    assert begun == [1]
    again = engine.client.submit("A", "t")
    engine.until_running(again)
    assert engine.client.get(again).worker == worker.id


def test_a_claim_whose_answer_was_lost_is_handed_back(engine: Engine) -> None:
    """The database says that the worker holds it; the worker does not know of it."""
    worker = engine.work(plain, lease="1s")
    eventually(lambda: engine.ask("SELECT 1 FROM workers WHERE id = %s", worker.id))
    task_id = claimed_by_hand(engine, worker.id)
    task = engine.ended(task_id)
    assert (task.status, task.attempt, task.errors, task.suspect) == ("completed", 2, 0, False)
    assert engine.outcomes(task_id) == ["released", "completed"]
    [released, _] = engine.client.executions(task_id)
    assert released.error_message == "its claim was lost with the connection"


def claimed_by_hand(engine: Engine, worker: UUID) -> UUID:
    task_id = uuid7()
    engine.ask(
        "WITH claimed AS (INSERT INTO tasks"
        " (id, agent_name, task_type, status, attempt, worker, started_at)"
        " VALUES (%s, 'Plain', 'echo', 'running', 1, %s, now()) RETURNING *)"
        " INSERT INTO agent_executions"
        " (task_id, attempt, agent_name, task_type, worker, execution_start)"
        " SELECT id, attempt, agent_name, task_type, worker, now() FROM claimed",
        task_id,
        worker,
    )
    return task_id


def test_the_heart_beats_while_the_loop_is_blocked(engine: Engine) -> None:
    """An async handler that never awaits holds up its worker, but not the sign of life."""

    async def blocks(run: Run) -> int:
        time.sleep(3)
        return run.task.attempt

    app = App()
    app.add(blocks, agent_name="A", task_type="t")
    engine.process(lease="1s")
    engine.work(app, lease="1s")
    assert engine.run("A", "t").result == 1


def test_a_lost_connection_is_made_anew(engine: Engine) -> None:
    worker = engine.work(plain, lease="1s")
    ids = engine.client.submit_many(naps(20, seconds=0.2))
    engine.until_running(ids[0])
    for _ in range(3):
        engine.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'agentpg%%' AND datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
    engine.until_all_ended()
    assert engine.ask("SELECT count(*) FROM agent_executions WHERE outcome = 'completed'") == [
        (20,)
    ]
    assert worker.alive


def test_a_busy_worker_is_not_marked_idle(engine: Engine) -> None:
    """Notifications cost every commit, so nobody asks for them while there is work."""
    worker = engine.work(plain, lease="1s", concurrency=1)
    idle = "SELECT idle FROM workers WHERE id = %s"
    eventually(lambda: engine.ask(idle, worker.id) == [(True,)])
    engine.client.submit_many(naps(200, seconds=0.05))
    eventually(lambda: engine.ask(idle, worker.id) == [(False,)])
    running = "SELECT running FROM workers WHERE id = %s"
    eventually(lambda: engine.ask(running, worker.id) == [(1,)])
    worker.stop(now=True)
