"""Claims from lanes, by real workers: limits hold, tenants take turns, pauses stop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from agentpg.db import connect
from agentpg.errors import InvalidTask
from agentpg.tasks.handlers import App
from agentpg.tasks.limits import Limit
from agentpg.tasks.model import NewTask
from agentpg.tasks.run import Run
from tests.tasks.engine import Engine
from tests.waiting import eventually

app = App()


@app.task("Turner", "nap")
async def nap(run: Run, seconds: float = 0.02, **payload: Any) -> None:
    await asyncio.sleep(seconds)


@app.task("Turner", "other")
async def other(run: Run, seconds: float = 0.02, **payload: Any) -> None:
    await asyncio.sleep(seconds)


@app.task("Bystander", "pass")
async def bystander(run: Run) -> None:
    return None


def tasks(number: int, task_type: str = "nap", **options: Any) -> list[NewTask]:
    return [NewTask(agent_name="Turner", task_type=task_type, **options) for _ in range(number)]


def limit(engine: Engine, **values: Any) -> None:
    engine.client.limit(Limit(agent_name="Turner", **values))


def most_at_a_time(engine: Engine, which: str = "true") -> int:
    """The most executions that were open at one moment, by their recorded starts and ends."""
    [[most]] = engine.ask(f"""
        SELECT coalesce(max(at_a_time), 0)
        FROM (
            SELECT sum(step) OVER (ORDER BY at, step) AS at_a_time
            FROM (
                SELECT execution_start AS at, 1 AS step, task_id FROM agent_executions
                UNION ALL
                SELECT execution_end, -1, task_id FROM agent_executions
                WHERE execution_end IS NOT NULL
            ) steps
            JOIN tasks t ON t.id = task_id
            WHERE {which}
        ) counted""")
    return int(most)


def most_within(engine: Engine, seconds: float) -> int:
    """The most executions that were started within any time of this length."""
    starts = [row[0] for row in engine.ask("SELECT execution_start FROM agent_executions")]
    length = timedelta(seconds=seconds)
    return max(sum(1 for s in starts if first <= s < first + length) for first in starts)


def nothing(engine: Engine, query: str) -> bool:
    """Whether a query finds no row."""
    return not engine.ask(query)


class Sampler(threading.Thread):
    """Counts what runs, again and again, and remembers the most."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(daemon=True)
        self._engine = engine
        self._ending = threading.Event()
        self.most = 0

    def run(self) -> None:
        while not self._ending.wait(0.005):
            [[number]] = self._engine.ask("SELECT count(*) FROM tasks WHERE status = 'running'")
            self.most = max(self.most, number)

    def end(self) -> int:
        """Stop; the most that ran at a time."""
        self._ending.set()
        self.join(20)
        return self.most


def test_a_limit_holds_over_several_workers(engine: Engine) -> None:
    limit(engine, concurrency=3)
    engine.client.submit_many(tasks(150))
    sampler = Sampler(engine)
    sampler.start()
    for _ in range(4):
        engine.work(app, concurrency=10)
    engine.until_all_ended()
    assert sampler.end() == 3
    assert most_at_a_time(engine) == 3


def test_a_limit_by_key_counts_each_value(engine: Engine) -> None:
    limit(engine, key="customer", concurrency=2)
    limit(engine, concurrency=7)
    for customer in range(5):
        engine.client.submit_many(tasks(20, payload={"customer": customer}))
    for _ in range(2):
        engine.work(app, concurrency=10)
    engine.until_all_ended()
    assert 2 < most_at_a_time(engine) <= 7
    for customer in range(5):
        assert most_at_a_time(engine, f"t.payload ->> 'customer' = '{customer}'") == 2


def test_a_limit_of_one_type_leaves_the_others_alone(engine: Engine) -> None:
    limit(engine, task_type="nap", concurrency=1)
    engine.client.submit_many([*tasks(15), *tasks(15, "other")])
    engine.work(app, concurrency=10)
    engine.until_all_ended()
    assert most_at_a_time(engine, "t.task_type = 'nap'") == 1
    assert most_at_a_time(engine, "t.task_type = 'other'") > 1


def test_a_rate_is_never_exceeded(engine: Engine) -> None:
    limit(engine, rate=10, period=timedelta(seconds=1))
    engine.client.submit_many(tasks(35, payload={"seconds": 0}))
    began = time.monotonic()
    for _ in range(3):
        engine.work(app, concurrency=10)
    engine.until_all_ended()
    assert most_within(engine, 1) <= 10
    assert 3 <= time.monotonic() - began < 15


@pytest.mark.one_server
def test_killed_workers_keep_no_place(engine: Engine) -> None:
    engine.client.limit(Limit(agent_name="Plain", concurrency=4))
    slow = NewTask(agent_name="Plain", task_type="first_slow", payload={"seconds": 0.5})
    engine.client.submit_many([slow] * 24)
    first = engine.process()
    eventually(lambda: engine.ask("SELECT 1 FROM tasks WHERE status = 'running' OFFSET 3"))
    first.kill()
    engine.process()
    engine.process()
    engine.until_all_ended()
    assert engine.ask("SELECT 1 FROM agent_executions WHERE outcome = 'lost'")
    assert most_at_a_time(engine) == 4


def test_a_large_tenant_does_not_starve_a_small_one(engine: Engine) -> None:
    quick = {"seconds": 0.002}
    engine.client.submit_many(tasks(20_000, tenant="large", payload=quick))
    engine.client.submit_many(tasks(10, tenant="small", payload=quick))
    engine.client.submit_many(tasks(10, payload=quick))
    engine.work(app, concurrency=10)
    for which in ("tenant = 'small'", "tenant IS NULL"):
        left = f"SELECT 1 FROM tasks WHERE {which} AND status <> 'completed'"
        eventually(partial(nothing, engine, left))
    [[small, large]] = engine.ask(
        "SELECT count(*) FILTER (WHERE tenant IS DISTINCT FROM 'large'),"
        " count(*) FILTER (WHERE tenant = 'large') FROM tasks WHERE status = 'completed'"
    )
    assert small == 20
    assert large < 5000


def test_urgent_tasks_come_before_turns(engine: Engine) -> None:
    engine.client.submit_many(tasks(50, tenant="a"))
    urgent = engine.client.submit_many(tasks(20, tenant="b", priority=1))
    engine.work(app, concurrency=1)
    engine.until_all_ended()
    order = engine.ask("SELECT task_id FROM agent_executions ORDER BY execution_start LIMIT 20")
    assert {row[0] for row in order} == set(urgent)


def test_plain_inserts_find_their_lanes(engine: Engine) -> None:
    limit(engine, concurrency=2)
    for name, tenant in (("Turner", None), ("Turner", "x"), ("Bystander", "y")):
        kind = "nap" if name == "Turner" else "pass"
        engine.ask(
            "INSERT INTO tasks (agent_name, task_type, tenant)"
            " SELECT %s, %s, %s FROM generate_series(1, 20)",
            name,
            kind,
            tenant,
        )
    engine.work(app, concurrency=10)
    engine.until_all_ended()
    assert most_at_a_time(engine, "t.agent_name = 'Turner'") == 2


def test_a_missing_key_is_an_error_of_the_submission(engine: Engine) -> None:
    limit(engine, key="customer", concurrency=1)
    for payload in (None, {"other": 1}, [1]):
        with pytest.raises(InvalidTask, match="the payload has no customer, by which"):
            engine.client.submit("Turner", "nap", payload)
        with pytest.raises(InvalidTask, match="the payload has no customer, by which"):
            engine.client.submit_many(tasks(2, payload=payload))
    engine.client.submit("Turner", "nap", {"customer": 3})


def test_a_missing_tenant_is_named(engine: Engine) -> None:
    limit(engine, key="tenant", concurrency=1)
    with pytest.raises(InvalidTask, match="the task has no tenant, by which a limit of Turner"):
        engine.client.submit("Turner", "nap")


def test_a_plain_insert_without_the_key_is_held_with_the_reason(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    limit(engine, key="customer", concurrency=1)
    [[made]] = engine.ask(
        "WITH i AS (INSERT INTO tasks (agent_name, task_type) VALUES ('Turner', 'nap')"
        " RETURNING id) SELECT id FROM i"
    )
    engine.work(app)
    eventually(lambda: engine.client.get(made).held_reason)
    assert engine.client.get(made).held_reason == (
        "the payload has no customer, by which a limit of Turner counts"
    )
    assert eventually(lambda: held_lines(caplog)) == [
        "tasks held: 1 of Turner/nap, because the payload has no customer, "
        f"by which a limit of Turner counts; the first is {made}"
    ]
    engine.client.release(made)
    assert engine.ended(made).status == "completed"


def test_what_a_new_limit_holds_is_logged_once_for_each_reason(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.client.pause("Turner")
    engine.client.submit_many(tasks(30, payload={}) + tasks(3, "other", payload={}))
    engine.client.submit_many(tasks(3, payload={"customer": 1}))
    engine.client.hold(engine.client.submit("Turner", "nap"), reason="by hand")
    limit(engine, key="customer", concurrency=1)
    engine.client.resume("Turner")
    engine.work(app)
    eventually(lambda: engine.client.find(status="completed", limit=9)[2:])
    eventually(lambda: len(engine.client.find(held=True)) == 34)

    def told(task_type: str) -> int:
        of_type = f"of Turner/{task_type}, because the payload has no customer"
        return sum(int(line.split()[2]) for line in held_lines(caplog) if of_type in line)

    eventually(lambda: (told("nap"), told("other")) == (30, 3))


def held_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of tasks that are held."""
    return [line for line in caplog.messages if line.startswith("tasks held: ")]


def test_a_new_limit_counts_what_runs_and_what_waits(engine: Engine) -> None:
    engine.client.submit_many(tasks(60, payload={"seconds": 0.3}))
    for _ in range(2):
        engine.work(app, concurrency=5)
    eventually(lambda: engine.ask("SELECT 1 FROM tasks WHERE status = 'running' OFFSET 9"))
    limit(engine, concurrency=2)
    eventually(
        lambda: engine.ask("SELECT count(*) <= 2 FROM tasks WHERE status = 'running'") == [(True,)],
        2,
    )
    [[since]] = engine.ask("SELECT now()")
    limit(engine, concurrency=4)
    eventually(lambda: engine.ask("SELECT 1 FROM tasks WHERE status = 'running' OFFSET 3"))
    engine.client.remove_limit("Turner")
    eventually(lambda: engine.ask("SELECT 1 FROM tasks WHERE status = 'running' OFFSET 9"))
    engine.until_all_ended()
    [[after]] = engine.ask(
        "SELECT count(*) FROM agent_executions WHERE execution_start > %s", since
    )
    assert after > 0


@pytest.mark.one_server
def test_limits_that_change_under_load_are_never_exceeded(engine: Engine) -> None:
    limit(engine, concurrency=2)
    engine.client.submit_many(tasks(300, payload={"customer": 1}))
    sampler = Sampler(engine)
    sampler.start()
    for _ in range(3):
        engine.work(app, concurrency=8)
    for number in range(6):
        reached = f"SELECT 1 FROM tasks WHERE status = 'completed' OFFSET {20 * (number + 1)}"
        eventually(partial(engine.ask, reached))
        if number % 2:
            engine.client.remove_limit("Turner", key="customer")
        else:
            limit(engine, key="customer", concurrency=5)
    engine.until_all_ended()
    assert sampler.end() == 2
    assert most_at_a_time(engine) == 2


def test_code_declares_limits_and_an_operator_has_the_last_word(engine: Engine) -> None:
    limited = App()
    limited.include(app)
    limited.limit("Turner", concurrency=3)
    limited.limit("Turner", task_type="other", rate=5, period=timedelta(seconds=1))
    engine.work(limited).stop()
    assert [(d.concurrency, d.declared_by) for d in engine.client.limits("Turner")] == [
        (3, "code"),
        (None, "code"),
    ]
    limit(engine, concurrency=8)
    changed = App()
    changed.include(app)
    changed.limit("Turner", concurrency=4)
    changed.limit("Turner", task_type="other", concurrency=1)
    engine.work(changed).stop()
    assert [(d.concurrency, d.rate, d.declared_by) for d in engine.client.limits()] == [
        (8, None, "operator"),
        (1, None, "code"),
    ]


def test_a_paused_agent_starts_nothing_and_others_go_on(engine: Engine) -> None:
    engine.client.submit_many(tasks(200, payload={"seconds": 0.05}))
    engine.work(app, concurrency=5)
    eventually(lambda: engine.ask("SELECT 1 FROM tasks WHERE status = 'completed' OFFSET 9"))
    assert engine.client.pause("Turner", reason="the provider is down")
    assert not engine.client.pause("Turner")
    eventually(lambda: not engine.ask("SELECT 1 FROM tasks WHERE status = 'running'"), 5)
    [[started]] = engine.ask("SELECT count(*) FROM agent_executions")
    engine.client.submit_many(tasks(5))
    engine.client.submit_many(tasks(5, tenant="x"))
    for _ in range(3):
        assert engine.run("Bystander", "pass").status == "completed"
        assert engine.run("Bystander", "pass", tenant="x").status == "completed"
    assert engine.ask("SELECT count(*) FROM agent_executions WHERE agent_name = 'Turner'") == [
        (started,)
    ]
    [paused] = engine.client.paused()
    assert (paused.agent_name, paused.reason) == ("Turner", "the provider is down")
    engine.client.resume("Turner")
    engine.until_all_ended()
    assert Counter(t.status for t in engine.client.find(limit=500)) == {"completed": 216}


def test_tasks_in_lanes_can_be_steered(engine: Engine) -> None:
    limit(engine, concurrency=1)
    one, two, three = engine.client.submit_many(tasks(3, tenant="t"))
    engine.client.hold(one, reason="waits")
    engine.client.cancel(two)
    engine.work(app)
    assert engine.ended(three).status == "completed"
    assert engine.status(one) == "pending"
    engine.client.release(one)
    assert engine.ended(one).status == "completed"
    engine.client.retry(two)
    assert engine.ended(two).status == "completed"


def test_delayed_tasks_in_lanes_wait(engine: Engine) -> None:
    engine.work(app)
    began = time.monotonic()
    task = engine.run("Turner", "nap", tenant="t", delay=timedelta(seconds=0.7))
    assert task.status == "completed"
    assert 0.6 < time.monotonic() - began < 5


def test_a_thousand_delayed_lanes_keep_no_task_waiting(engine: Engine) -> None:
    """They are more than one look sees, and the next poll is far off."""
    engine.client.submit_many(
        [
            NewTask(
                agent_name="Turner", task_type="nap", tenant=f"t{n:03}", delay=timedelta(hours=1)
            )
            for n in range(1000)
        ]
    )
    last = engine.client.submit("Turner", "nap", tenant="u")
    engine.work(app, poll_interval="60s")
    assert engine.ended(last).status == "completed"


def looks_at_lanes(engine: Engine) -> int:
    """How often workers have looked at the lanes: they ask each time who is paused."""
    [[looks]] = engine.ask(
        "SELECT seq_scan + idx_scan FROM pg_stat_user_tables WHERE relname = 'paused_agents'"
    )
    return int(looks)


def test_a_locked_task_is_not_asked_for_without_a_pause(engine: Engine) -> None:
    with connect(engine.database, autocommit=False) as other:
        task_id = engine.client.submit("Turner", "nap", tenant="t")
        other.execute("SELECT FROM agentic_ai.tasks FOR UPDATE")
        engine.work(app, poll_interval="1s")
        eventually(lambda: looks_at_lanes(engine) > 3)
        began, before = time.monotonic(), looks_at_lanes(engine)
        eventually(lambda: time.monotonic() - began > 4)
        # The server counts up to a second late.
        assert looks_at_lanes(engine) - before < 10 * (time.monotonic() - began + 1)
        assert engine.status(task_id) == "pending"
    assert engine.ended(task_id).status == "completed"


def test_nothing_gets_in_front_while_another_looks_at_the_lanes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor until this one looks again, which is long enough here to claim others meanwhile."""
    monkeypatch.setattr("agentpg.tasks.turns._WHILE_LOCKED", 1.0)
    lock = (
        "SELECT pg_advisory_lock("
        "hashtextextended('agentpg lanes ' || current_database() || ' agentic_ai', 0))"
    )
    with connect(engine.database) as other:
        other.execute(lock)
        engine.client.submit_many([NewTask(agent_name="Bystander", task_type="pass")] * 5)
        urgent = engine.client.submit("Turner", "nap", tenant="t", priority=1)
        engine.work(app, lease="1s")
        eventually(lambda: engine.ask("SELECT id FROM workers WHERE heartbeat > 10"))
        assert engine.ask("SELECT task_id FROM agent_executions") == []
    engine.until_all_ended()
    [first] = engine.ask("SELECT task_id FROM agent_executions ORDER BY execution_start LIMIT 1")
    assert first == (urgent,)
