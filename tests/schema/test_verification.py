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


# A change by hand, and how the line begins that tells of it.
CHANGES = {
    "ALTER TABLE tasks ALTER priority DROP DEFAULT": "differs: column tasks.priority",
    "ALTER TABLE tasks ALTER run_at DROP NOT NULL": "differs: column tasks.run_at",
    "ALTER TABLE tasks ALTER error_message TYPE varchar(9)": "differs: column tasks.error_message",
    "ALTER TABLE tasks DROP COLUMN tenant": "missing: column tasks.tenant",
    "ALTER TABLE tasks SET (fillfactor = 50)": "differs: table tasks",
    "ALTER TABLE users ENABLE ROW LEVEL SECURITY": "differs: table users",
    "ALTER TABLE workers RESET (fillfactor)": "differs: table workers",
    "ALTER TABLE users DROP CONSTRAINT users_role_is_known": (
        "missing: constraint users.users_role_is_known"
    ),
    "ALTER TABLE tasks DROP CONSTRAINT tasks_priority_in_range, ADD CONSTRAINT"
    " tasks_priority_in_range CHECK (priority BETWEEN 0 AND 2000)": (
        "differs: constraint tasks.tasks_priority_in_range"
    ),
    "DROP INDEX tasks_created_at_idx": "missing: index tasks.tasks_created_at_idx",
    "DROP INDEX tasks_status_idx; CREATE INDEX tasks_status_idx ON tasks (status)": (
        "differs: index tasks.tasks_status_idx"
    ),
    "ALTER TABLE tasks DISABLE TRIGGER wake_workers": "differs: trigger tasks.wake_workers",
    "DROP TRIGGER complete_plain_write ON tasks": "missing: trigger tasks.complete_plain_write",
    "GRANT EXECUTE ON FUNCTION uuid7() TO PUBLIC": "differs: function uuid7()",
    "ALTER FUNCTION complete_plain_write() RESET search_path": (
        "differs: function complete_plain_write()"
    ),
    "CREATE OR REPLACE FUNCTION wake_workers() RETURNS trigger LANGUAGE plpgsql"
    " SET search_path = agentic_ai, pg_temp AS 'BEGIN RETURN NULL; END'": (
        "differs: function wake_workers()"
    ),
    "DROP VIEW task_counts; CREATE VIEW task_counts AS SELECT agent_name FROM tasks": (
        "differs: view task_counts"
    ),
    "DROP TABLE llm_requests CASCADE": "missing: table llm_requests",
}


def test_every_change_by_hand_is_found(database: Database) -> None:
    run(database, f"SET search_path = agentic_ai, public; {'; '.join(CHANGES)};")
    lines = [str(difference) for difference in verify(database)]
    missed = [c for c, begins in CHANGES.items() if not any(x.startswith(begins) for x in lines)]
    assert missed == []
    # Nothing else is blamed but what went with the table.
    expected = set(CHANGES.values())
    other = [x for x in lines if not any(x.startswith(begins) for begins in expected)]
    assert all("llm_" in line for line in other), other


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
