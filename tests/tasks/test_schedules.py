"""Adding, steering and reading schedules, in both colours; and declaring them on an App."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentpg.errors import (
    CronNeverTrue,
    CronWrong,
    InvalidSchedule,
    PayloadNotJson,
    PayloadTooLarge,
    ScheduleExists,
    ScheduleNotFound,
    ZoneUnknown,
)
from agentpg.tasks.handlers import App
from tests.tasks.colours import Colour
from tests.tasks.engine import Engine

MONDAY = {"cron": "0 7 * * mon", "agent_name": "Plain", "task_type": "echo"}


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Colour]:
    # Closed before the engine: a connection that is being made, in a loop that does not run,
    # would keep the server from dropping the database for a minute.
    made = Colour(request.param)
    yield made
    made.close()


@pytest.fixture
def schedules(colour: Colour, engine: Engine) -> Any:
    return colour.schedules(colour.client(engine.database))


def test_a_schedule_is_kept_as_it_was_given(engine: Engine, schedules: Any) -> None:
    added = schedules.add(
        "아침 보고", **MONDAY, time_zone="Asia/Seoul", catch_up="all", payload={"days": 7},
        priority=10, max_attempts=5, on_crash="fail", tenant="kim",
    )  # fmt: skip
    found = schedules.get("아침 보고")
    assert found == replace(added, read_at=found.read_at)
    assert (added.cron, added.time_zone, added.catch_up) == ("0 7 * * mon", "Asia/Seoul", "all")
    assert (added.payload, added.priority, added.max_attempts) == ({"days": 7}, 10, 5)
    assert (added.on_crash, added.tenant, added.declared) == ("fail", "kim", False)
    assert (added.state, added.last_at, added.last_task_id) == ("active", None, None)
    now = engine.ask("SELECT now()")[0][0]
    assert now < added.next_at <= now + timedelta(days=7)
    assert [f"{t:%a %H:%M %z}" for t in added.next_times(3)] == ["Mon 07:00 +0900"] * 3
    assert added.next_times(1) == [added.next_at]


def test_a_name_is_taken_once_unless_it_is_replaced(schedules: Any) -> None:
    first = schedules.add("report", **MONDAY)
    with pytest.raises(ScheduleExists, match=r"there is a schedule 'report' already"):
        schedules.add("report", **MONDAY)
    assert schedules.add("report", **MONDAY, payload=[1], replace=True).next_at == first.next_at
    changed = schedules.add("report", **{**MONDAY, "cron": "@yearly"}, replace=True)
    assert (changed.payload, changed.created_at) == (None, first.created_at)
    assert (changed.next_at.month, changed.next_at.day) == (1, 1)
    assert len(schedules.find()) == 1


def test_what_is_replaced_stays_paused(schedules: Any) -> None:
    schedules.add("report", **MONDAY)
    schedules.pause("report")
    assert schedules.add("report", **{**MONDAY, "cron": "@daily"}, replace=True).state == "paused"


def test_pausing_and_resuming(engine: Engine, schedules: Any) -> None:
    schedules.add("report", **MONDAY)
    paused = schedules.pause("report")
    assert paused.state == "paused"
    assert schedules.pause("report").paused_at == paused.paused_at
    engine.ask("UPDATE schedules SET next_at = now() - interval '30 days'")
    resumed = schedules.resume("report")
    assert resumed.state == "active"
    assert resumed.next_at > resumed.read_at, "what it missed in its pause is not caught up"
    engine.ask("UPDATE schedules SET next_at = now() - interval '1 hour'")
    overdue = schedules.resume("report").next_at
    assert overdue < resumed.read_at, "resuming what is not paused takes no tick from it"


def test_running_one_now(engine: Engine, schedules: Any) -> None:
    added = schedules.add("report", **MONDAY, payload={"n": 1}, priority=7, tenant="kim")
    schedules.pause("report")
    task_id = schedules.run("report")
    task = engine.client.get(task_id)
    assert (task.agent_name, task.task_type, task.payload) == ("Plain", "echo", {"n": 1})
    assert (task.priority, task.tenant, task.idempotency_key) == (7, "kim", None)
    found = schedules.get("report")
    assert (found.last_task_id, found.next_at) == (task_id, added.next_at)
    assert schedules.run("report") != task_id


def test_removing_one_keeps_its_tasks(engine: Engine, schedules: Any) -> None:
    schedules.add("report", **MONDAY)
    task_id = schedules.run("report")
    schedules.remove("report")
    assert schedules.find() == []
    assert engine.status(task_id) == "pending"


def test_they_are_listed_in_order(schedules: Any) -> None:
    for name, cron in (("a", "0 0 1 1 *"), ("b", "* * * * *"), ("c", "* * * * *")):
        schedules.add(name, **{**MONDAY, "cron": cron})
    schedules.pause("c")
    assert [schedule.name for schedule in schedules.find()] == ["b", "a", "c"]


@pytest.mark.parametrize("action", ["get", "pause", "resume", "run", "remove"])
def test_a_schedule_that_is_not_there(schedules: Any, action: str) -> None:
    schedules.add("weekly report", **MONDAY)
    with pytest.raises(ScheduleNotFound, match=r"there is no schedule 'weekly-report'") as raised:
        getattr(schedules, action)("weekly-report")
    assert raised.value.advice() == "Did you mean weekly report?"
    with pytest.raises(ScheduleNotFound) as raised:
        getattr(schedules, action)("x")
    assert "agentpg schedule list" in raised.value.advice()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"name": ""}, InvalidSchedule, "its name is empty"),
        ({"name": " "}, InvalidSchedule, "its name is empty"),
        ({"name": None}, InvalidSchedule, "its name is empty"),
        ({"name": "x" * 101}, InvalidSchedule, "up to 100 characters"),
        ({"name": "a\nb"}, InvalidSchedule, "can be printed"),
        ({"cron": "61 * * * *"}, CronWrong, "'61 * * * *'"),
        ({"cron": None}, InvalidSchedule, "cron is a text, not None"),
        ({"cron": "0 0 31 2 *"}, CronNeverTrue, "'0 0 31 2 *'"),
        ({"time_zone": "Mars/Base"}, ZoneUnknown, "'Mars/Base'"),
        ({"time_zone": 9}, InvalidSchedule, "time_zone is a text, not 9"),
        ({"catch_up": "some"}, InvalidSchedule, "catch_up is skip, one or all, not 'some'"),
        ({"agent_name": ""}, InvalidSchedule, "agent_name is empty"),
        ({"task_type": "x" * 101}, InvalidSchedule, "over the limit of 100"),
        ({"priority": 1001}, InvalidSchedule, "priority is 0 to 1000, not 1001"),
        ({"max_attempts": 0}, InvalidSchedule, "max_attempts is 1 to 1000000, not 0"),
        ({"on_crash": "no"}, InvalidSchedule, "not 'no'"),
        ({"payload": {1, 2}}, PayloadNotJson, "the payload is not JSON"),
        ({"payload": "x" * 2**20}, PayloadTooLarge, "over the limit of 1048576"),
    ],
)
def test_what_cannot_be_kept_is_named(
    schedules: Any, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as raised:
        schedules.add(**{"name": "report", **MONDAY, **options})
    assert said in str(raised.value)
    assert schedules.find() == []


# On an App


def test_an_app_takes_over_the_schedules_of_another() -> None:
    inner, outer = App(), App()
    declared = inner.schedule("report", **MONDAY)  # type: ignore[arg-type]
    outer.include(inner)
    assert outer.schedules == (declared,)
    with pytest.raises(ValueError, match=r"the schedule 'report' is declared already"):
        outer.schedule("report", **MONDAY)  # type: ignore[arg-type]


def test_an_app_refuses_what_cannot_be_kept() -> None:
    with pytest.raises(CronWrong, match=r"'0 7 \* \* funday'"):
        App().schedule("report", cron="0 7 * * funday", agent_name="A", task_type="t")
    with pytest.raises(ZoneUnknown, match=r"'Seoul'"):
        App().schedule("r", cron="@daily", time_zone="Seoul", agent_name="A", task_type="t")


def test_the_next_times_are_those_after_the_reading(schedules: Any) -> None:
    added = schedules.add("report", **{**MONDAY, "cron": "30 2 * * *"}, time_zone="Europe/Berlin")
    at = replace(added, read_at=datetime(2025, 3, 29, 12, tzinfo=UTC))
    assert [t.isoformat() for t in at.next_times(2)] == [
        "2025-03-30T03:00:00+02:00",
        "2025-03-31T02:30:00+02:00",
    ]


@pytest.mark.parametrize("payload", [float("nan"), object(), {"text": "\0"}])
def test_a_declared_payload_is_checked_where_it_is_written(payload: object) -> None:
    with pytest.raises(PayloadNotJson):
        App().schedule("r", cron="@daily", agent_name="A", task_type="t", payload=payload)
