"""Submitting, steering and reading tasks, in both colours."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from uuid_utils.compat import uuid7

from agentpg.db import Database, connect
from agentpg.errors import (
    DatabaseUnavailable,
    IdempotencyConflict,
    InvalidTask,
    NoDatabase,
    PayloadNotJson,
    PayloadTooLarge,
    TaskFailed,
    TaskNotFound,
    WaitTimedOut,
    WrongState,
)
from agentpg.settings import load_settings
from agentpg.tasks.client import Client
from agentpg.tasks.model import NewTask
from tests.tasks.colours import Colour
from tests.tasks.engine import Engine
from tests.waiting import eventually

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Colour]:
    made = Colour(request.param)
    yield made
    made.close()


@pytest.fixture
def client(colour: Colour, engine: Engine) -> Any:
    return colour.client(engine.database)


def count(engine: Engine) -> int:
    return int(engine.ask("SELECT count(*) FROM tasks")[0][0])


def test_the_generated_client_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "tools/generate_client.py", "--check"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# Submitting


def test_a_submitted_task_is_pending(client: Any) -> None:
    task_id = client.submit("Greeter", "greet", {"name": "김"})
    task = client.get(task_id)
    assert task_id.version == 7
    assert (task.agent_name, task.task_type, task.status) == ("Greeter", "greet", "pending")
    assert task.payload == {"name": "김"}
    assert (task.priority, task.attempt, task.errors, task.max_attempts) == (100, 0, 0, None)
    assert task.submitted_by == "admin"
    assert task.created_at is not None
    assert task.run_at == task.created_at
    assert (task.finished_at, task.result, task.worker) == (None, None, None)


def test_every_option_is_stored(client: Any) -> None:
    run_at = datetime(2040, 5, 6, 7, 8, tzinfo=UTC)
    parent = uuid7()
    task = client.get(
        client.submit(
            "A",
            "t",
            [1],
            priority=7,
            run_at=run_at,
            idempotency_key="k",
            max_attempts=9,
            on_crash="fail",
            tenant="acme",
            parent_id=parent,
        )
    )
    assert (task.priority, task.run_at, task.idempotency_key) == (7, run_at, "k")
    assert (task.max_attempts, task.tenant, task.parent_id) == (9, "acme", parent)


def test_a_delay_is_counted_on_the_database_s_clock(client: Any) -> None:
    task = client.get(client.submit("A", "t", delay=timedelta(hours=2)))
    assert task.run_at - task.created_at == timedelta(hours=2)


def test_many_are_submitted_in_order(client: Any, engine: Engine) -> None:
    tasks = [NewTask(agent_name="A", task_type="t", payload={"n": n}) for n in range(12_000)]
    ids = client.submit_many(tasks)
    assert len(set(ids)) == 12_000
    rows = engine.ask("SELECT id, (payload ->> 'n')::int FROM tasks ORDER BY 2")
    assert [row[0] for row in rows] == ids
    assert sorted(ids) == ids


def test_none_are_submitted_too(client: Any, engine: Engine) -> None:
    assert client.submit_many([]) == []


def test_all_or_none_are_submitted(client: Any, engine: Engine) -> None:
    good = NewTask(agent_name="A", task_type="t")
    keyed = NewTask(agent_name="A", task_type="t", idempotency_key="k", payload=1)
    with pytest.raises(InvalidTask):
        client.submit_many([good, NewTask(agent_name="", task_type="t")])
    with pytest.raises(IdempotencyConflict):
        client.submit_many([good] * 6000 + [keyed, keyed._replace(payload=2)])
    assert count(engine) == 0


def test_an_unknown_agent_is_allowed(client: Any) -> None:
    assert client.get(client.submit("Nobody", "knows this")).status == "pending"


@pytest.mark.parametrize(
    "payload", [{1}, float("nan"), "\ud800", "\x00"], ids=["set", "nan", "surrogate", "zero"]
)
def test_a_payload_that_is_not_json_is_refused(client: Any, engine: Engine, payload: Any) -> None:
    with pytest.raises(PayloadNotJson):
        client.submit("A", "t", payload)
    assert count(engine) == 0


def test_a_payload_may_be_as_large_as_the_limit(colour: Colour, engine: Engine) -> None:
    client = colour.client(engine.database, load_settings(payload_limit="1kiB"))
    client.submit("A", "t", "x" * 1022)
    with pytest.raises(PayloadTooLarge, match="1025 bytes, over the limit of 1024"):
        client.submit("A", "t", "x" * 1023)


# Idempotency


def test_a_repeat_returns_the_first_id(client: Any, engine: Engine) -> None:
    first = client.submit("A", "t", {"a": 1, "b": 2}, idempotency_key="k")
    assert client.submit("A", "t", {"b": 2, "a": 1}, idempotency_key="k") == first
    assert client.submit("A", "t", {"a": 1, "b": 2}, idempotency_key="k", priority=5) == first
    assert count(engine) == 1
    assert client.get(first).priority == 100


def test_another_payload_under_the_key_is_an_error(client: Any, engine: Engine) -> None:
    first = client.submit("A", "t", {"a": 1}, idempotency_key="k")
    for payload in ({"a": 2}, None, [1]):
        with pytest.raises(IdempotencyConflict, match=str(first)):
            client.submit("A", "t", payload, idempotency_key="k")
    assert count(engine) == 1


def test_a_key_counts_for_one_agent_and_type(client: Any, engine: Engine) -> None:
    ids = {client.submit(agent, kind, idempotency_key="k") for agent in ("A", "B") for kind in "tu"}
    assert len(ids) == 4


def test_a_repeat_within_one_submission(client: Any, engine: Engine) -> None:
    keyed = NewTask(agent_name="A", task_type="t", payload=1, idempotency_key="k")
    first, second = client.submit_many([keyed, keyed])
    assert first == second
    assert count(engine) == 1


def test_concurrent_repeats_make_one_task(client: Any, engine: Engine) -> None:
    """The second waits for the first one's transaction, and then gets its id."""
    with psycopg.connect(engine.database.dsn) as connection:
        blocking = Client(engine.database)
        first = blocking.submit("A", "t", idempotency_key="k", connection=connection)
        second: list[UUID] = []
        waiting = threading.Thread(
            target=lambda: second.append(blocking.submit("A", "t", idempotency_key="k"))
        )
        waiting.start()
        engine.until_blocked()
        connection.commit()
        waiting.join(10)
        blocking.close()
    assert second == [first]
    assert count(engine) == 1


def test_a_key_that_was_rolled_back_is_free(client: Any, colour: Colour, engine: Engine) -> None:
    connection = colour.connect(engine.database.dsn)
    client.submit("A", "t", 1, idempotency_key="k", connection=connection)
    connection.rollback()
    client.submit("A", "t", 2, idempotency_key="k")
    assert count(engine) == 1


# In a transaction of the caller's own


def test_a_task_is_part_of_the_caller_s_transaction(
    client: Any, colour: Colour, engine: Engine
) -> None:
    connection = colour.connect(engine.database.dsn)
    lost = client.submit("A", "t", connection=connection)
    assert count(engine) == 0
    connection.rollback()
    with pytest.raises(TaskNotFound):
        client.get(lost)
    kept = client.submit("A", "t", connection=connection)
    connection.commit()
    assert client.get(kept).status == "pending"


def test_a_connection_with_other_rows_does_too(client: Any, colour: Colour, engine: Engine) -> None:
    connection = colour.connect(engine.database.dsn, row_factory=dict_row)
    first = client.submit("A", "t", 1, idempotency_key="k", connection=connection)
    again = client.submit("A", "t", 1, idempotency_key="k", connection=connection)
    connection.commit()
    assert first == again
    assert count(engine) == 1


def test_what_psycopg_raises_there_stays_psycopg_s(
    client: Any, colour: Colour, engine: Engine
) -> None:
    connection = colour.connect(engine.database.dsn)
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("SELECT 1 / 0")
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        client.submit("A", "t", connection=connection)
    connection.rollback()
    client.submit("A", "t", connection=connection)
    connection.close()
    with pytest.raises(psycopg.OperationalError):
        client.submit("A", "t", connection=connection)
    assert count(engine) == 0


def test_a_bad_task_leaves_the_transaction_alone(
    client: Any, colour: Colour, engine: Engine
) -> None:
    connection = colour.connect(engine.database.dsn)
    good = client.submit("A", "t", connection=connection)
    with pytest.raises(InvalidTask):
        client.submit("A", "t", priority=-1, connection=connection)
    connection.commit()
    assert client.get(good).status == "pending"


# By plain SQL


def test_the_guide_s_five_columns_are_a_submission(engine: Engine, client: Any) -> None:
    task_id = uuid7()
    engine.ask(
        "INSERT INTO tasks (id, agent_name, task_type, status, created_at)"
        " VALUES (%s, 'ReportAgent', 'report', 'pending', now())",
        task_id,
    )
    task = client.get(task_id)
    assert (task.status, task.payload, task.priority) == ("pending", None, 100)


def test_the_function_submit_does_the_same(engine: Engine, client: Any) -> None:
    [[task_id]] = engine.ask("SELECT submit('A', 't', '{\"a\": 1}', idempotency_key => 'k')")
    assert engine.ask("SELECT submit('A', 't', '{\"a\":1}', idempotency_key => 'k')") == [
        (task_id,)
    ]
    assert client.submit("A", "t", {"a": 1}, idempotency_key="k") == task_id
    with pytest.raises(psycopg.errors.UniqueViolation, match="was used for another payload"):
        engine.ask("SELECT submit('A', 't', '2', idempotency_key => 'k')")
    task = client.get(task_id)
    assert (task.payload, task.attempt, task_id.version) == ({"a": 1}, 0, 7)


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ("('', 't', 100)", "tasks_names_are_given"),
        ("(NULL, 't', 100)", "tasks_names_are_given"),
        ("('A', chr(31), 100)", "tasks_names_are_plain"),
        ("('A', 't', -1)", "tasks_priority_in_range"),
        ("('A', 't', 1001)", "tasks_priority_in_range"),
    ],
)
def test_plain_sql_cannot_break_a_rule(engine: Engine, columns: str, constraint: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=constraint):
        engine.ask(f"INSERT INTO tasks (agent_name, task_type, priority) VALUES {columns}")


# Reading


def test_no_such_task(client: Any) -> None:
    for call in (client.get, client.cancel, client.retry, client.release, client.wait):
        with pytest.raises(TaskNotFound, match="no task has the id"):
            call(uuid7())


def test_find_gives_the_newest_that_match(client: Any, engine: Engine) -> None:
    ids = [client.submit(agent, kind) for agent in "AB" for kind in "tu"]
    client.hold(ids[3], reason="look first")
    client.cancel(ids[0])

    def found(**wanted: Any) -> list[UUID]:
        return [task.id for task in client.find(**wanted)]

    assert found() == ids[::-1]
    assert found(limit=1) == ids[3:]
    assert found(agent_name="A") == [ids[1], ids[0]]
    assert found(agent_name="A", task_type="u") == [ids[1]]
    assert found(status="cancelled") == [ids[0]]
    assert found(held=True) == [ids[3]]
    assert ids[3] not in found(held=False)
    assert found(agent_name="C") == []


def test_waiting_ends_with_the_task(client: Any, engine: Engine) -> None:
    task_id = client.submit("A", "t")
    with pytest.raises(WaitTimedOut, match=r"was still pending after 0\.05 s"):
        client.wait(task_id, timeout=timedelta(seconds=0.05))
    engine.ask("UPDATE tasks SET status = 'completed', result = '7' WHERE id = %s", task_id)
    assert client.wait(task_id).result == 7


def test_waiting_for_a_failed_task_raises(client: Any, engine: Engine) -> None:
    task_id = client.submit("A", "t")
    engine.ask(
        "UPDATE tasks SET status = 'failed', error_message = 'no luck' WHERE id = %s", task_id
    )
    with pytest.raises(TaskFailed, match="ended as failed: no luck"):
        client.wait(task_id)
    assert client.wait(task_id, check=False).error_message == "no luck"


# Steering


def test_cancelling_what_waits_ends_it(client: Any) -> None:
    for options in ({}, {"delay": timedelta(hours=1)}):
        task_id = client.submit("A", "t", **options)
        assert client.cancel(task_id, reason="not needed") == "cancelled"
        task = client.get(task_id)
        assert (task.status, task.error_message) == ("cancelled", "not needed")
        assert task.finished_at is not None
        with pytest.raises(WrongState, match="is cancelled, so it cannot be cancelled"):
            client.cancel(task_id)


def test_a_finished_task_is_opened_again(client: Any, engine: Engine) -> None:
    task_id = client.submit("A", "t", max_attempts=2)
    with pytest.raises(WrongState, match="is pending, so it cannot be retried"):
        client.retry(task_id)
    engine.ask(
        "UPDATE tasks SET status = 'failed', error_message = 'x', result = '1' WHERE id = %s",
        task_id,
    )
    assert client.retry(task_id) == "pending"
    task = client.get(task_id)
    assert (task.errors, task.result, task.error_message, task.finished_at) == (0, None, None, None)
    assert task.max_attempts == 2


def test_a_held_task_can_be_released_or_cancelled(client: Any) -> None:
    task_id = client.submit("A", "t")
    assert client.hold(task_id, reason="look first") == "pending"
    assert client.get(task_id).held_reason == "look first"
    assert client.release(task_id) == "pending"
    assert client.get(task_id).held_reason is None
    with pytest.raises(WrongState):
        client.release(task_id)
    client.hold(task_id, reason="again")
    client.cancel(task_id)
    assert client.get(task_id).held_reason is None
    with pytest.raises(WrongState, match="is cancelled, so it cannot be held"):
        client.hold(task_id, reason="too late")


# Without a database


def test_a_database_that_is_away(colour: Colour) -> None:
    client = colour.client("host=127.0.0.1 port=1")
    with pytest.raises(DatabaseUnavailable, match=r"cannot reach the database at 127\.0\.0\.1:1"):
        client.submit("A", "t")


def test_no_database_is_configured(colour: Colour) -> None:
    with pytest.raises(NoDatabase):
        colour.client(None)


def test_the_configured_database_is_the_default(
    colour: Colour, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_DSN", database.dsn)
    client = colour.client(None)
    assert client.get(client.submit("A", "t")).status == "pending"


def test_a_client_works_again_after_its_connections_were_ended(
    client: Any, database: Database, superuser_dsn: Callable[..., str]
) -> None:
    first = client.submit("A", "t")
    with connect(Database(superuser_dsn())) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'agentpg client'"
        )

    def read() -> bool:
        with contextlib.suppress(DatabaseUnavailable):
            return bool(client.get(first).status == "pending")
        return False

    eventually(read)
