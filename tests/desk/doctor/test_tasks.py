"""The engine's work: each cause is made in a real database, is named, and goes away again."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as installed_version

import pytest

from agentpg.db import Database, connect
from agentpg.desk.doctor import tasks
from agentpg.desk.doctor.tasks.findings import CHECKS
from agentpg.desk.doctor.tasks.policy import policy_of
from agentpg.desk.finding import Finding
from agentpg.settings import load_settings
from tests.desk.history import write_history

WORKER = "0198c1a2-0000-7000-8000-00000000000a"
TASK = "0198c1a2-0000-7000-8000-00000000000b"

# One that beats and has the handler of Billing/invoice, unless values say otherwise.
_WORKER = """
INSERT INTO workers (id, host, pid, version, concurrency, lease_seconds, handlers, heartbeat_at,
                     ended_at, ended_how)
VALUES ('{id}', 'burgess', 4711, '{version}', 20, 30, '[["Billing", "invoice"]]',
        now() - interval '{silent}', {ended})
"""

_TASK = """
INSERT INTO tasks (id, agent_name, task_type, status, created_at, run_at, {columns})
VALUES ('{id}', 'Billing', 'invoice', '{status}', now() - interval '{age}',
        now() - interval '{age}', {values})
"""

_FAILURES = """
INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, execution_start,
                              execution_end, duration_seconds, outcome, error_message)
SELECT id, 1, 'Billing', 'invoice', now() - interval '5 min', now() - interval '4 min', 1,
       CASE WHEN n <= {failed} THEN 'failed' ELSE 'completed' END,
       CASE WHEN n <= {failed} THEN E'IOError: the printer burns\nat line 3' END
FROM (SELECT uuid7() AS id, n FROM generate_series(1, {ended}) AS n) AS made
"""

_CALLS = """
INSERT INTO llm_requests (task_id, attempt, agent_name, model, status, started_at, ended_at,
                          cost_usd, cost_source, error_message)
SELECT uuid7(), 1, 'Billing', 'gpt-9', CASE WHEN n <= {failed} THEN 'error' ELSE 'ok' END,
       now() - interval '{ago}' - n * interval '{apart}', now() - interval '1 min', {cost},
       'table', CASE WHEN n <= {failed} THEN 'RateLimitError: 429' END
FROM generate_series(1, 24) AS n
"""


def worker(version: str | None = None, silent: str = "1 s", ended: str = "NULL, NULL") -> str:
    """SQL that adds the worker."""
    release = version or installed_version("agentpg")
    return _WORKER.format(id=WORKER, version=release, silent=silent, ended=ended)


def task(status: str = "pending", age: str = "20 min", **values: str) -> str:
    """SQL that adds the task; `values` as SQL has them."""
    said = values or {"priority": "100"}
    return _TASK.format(
        id=TASK, status=status, age=age, columns=", ".join(said), values=", ".join(said.values())
    )


def looked(database: Database) -> dict[str, list[Finding]]:
    """What the room says that is not ok, by code."""
    said: dict[str, list[Finding]] = {check.code: [] for check in CHECKS}
    for finding in tasks.examine(database, load_settings()):
        if finding.level != "ok":
            said[finding.code].append(finding)
    return said


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, what must be said of it first, and what ends it."""

    code: str
    level: str
    subject: str
    done: tuple[str, ...]
    ended: tuple[str, ...]


_FORGET = "DELETE FROM tasks; DELETE FROM workers; DELETE FROM agent_executions"
_WITH_EXECUTION = f"""
INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, execution_start, worker)
VALUES ('{TASK}', 1, 'Billing', 'invoice', now() - interval '5 min', '{WORKER}')
"""
_RUNNING = (
    task("running", worker=f"'{WORKER}'", attempt="1", started_at="now() - interval '5 min'"),
    _WITH_EXECUTION,
)

FAULTS = [
    Fault(
        "T16",
        "critical",
        "tasks_idempotency_key_idx",
        ("DROP INDEX tasks_idempotency_key_idx",),
        (
            "CREATE UNIQUE INDEX tasks_idempotency_key_idx ON tasks"
            " (agent_name, task_type, idempotency_key) WHERE idempotency_key IS NOT NULL",
        ),
    ),
    Fault(
        "T16",
        "critical",
        "looks",
        ("ALTER TABLE looks SET UNLOGGED",),
        ("ALTER TABLE looks SET LOGGED",),
    ),
    Fault(
        "T16",
        "info",
        "forwards",
        ("CREATE TRIGGER forwards AFTER INSERT ON users EXECUTE FUNCTION wake_workers()",),
        ("DROP TRIGGER forwards ON users",),
    ),
    Fault(
        "T16",
        "warning",
        "wake_workers",
        ("CREATE TRIGGER wake_workers BEFORE UPDATE ON agent_executions"
         " EXECUTE FUNCTION wake_workers()",),
        ("ALTER TABLE agent_executions DISABLE TRIGGER wake_workers",
         "DROP TRIGGER wake_workers ON agent_executions"),
    ),
    Fault("T01", "critical", "Billing/invoice", (task(),), (worker(),)),
    Fault("T01", "warning", "Billing/invoice", (task(age="2 min"),), (_FORGET,)),
    Fault("T02", "warning", "Billing/invoice", (worker(), task()), (_FORGET,)),
    Fault("T02", "critical", "Billing/invoice", (worker(), task(age="3 h")), (_FORGET,)),
    Fault(
        "T02",
        "info",
        "Billing/invoice",
        (
            worker(),
            task(),
            "INSERT INTO limits (agent_name, concurrency) VALUES ('Billing', 1)",
        ),
        ("DELETE FROM limits", _FORGET),
    ),
    Fault("T03", "critical", "burgess:4711", (worker(silent="9 min"), *_RUNNING), (
        "UPDATE workers SET heartbeat_at = now()",
    )),
    Fault("T03", "critical", WORKER, _RUNNING, (worker(),)),
    Fault(
        "T04",
        "info",
        "burgess:4711",
        (worker(ended="now() - interval '9 min', 'lost'"),),
        ("UPDATE workers SET ended_at = now() - interval '2 h'",),
    ),
    Fault("T05", "critical", "Billing/invoice", (_FAILURES.format(failed=40, ended=60),), (
        "UPDATE agent_executions SET execution_start = now() - interval '2 h'",
    )),
    # Ten tasks of a tutorial, of which nearly all fail, are no emergency.
    Fault("T05", "warning", "Billing/invoice", (_FAILURES.format(failed=9, ended=10),), (_FORGET,)),
    Fault("T05", "warning", "Billing/invoice", (_FAILURES.format(failed=5, ended=20),), (_FORGET,)),
    Fault(
        "T06",
        "warning",
        "Billing/invoice",
        (task("failed", error_message="'quarantined after 3 crashes and 3 lost executions'"),),
        ("UPDATE tasks SET finished_at = now() - interval '2 d'",),
    ),
    Fault("T07", "warning", TASK, (_WITH_EXECUTION,), (task("running", attempt="1"),)),
    Fault("T07", "warning", TASK, (task(), _WITH_EXECUTION), (_FORGET,)),
    Fault("T07", "warning", TASK, (worker(), _RUNNING[0]), (_WITH_EXECUTION,)),
    Fault(
        "T07",
        "warning",
        TASK,
        (
            "INSERT INTO llm_requests (task_id, attempt, agent_name, started_at)"
            f" VALUES ('{TASK}', 1, 'Billing', now() - interval '5 min')",
            _WITH_EXECUTION,
            "UPDATE agent_executions SET execution_end = now() - interval '2 min',"
            " outcome = 'completed'",
            task("completed", attempt="1"),
        ),
        ("UPDATE llm_requests SET status = 'lost', ended_at = now()",),
    ),
    Fault("T08", "warning", "the press is away", (
        task(age="9 d", held_reason="'the press is away'"),
    ), ("UPDATE tasks SET held_reason = NULL",)),
    Fault("T09", "warning", "Billing/invoice", (task("waiting", age="2 d"),), (_FORGET,)),
    Fault(
        "T10",
        "warning",
        "monthly",
        (
            "INSERT INTO schedules (name, agent_name, task_type, cron, next_at)"
            " VALUES ('monthly', 'Billing', 'invoice', '@monthly', now() - interval '5 min')",
        ),
        ("UPDATE schedules SET next_at = now() + interval '1 h'",),
    ),
    Fault("T10", "warning", "monthly", ("UPDATE schedules SET problem = 'no such line'",), (
        "UPDATE schedules SET problem = NULL",
    )),
    Fault(
        "T10",
        "warning",
        "monthly",
        (task("failed"), f"UPDATE schedules SET last_task_id = '{TASK}'"),
        ("DELETE FROM schedules",),
    ),
    Fault("T11", "info", "burgess:4711", (worker(version="0.0.1"),), (_FORGET,)),
    Fault(
        "T12",
        "critical",
        "agentic_ai",
        ("UPDATE schema_migrations SET version = version + 50, works_with = 99",),
        ("UPDATE schema_migrations SET version = version - 50, works_with = 1",),
    ),
    Fault(
        "T13",
        "warning",
        "Billing",
        (
            task(),
            "INSERT INTO paused_agents (agent_name, paused_at)"
            " VALUES ('Billing', now() - interval '2 d')",
        ),
        ("DELETE FROM paused_agents",),
    ),
    Fault("T14", "critical", "gpt-9", (
        _CALLS.format(failed=20, ago="0", apart="2 min", cost="0.001"),
    ), ("DELETE FROM llm_requests",)),
    Fault(
        "T15",
        "warning",
        "gpt-9",
        (
            _CALLS.format(failed=0, ago="1 h", apart="50 min", cost="0.01"),
            _CALLS.format(failed=0, ago="0", apart="2 min", cost="0.5"),
        ),
        ("DELETE FROM llm_requests",),
    ),
]  # fmt: skip


def test_every_fault_is_named_and_goes_away(database: Database) -> None:
    assert {one.code for one in FAULTS} == {check.code for check in CHECKS}
    with connect(database) as connection:
        for fault in FAULTS:
            for statement in fault.done:
                connection.execute(statement.encode())
            said = looked(database)[fault.code]
            assert [(one.level, one.subject) for one in said[:1]] == [
                (fault.level, fault.subject)
            ], fault
            assert said[0].remedies
            assert "{" not in said[0].message() + said[0].reason()
            for statement in fault.ended:
                connection.execute(statement.encode())
            assert looked(database)[fault.code] == [], fault
            connection.execute(f"{_FORGET}; DELETE FROM llm_requests".encode())


def test_a_busy_installation_has_nothing_critical(database: Database) -> None:
    write_history(database, days=2)
    # It has tasks that nobody runs, since three hours: that is said, and nothing else.
    critical = [
        one.code for some in looked(database).values() for one in some if one.level == "critical"
    ]
    assert critical == ["T01"]


def test_a_database_that_is_not_ours_is_said_so(empty_database: Database) -> None:
    said = looked(empty_database)
    assert [(one.code, one.level) for one in said.pop("T12")] == [("T12", "warning")]
    assert {one.level for some in said.values() for one in some} == {"unknown"}


def test_what_a_role_may_not_read_is_unknown(
    database: Database, superuser_dsn: Callable[..., str]
) -> None:
    role = f"stranger_{secrets.token_hex(4)}"
    with connect(Database(superuser_dsn())) as administrator:
        administrator.execute(f"CREATE ROLE {role} LOGIN PASSWORD 's'".encode())
        try:
            said = looked(Database(f"{database.dsn} user={role} password=s", database.schema))
        finally:
            administrator.execute(f"DROP ROLE {role}".encode())
    assert {one.level for some in said.values() for one in some} == {"unknown"}
    assert all(said.values())


def test_a_table_that_somebody_has_for_himself_is_not_waited_for(database: Database) -> None:
    with connect(database, autocommit=False) as connection:
        connection.execute("LOCK TABLE llm_requests")
        said = looked(database)
    assert [one.level for one in said["T14"]] == ["unknown"]
    assert said["T01"] == []


@pytest.mark.without_server
def test_thresholds_that_settings_change_are_shown() -> None:
    policy = policy_of(load_settings(task_wait_warning="5min"))
    assert policy.thresholds["T02"].startswith("> 5 min / > 2 h")


def test_a_trigger_that_is_missing_is_made_again_by_what_the_finding_says(
    database: Database,
) -> None:
    with connect(database) as connection:
        connection.execute(b"DROP TRIGGER complete_plain_write ON tasks")
        [missing] = looked(database)["T16"]
        assert (missing.level, missing.subject) == ("warning", "complete_plain_write")
        connection.execute(missing.remedies[0].sql.encode())
    assert looked(database)["T16"] == []


def test_a_trigger_of_others_on_the_queue_is_shown_and_switched_off(database: Database) -> None:
    with connect(database) as connection:
        connection.execute(
            b'CREATE TRIGGER "It\'s slow" AFTER INSERT ON tasks EXECUTE FUNCTION wake_workers()'
        )
        [strange] = looked(database)["T16"]
        assert (strange.level, strange.subject) == ("warning", "It's slow")
        see, stop = strange.remedies
        [(trigger, function)] = connection.execute(see.sql.encode()).fetchall()
        assert "AFTER INSERT ON" in trigger
        assert "pg_notify" in function
        connection.execute(stop.sql.encode())
        assert looked(database)["T16"] == []
        connection.execute(b'DROP TRIGGER "It\'s slow" ON tasks')
