"""Registering functions, and their rules."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from agentpg.tasks.handlers import App, Handler, Permanent
from agentpg.tasks.retry import Backoff
from agentpg.tasks.run import Run

pytestmark = pytest.mark.without_server


def noop(run: Run) -> None: ...


async def async_noop(run: Run) -> None: ...


def test_a_decorated_function_is_found_and_stays_itself() -> None:
    app = App()

    @app.task("Greeter", "greet", timeout=timedelta(seconds=5), max_attempts=7, on_crash="fail")
    async def greet(run: Run, name: str) -> str:
        return f"Hello, {name}"

    handler = app.find("Greeter", "greet")
    assert handler is not None
    assert handler.function is greet
    assert handler.key == ("Greeter", "greet")
    assert (handler.timeout, handler.max_attempts, handler.on_crash) == (
        timedelta(seconds=5),
        7,
        "fail",
    )
    assert app.find("Greeter", "other") is None
    assert [found.key for found in app] == [("Greeter", "greet")]


def test_the_defaults() -> None:
    handler = App().add(noop, agent_name="A", task_type="t")
    assert (handler.timeout, handler.max_attempts) == (None, 3)
    assert (handler.backoff, handler.on_crash) == (Backoff(), "retry")


def test_what_is_async_is_known() -> None:
    app = App()
    assert app.add(async_noop, agent_name="A", task_type="1").is_async
    assert app.add(partial(async_noop), agent_name="A", task_type="2").is_async
    assert not app.add(noop, agent_name="A", task_type="3").is_async


def test_one_task_has_one_handler() -> None:
    app = App()
    app.add(noop, agent_name="A", task_type="t")
    with pytest.raises(ValueError, match="A/t has a handler already"):
        app.add(async_noop, agent_name="A", task_type="t")


def test_an_app_includes_another() -> None:
    app, other = App(), App()
    app.add(noop, agent_name="A", task_type="t")
    other.add(noop, agent_name="B", task_type="t")
    app.include(other)
    assert len(app) == 2
    assert app.find("B", "t") is not None
    with pytest.raises(ValueError, match="B/t has a handler already"):
        app.include(other)


@pytest.mark.parametrize("name", ["", "x" * 101, "a\x1fb", "a\x00b"])
def test_a_name_that_no_task_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="agent_name has 1 to 100 characters, no"):
        App().add(noop, agent_name=name, task_type="t")
    with pytest.raises(ValueError, match="task_type has 1 to 100 characters"):
        App().add(noop, agent_name="A", task_type=name)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"max_attempts": 0}, "max_attempts is 1 to 1000000, not 0"),
        ({"timeout": timedelta()}, "timeout is more than nothing"),
        ({"timeout": timedelta(seconds=-1)}, "timeout is more than nothing"),
        ({"on_crash": "explode"}, 'on_crash is "retry" or "fail", not \'explode\''),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Handler(agent_name="A", task_type="t", function=noop, **rules)


def test_arguments_of_a_payload() -> None:
    def named(run: Run, a: int, b: int = 2) -> None: ...

    handler = Handler(agent_name="A", task_type="t", function=named)
    assert handler.arguments({"a": 1}) == ((), {"a": 1})
    assert handler.arguments([1]) == (([1],), {})
    with pytest.raises(Permanent, match="missing a required argument: 'a'"):
        handler.arguments({"b": 1})
    with pytest.raises(Permanent, match="unexpected keyword argument 'c'"):
        handler.arguments({"a": 1, "c": 3})
