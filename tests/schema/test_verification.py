"""Verify finds every change of the schema that was made by hand."""

from __future__ import annotations

import os
import subprocess

import pytest

from agentpg.db import Database
from agentpg.errors import SchemaMismatch
from agentpg.schema import verify
from tests.schema.old import run
from tests.servers import SharedServer


def test_the_migrations_make_what_schema_sql_says(database: Database) -> None:
    assert verify(database) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("ALTER TABLE tasks ALTER priority DROP DEFAULT", "differs: column tasks.priority"),
        ("ALTER TABLE tasks ALTER priority DROP NOT NULL", "differs: column tasks.priority"),
        ("ALTER TABLE tasks ALTER tenant TYPE text", "differs: column tasks.tenant"),
        ("ALTER TABLE tasks DROP COLUMN tenant", "missing: column tasks.tenant"),
        ("ALTER TABLE tasks SET (fillfactor = 50)", "differs: table tasks"),
        ("ALTER TABLE tasks ENABLE ROW LEVEL SECURITY", "differs: table tasks"),
        ("ALTER TABLE workers RESET (fillfactor)", "differs: table workers"),
        (
            "ALTER TABLE users DROP CONSTRAINT users_role_is_known",
            "missing: constraint users.users_role_is_known",
        ),
        (
            "ALTER TABLE tasks DROP CONSTRAINT tasks_priority_in_range, ADD CONSTRAINT"
            " tasks_priority_in_range CHECK (priority BETWEEN 0 AND 2000)",
            "differs: constraint tasks.tasks_priority_in_range",
        ),
        ("DROP INDEX tasks_created_at_idx", "missing: index tasks.tasks_created_at_idx"),
        (
            "DROP INDEX tasks_status_idx; CREATE INDEX tasks_status_idx ON tasks (status)",
            "differs: index tasks.tasks_status_idx",
        ),
        ("ALTER TABLE tasks DISABLE TRIGGER wake_workers", "differs: trigger tasks.wake_workers"),
        ("DROP TRIGGER wake_workers ON tasks", "missing: trigger tasks.wake_workers"),
        ("ALTER FUNCTION uuid7() STABLE", "differs: function uuid7()"),
        ("GRANT EXECUTE ON FUNCTION uuid7() TO PUBLIC", "differs: function uuid7()"),
        ("ALTER FUNCTION wake_workers() RESET search_path", "differs: function wake_workers()"),
        (
            "CREATE OR REPLACE FUNCTION wake_workers() RETURNS trigger LANGUAGE plpgsql"
            " SET search_path = agentic_ai, pg_temp AS 'BEGIN RETURN NULL; END'",
            "differs: function wake_workers()",
        ),
        (
            "DROP VIEW task_counts; CREATE VIEW task_counts AS SELECT agent_name FROM tasks",
            "differs: view task_counts",
        ),
        ("DROP TABLE llm_requests CASCADE", "missing: table llm_requests"),
    ],
)
def test_a_change_by_hand_is_found(database: Database, change: str, found: str) -> None:
    run(database, f"SET search_path = agentic_ai, public; {change};")
    assert any(str(difference).startswith(found) for difference in verify(database))


def test_what_others_added_is_extra(database: Database) -> None:
    run(
        database,
        "SET search_path = agentic_ai, public; ALTER TABLE tasks ADD COLUMN colour text;"
        " CREATE INDEX by_colour ON tasks (colour); CREATE VIEW red AS SELECT 1 AS one;"
        " CREATE TABLE paints ();",
    )
    assert [str(d).split(":", 2)[:2] for d in verify(database)] == [
        ["extra", " column tasks.colour"],
        ["extra", " index tasks.by_colour"],
        ["extra", " table paints"],
        ["extra", " view red"],
    ]


def test_a_restored_schema_is_the_same(
    database: Database, empty_database: Database, shared_server: SharedServer
) -> None:
    tool = shared_server.server.tool
    dump = subprocess.run(
        [tool("pg_dump"), database.dsn], capture_output=True, text=True, check=True
    ).stdout
    subprocess.run(
        [tool("psql"), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", empty_database.dsn],
        input=dump,
        stdout=subprocess.DEVNULL,
        text=True,
        check=True,
        env=os.environ,
    )
    assert verify(empty_database) == []


def test_another_version_is_no_difference_but_refused(
    database: Database, empty_database: Database
) -> None:
    with pytest.raises(SchemaMismatch, match="version 0"):
        verify(empty_database)
    run(database, "DELETE FROM agentic_ai.schema_migrations")
    with pytest.raises(SchemaMismatch, match="version 0"):
        verify(database)
