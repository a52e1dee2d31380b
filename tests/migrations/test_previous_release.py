"""The release before goes on while the schema is upgraded under it.

Its statements do their work on the newest schema. What came later they do not honour: they put
no task into a lane, so they claim more than a limit allows, from agents that are paused, and
without turns between tenants; they fire no schedules and tell no progress. So limits and pauses
hold when the last worker of that release has stopped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from agentpg.db import Connection, Database, compose_script, connect
from agentpg.schema import migrate
from agentpg.tasks.handlers import App
from agentpg.tasks.limits import Limit
from tests.invariants import contradictions
from tests.schema.old import run
from tests.tasks.engine import Engine

_FOLDER = Path(__file__).parent
_SCHEMA = _FOLDER / "0001_recorded.sql"
_STATEMENTS = _FOLDER / "0001_statements.sql"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)

TENANTS = pytest.mark.parametrize("tenant", [None, "north"])


class OldRelease:
    """What a worker and a client of the release before say."""

    def __init__(self, connection: Connection[Any]) -> None:
        parts = _NAME.split(_STATEMENTS.read_text(encoding="utf-8"))
        self._texts = dict(zip(parts[1::2], parts[2::2], strict=True))
        self._connection = connection
        self.worker = uuid7()
        self.say(
            "register",
            id=self.worker,
            host="alpha",
            pid=1,
            version="0.1.0",
            concurrency=10,
            lease_seconds=30.0,
            handlers=Jsonb([["Old", "work"]]),
        )

    def say(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of one of its statements."""
        composed = compose_script(self._texts[statement], schema="agentic_ai")
        cursor = self._connection.execute(composed, values)
        return cursor.fetchall() if cursor.description else []

    def submit(self, number: int, tenant: str | None = None) -> list[UUID]:
        """Submit tasks, in one statement all but the last."""
        ids = [uuid7() for _ in range(number)]
        task: dict[str, Any] = {
            "agent_names": "Old", "task_types": "work", "payloads": '{"n": 1}', "priorities": 100,
            "run_ats": None, "delays": 0.0, "keys": None, "max_attempts": None,
            "on_crashes": "retry", "tenants": tenant, "parents": None,
        }  # fmt: skip
        many = {name: [value] * (number - 1) for name, value in task.items()}
        assert len(self.say("submit", ids=ids[:-1], **many)) == number - 1
        one = {name.removesuffix("s"): value for name, value in task.items()}
        one |= {"priority": one.pop("prioritie"), "on_crash": one.pop("on_crashe")}
        one |= {"max_attempts": one.pop("max_attempt"), "id": ids[-1]}
        assert self.say("submit_one", **one) == [(ids[-1],)]
        return ids

    def claim(self, most: int = 100) -> list[UUID]:
        """The tasks that it got."""
        rows = self.say(
            "claim", worker=self.worker, batch=most, handlers=["Old\x1fwork"], not_twice=[]
        )
        assert all(row[4] == '{"n": 1}' for row in rows)
        return [row[0] for row in rows]

    def complete(self, ids: Sequence[UUID], attempt: int = 1) -> int:
        """Say that these were completed; how many it could write."""
        same = {
            "workers": self.worker, "attempts": attempt, "results": "7", "seconds": 0.5,
        }  # fmt: skip
        each = {name: [value] * len(ids) for name, value in same.items()}
        return len(self.say("complete", ids=list(ids), **each))

    def fail(self, ids: Sequence[UUID]) -> int:
        """Say that these failed and are to be tried again; how many it could write."""
        same: dict[str, Any] = {
            "workers": self.worker, "attempts": 1, "statuses": "pending", "outcomes": "failed",
            "results": None, "error_messages": "no", "attempt_errors": "no", "seconds": 0.1,
            "delays": 0.0, "errors": 1, "crashes": 0, "max_attempts": 3, "suspects": False,
        }  # fmt: skip
        each = {name: [value] * len(ids) for name, value in same.items()}
        return len(self.say("settle", ids=list(ids), **each))

    def call(self, task: UUID) -> UUID:
        """Open a call to a model in the task's first attempt."""
        call = uuid7()
        names = {"agent_name": "Old", "provider": "p", "model": "m"}
        assert self.say("open_call", id=call, task_id=task, attempt=1, **names) == [(True,)]
        return call


@pytest.fixture
def engine(empty_database: Database, tmp_path: Path) -> Iterator[Engine]:
    """The newest schema, upgraded from the one of that release."""
    run(empty_database, _SCHEMA.read_text(encoding="utf-8"))
    migrate(empty_database)
    engine = Engine(empty_database, tmp_path)
    yield engine
    engine.close()
    assert contradictions(empty_database) == {}


@pytest.fixture
def old(engine: Engine) -> Iterator[OldRelease]:
    with connect(engine.database) as connection:
        yield OldRelease(connection)


def states(engine: Engine, ids: Sequence[UUID]) -> set[tuple[str | None, int]]:
    tasks = [engine.client.get(task) for task in ids]
    return {(task.status, task.attempt) for task in tasks}


@TENANTS
def test_it_completes_tasks(engine: Engine, old: OldRelease, tenant: str | None) -> None:
    ids = old.submit(6, tenant)
    assert sorted(old.claim()) == sorted(ids)
    assert old.say("beat", worker=old.worker, idle=False, running=6) == [(1,)]
    assert old.complete(ids[:3]) == 3
    assert old.fail(ids[3:]) == 3
    assert states(engine, ids[3:]) == {("pending", 1)}
    assert old.complete(ids[3:]) == 0, "it holds them no more"
    assert sorted(old.claim()) == sorted(ids[3:])
    assert old.complete(ids[3:], attempt=2) == 3
    assert states(engine, ids) == {("completed", 1), ("completed", 2)}
    old.say("leave", worker=old.worker)
    assert old.claim() == []


@TENANTS
def test_both_releases_do_each_others_tasks(
    engine: Engine, old: OldRelease, tenant: str | None
) -> None:
    for_old = [engine.client.submit("Old", "work", {"n": 1}, tenant=tenant) for _ in range(3)]
    assert sorted(old.claim()) == sorted(for_old)
    assert old.complete(for_old) == 3
    for_new = old.submit(3, tenant)
    app = App()
    app.add(lambda _, n: n, agent_name="Old", task_type="work")
    engine.work(app)
    assert {engine.ended(task).status for task in for_new} == {"completed"}
    assert states(engine, for_old) == {("completed", 1)}


def test_it_knows_no_limits_and_no_pauses(engine: Engine, old: OldRelease) -> None:
    engine.client.limit(Limit(agent_name="Old", concurrency=1))
    engine.client.pause("Old")
    ids = [engine.client.submit("Old", "work", {"n": 1}) for _ in range(3)]
    assert sorted(old.claim()) == sorted(ids)
    assert old.complete(ids) == 3
    assert states(engine, ids) == {("completed", 1)}


def test_its_calls_and_its_rescue(engine: Engine, old: OldRelease) -> None:
    answered, left = old.submit(2)
    old.claim()
    known = ("response_model", "response_id", "cache_read_tokens", "cache_write_tokens",
             "reasoning_tokens", "finish_reason", "error_message")  # fmt: skip
    ending = {
        "id": old.call(answered), "task_id": answered, "attempt": 1, "status": "ok",
        "duration_seconds": 0.1, "input_tokens": 5, "output_tokens": 2, "cost_usd": "0.1",
        "cost_source": "provider",
    }  # fmt: skip
    old.say("close_call", **ending, **dict.fromkeys(known))
    old.call(left)
    old.complete([answered])
    [execution] = engine.client.executions(answered)
    assert (execution.llm_calls, execution.llm_total_tokens) == (1, 7)
    assert old.say("declare_lost", worker=old.worker, heartbeat=0) == [(old.worker,)]
    assert old.say("put_back", losses_to_quarantine=10) == [(left, 1, "pending")]
    [call] = engine.client.llm_requests(left)
    assert call.status == "lost"
