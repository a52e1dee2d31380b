"""What a caller gives in error is named, and the database is not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from agentpg.errors import InvalidTask, TaskNotFound, WrongArgument
from agentpg.tasks.client import Client
from agentpg.tasks.model import NewTask
from tests.tasks.colours import Colour
from tests.tasks.engine import Engine

pytestmark = pytest.mark.one_server

NOWHERE = "host=127.0.0.1 port=1 connect_timeout=1"
HALF = "z\ud800"
ID = uuid4()

Asking = Callable[[Client], object]


@pytest.fixture
def unreachable() -> Iterator[Client]:
    """A client whose every question would fail otherwise."""
    with Client(NOWHERE) as made:
        yield made


@pytest.mark.parametrize(
    "ask",
    [
        lambda c, task: c.get(task),
        lambda c, task: c.wait(task),
        lambda c, task: c.executions(task),
        lambda c, task: c.llm_requests(task),
        lambda c, task: c.progress(task),
        lambda c, task: c.events(task),
        lambda c, task: c.cancel(task),
        lambda c, task: c.retry(task),
        lambda c, task: c.hold(task, reason="a"),
        lambda c, task: c.release(task),
    ],
)
@pytest.mark.parametrize("task", ["x", "", 7, None])
def test_an_id_is_a_uuid(
    unreachable: Client, ask: Callable[[Client, Any], object], task: object
) -> None:
    with pytest.raises(WrongArgument) as raised:
        ask(unreachable, task)
    assert str(raised.value) == f"task_id is a UUID, not {task!r}"


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (lambda c: c.limit(None), "limit is a Limit, not None"),
        (lambda c: c.find(agent_name="z\0"), r"agent_name is a text without U\+0000 .*, not 'z"),
        (lambda c: c.find(task_type=HALF), r"task_type is a text without .*, not 'z\\ud800'"),
        (lambda c: c.find(status=3), "status is a text, not 3"),
        (lambda c: c.find(held="maybe"), "held is a bool, not 'maybe'"),
        (lambda c: c.find(limit="x"), "limit is a whole number, 0 or more, not 'x'"),
        (lambda c: c.find(limit=-1), "limit is a whole number, 0 or more, not -1"),
        (lambda c: c.events(ID, after=3), "after is a TaskEvent, not 3"),
        (lambda c: c.events(ID, limit=2**63), "limit is a whole number"),
        (lambda c: c.wait(ID, timeout=3), "timeout is a timedelta, not 3"),
        (lambda c: c.cancel(ID, reason="z\0"), "reason is a text without"),
        (lambda c: c.hold(ID, reason=None), "reason is a text, not None"),
        (lambda c: c.limits("z\0"), "agent_name is a text without"),
        (lambda c: c.remove_limit(None), "agent_name is a text, not None"),
        (lambda c: c.remove_limit("A", key=3), "key is a text, not 3"),
        (lambda c: c.submit_many(["x"]), "task is a NewTask, not 'x'"),
        (lambda c: c.schedules.get("z\0"), r"name is a text without .*, not 'z\\x00'"),
        (lambda c: c.schedules.get(None), "name is a text, not None"),
        (lambda c: c.schedules.pause("z\0"), "name is a text without"),
        (lambda c: c.schedules.resume(HALF), "name is a text without"),
        (lambda c: c.schedules.run(3), "name is a text, not 3"),
        (lambda c: c.schedules.remove("z\0"), "name is a text without"),
        (lambda c: Client(3), "database is a text, not 3"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_meant_is_named(unreachable: Client, ask: Asking, named: str) -> None:
    with pytest.raises(WrongArgument, match=named) as raised:
        ask(unreachable)
    assert isinstance(raised.value, TypeError)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"run_at": "tomorrow"}, "run_at is a datetime, not 'tomorrow'"),
        ({"delay": 3}, "delay is a timedelta, not 3"),
        ({"parent_id": "x"}, "parent_id is a UUID, not 'x'"),
    ],
)
def test_options_of_a_task_are_named(
    unreachable: Client, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidTask, match=named):
        unreachable.submit("A", "t", **options)
    with pytest.raises(InvalidTask, match=named):
        unreachable.submit_many([NewTask("A", "t", **options)])


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_id_may_be_given_as_text(engine: Engine, kind: str) -> None:
    colour = Colour(kind)
    try:
        client = colour.client(engine.database)
        task = client.submit("A", "t")
        assert client.get(str(task)).id == task
        assert client.progress(str(task)) is None
        with pytest.raises(TaskNotFound, match=str(ID)):
            client.get(str(ID))
        with pytest.raises(WrongArgument, match="task_id is a UUID, not 'x'"):
            client.get("x")
    finally:
        colour.close()
