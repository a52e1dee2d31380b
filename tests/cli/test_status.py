"""`agentpg status`: one screen, and exit codes for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from agentpg.schema import released_migrations
from agentpg.tasks.client import Client
from tests.cli.apps import write_greeter
from tests.cli.conftest import Call, Running
from tests.pgbouncer import PROGRAM, pgbouncer

NEWEST = released_migrations()[-1].version

_WORKERS = """
INSERT INTO workers (id, host, pid, version, concurrency, lease_seconds, handlers, running,
                     heartbeat_at, ended_at, ended_how)
SELECT uuid7(), 'a-host-with-quite-a-long-name-' || n, n, '0.1.0', 20, 30, '[["A", "x"]]', 3,
       now() - interval '7 s', CASE WHEN n > 12 THEN now() END, CASE WHEN n > 12 THEN 'lost' END
FROM generate_series(1, 14) AS n
"""


@pytest.fixture
def busy(installed: Database) -> Database:
    """Tasks in all states, workers alive and lost, and tasks that nobody knows."""
    with connect(installed) as connection:
        connection.execute(_WORKERS)
        connection.execute("INSERT INTO tasks (agent_name, task_type) VALUES ('A', 'x')")
        connection.execute(
            "INSERT INTO tasks (agent_name, task_type, run_at)"
            " VALUES ('A', 'x', now() + interval '1 hour')"
        )
        connection.execute(
            "INSERT INTO tasks (agent_name, task_type, held_reason) VALUES ('A', 'x', 'later')"
        )
        connection.execute(
            "INSERT INTO tasks (agent_name, task_type, status)"
            " SELECT 'A', 'x', s FROM unnest(ARRAY['completed', 'completed', 'failed']) AS s"
        )
        connection.execute(
            "INSERT INTO tasks (agent_name, task_type)"
            " SELECT 'Stranger', 'type_' || n FROM generate_series(1, 7) AS n"
        )
    return installed


def test_alerts_that_fire_are_one_line(call: Call, installed: Database) -> None:
    assert json.loads(call("status", "--json").out)["alerts"] == {}
    with connect(installed) as connection:
        connection.execute(
            "INSERT INTO alerts (fingerprint, code, level, state, condition, since, seen_at)"
            " SELECT n, 'B01', l, s, jsonb_build_object('room', 'backup', 'code', 'B01',"
            " 'level', l, 'subject', '', 'sentence', 'x'), now(), now()"
            " FROM (VALUES (1, 'warning', 'firing'), (2, 'critical', 'firing'),"
            " (3, 'warning', 'firing'), (4, 'warning', 'pending')) AS a (n, l, s)"
        )
    assert "1 critical, 2 warning: agentpg notify list" in call("status").out
    assert json.loads(call("status", "--json").out)["alerts"] == {"critical": 1, "warning": 2}


def test_it_counts_what_there_is(call: Call, busy: Database) -> None:
    called = call("status", "--json")
    assert called.code == 0
    found = json.loads(called.out)
    assert found["server"]["target"] == busy.target()
    assert found["server"]["size_bytes"] > 0
    assert found["schema"] == {"name": "agentic_ai", "version": NEWEST, "problem": None}
    tasks = found["tasks"]
    assert (tasks["ready"], tasks["delayed"], tasks["held"]) == (8, 1, 1)
    assert tasks["finished"] == {"completed": 2, "failed": 1}
    assert tasks["oldest_ready"] is not None
    assert len([w for w in found["workers"] if w["ended_how"] == "lost"]) == 2
    assert {unknown["agent_name"] for unknown in found["nobody_knows"]} == {"Stranger"}
    # Of all rooms, the worst first.
    codes = {one["code"] for one in found["findings"]}
    assert "B01" in codes
    assert len({code[0] for code in codes}) > 1
    assert found["findings"][0]["level"] == "critical"


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_it_fits_one_screen(
    call: Call, busy: Database, monkeypatch: pytest.MonkeyPatch, lang: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    called = call("--lang", lang, "status")
    assert called.code == 0
    lines = called.out.splitlines()
    assert max(cell_width(line) for line in lines) <= columns
    assert len(lines) <= 45
    assert "B01 critical: " in called.out
    assert "Stranger/type_" in called.out
    assert "3/20" in called.out
    assert "lost" in called.out


def test_it_says_what_no_worker_knows_and_who_works(
    call: Call, installed: Database, launch: Callable[..., Running]
) -> None:
    with Client(installed) as client:
        client.submit("Stranger", "do")
    called = call("status")
    assert "no worker knows this  Stranger/do, 1 pending" in called.out
    assert "No worker is running." in called.out
    worker = launch("worker", "--app", write_greeter())
    worker.says("started, with")
    called = call("status")
    assert "alive" in called.out
    assert str(worker.process.pid) in called.out


def test_a_missing_schema_is_said_with_exit_code_4(
    call: Call, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_DSN", empty_database.dsn)
    called = call("status")
    assert called.code == 4
    assert "PostgreSQL" in called.out
    assert "`agentpg schema migrate`" in called.err
    document = json.loads(call("status", "--json").out)
    assert document["tasks"] is None
    assert document["schema"]["problem"] is not None


def test_a_schema_of_another_version_is_said_with_exit_code_4(
    call: Call, installed: Database
) -> None:
    with connect(installed) as connection:
        connection.execute("UPDATE schema_migrations SET version = version + 998, works_with = 999")
    called = call("status")
    assert called.code == 4
    assert f"is at version {NEWEST + 998}, and this release needs {NEWEST}" in called.err


def test_a_server_that_cannot_be_reached_exits_with_3(call: Call) -> None:
    called = call("--dsn", "postgresql://u:s3cret@127.0.0.1:1/x", "status")
    assert called.code == 3
    assert called.err.startswith("agentpg: cannot reach the database at 127.0.0.1:1/x:")
    assert "s3cret" not in called.err


def test_without_a_database_it_is_wrong_usage(call: Call) -> None:
    assert call("status").code == 2


@pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")
def test_it_says_that_a_pooler_is_in_between(call: Call, installed: Database) -> None:
    assert json.loads(call("status", "--json").out)["server"]["pooled"] is False
    with pgbouncer(installed) as pooler:
        called = call("--dsn", pooler.database.dsn, "status")
        assert called.code == 0
        assert "pooler    in between: workers look for tasks every second" in called.out
        document = call("--dsn", pooler.database.dsn, "status", "--json").out
        assert json.loads(document)["server"]["pooled"] is True
