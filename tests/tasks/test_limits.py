"""What may be said of limits, and what the database makes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agentpg.db import Database, connect
from agentpg.errors import InvalidAgent, LimitNotFound, NotPaused, WrongLimit
from agentpg.tasks.handlers import App
from agentpg.tasks.lanes import MARK
from agentpg.tasks.limits import Limit, declared_limits, parse_rate, paused_agents
from tests.tasks.engine import Engine

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"concurrency": 0}, "concurrency of a limit cannot be 0"),
        ({"concurrency": -1}, "cannot be -1"),
        ({"concurrency": True}, "cannot be True"),
        ({"rate": 0, "period": MINUTE}, "rate of a limit cannot be 0"),
        ({"rate": 1, "period": timedelta()}, "period of a limit cannot be 0s"),
        ({"rate": 1, "period": timedelta.max}, "a year or less"),
        ({"rate": 1, "period": 60}, "period of a limit cannot be 60: it is a timedelta"),
        ({"concurrency": 2**31}, "from 1 to 2147483647"),
        ({"rate": 1}, "rate of a limit cannot be"),
        ({"concurrency": 1, "period": MINUTE}, "rate of a limit cannot be"),
        ({}, "concurrency of a limit cannot be None"),
        ({"concurrency": 1, "key": ""}, "key of a limit cannot be ''"),
        ({"concurrency": 1, "task_type": " "}, "type of a limit cannot be ' '"),
        ({"concurrency": 1, "key": "k" * 101}, "up to 100 characters"),
        ({"concurrency": 1, "key": f"a{MARK}b"}, "no U"),
    ],
)
def test_what_is_no_limit_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(WrongLimit, match=named):
        Limit(agent_name="A", **values)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/min", (100, MINUTE)),
        ("10/30s", (10, timedelta(seconds=30))),
        ("1 / h", (1, timedelta(hours=1))),
    ],
)
def test_a_rate_as_text(text: str, rate: tuple[int, timedelta]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "5", "5/", "x/min", "5/fortnight", "1.5/min", "/min"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(WrongLimit, match="write it as 100/min"):
        parse_rate(text)


def test_an_app_declares_each_limit_once() -> None:
    app = App()
    app.limit("A", concurrency=1)
    app.limit("A", concurrency=1)
    app.limit("A", task_type="t", concurrency=2)
    assert [limit.concurrency for limit in app.limits] == [1, 2]
    with pytest.raises(ValueError, match="A has another limit"):
        app.limit("A", concurrency=2)


def test_a_lane_tells_tenant_and_limits(engine: Engine) -> None:
    assert lane(engine, "A", "t") is None
    assert lane(engine, "A", "t", tenant="x") == MARK.join(["A", "t", "x", ""])
    for key, kind in ((None, None), ("tenant", None), ("customer", "t"), ("customer", "other")):
        engine.client.limit(Limit(agent_name="A", key=key, task_type=kind, concurrency=1))
    one, two, three, other = engine.ask("SELECT id FROM limits ORDER BY id")
    assert lane(engine, "A", "t", {"customer": 7}, "x") == MARK.join(
        ["A", "t", "x", f"{one[0]}", f"{two[0]}=x", f"{three[0]}=7", ""]
    )
    assert f"{MARK}{other[0]}=" in str(lane(engine, "A", "other", {"customer": 7}, "x"))
    long = lane(engine, "A", "t", {"customer": f"{MARK}z" * 5000}, "x")
    assert len(str(long)) < 200
    assert str(long).count(MARK) == 6
    assert lane(engine, "B", "t") is None
    engine.client.pause("B")
    assert lane(engine, "B", "t") == MARK.join(["B", "t", "", ""])


def lane(
    engine: Engine, agent: str, kind: str, payload: Any = None, tenant: str | None = None
) -> str | None:
    task_id = engine.client.submit(agent, kind, payload, tenant=tenant)
    [[by_client]] = engine.ask("SELECT lane FROM tasks WHERE id = %s", task_id)
    [[submitted]] = engine.ask(
        "SELECT submit(%s, %s, payload, tenant => %s) FROM tasks WHERE id = %s",
        agent, kind, tenant, task_id,
    )  # fmt: skip
    [[by_function]] = engine.ask("SELECT lane FROM tasks WHERE id = %s", submitted)
    assert by_client == by_function
    return by_client  # type: ignore[no-any-return]


def test_a_limit_that_is_not_there_is_not_removed(engine: Engine) -> None:
    with pytest.raises(LimitNotFound, match=r"no limit of A/t \(tenant\)"):
        engine.client.remove_limit("A", task_type="t", key="tenant")
    with pytest.raises(NotPaused, match="A is not paused"):
        engine.client.resume("A")


def test_limits_and_pauses_are_read(engine: Engine, database: Database) -> None:
    engine.client.limit(Limit(agent_name="B", rate=5, period=MINUTE))
    engine.client.limit(Limit(agent_name="A", concurrency=2))
    engine.client.pause("A", reason="why")
    with connect(database) as connection:
        found = declared_limits(connection, database.schema)
        [paused] = paused_agents(connection, database.schema)
    assert [(one.agent_name, one.concurrency, one.rate, one.period_seconds) for one in found] == [
        ("A", 2, None, None),
        ("B", None, 5, 60.0),
    ]
    assert (paused.agent_name, paused.reason) == ("A", "why")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\0b", "a\x1fb", 5])
def test_what_is_no_agent_is_neither_paused_nor_resumed(engine: Engine, name: Any) -> None:
    with pytest.raises(InvalidAgent, match="the agent of a pause cannot be"):
        engine.client.pause(name)
    with pytest.raises(InvalidAgent):
        engine.client.resume(name)
    with pytest.raises(InvalidAgent, match="the reason of a pause"):
        engine.client.pause("A", reason="a\0b")
    assert engine.client.paused() == []
