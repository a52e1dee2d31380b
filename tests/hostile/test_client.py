"""The Python entry: whatever it is given, it stores it as it is or says what is wrong with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, strategies as st

from agentpg.db import Database
from agentpg.errors import AgentpgError, DatabaseUnavailable, PermissionDenied
from agentpg.settings import load_settings
from agentpg.tasks.client import Client
from agentpg.tasks.limits import Limit
from tests.hostile.inputs import HUNDRED, JSON, TEXT
from tests.tasks.conftest import database, engine
from tests.tasks.engine import Engine

__all__ = ["database", "engine"]

pytestmark = pytest.mark.one_server

ANYTHING = st.one_of(TEXT, JSON)


@pytest.fixture
def client(database: Database) -> Iterator[Client]:
    with Client(database, settings=load_settings(pool_size=1)) as made:
        yield made


def only_ours(call: Callable[[], Any]) -> Any:
    """What a call gives; None where it says what is wrong with what it was given, and not that
    it could not reach the server at all."""
    with contextlib.suppress(AgentpgError):
        try:
            return call()
        except (DatabaseUnavailable, PermissionDenied) as error:
            raise AssertionError(f"nothing was tried: {error}") from error
    return None


def is_whole(engine: Engine) -> None:
    """Nothing was dropped or made: the tables are those that there were."""
    [[tables]] = engine.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'agentic_ai'")
    assert tables >= 10


@HUNDRED
@given(agent=TEXT, kind=TEXT, payload=JSON, key=st.one_of(st.none(), TEXT), tenant=TEXT)
def test_no_name_key_or_payload_breaks_anything(
    engine: Engine, agent: str, kind: str, payload: Any, key: str | None, tenant: str
) -> None:
    client = engine.client
    task = only_ours(
        lambda: client.submit(
            agent, kind, payload, idempotency_key=key, tenant=tenant or None, priority=900
        )
    )
    if task is not None:
        kept = client.get(task)
        assert (kept.agent_name, kept.task_type, kept.idempotency_key) == (agent, kind, key)
        assert kept.tenant == (tenant or None)
        only_ours(lambda: client.hold(task, reason=agent))
        only_ours(lambda: client.cancel(task, reason=kind))
    only_ours(lambda: client.find(agent_name=agent, task_type=kind, status=tenant))
    is_whole(engine)


@HUNDRED
@given(name=TEXT, cron=TEXT, zone=TEXT, agent=TEXT, payload=JSON)
def test_no_schedule_breaks_anything(
    engine: Engine, name: str, cron: str, zone: str, agent: str, payload: Any
) -> None:
    schedules = engine.client.schedules
    for line, where in ((cron, "UTC"), ("0 7 * * *", zone), ("@daily", "UTC")):
        only_ours(
            lambda line=line, where=where: schedules.add(  # type: ignore[misc]
                name, cron=line, time_zone=where, agent_name=agent, task_type="t",
                payload=payload, replace=True,
            )
        )  # fmt: skip
    for call in (schedules.get, schedules.pause, schedules.resume, schedules.run, schedules.remove):
        only_ours(lambda call=call: call(name))  # type: ignore[misc]
    engine.ask("DELETE FROM tasks")
    is_whole(engine)


@HUNDRED
@given(agent=TEXT, kind=st.one_of(st.none(), TEXT), key=st.one_of(st.none(), TEXT), most=ANYTHING)
def test_no_limit_or_pause_breaks_anything(
    engine: Engine, agent: str, kind: str | None, key: str | None, most: Any
) -> None:
    client = engine.client
    for number in (most, 1):
        only_ours(
            lambda number=number: client.limit(  # type: ignore[misc]
                Limit(agent_name=agent, task_type=kind, key=key, concurrency=number)
            )
        )
    only_ours(lambda: client.submit(agent, kind or "t", {key or "k": "v"}))
    only_ours(lambda: client.pause(agent, reason=key))
    only_ours(lambda: client.limits(agent))
    only_ours(lambda: client.resume(agent))
    only_ours(lambda: client.remove_limit(agent, task_type=kind, key=key))
    is_whole(engine)


@HUNDRED
@given(value=ANYTHING)
def test_no_value_in_another_s_place_breaks_a_call(client: Client, value: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: client.get(value),
        lambda: client.cancel(value),
        lambda: client.executions(value),
        lambda: client.events(value, after=value),
        lambda: client.submit("A", "t", priority=value),
        lambda: client.submit("A", "t", max_attempts=value),
        lambda: client.submit("A", "t", run_at=value, delay=value),
        lambda: client.submit("A", "t", on_crash=value),
        lambda: client.submit_many([value]),
        lambda: client.find(limit=value),
        lambda: client.find(held=value),
        lambda: client.wait(client.submit("A", "t"), timeout=value or None) if value else None,
    ]
    for call in calls:
        only_ours(call)
