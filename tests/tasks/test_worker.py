"""Running tasks: order, retries, cancellation, bad handlers, stopping."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from agentpg.db import Database, Statements, connect
from agentpg.errors import AgentpgError, DatabaseUnavailable
from agentpg.settings import load_settings
from agentpg.tasks.handlers import App, Permanent
from agentpg.tasks.model import NewTask
from agentpg.tasks.retry import Backoff
from agentpg.tasks.run import Run
from agentpg.tasks.worker import Worker
from tests.apps.plain import app as plain
from tests.servers import write_times_in
from tests.tasks.engine import Engine
from tests.waiting import eventually

AT_ONCE = Backoff(first=timedelta(), jitter=0)


def app_of(function: Callable[..., Any], **rules: Any) -> App:
    """An app with one handler, for task t of agent A; its retries come at once."""
    app = App()
    app.add(function, agent_name="A", task_type="t", **{"backoff": AT_ONCE, **rules})
    return app


# Running


def test_a_task_runs_and_its_execution_is_recorded(engine: Engine) -> None:
    async def greet(run: Run, name: str) -> str:
        return f"Hello, {name}"

    worker = engine.work(app_of(greet))
    task = engine.run("A", "t", {"name": "김"})
    assert (task.status, task.result, task.error_message) == ("completed", "Hello, 김", None)
    assert (task.attempt, task.errors, task.crashes, task.worker) == (1, 0, 0, None)
    [execution] = engine.client.executions(task.id)
    assert (execution.outcome, execution.attempt, execution.worker) == ("completed", 1, worker.id)
    assert (execution.agent_name, execution.task_type) == ("A", "t")
    assert execution.execution_start == task.started_at
    assert execution.execution_end == task.finished_at
    assert execution.duration_seconds is not None
    assert (execution.llm_calls, execution.llm_total_tokens, execution.cost_usd) == (0, 0, None)


def test_a_sync_handler_runs_in_a_thread_of_its_own(engine: Engine) -> None:
    together = threading.Barrier(5)

    def meet(run: Run) -> int:
        return together.wait(10)

    engine.work(app_of(meet), concurrency=5)
    ids = engine.client.submit_many([NewTask(agent_name="A", task_type="t")] * 5)
    assert {engine.ended(task_id).result for task_id in ids} == {0, 1, 2, 3, 4}


def test_no_more_run_at_a_time_than_told(engine: Engine) -> None:
    now, most = 0, 0

    async def count(run: Run) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1

    engine.client.submit_many([NewTask(agent_name="A", task_type="t")] * 40)
    engine.work(app_of(count), concurrency=3)
    engine.until_all_ended()
    assert most == 3


def test_a_task_by_plain_sql_runs_too(engine: Engine) -> None:
    engine.work(app_of(lambda run: "done"))
    task_id = uuid7()
    engine.ask(
        "INSERT INTO tasks (id, agent_name, task_type, status, created_at)"
        " VALUES (%s, 'A', 't', 'pending', now())",
        task_id,
    )
    assert engine.ended(task_id).result == "done"


def test_the_smaller_priority_runs_first(engine: Engine) -> None:
    ran: list[int] = []
    for priority in (500, 0, 1000, 100, 7):
        engine.client.submit("A", "t", priority, priority=priority)
    engine.work(app_of(lambda run, priority: ran.append(priority)), concurrency=1)
    engine.until_all_ended()
    assert ran == [0, 7, 100, 500, 1000]


def test_equals_run_in_the_order_of_their_submission(engine: Engine) -> None:
    ran: list[int] = []
    tasks = [NewTask(agent_name="A", task_type="t", payload=n) for n in range(100)]
    engine.client.submit_many(tasks)
    engine.work(app_of(lambda run, number: ran.append(number)), concurrency=1)
    engine.until_all_ended()
    assert ran == list(range(100))


def test_what_is_delayed_held_or_unknown_waits(engine: Engine) -> None:
    delayed = engine.client.submit("A", "t", delay=timedelta(hours=1))
    held = engine.client.submit("A", "t")
    engine.client.hold(held, reason="look first")
    unknown = engine.client.submit("A", "unknown")
    engine.work(app_of(lambda run: None))
    assert engine.run("A", "t").status == "completed"
    assert {engine.status(task) for task in (delayed, held, unknown)} == {"pending"}
    engine.ask("UPDATE tasks SET run_at = now() WHERE id = %s", delayed)
    engine.client.release(held)
    assert engine.ended(delayed).status == engine.ended(held).status == "completed"
    assert engine.status(unknown) == "pending"


def test_thousands_pass_through_small_hands(engine: Engine) -> None:
    async def noop(run: Run, n: int) -> int:
        return n

    tasks = [NewTask(agent_name="A", task_type="t", payload={"n": n}) for n in range(5000)]
    engine.client.submit_many(tasks)
    engine.work(app_of(noop), concurrency=20)
    engine.work(app_of(noop), concurrency=20)
    engine.until_all_ended()
    assert engine.ask(
        "SELECT count(*), min(attempt), max(attempt), sum(result::int) FROM tasks"
        " WHERE status = 'completed' AND result = payload -> 'n'"
    ) == [(5000, 1, 1, sum(range(5000)))]


# Failing


def test_a_failed_attempt_is_tried_again_after_its_backoff(engine: Engine) -> None:
    async def twice(run: Run) -> int:
        if run.task.attempt < 3:
            raise ValueError(f"attempt {run.task.attempt}")
        return run.task.attempt

    engine.work(app_of(twice, backoff=Backoff(first=timedelta(hours=1), jitter=0)))
    task_id = engine.client.submit("A", "t")
    for errors, hours in ((1, 1), (2, 1)):
        eventually(lambda: engine.client.get(task_id).errors == errors)  # noqa: B023
        task = engine.client.get(task_id)
        assert (task.status, task.error_message) == ("pending", f"ValueError: attempt {errors}")
        [execution] = engine.client.executions(task_id)[-1:]
        assert execution.execution_end is not None
        assert task.run_at - execution.execution_end == timedelta(hours=hours)
        engine.ask("UPDATE tasks SET run_at = now() WHERE id = %s", task_id)
    task = engine.ended(task_id)
    assert (task.status, task.result, task.error_message) == ("completed", 3, None)
    assert (task.attempt, task.errors) == (3, 2)
    assert engine.outcomes(task_id) == ["failed", "failed", "completed"]


def fail(run: Run) -> None:
    raise ValueError("no")


def test_the_last_attempt_ends_the_task(engine: Engine) -> None:
    engine.work(app_of(fail, max_attempts=2))
    task = engine.run("A", "t")
    assert (task.status, task.errors, task.error_message) == ("failed", 2, "ValueError: no")
    assert task.max_attempts == 2
    assert engine.outcomes(task.id) == ["failed", "failed"]


def test_a_task_s_own_limit_wins(engine: Engine) -> None:
    engine.work(app_of(fail, max_attempts=2))
    assert engine.run("A", "t", max_attempts=1).attempt == 1
    assert engine.run("A", "t", max_attempts=4).attempt == 4


def test_a_failed_task_is_retried_on_request(engine: Engine) -> None:
    fixed = threading.Event()

    def mended(run: Run) -> str:
        if not fixed.is_set():
            raise ValueError("broken")
        return "mended"

    engine.work(app_of(mended, max_attempts=1))
    task_id = engine.run("A", "t").id
    fixed.set()
    engine.client.retry(task_id)
    task = engine.ended(task_id)
    assert (task.status, task.attempt, task.errors) == ("completed", 2, 0)


def test_a_permanent_failure_is_not_tried_again(engine: Engine) -> None:
    def hopeless(run: Run) -> None:
        raise Permanent("no such customer")

    engine.work(app_of(hopeless))
    task = engine.run("A", "t")
    assert (task.status, task.attempt, task.error_message) == ("failed", 1, "no such customer")


def test_a_payload_that_does_not_fit_fails_at_once(engine: Engine) -> None:
    engine.work(app_of(lambda run, a: a))
    task = engine.run("A", "t", {"b": 1})
    assert (task.status, task.attempt) == ("failed", 1)
    assert "the payload does not fit the handler" in str(task.error_message)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize(
    "error",
    [SystemExit(3), KeyboardInterrupt(), StopIteration(), GeneratorExit(), Mute(),
     asyncio.CancelledError(), ValueError("zero \x00 half \ud800")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_no_exception_ends_the_worker(engine: Engine, error: BaseException, kind: str) -> None:
    async def in_loop(run: Run) -> None:
        if run.task.attempt == 1:
            raise error

    def in_thread(run: Run) -> None:
        if run.task.attempt == 1:
            raise error

    worker = engine.work(app_of(in_loop if kind == "async" else in_thread))
    task = engine.run("A", "t")
    assert (task.status, engine.outcomes(task.id)) == ("completed", ["failed", "completed"])
    assert engine.client.executions(task.id)[0].error_message
    assert worker.alive


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({1}, "the result is not JSON: Object of type set is not JSON serializable"),
        (float("inf"), "the result is not JSON: Out of range float values"),
        ("\x00", "the result is not JSON: a text holds the character U+0000"),
        ("x" * 1100, "the result has 1102 bytes, over the limit of 1024"),
    ],
    ids=["set", "infinity", "zero", "large"],
)
def test_a_result_that_cannot_be_stored(engine: Engine, result: Any, told: str) -> None:
    engine.work(app_of(lambda run: result, max_attempts=1), result_limit="1kiB")
    task = engine.run("A", "t")
    assert (task.status, task.result) == ("failed", None)
    assert str(task.error_message).startswith(told)


def test_a_result_that_only_the_server_refuses(engine: Engine) -> None:
    """A number of more digits than PostgreSQL's numeric has; the others go on."""

    def huge(run: Run, digits: int) -> int:
        return int(10**digits)

    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        engine.work(app_of(huge), concurrency=10)
        tasks = [NewTask(agent_name="A", task_type="t", payload={"digits": n}) for n in range(9)]
        ids = engine.client.submit_many(tasks)
        task = engine.run("A", "t", {"digits": 140_000})
        assert (task.status, task.attempt) == ("failed", 1)
        assert "the outcome cannot be stored: value overflows numeric" in str(task.error_message)
        assert {engine.ended(task_id).status for task_id in ids} == {"completed"}
    finally:
        sys.set_int_max_str_digits(limit)


# Time-outs and cancellation


def test_a_handler_out_of_time_is_tried_again(engine: Engine) -> None:
    async def slow_once(run: Run) -> str:
        if run.task.attempt == 1:
            await asyncio.sleep(60)
        return "in time"

    engine.work(app_of(slow_once, timeout=timedelta(seconds=0.2)))
    task = engine.run("A", "t")
    assert (task.status, task.errors) == ("completed", 1)
    assert engine.outcomes(task.id) == ["timed_out", "completed"]


def test_returning_late_is_recorded_as_timed_out(engine: Engine) -> None:
    async def stubborn(run: Run) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
        return "late"

    engine.work(app_of(stubborn, timeout=timedelta(seconds=0.1), max_attempts=1))
    task = engine.run("A", "t")
    assert (task.status, task.result) == ("failed", None)
    assert engine.outcomes(task.id) == ["timed_out"]
    assert task.error_message == "the handler took longer than 100ms"


def test_a_sync_handler_out_of_time_keeps_its_slot(engine: Engine) -> None:
    let_go, ran = threading.Event(), []

    def hang(run: Run, name: str) -> None:
        ran.append(name)
        if name == "first":
            let_go.wait(20)

    engine.work(app_of(hang, timeout=timedelta(seconds=0.1), max_attempts=1), concurrency=1)
    assert engine.run("A", "t", {"name": "first"}).status == "failed"
    second = engine.client.submit("A", "t", {"name": "second"})
    with pytest.raises(AgentpgError):
        engine.client.wait(second, timeout=timedelta(seconds=0.4))
    assert ran == ["first"]
    let_go.set()
    assert engine.ended(second).status == "completed"


def test_a_running_async_handler_is_cancelled(engine: Engine) -> None:
    tidied = threading.Event()

    async def slow(run: Run) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            tidied.set()

    engine.work(app_of(slow))
    task_id = engine.client.submit("A", "t")
    engine.until_running(task_id)
    assert engine.client.cancel(task_id) == "running"
    task = engine.ended(task_id)
    assert (task.status, task.error_message) == ("cancelled", "cancelled on request")
    assert engine.outcomes(task_id) == ["cancelled"]
    assert tidied.is_set()


def test_a_running_sync_handler_is_told(engine: Engine) -> None:
    def loops(run: Run) -> None:
        while True:
            run.check()
            time.sleep(0.01)

    engine.work(app_of(loops))
    task_id = engine.client.submit("A", "t")
    engine.until_running(task_id)
    engine.client.cancel(task_id)
    assert engine.ended(task_id).status == "cancelled"
    assert engine.outcomes(task_id) == ["cancelled"]


def test_what_waits_for_its_next_attempt_can_be_cancelled(engine: Engine) -> None:
    engine.work(app_of(fail, backoff=Backoff(first=timedelta(hours=1))))
    task_id = engine.client.submit("A", "t")
    eventually(lambda: engine.client.get(task_id).errors == 1)
    assert engine.client.cancel(task_id) == "cancelled"
    assert engine.outcomes(task_id) == ["failed"]


def test_a_task_that_fails_while_it_is_cancelled_is_not_tried_again(engine: Engine) -> None:
    """The request comes where nobody hears it; the settle sees it."""
    under_way, let_go = threading.Event(), threading.Event()

    def late(run: Run) -> None:
        under_way.set()
        let_go.wait(10)
        raise ValueError("no")

    engine.work(app_of(late))
    task_id = engine.client.submit("A", "t")
    assert under_way.wait(10)
    engine.ask("UPDATE tasks SET cancel_requested_at = now() WHERE id = %s", task_id)
    let_go.set()
    assert engine.ended(task_id).status == "cancelled"
    assert engine.outcomes(task_id) == ["failed"]


def test_a_task_behind_a_running_one_is_cancelled(engine: Engine) -> None:
    let_go = threading.Event()
    engine.work(app_of(lambda run: let_go.wait(10)), concurrency=1)
    first, second = (engine.client.submit("A", "t") for _ in range(2))
    engine.until_running(first)
    engine.client.cancel(second)
    assert engine.ended(second).status == "cancelled"
    let_go.set()
    assert engine.ended(first).status == "completed"


# Waking up


def test_an_idle_worker_is_woken(engine: Engine) -> None:
    worker = engine.work(app_of(lambda run: "awake"), poll_interval="30s")
    eventually(lambda: engine.ask("SELECT 1 FROM workers WHERE id = %s AND idle", worker.id))
    for _ in range(3):
        started = time.monotonic()
        assert engine.run("A", "t").result == "awake"
        assert time.monotonic() - started < 5


def test_without_a_notification_the_poll_finds_it(engine: Engine) -> None:
    engine.work(app_of(lambda run: "found"), poll_interval="300ms")
    engine.ask("ALTER TABLE tasks DISABLE TRIGGER wake_workers")
    assert engine.run("A", "t").result == "found"


def test_a_retry_and_a_release_wake_too(engine: Engine) -> None:
    held = engine.client.submit("A", "t")
    engine.client.hold(held, reason="look first")
    worker = engine.work(app_of(lambda run: 1), poll_interval="30s")
    eventually(lambda: engine.ask("SELECT 1 FROM workers WHERE id = %s AND idle", worker.id))
    engine.client.release(held)
    engine.ended(held)
    cancelled = engine.client.submit("A", "t", delay=timedelta(hours=1))
    engine.client.cancel(cancelled)
    eventually(lambda: engine.ask("SELECT 1 FROM workers WHERE id = %s AND idle", worker.id))
    engine.client.retry(cancelled)
    assert engine.ended(cancelled).status == "completed"


# Fencing


def test_a_settle_of_another_attempt_or_worker_changes_nothing(engine: Engine) -> None:
    under_way, let_go = threading.Event(), threading.Event()

    def wait(run: Run) -> str:
        under_way.set()
        let_go.wait(10)
        return "mine"

    worker = engine.work(app_of(wait))
    task_id = engine.client.submit("A", "t")
    assert under_way.wait(10)
    settle = Statements("worker", engine.database.schema)["settle"]
    with connect(engine.database) as connection:
        for holder, attempt in ((worker.id, 2), (worker.id, 0), (uuid7(), 1)):
            stale = stale_settlement(holder, task_id, attempt)
            assert connection.execute(settle, stale).fetchall() == []
    assert engine.status(task_id) == "running"
    let_go.set()
    assert engine.ended(task_id).result == "mine"
    assert engine.outcomes(task_id) == ["completed"]


def stale_settlement(worker: object, task_id: object, attempt: int) -> dict[str, list[Any]]:
    return {
        "workers": [worker], "ids": [task_id], "attempts": [attempt], "statuses": ["failed"],
        "outcomes": ["failed"], "results": [None], "error_messages": ["stale"],
        "attempt_errors": ["stale"], "seconds": [1.0], "delays": [0.0], "errors": [1],
        "crashes": [0], "max_attempts": [3], "suspects": [False],
    }  # fmt: skip


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_status_set_from_outside_fences_the_worker(engine: Engine, status: str) -> None:
    stopped = threading.Event()

    async def slow(run: Run) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    engine.work(app_of(slow), lease="1s")
    task_id = engine.client.submit("A", "t")
    engine.until_running(task_id)
    engine.ask(
        "UPDATE tasks SET status = %s, result = '\"by hand\"' WHERE id = %s", status, task_id
    )
    assert stopped.wait(10)
    task = engine.client.get(task_id)
    assert (task.status, task.result, task.worker) == (status, "by hand", None)
    [execution] = engine.client.executions(task_id)
    assert execution.outcome == "cancelled"
    assert execution.error_message == f"the task was set to {status} from outside"


# Stopping


def test_stopping_lets_handlers_finish(engine: Engine) -> None:
    under_way, let_go = threading.Event(), threading.Event()

    def wait(run: Run) -> str:
        under_way.set()
        let_go.wait(10)
        return "finished"

    worker = engine.work(app_of(wait))
    task_id = engine.client.submit("A", "t")
    assert under_way.wait(10)
    worker.tell()
    later = engine.client.submit("A", "t")
    let_go.set()
    worker.stop()
    assert engine.client.get(task_id).result == "finished"
    assert engine.status(later) == "pending"
    assert engine.ask("SELECT ended_how FROM workers") == [("stopped",)]


@pytest.mark.parametrize("now", [False, True])
def test_what_does_not_finish_is_handed_back(engine: Engine, now: bool) -> None:
    async def slow(run: Run) -> None:
        await asyncio.sleep(60)

    worker = engine.work(app_of(slow), concurrency=3, shutdown_grace="30s" if now else "200ms")
    ids = engine.client.submit_many([NewTask(agent_name="A", task_type="t")] * 5)
    eventually(lambda: engine.ask("SELECT count(*) FROM tasks WHERE status = 'running'") == [(3,)])
    worker.stop(now=now)
    running = engine.client.find(status="pending")
    assert len(running) == 5
    assert sorted(task.attempt for task in running) == [0, 0, 1, 1, 1]
    assert {(task.errors, task.crashes, task.suspect) for task in running} == {(0, 0, False)}
    outcomes = [outcome for task_id in ids for outcome in engine.outcomes(task_id)]
    assert outcomes == ["released"] * 3


def test_a_second_order_to_stop_ends_the_grace(engine: Engine) -> None:
    async def slow(run: Run) -> None:
        await asyncio.sleep(60)

    worker = engine.work(app_of(slow), shutdown_grace="10min")
    task_id = engine.client.submit("A", "t")
    engine.until_running(task_id)
    worker.tell()
    worker.stop(now=True)
    assert engine.outcomes(task_id) == ["released"]


def test_a_deaf_sync_handler_does_not_hold_up_the_end(engine: Engine) -> None:
    let_go, under_way = threading.Event(), threading.Event()

    def deaf(run: Run) -> None:
        under_way.set()
        let_go.wait(30)

    worker = engine.work(app_of(deaf), shutdown_grace="100ms")
    task_id = engine.client.submit("A", "t")
    assert under_way.wait(10)
    worker.stop()
    let_go.set()
    assert engine.outcomes(task_id) == ["released"]


def test_what_was_handed_back_is_taken_up_again(engine: Engine) -> None:
    worker = engine.work(plain, shutdown_grace="100ms")
    task_id = engine.client.submit("Plain", "first_slow")
    engine.until_running(task_id)
    worker.stop()
    engine.work(plain)
    task = engine.ended(task_id)
    assert (task.status, task.attempt, task.errors) == ("completed", 2, 0)
    assert engine.outcomes(task_id) == ["released", "completed"]


# Starting


def test_an_app_without_handlers_is_no_worker(database: Database) -> None:
    with pytest.raises(AgentpgError, match="the app has no handlers"):
        Worker(App(), database, load_settings())


def test_a_worker_does_not_start_without_its_database() -> None:
    worker = Worker(plain, Database("host=127.0.0.1 port=1"), load_settings())
    with pytest.raises(DatabaseUnavailable):
        asyncio.run(worker.run())


# What must not end a worker


def test_a_payload_that_cannot_be_read_fails_alone(engine: Engine) -> None:
    """Python reads no integer of 5,000 digits, and PostgreSQL stores it."""
    engine.work(app_of(lambda run, **payload: 1))
    with connect(engine.database) as connection:
        connection.execute(
            "INSERT INTO agentic_ai.tasks (agent_name, task_type, payload)"
            """ VALUES ('A', 't', '{"x": 1e5000}')"""
        )
        row = connection.execute("SELECT id FROM agentic_ai.tasks").fetchone()
        assert row is not None
        ended = (
            "SELECT attempt FROM agentic_ai.tasks WHERE id = %s AND status = 'failed'"
            " AND error_message LIKE 'the payload cannot be read%%'"
        )
        eventually(lambda: connection.execute(ended, row).fetchone() == (1,))
    assert engine.run("A", "t").status == "completed"


def test_a_task_submitted_again_under_its_old_id_runs(engine: Engine) -> None:
    def second_time_lucky(run: Run) -> int:
        if run.task.attempt == 1:
            raise Permanent("not yet")
        return 1

    engine.work(app_of(second_time_lucky))
    first = engine.run("A", "t")
    with connect(engine.database) as connection:
        connection.execute("DELETE FROM agentic_ai.tasks")
    engine.client.submit_many([NewTask(id=first.id, agent_name="A", task_type="t")])
    again = engine.ended(first.id)
    assert (again.status, again.attempt) == ("completed", 2)


def test_a_handler_that_cancels_itself_hurts_no_other(engine: Engine) -> None:
    async def selfish(run: Run, how: str = "") -> int:
        own = asyncio.current_task()
        if how and own is not None:
            own.cancel()
        if how == "wait":
            await asyncio.sleep(10)
        return 1

    app = App()
    app.add(selfish, agent_name="A", task_type="t", max_attempts=1)
    engine.work(app, concurrency=1)
    for how in ("wait", "return"):
        engine.run("A", "t", {"how": how})
        assert engine.run("A", "t").status == "completed"


def test_a_worker_of_one_slot_that_runs_nothing_ahead_goes_on(engine: Engine) -> None:
    """Slots give way to others after so many attempts, and then there must be room again."""
    ids = engine.client.submit_many([NewTask("A", "t") for _ in range(200)])
    engine.work(app_of(lambda run: 1, on_crash="fail"), concurrency=1, poll_interval="30s")
    engine.until_all_ended()
    assert {engine.status(task_id) for task_id in ids} == {"completed"}


def test_an_outcome_that_cannot_be_written_for_long_holds_up_no_other(engine: Engine) -> None:
    engine.ask(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'not now' USING ERRCODE = 'P0001'; END $$"
    )
    engine.ask(
        "CREATE TRIGGER refuse BEFORE UPDATE ON tasks FOR EACH ROW"
        " WHEN (NEW.status = 'completed' AND NEW.task_type = 'bad') EXECUTE FUNCTION refuse()"
    )
    app = app_of(lambda run: 1)
    app.add(lambda run: 1, agent_name="A", task_type="bad")
    bad = engine.client.submit("A", "bad")
    engine.work(app)
    engine.until_running(bad)
    assert [engine.run("A", "t").status for _ in range(5)] == ["completed"] * 5
    assert engine.status(bad) == "running"
    engine.ask("DROP TRIGGER refuse ON tasks")
    assert engine.ended(bad).status == "completed"


@pytest.mark.parametrize("style", ["German", "SQL, DMY"])
def test_a_database_may_write_times_in_any_style(engine: Engine, style: str) -> None:
    """One task after the other, so that each claim begins where the last one ended."""
    write_times_in(engine.database, style)
    engine.work(app_of(lambda run: 1))
    assert [engine.run("A", "t").status for _ in range(5)] == ["completed"] * 5
    delayed = engine.run("A", "t", delay=timedelta(seconds=0.5))
    assert delayed.started_at is not None
    assert timedelta() < delayed.started_at - delayed.run_at < timedelta(seconds=30)
