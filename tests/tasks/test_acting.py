"""For whom a client acts, and in whose name it submits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from agentpg.audit.acting import Actor
from agentpg.audit.reading import Wanted, entries
from agentpg.audit.verifying import verify
from agentpg.db import Database, connect
from agentpg.errors import NotPaused, PermissionDenied, WrongArgument, WrongState
from agentpg.tasks.client import Client
from agentpg.tasks.limits import Limit
from agentpg.tasks.model import NewTask
from tests.schema.old import rows, run


@pytest.fixture
def kim(database: Database) -> Iterator[Client]:
    with Client(database, actor=Actor(account="kim", program="web")) as client:
        yield client


def test_what_is_done_for_somebody_is_recorded_with_it(kim: Client, database: Database) -> None:
    task = kim.submit("Greeter", "greet")
    kim.hold(task, reason="later")
    kim.release(task)
    kim.cancel(task, reason="no")
    kim.retry(task)
    kim.limit(Limit(agent_name="Greeter", concurrency=1))
    kim.remove_limit("Greeter")
    kim.pause("Greeter", reason="down")
    kim.resume("Greeter")
    kim.schedules.add("daily", cron="@daily", agent_name="Greeter", task_type="greet")
    kim.schedules.pause("daily")
    kim.schedules.resume("daily")
    kim.schedules.run("daily")
    kim.schedules.remove("daily")
    found = entries(database, Wanted(who="kim"))
    assert [one.action for one in reversed(found)] == [
        "task.hold", "task.release", "task.cancel", "task.retry",
        "agent.limit", "agent.limit", "agent.pause", "agent.resume",
        "schedule.add", "schedule.pause", "schedule.resume", "schedule.run", "schedule.remove",
    ]  # fmt: skip
    assert found[-1].object == str(task)
    assert found[-1].details == {"reason": "later"}
    assert verify(database).broken is None


def test_what_was_not_done_and_what_programs_do_is_no_entry(
    kim: Client, database: Database
) -> None:
    task = kim.submit("Greeter", "greet")
    with pytest.raises(WrongState):
        kim.retry(task)
    with pytest.raises(NotPaused):
        kim.resume("Greeter")
    with Client(database) as program:
        program.cancel(task)
        program.pause("Greeter")
        assert not program.pause("Greeter")
    assert entries(database, Wanted()) == []


def test_an_action_without_its_entry_is_not_done(kim: Client, database: Database) -> None:
    task = kim.submit("Greeter", "greet")
    run(database, "REVOKE ALL ON agentic_ai.audit_head FROM admin")
    with pytest.raises(PermissionDenied):
        kim.cancel(task)
    assert kim.get(task).status == "pending"


def test_a_program_says_in_whose_name_where_it_may(kim: Client, database: Database) -> None:
    first = kim.submit("Greeter", "greet", {"n": 1}, idempotency_key="a")
    own = kim.submit("Greeter", "greet", on_behalf_of="lee")
    again, new = kim.submit_many(
        [
            NewTask(agent_name="Greeter", task_type="greet", payload={"n": 1}, idempotency_key="a"),
            NewTask(agent_name="Greeter", task_type="greet", payload={"n": 2}, idempotency_key="b"),
        ],
        on_behalf_of="lee",
    )
    assert again == first
    submitters = [kim.get(task).submitted_by for task in (first, own, new)]
    assert submitters == ["admin", "lee", "lee"], "a repeat is the first one's"
    assert {task.id for task in kim.find(submitted_by="lee")} == {own, new}
    with connect(database, autocommit=False) as connection:
        kim.submit("Greeter", "greet", on_behalf_of="lee", connection=connection)
        connection.rollback()
    assert len(kim.find(submitted_by="lee")) == 2
    with connect(database) as connection:
        kim.submit("Greeter", "greet", on_behalf_of="lee", connection=connection)
    assert len(kim.find(submitted_by="lee")) == 3
    for wrong in ("", "x" * 101, "a\x00b"):
        with pytest.raises(WrongArgument):
            kim.submit("Greeter", "greet", on_behalf_of=wrong)


def test_a_client_cannot_say_that_it_is_another(
    database: Database, superuser_dsn: Callable[..., str]
) -> None:
    [(here,)] = rows(database, "SELECT current_database()")
    name, superuser = f"client_{here}", Database(superuser_dsn(here))
    columns = "id, agent_name, task_type, payload, priority, run_at, idempotency_key, max_attempts"
    run(
        superuser,
        f"CREATE ROLE {name}; GRANT {name} TO admin; GRANT USAGE ON SCHEMA agentic_ai TO {name};"
        f"GRANT SELECT, INSERT ({columns}, on_crash, tenant, parent_id, lane)"
        f" ON agentic_ai.tasks TO {name};"
        f"GRANT SELECT ON agentic_ai.ruled, agentic_ai.workers TO {name};"
        f"GRANT EXECUTE ON FUNCTION agentic_ai.uuid7(),"
        f" agentic_ai.lane_of(text, text, text, jsonb) TO {name}",
    )
    try:
        narrow = database.with_settings(role=name)
        with Client(narrow) as client:
            task = client.submit("Greeter", "greet")
            with pytest.raises(PermissionDenied):
                client.submit("Greeter", "greet", on_behalf_of="kim")
        with connect(narrow) as connection, pytest.raises(Exception, match="permission denied"):
            connection.execute(
                "INSERT INTO agentic_ai.tasks (agent_name, task_type, submitted_by)"
                " VALUES ('Greeter', 'greet', 'kim')"
            )
        stored = rows(database, "SELECT id, submitted_by FROM agentic_ai.tasks")
        assert stored == [(task, "admin")], "the login, whatever role it has taken"
    finally:
        run(superuser, f"DROP OWNED BY {name}; DROP ROLE {name}")
