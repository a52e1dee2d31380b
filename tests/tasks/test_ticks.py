"""Ticks fire once each, whoever looks, whatever dies, and however long nobody looked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentpg.db import Connection, connect
from agentpg.tasks.schedules import Schedule
from agentpg.tasks.ticks import Due, Step, TickCounts, TickOptions, Ticks, decide, key_of
from tests.apps.plain import app as plain
from tests.tasks.engine import Engine
from tests.waiting import eventually

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OPTIONS = TickOptions()
YEARLY = "0 0 1 1 *"


# What is decided


def due(catch_up: str, next_at: datetime | None, now: datetime, cron: str = "*/10 * * * *") -> Due:
    return Due("s", cron, "UTC", catch_up, next_at, now)


def test_a_tick_in_time_fires_whatever_the_policy() -> None:
    for catch_up in ("skip", "one", "all"):
        for late in (timedelta(), timedelta(seconds=1), MINUTE):
            step = decide(due(catch_up, NOON, NOON + late), OPTIONS)
            assert step == Step((NOON,), NOON + 10 * MINUTE)


@pytest.mark.parametrize(
    ("catch_up", "ticks"),
    [("skip", ()), ("one", (NOON,)), ("all", (NOON - 20 * MINUTE, NOON - 10 * MINUTE, NOON))],
)
def test_what_becomes_of_missed_ticks(catch_up: str, ticks: tuple[datetime, ...]) -> None:
    now = NOON + 5 * MINUTE
    step = decide(due(catch_up, NOON - 20 * MINUTE, now), OPTIONS)
    assert step == Step(ticks, NOON + 10 * MINUTE)


def test_skip_leaves_out_the_missed_and_fires_the_one_in_time() -> None:
    now = NOON + timedelta(seconds=30)
    assert decide(due("skip", NOON - timedelta(days=1), now), OPTIONS).ticks == (NOON,)


def test_all_are_a_thousand_at_most() -> None:
    step = decide(due("all", NOON - timedelta(days=30), NOON, "* * * * *"), OPTIONS)
    assert len(step.ticks) == 1000
    assert (step.ticks[0], step.ticks[-1]) == (NOON - 999 * MINUTE, NOON)


def test_what_has_no_next_tick_yet_gets_one_and_fires_nothing() -> None:
    assert decide(due("all", None, NOON), OPTIONS) == Step((), NOON + 10 * MINUTE)


# What is written


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with connect(engine.database) as made:
        yield made


@pytest.fixture
def ticks(engine: Engine, connection: Connection) -> Ticks:
    return Ticks(connection, engine.database.schema)


def add(engine: Engine, name: str = "s", **options: Any) -> Schedule:
    """A schedule that is not due by itself while a test runs."""
    options = {"cron": YEARLY, "agent_name": "Plain", "task_type": "echo", **options}
    return engine.client.schedules.add(name, **options)


def put_back(engine: Engine, hours: int) -> None:
    """Let all schedules be hourly and as far behind as if nobody had looked for so long. Their
    newest tick was half an hour ago, so that none comes while a test runs."""
    engine.ask(
        "UPDATE schedules SET paused_at = paused_at, problem = NULL,"
        " cron = extract(minute FROM now() - interval '30 min') || ' * * * *',"
        " next_at = date_trunc('minute', now()) - interval '30 min' - %s * interval '1 h'",
        hours,
    )


def keys(engine: Engine) -> list[str]:
    rows = engine.ask("SELECT idempotency_key FROM tasks ORDER BY priority, run_at, id")
    return [row[0] for row in rows]


def test_nothing_is_due(engine: Engine, ticks: Ticks) -> None:
    assert ticks.run_once() == TickCounts()
    assert ticks.seconds_left() == pytest.approx(60, abs=1), "without a schedule it looks rarely"
    add(engine)
    assert ticks.run_once() == TickCounts()
    assert keys(engine) == []


def test_a_tick_submits_the_task_of_its_schedule(engine: Engine, ticks: Ticks) -> None:
    add(engine, payload={"n": 1}, priority=7, max_attempts=9, on_crash="fail", tenant="kim")
    put_back(engine, hours=0)
    [(tick,)] = engine.ask("SELECT next_at FROM schedules")
    assert ticks.run_once() == TickCounts(fired=1)
    assert ticks.run_once() == TickCounts()
    [task] = engine.client.find()
    assert (task.agent_name, task.task_type, task.payload) == ("Plain", "echo", {"n": 1})
    assert (task.priority, task.max_attempts, task.tenant) == (7, 9, "kim")
    assert task.idempotency_key == key_of("s", tick)
    schedule = engine.client.schedules.get("s")
    assert (schedule.last_at, schedule.last_task_id) == (tick, task.id)
    assert schedule.next_at == tick + timedelta(hours=1)


@pytest.mark.parametrize(("catch_up", "tasks"), [("skip", 0), ("one", 1), ("all", 1000)])
def test_after_an_outage_of_two_months(
    engine: Engine, ticks: Ticks, catch_up: str, tasks: int
) -> None:
    add(engine, catch_up=catch_up)
    put_back(engine, hours=24 * 60)
    counts = ticks.run_once()
    assert (counts.fired, counts.moved) == (tasks, 0 if tasks else 1)
    found = keys(engine)
    assert len(set(found)) == tasks
    assert found == sorted(found), "they are claimed in the order of their ticks"
    assert ticks.run_once() == TickCounts()


def test_what_is_paused_does_not_fire(engine: Engine, ticks: Ticks) -> None:
    add(engine)
    engine.client.schedules.pause("s")
    put_back(engine, hours=24)
    assert ticks.run_once() == TickCounts()
    engine.client.schedules.resume("s")
    assert ticks.run_once() == TickCounts()
    put_back(engine, hours=0)
    assert ticks.run_once() == TickCounts(fired=1)


def test_many_that_look_at_once_fire_each_tick_once(engine: Engine) -> None:
    """Thirty schedules with ten missed ticks each, and six that look at the same moment."""
    for number in range(30):
        add(engine, f"s{number}", catch_up="all")
    start = threading.Barrier(6)
    counts: list[TickCounts] = []

    def look() -> None:
        with connect(engine.database) as connection:
            ticks = Ticks(connection, engine.database.schema)
            start.wait()
            counts.append(ticks.run_once())

    put_back(engine, hours=9)
    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.fired for one in counts) == 300
    assert len(set(keys(engine))) == 300
    assert gaps(engine) == []


def gaps(engine: Engine) -> list[tuple[Any, ...]]:
    """Schedules whose tasks are not one for each hour up to their newest tick."""
    return engine.ask(
        "SELECT s.name, count(t.id), min(tick), max(tick), s.last_at FROM schedules s"
        " LEFT JOIN (SELECT id, split_part(idempotency_key, ' ', 2) AS name,"
        "   split_part(idempotency_key, ' ', 3)::timestamptz AS tick FROM tasks) t USING (name)"
        " GROUP BY s.name"
        " HAVING count(DISTINCT tick) IS DISTINCT FROM count(tick)"
        "   OR max(tick) IS DISTINCT FROM s.last_at"
        "   OR count(tick) - 1 IS DISTINCT FROM extract(epoch FROM max(tick) - min(tick)) / 3600"
    )


def test_a_tick_that_was_put_back_by_hand_is_not_fired_again(engine: Engine, ticks: Ticks) -> None:
    """The key of the task guards where the row of the schedule was set back."""
    add(engine)
    put_back(engine, hours=0)
    assert ticks.run_once() == TickCounts(fired=1)
    first = engine.client.schedules.get("s")
    engine.ask("UPDATE schedules SET next_at = last_at")
    assert ticks.run_once() == TickCounts(moved=1)
    again = engine.client.schedules.get("s")
    assert (again.last_at, again.last_task_id) == (first.last_at, first.last_task_id)


def test_a_change_between_the_look_and_the_firing_wins(
    engine: Engine, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(engine)
    put_back(engine, hours=1)
    looks = ticks._due

    def look_and_lose() -> list[Due]:
        found = looks()
        add(engine, replace=True)
        return found

    monkeypatch.setattr(ticks, "_due", look_and_lose)
    assert ticks.run_once() == TickCounts()
    assert keys(engine) == []
    assert engine.client.schedules.get("s").cron == "0 0 1 1 *"


def test_one_that_cannot_fire_is_set_aside_and_the_others_go_on(
    engine: Engine, ticks: Ticks, caplog: pytest.LogCaptureFixture
) -> None:
    add(engine, "good")
    for name in ("line", "zone", "never"):
        add(engine, name)
    put_back(engine, hours=0)
    engine.ask("UPDATE schedules SET cron = 'not a line' WHERE name = 'line'")
    engine.ask("UPDATE schedules SET time_zone = 'Mars/Base' WHERE name = 'zone'")
    engine.ask("UPDATE schedules SET cron = '* * */20 * 1L' WHERE name = 'never'")
    with caplog.at_level(logging.ERROR, "agentpg.ticks"):
        assert ticks.run_once().set_aside == 2
    assert "the schedule zone cannot fire: there is no time zone 'Mars/Base'" in caplog.text
    assert [k.split()[1] for k in keys(engine) if "good" in k] == ["good"]
    problems = dict(engine.ask("SELECT name, problem FROM schedules ORDER BY name"))
    assert problems == {
        "good": None,
        "line": "the cron line 'not a line' is wrong: it has not five fields",
        "never": "it never comes true again",
        "zone": "there is no time zone 'Mars/Base'",
    }
    assert ticks.run_once() == TickCounts()
    add(engine, "line", replace=True)
    assert engine.client.schedules.get("line").state == "active"


def test_plain_sql_makes_a_schedule(engine: Engine, ticks: Ticks) -> None:
    engine.ask(
        "INSERT INTO schedules (name, agent_name, task_type, cron)"
        " VALUES ('plain', 'Plain', 'echo', '0 7 * * mon')"
    )
    assert ticks.run_once() == TickCounts(moved=1)
    schedule = engine.client.schedules.get("plain")
    assert [schedule.next_at] == schedule.next_times(1)


def test_more_than_one_batch(engine: Engine, connection: Connection) -> None:
    for number in range(5):
        add(engine, f"s{number}")
    put_back(engine, hours=0)
    ticks = Ticks(connection, engine.database.schema, TickOptions(batch=2))
    fired = []
    while ticks.seconds_left() == 0:
        fired.append(ticks.run_once().fired)
    assert fired == [2, 2, 1, 0]


def test_a_pass_ends_in_time_for_the_heart(engine: Engine, connection: Connection) -> None:
    for number in range(3):
        add(engine, f"s{number}")
    put_back(engine, hours=0)
    options = TickOptions(longest_pass=timedelta())
    ticks = Ticks(connection, engine.database.schema, options)
    assert [ticks.run_once().fired for _ in range(4)] == [1, 1, 1, 0]
    assert ticks.seconds_left() > 0


# Workers


def test_an_idle_worker_hears_of_a_schedule_and_fires_in_time(engine: Engine) -> None:
    """It would look by itself only after a minute."""
    worker = engine.work(plain, lease="30s")
    eventually(lambda: engine.ask("SELECT id FROM workers WHERE idle AND heartbeat > 0"))
    add(engine)
    engine.ask(
        "UPDATE schedules SET paused_at = NULL, next_at = clock_timestamp() + interval '2 s'"
    )
    [(tick,)] = engine.ask("SELECT next_at FROM schedules")
    [task] = eventually(engine.client.find)
    assert task.created_at is not None
    assert timedelta() <= task.created_at - tick < timedelta(seconds=10)
    assert engine.ended(task.id).status == "completed"
    assert worker.alive


def test_workers_write_what_their_app_declares(engine: Engine) -> None:
    first = engine.process("tests.apps.scheduled")
    eventually(lambda: len(engine.client.schedules.find()) == 2)
    report = engine.client.schedules.get("아침 보고")
    assert (report.declared, report.time_zone) == (True, "Asia/Seoul")
    assert (report.payload, report.catch_up) == ({"text": "보고서"}, "one")
    engine.client.schedules.pause("아침 보고")
    engine.client.schedules.remove("every minute")
    engine.ask("UPDATE schedules SET cron = '@daily', payload = NULL, next_at = NULL")
    first.stop()
    engine.process("tests.apps.scheduled")
    eventually(lambda: len(engine.client.schedules.find()) == 2)
    eventually(lambda: engine.client.schedules.get("아침 보고").cron == "0 7 * * mon")
    again = engine.client.schedules.get("아침 보고")
    assert (again.cron, again.payload) == ("0 7 * * mon", {"text": "보고서"})
    assert again.state == "paused", "what a person paused stays paused"
    assert again.next_at == again.next_times(1)[0]


@pytest.mark.parametrize(
    ("catch_up", "tasks"),
    [
        pytest.param("skip", 0, marks=pytest.mark.one_server),
        pytest.param("one", 1, marks=pytest.mark.one_server),
        ("all", 25),
    ],
)
def test_all_workers_were_down_and_came_back(engine: Engine, catch_up: str, tasks: int) -> None:
    """Three real workers are killed; a day later three come up at once."""
    add(engine, catch_up=catch_up)
    for worker in [engine.process() for _ in range(3)]:
        worker.kill()
    put_back(engine, hours=24)
    for _ in range(3):
        engine.process()
    eventually(lambda: not behind(engine))
    assert len(set(keys(engine))) == len(keys(engine)) == tasks
    engine.until_all_ended()


@pytest.mark.one_server
def test_workers_that_are_killed_while_they_fire_lose_and_repeat_nothing(engine: Engine) -> None:
    """Of two hundred schedules that are fifty hours behind, each hour fires exactly once."""
    for number in range(200):
        add(engine, f"s{number}", catch_up="all", task_type="nobody knows this")
    put_back(engine, hours=49)
    for fired in (1, 3000):
        workers = [engine.process(), engine.process()]
        eventually(lambda: len(keys(engine)) > fired)  # noqa: B023 - called at once
        for worker in workers:
            worker.kill()
    engine.process()
    eventually(lambda: not behind(engine))
    assert len(keys(engine)) == len(set(keys(engine))) == 200 * 50
    assert gaps(engine) == []


def behind(engine: Engine) -> bool:
    return bool(engine.ask("SELECT FROM schedules WHERE next_at <= now()"))


def test_broken_schedules_do_not_stop_the_heart(engine: Engine) -> None:
    """Even without the table the worker works and beats."""
    engine.ask("ALTER TABLE schedules RENAME TO elsewhere")
    worker = engine.work(plain)
    assert engine.run("Plain", "echo", {"n": 1}).status == "completed"
    eventually(
        lambda: engine.ask("SELECT id FROM workers WHERE heartbeat > 0 AND ended_at IS NULL")
    )
    engine.ask("ALTER TABLE elsewhere RENAME TO schedules")
    assert worker.alive
