"""What `--fix` does: the first safe remedy, of a kind that does no harm, and a look afterwards."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agentpg.db import Database, connect
from agentpg.desk.doctor.fixing import Fixer, fixes_of, outcomes, refusal, statements_in
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.errors import CommandFailed, ServerBusy
from agentpg.settings import load_settings


def finding(
    *remedies: Remedy, code: str = "X01", subject: str = "t", level: Level = "warning"
) -> Finding:
    """A finding with these remedies."""
    return Finding(code=code, level=level, subject=subject, sentence="it is so", remedies=remedies)


def safe(sql: str = "", command: str = "") -> Remedy:
    """A remedy that a room calls safe."""
    return Remedy(sentence="Do it.", sql=sql, command=command, risk="safe")


@pytest.mark.without_server
@pytest.mark.parametrize(
    "sql",
    [
        "ANALYZE agentic_ai.tasks",
        "VACUUM (ANALYZE) tasks; ANALYZE tasks;",
        "ALTER SYSTEM SET work_mem = '8MB; x'; SELECT pg_reload_conf()",
        'ALTER TABLE "odd; name" SET (autovacuum_vacuum_scale_factor = 0.01)',
        "CREATE INDEX CONCURRENTLY ON tasks (worker)",
        "REINDEX INDEX CONCURRENTLY tasks_pkey",
        "CHECKPOINT",
    ],
)
def test_what_does_no_harm_is_done(sql: str) -> None:
    assert refusal(safe(sql)) == ""


@pytest.mark.without_server
@pytest.mark.parametrize(
    "remedy",
    [
        safe("DROP TABLE tasks"),
        safe("ANALYZE tasks; DELETE FROM tasks"),
        safe("VACUUM (FULL) tasks"),
        safe("VACUUM FULL tasks"),
        safe("SELECT pg_terminate_backend(1)"),
        safe("SELECT pg_reload_conf(), pg_terminate_backend(1)"),
        safe("CREATE INDEX ON tasks (worker)"),
        safe("REINDEX TABLE tasks"),
        safe("ALTER TABLE tasks DROP COLUMN payload, SET (fillfactor = 90)"),
        safe("ALTER TABLE tasks SET (fillfactor = 90), DROP COLUMN payload"),
        safe("ALTER ROLE admin SUPERUSER"),
        safe("-- ANALYZE\nDROP TABLE tasks"),
        safe(command="rm -rf /"),
        safe(command="agentpg worker --app MODULE:APP"),
        safe(command="agentpg backup key FILE"),
        safe(command="agentpg doctor --fix"),
        safe(command="agentpg 'unclosed"),
    ],
)
def test_what_may_do_harm_is_refused_whatever_the_room_says(remedy: Remedy) -> None:
    assert refusal(remedy) != ""


@pytest.mark.without_server
def test_statements_end_where_no_text_is() -> None:
    assert statements_in("SELECT ';'; ALTER x SET (\"a;b\" = 'it''s;');") == [
        "SELECT ';'",
        "ALTER x SET (\"a;b\" = 'it''s;')",
    ]


@pytest.mark.without_server
def test_the_first_safe_remedy_of_each_finding_is_taken_once() -> None:
    careful = Remedy(sentence="Careful.", sql="REINDEX TABLE t", risk="careful")
    looks = Remedy(sentence="Look.", sql="SELECT 1")
    found = {
        "one": [finding(looks, careful, safe("ANALYZE t"), safe("ANALYZE u"))],
        "two": [
            finding(safe("ANALYZE t"), code="X02"),
            finding(safe("ANALYZE v"), level="ok"),
            finding(safe("ANALYZE v"), level="unknown"),
            finding(careful),
        ],
    }
    [fix] = fixes_of(found)
    assert (fix.remedy.sql, fix.codes, fix.refused) == ("ANALYZE t", "X01 X02", "")


def test_it_is_done_by_the_administrator_and_looked_at_again(database: Database) -> None:
    with connect(database) as connection:
        connection.execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 100) AS n")
    found = {"room": [finding(safe("ANALYZE t; VACUUM t")), finding(code="X02", subject="u")]}
    [fix] = fixes_of(found)
    done = [(fix, fixer(database).do(fix))]
    with connect(database) as connection:
        asked = "SELECT last_analyze, last_vacuum FROM pg_stat_user_tables WHERE relname = 't'"
        row = connection.execute(asked).fetchone()
    assert row is not None
    assert None not in row
    assert [one.state for one in outcomes(done, {"room": []})] == ["helped"]
    assert [one.state for one in outcomes(done, found)] == ["remains"]
    # What can't be looked at any more is not known to be well.
    unknown = {"room": [finding(level="unknown", subject="")]}
    assert [one.state for one in outcomes(done, unknown)] == ["remains"]


def test_it_waits_for_no_lock_and_says_what_went_wrong(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from agentpg.desk.doctor import fixing

    monkeypatch.setattr(fixing, "_LOCK_TIMEOUT", timedelta(milliseconds=50))
    [fix] = fixes_of({"room": [finding(safe("ANALYZE tasks"))]})
    with connect(database, autocommit=False) as connection:
        connection.execute("LOCK TABLE tasks")
        error = fixer(database).do(fix)
    assert isinstance(error, ServerBusy)
    assert [one.state for one in outcomes([(fix, error)], {})] == ["failed"]


def test_a_command_is_run_here_and_its_failure_told(database: Database) -> None:
    ran: list[Sequence[str]] = []

    def run(arguments: Sequence[str]) -> int:
        ran.append(arguments)
        return 4

    [fix] = fixes_of({"room": [finding(safe(command="agentpg backup create --kind dump"))]})
    error = Fixer(database, load_settings(), run).do(fix)
    assert ran == [["backup", "create", "--kind", "dump"]]
    assert isinstance(error, CommandFailed)


def fixer(database: Database) -> Fixer:
    """One that runs no commands."""
    return Fixer(database, load_settings(), lambda _: 1)
