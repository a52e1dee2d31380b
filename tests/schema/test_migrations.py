"""Migrations on a real server: applied once, whole, alone, and with short patience."""

from __future__ import annotations

import logging
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from agentpg.db import Database, connect
from agentpg.errors import (
    MigrationBlocked,
    MigrationChanged,
    NamesTaken,
    PermissionDenied,
    SchemaMismatch,
    TablesInTheWay,
)
from agentpg.schema import (
    Migration,
    bring_up_to_date,
    check_version,
    migrate,
    plan,
    released_migrations,
    script,
    verify,
)
from tests.schema.old import GUIDE_TABLE, rows, run
from tests.servers import SharedServer
from tests.waiting import eventually

SHORT = timedelta(milliseconds=50)
NEWEST = released_migrations()[-1].version


def extra(text: str, version: int = NEWEST + 1) -> list[Migration]:
    """The released migrations and one more."""
    return [*released_migrations(), Migration(version, "of_the_test", text)]


def test_the_first_migration_makes_the_schema(empty_database: Database) -> None:
    with pytest.raises(SchemaMismatch, match=r"is at version 0, and this release needs"):
        check_version(empty_database)
    assert plan(empty_database) == released_migrations()
    assert migrate(empty_database) == released_migrations()
    assert migrate(empty_database) == []
    assert plan(empty_database) == []
    check_version(empty_database)
    recorded = rows(
        empty_database, "SELECT version, name, checksum FROM agentic_ai.schema_migrations"
    )
    assert recorded == [(m.version, m.name, m.checksum) for m in released_migrations()]


def test_unqualified_names_mean_our_tables(empty_database: Database) -> None:
    migrate(empty_database)
    assert rows(empty_database, "SELECT count(*) FROM tasks") == [(0,)]
    with connect(empty_database) as connection:
        connection.execute("SET search_path = public")
        connection.execute("INSERT INTO agentic_ai.tasks (agent_name, task_type) VALUES ('a', 'b')")
    assert rows(empty_database, "SELECT status, agent_name FROM tasks") == [("pending", "a")]


def test_psql_leads_to_the_same_state(
    empty_database: Database, shared_server: SharedServer
) -> None:
    text = script(empty_database)
    psql = shared_server.server.tool("psql")
    done = subprocess.run(
        [psql, "--no-psqlrc", "--quiet", empty_database.dsn],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    check_version(empty_database)
    assert verify(empty_database) == []
    assert script(empty_database) == ""
    assert migrate(empty_database) == []
    assert rows(empty_database, "SELECT count(*) FROM tasks") == [(0,)]


def test_many_at_once_apply_it_once(empty_database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(migrate, [empty_database] * 4))
    each = [migration.version for one in applied for migration in one]
    assert sorted(each) == [migration.version for migration in released_migrations()]
    check_version(empty_database)


def test_a_later_one_comes_on_top(database: Database) -> None:
    more = extra("ALTER TABLE tasks ADD COLUMN extra integer;")
    assert plan(database, migrations=more) == more[-1:]
    assert migrate(database, migrations=more) == more[-1:]
    assert rows(database, "SELECT extra FROM agentic_ai.tasks") == []


def test_a_newer_schema_is_left_alone(database: Database) -> None:
    migrate(database, migrations=extra("CREATE TABLE more ();"))
    for refuse in (migrate, plan, check_version, verify):
        with pytest.raises(SchemaMismatch, match=rf"version {NEWEST + 1}.* needs {NEWEST}$"):
            refuse(database)


def test_a_changed_one_is_refused(database: Database) -> None:
    run(database, "UPDATE agentic_ai.schema_migrations SET checksum = 'other'")
    for refuse in (migrate, plan, script, verify):
        with pytest.raises(MigrationChanged, match="0001 first_schema"):
            refuse(database)


def test_one_that_fails_leaves_nothing(database: Database) -> None:
    broken = extra("CREATE TABLE half (); SELECT 1 / 0;")
    with pytest.raises(Exception, match="division by zero"):
        migrate(database, migrations=broken)
    assert rows(database, "SELECT to_regclass('agentic_ai.half')::text") == [(None,)]
    check_version(database)


def test_tables_of_the_guide_are_for_adoption(empty_database: Database) -> None:
    run(empty_database, GUIDE_TABLE, "agentic_ai")
    with pytest.raises(TablesInTheWay, match=r"agentic_ai has tables of its own already: tasks$"):
        migrate(empty_database)


_ALL = (
    "SELECT relname::text FROM pg_class WHERE relnamespace = 'agentic_ai'::regnamespace ORDER BY 1"
)

# What may have a name that agentpg needs, and that name.
TAKEN = [
    ("TABLE schedules (mine integer)", "schedules"),
    ("TABLE limits (mine integer)", "limits"),
    ("TABLE limit_starts (mine integer)", "limit_starts"),
    ("TABLE paused_agents (mine integer)", "paused_agents"),
    ("TABLE task_events (mine integer)", "task_events"),
    ("VIEW ruled AS SELECT 1 AS mine", "ruled"),
    ("SEQUENCE schedules", "schedules"),
    ("TABLE mine (id integer); CREATE INDEX tasks_lane_idx ON mine (id)", "tasks_lane_idx"),
]


def refused(database: Database, name: str) -> None:
    """Nothing is done, since somebody has this name."""
    before = rows(database, _ALL)
    for call in (plan, script, migrate, bring_up_to_date):
        with pytest.raises(NamesTaken, match=f"agentic_ai has something of its own .*: {name}$"):
            call(database)
    assert rows(database, _ALL) == before


@pytest.mark.parametrize(("what", "name"), [*TAKEN, ("TABLE workers ()", "workers")])
def test_a_name_that_is_taken_is_said(empty_database: Database, what: str, name: str) -> None:
    run(empty_database, f"CREATE {what}", "agentic_ai")
    refused(empty_database, name)


@pytest.mark.parametrize(("what", "name"), TAKEN)
def test_a_name_that_a_later_one_needs_is_said(
    empty_database: Database, what: str, name: str
) -> None:
    migrate(empty_database, migrations=released_migrations()[:1])
    run(empty_database, f"CREATE {what}", "agentic_ai")
    refused(empty_database, name)
    run(empty_database, f"DROP {what.split(maxsplit=1)[0]} {what.split()[1]} CASCADE", "agentic_ai")
    migrate(empty_database)
    assert verify(empty_database) == []


def test_it_gives_up_behind_a_long_transaction(database: Database) -> None:
    more = extra("ALTER TABLE tasks ADD COLUMN extra integer;")
    with connect(database, autocommit=False) as holder:
        holder.execute("SELECT FROM agentic_ai.tasks")
        with pytest.raises(MigrationBlocked, match=f"{NEWEST + 1:04} of_the_test got no lock"):
            migrate(database, lock_timeout=SHORT, patience=timedelta(seconds=1), migrations=more)
    assert plan(database, migrations=more) == more[-1:]


def test_it_comes_again_until_the_tables_are_free(database: Database) -> None:
    more = extra("ALTER TABLE tasks ADD COLUMN extra integer;")
    with connect(database, autocommit=False) as holder, ThreadPoolExecutor(1) as thread:
        holder.execute("SELECT FROM agentic_ai.tasks")
        migration = thread.submit(migrate, database, lock_timeout=SHORT, migrations=more)
        eventually(lambda: _waits_for_lock(database))
        # Whoever comes meanwhile is kept no longer than the migration's own patience.
        run(database, "INSERT INTO agentic_ai.tasks (agent_name, task_type) VALUES ('a', 'b')")
        assert not migration.done()
        holder.commit()
        assert migration.result(timeout=20) == more[-1:]


def test_a_role_that_may_not_is_told_so(empty_database: Database, superuser_dsn: object) -> None:
    run(empty_database, "CREATE SCHEMA agentic_ai; REVOKE ALL ON SCHEMA agentic_ai FROM admin;")
    with pytest.raises(PermissionDenied, match="agentic_ai"):
        migrate(empty_database)


def test_what_the_database_owner_has_to_run_is_said(
    empty_database: Database, shared_server: SharedServer, caplog: pytest.LogCaptureFixture
) -> None:
    name = empty_database.dsn.partition("dbname=")[2].split()[0]
    superuser = Database(shared_server.superuser_dsn(name), empty_database.schema)
    run(
        superuser,
        f"ALTER DATABASE {name} OWNER TO postgres; ALTER DATABASE {name} RESET search_path;"
        f" GRANT CREATE ON DATABASE {name} TO admin;",
    )
    with caplog.at_level(logging.WARNING):
        migrate(empty_database)
    assert "ALTER DATABASE" in caplog.text
    assert rows(empty_database, "SELECT count(*) FROM tasks") == [(0,)]


def _waits_for_lock(database: Database) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    return rows(database, f"{query} AND datname = current_database()") != [(0,)]


@pytest.mark.parametrize(("line", "works"), [("-- works with: 1", True), ("", False)])
def test_a_newer_schema_says_whether_this_release_works_on_it(
    database: Database, line: str, works: bool
) -> None:
    newest = released_migrations()[-1].version + 1
    later = Migration(newest, "later", f"{line}\nALTER TABLE tasks ADD COLUMN later integer;")
    migrate(database, migrations=[*released_migrations(), later])
    for check in (check_version, bring_up_to_date):
        if works:
            check(database)
        else:
            with pytest.raises(SchemaMismatch):
                check(database)


def test_an_older_schema_is_brought_up_to_date(empty_database: Database) -> None:
    bring_up_to_date(empty_database)
    check_version(empty_database)
    assert plan(empty_database) == []
