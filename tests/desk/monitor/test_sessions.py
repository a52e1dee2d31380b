"""Sessions: who blocks whom, whose work it is, and what a role may not see."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from agentpg.db import Database, Statements, connect, make_conninfo
from agentpg.desk.monitor.reading import reading
from agentpg.desk.monitor.sessions import Activity, read_activity
from agentpg.desk.monitor.statement_text import shown_statement
from tests.desk.monitor.quarrel import SECRET, quarrel


def look(database: Database) -> Activity:
    with reading(database, "the test") as reader:
        return read_activity(reader)


def test_who_blocks_whom_and_for_which_agent(database: Database) -> None:
    with quarrel(database) as known:
        found = look(database)
    first, second = found.urgent_first()[:2]
    assert (first.pid, second.pid) == (known.holder, known.waiter)
    assert known.holder in found.roots
    assert second.blocked_by == [known.holder]
    assert (second.wait_type, second.state) == ("Lock", "active")
    assert first.is_idle_in_transaction
    assert first in found.idle_in_transaction
    assert first.agents == ["Billing", "Report"]
    assert [one.task_id for one in second.work] == [known.task]
    assert second.agents == ["Report"]
    assert found.longest is not None
    assert (found.longest.transaction_seconds or 0) >= (second.transaction_seconds or 0)
    assert SECRET not in repr(found)
    assert "password=***" in (second.query or "")


def test_connections_are_counted_as_the_guide_counts_them(database: Database) -> None:
    with reading(database, "the test") as reader:
        statement = Statements("monitor", "")["guide_connections"]
        with reader.question() as connection:
            row = connection.execute(statement).fetchone()
            assert row is not None
            [guide] = row
        found = read_activity(reader).connections
    assert found.processes == pytest.approx(guide, abs=3)
    assert found.sessions < found.processes
    assert found.usable == found.most - found.reserved == 197


def test_a_database_without_our_schema_is_looked_at_too(empty_database: Database) -> None:
    with connect(empty_database, "agentpg worker 0198c1a2-7c11-7f00-8000-3d2c5a6b7c8d"):
        found = look(empty_database)
    assert any("agentpg worker" in one.application for one in found.sessions)
    assert all(one.work == () for one in found.sessions)


def test_what_a_role_may_not_see_is_hidden_and_said(
    database: Database, superuser_dsn: Callable[..., str]
) -> None:
    role = f"watcher_{secrets.token_hex(4)}"
    with connect(Database(superuser_dsn())) as administrator:
        administrator.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'w'".encode())
        try:
            dsn = make_conninfo(database.dsn, user=role, password="w")
            with quarrel(database) as known:
                found = look(Database(dsn, database.schema))
            by_pid = {one.pid: one for one in found.sessions}
            assert found.connections.hidden > 0
            assert by_pid[known.holder].hidden
            assert by_pid[known.holder].query is None
            # Who blocks whom can be seen by everybody.
            assert by_pid[known.waiter].blocked_by == [known.holder]
        finally:
            administrator.execute(f"DROP ROLE {role}".encode())


@pytest.mark.without_server
@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SELECT 1\n  FROM t", "SELECT 1 FROM t"),
        ("ALTER ROLE a PASSWORD 'it''s'; SELECT 1", "ALTER ROLE a PASSWORD ***; SELECT 1"),
        (
            "ALTER USER a ENCRYPTED PASSWORD 'SCRAM-SHA-256$40",
            "ALTER USER a ENCRYPTED PASSWORD ***",
        ),
        ("CREATE ROLE a PASSWORD $x$s3cret$x$ LOGIN", "CREATE ROLE a PASSWORD *** LOGIN"),
        ("SELECT dblink('host=h password=s3cret')", "SELECT dblink('host=h password=***"),
        ("SELECT 'postgresql://a:s3cret@h/d'", "SELECT 'postgresql://a:***@h/d'"),
        (None, ""),
    ],
)
def test_no_password_is_shown(statement: str | None, shown: str) -> None:
    assert shown_statement(statement) == shown


@pytest.mark.without_server
def test_a_password_is_hidden_before_the_statement_is_cut() -> None:
    cut = shown_statement(f"SELECT {'a' * 20}; ALTER ROLE a PASSWORD 's3cret'", longest=55)
    assert len(cut) <= 55
    assert "s3" not in cut
