"""The room for what people are told: each finding by what makes it so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database, connect
from agentpg.desk.doctor.rooms import examine
from agentpg.desk.finding import Finding
from agentpg.notify.deciding import Look
from agentpg.notify.kept import kept_alerts
from agentpg.notify.policy import policy_of
from agentpg.settings import load_settings
from tests.notify.sample import a_condition

BOTH = {"notify_dba_email": "dba@corp.internal", "notify_ops_email": "ops@corp.internal"}


def said(database: Database, **settings: Any) -> dict[str, Finding]:
    """What the room says, by code."""
    loaded = load_settings(**settings)
    return {one.code: one for one in examine(database, loaded, ["notify"])["notify"]}


def _log_of(administrator: Database, role: str) -> list[Any]:
    """What the server's log tells of rights that this role lacks."""
    lines = "regexp_split_to_table(pg_read_file(pg_current_logfile()), E'\n') AS line"
    refused = f"line LIKE '%{role}@%' AND line LIKE '%permission denied%'"
    with connect(administrator) as connection:
        return connection.execute(f"SELECT line FROM {lines} WHERE {refused}".encode()).fetchall()


def _run(database: Database, statement: str) -> None:
    with connect(database) as connection:
        connection.execute(statement.encode())


@pytest.fixture
def looked(database: Database) -> Database:
    """HealthAgent has looked, told of a critical alert, and just now."""
    with kept_alerts(database, "test") as alerts:
        for _ in range(2):
            look = Look(conditions=[a_condition()], rooms=frozenset({"backup"}))
            alerts.decide(look, policy_of(load_settings(**BOTH)), {})
    return database


def test_all_is_well(looked: Database) -> None:
    assert {code: one.level for code, one in said(looked, **BOTH).items()} == {
        "N01": "ok",
        "N02": "ok",
        "N03": "ok",
        "N04": "ok",
    }


def test_contacts_without_a_way_are_named(database: Database) -> None:
    nobody = said(database)["N01"]
    assert (nobody.level, "nobody is told" in nobody.message()) == ("info", True)
    one = said(database, notify_dba_email="dba@corp.internal")["N01"]
    assert one.message() == "there is no way to ops: dba is told in its place"


def test_messages_that_nobody_takes_are_counted_with_their_reason(looked: Database) -> None:
    _run(looked, "UPDATE outbox SET attempts = 2, error = '550 nobody of that name'")
    found = said(looked, **BOTH)["N02"]
    assert found.level == "warning"
    assert "1 messages are taken by nobody" in found.message()
    assert "email to ops: 550 nobody of that name" in found.message()
    _run(looked, "UPDATE outbox SET given_up_at = now()")
    assert said(looked, **BOTH)["N02"].level == "critical"
    _run(looked, "UPDATE outbox SET sent_at = now(), given_up_at = NULL")
    assert said(looked, **BOTH)["N02"].level == "ok"


def test_a_health_agent_that_does_not_look_is_noticed(database: Database) -> None:
    assert said(database)["N03"].message() == "HealthAgent has never looked"
    for age, level in (("1 min", "ok"), ("6 min", "warning"), ("31 min", "critical")):
        _run(
            database,
            "INSERT INTO looks (room, looked_at) "
            f"VALUES ('health', now() - interval '{age}') "
            "ON CONFLICT (room) DO UPDATE SET looked_at = excluded.looked_at",
        )
        assert said(database, **BOTH)["N03"].level == level
    assert said(database)["N03"].level == "info", "there is nobody to be told"


def test_a_critical_alert_that_nobody_heeds_is_said(looked: Database) -> None:
    _run(looked, "UPDATE alerts SET escalated_at = now() - interval '2 hours'")
    found = said(looked, **BOTH)["N04"]
    assert (found.level, found.evidence["number"]) == ("warning", 1)
    _run(looked, "UPDATE alerts SET acked_at = now()")
    assert said(looked, **BOTH)["N04"].level == "ok"


def test_what_may_not_be_read_is_unknown_and_says_what_to_grant(
    looked: Database, superuser_dsn: Any, tmp_path: Path
) -> None:
    role = f"watcher_{looked.name()}"
    with connect(Database(superuser_dsn(looked.name()))) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'".encode())
        try:
            connection.execute(f"GRANT USAGE ON SCHEMA agentic_ai TO {role}".encode())
            watcher = Database(f"{looked.dsn} user={role} password=x")
            found = said(watcher, **BOTH)
            log = _log_of(Database(superuser_dsn(looked.name())), role)
        finally:
            connection.execute(f"DROP OWNED BY {role}".encode())
            connection.execute(f"DROP ROLE {role}".encode())
    assert [found[code].level for code in ("N01", "N02", "N03", "N04")] == ["ok"] + ["unknown"] * 3
    assert "permission denied" in found["N02"].message()
    assert 'GRANT SELECT ON "agentic_ai"."alerts", ' in found["N02"].remedies[0].sql
    assert found["N02"].remedies[0].sql.endswith(f' TO "{role}";')
    assert log == [], "the server was not asked for what it refuses"


def test_a_database_that_is_not_ours_is_no_crash(empty_database: Database) -> None:
    found = said(empty_database, **BOTH)
    assert (found["N01"].level, found["N02"].level) == ("ok", "unknown")
