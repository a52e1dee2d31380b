"""Adoption of databases that the guide made, and of what people made of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from agentpg.db import Database, connect
from agentpg.errors import AdoptionRefused
from agentpg.schema import migrate, verify
from agentpg.schema.adoption import Wishes, adopt, plan_adoption
from agentpg.tasks.handlers import App
from agentpg.tasks.run import Run
from tests.schema.old import DEPENDENTS, GUIDE_ROWS, GUIDE_TABLE, SUPERSET, rows, run
from tests.servers import SharedServer
from tests.tasks.engine import Engine
from tests.waiting import eventually

GUIDE = GUIDE_TABLE + GUIDE_ROWS + DEPENDENTS

# The five columns, whatever else there is.
FIVE = "SELECT id, agent_name, task_type, created_at FROM {schema}.tasks ORDER BY id"
MINE = "SELECT id FROM tasks WHERE agent_name = 'Agent1' AND task_type = 'kind1'"


def statuses_in(database: Database, schema: str) -> dict[UUID, str]:
    """The status of each task."""
    found = rows(database, f"SELECT id, coalesce(status, 'NULL') FROM {schema}.tasks")
    return {row[0]: row[1] for row in found}


def ours(database: Database) -> list[str]:
    """What verify finds and is not simply somebody else's."""
    return [str(d) for d in verify(database) if d.kind != "extra"]


@contextmanager
def unchanged(database: Database, schema: str) -> Iterator[None]:
    """Within it, nothing of the schema or its rows changes."""
    query = (
        f"SELECT (SELECT array_agg(t::text ORDER BY id) FROM {schema}.tasks t),"
        " (SELECT array_agg(nspname::text ORDER BY nspname) FROM pg_namespace),"
        " (SELECT array_agg(relname::text ORDER BY relname) FROM pg_class"
        "  WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_t'))"
    )
    before = rows(database, query)
    yield
    assert rows(database, query) == before


@pytest.mark.parametrize("schema", ["public", "agentic_ai"])
def test_the_guides_tables_are_taken_over(empty_database: Database, schema: str) -> None:
    database = empty_database
    run(database, GUIDE, schema)
    five = rows(database, FIVE.format(schema=schema))
    statuses = statuses_in(database, schema)

    adoption = adopt(database, shown=plan_adoption(database))
    assert (adoption.source, adoption.rows) == (schema, {"tasks": 5000})
    assert {(c.status, c.tasks) for c in adoption.unknown} == {(None, 250), ("archived", 227)}
    assert {(d.kind, d.name.rpartition(".")[2]) for d in adoption.dependents} == {
        ("view", "open_tasks"),
        ("foreign key", "invoices_task_id_fkey"),
    }

    assert ours(database) == []
    assert rows(database, FIVE.format(schema="agentic_ai")) == five
    unfinished = {"running": "pending", "waiting": "pending"}
    assert statuses_in(database, "agentic_ai") == {
        task: unfinished.get(status, status) for task, status in statuses.items()
    }
    held = rows(database, "SELECT count(*) FROM tasks WHERE held_reason = 'adopted'")
    assert held == [(adoption.unfinished,)]
    assert rows(database, "SELECT count(*) FROM tasks WHERE NOT adopted") == [(0,)]
    assert rows(database, "SELECT count(*) FROM tasks WHERE submitted_by IS NOT NULL") == [(0,)]
    # The view and the foreign key see the same table.
    assert rows(database, f"SELECT count(*) FROM {schema}.open_tasks") == held
    with pytest.raises(Exception, match="invoices_task_id_fkey"):
        run(database, "INSERT INTO invoices (task_id) VALUES (gen_random_uuid())", schema)
    # The index that did the same is agentpg's now; the other one is kept.
    extra = {d.object for d in verify(database) if d.object.startswith("index")}
    assert extra == {"index tasks.tasks_status_idx_before"}


def test_the_engine_works_on_it(empty_database: Database, tmp_path: Path) -> None:
    database = empty_database
    run(database, GUIDE, "public")
    adopt(database, Wishes(run_pending=True))
    assert rows(database, "SELECT count(*) FROM tasks WHERE held_reason IS NOT NULL") == [(0,)]
    wanted = rows(database, f"{MINE} AND status = 'pending'")
    engine = Engine(database, tmp_path)
    app = App()

    @app.task("Agent1", "kind1")
    def handle(run: Run) -> str:
        return "done"

    with closing(engine):
        engine.work(app)
        new = engine.run("Agent1", "kind1")
        assert (new.status, new.result) == ("completed", "done")
        eventually(lambda: not rows(database, f"{MINE} AND status = 'pending'"))
    done = rows(database, f"{MINE} AND status = 'completed' AND adopted AND attempt = 1")
    assert sorted(done) == sorted(wanted)
    assert len(done) > 10


def test_psql_does_the_same(empty_database: Database, shared_server: SharedServer) -> None:
    run(empty_database, GUIDE, "public")
    text = plan_adoption(empty_database).script()
    psql = shared_server.server.tool("psql")
    done = subprocess.run(
        [psql, "--no-psqlrc", "--quiet", empty_database.dsn],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ours(empty_database) == []
    assert migrate(empty_database) == []


def test_a_superset_with_executions_and_users(empty_database: Database) -> None:
    database = empty_database
    run(database, SUPERSET, "public")
    adoption = adopt(database, Wishes(time_zone="Asia/Seoul"))
    assert ours(database) == []
    assert adoption.rows == {"tasks": 4, "agent_executions": 5, "users": 3}
    assert rows(
        database,
        "SELECT agent_name, status, title, result, created_at AT TIME ZONE 'UTC', attempt"
        " FROM tasks ORDER BY agent_name",
    ) == [
        ("a", "completed", "first", '{"n": 1}', _noon_in_seoul(1), 2),
        ("b", "failed", "second", "not json", _noon_in_seoul(2), 1),
        ("c", "pending", "third", None, _noon_in_seoul(3), 1),
        ("d", "paused", "fourth", None, None, 0),
    ]
    assert rows(
        database,
        "SELECT e.agent_name, attempt, outcome, llm_calls, llm_total_tokens, llm_unknown_calls,"
        " llm_unpriced_calls, note FROM agent_executions e ORDER BY id",
    ) == [
        ("a", 1, "failed", 1, 100, 0, 1, "x"),
        ("a", 2, "completed", 2, 0, 2, 2, "y"),
        ("b", 1, "failed", 0, 0, 0, 0, "z"),
        ("c", 1, "lost", 0, 0, 0, 0, None),
        (None, 1, None, 3, 7, 0, 3, None),
    ]
    assert rows(
        database,
        "SELECT legacy_id, username, email, role, legacy_role, password_hash FROM users"
        " ORDER BY legacy_id",
    ) == [
        (1, "kim", "kim@example.org", "admin", "admin", "$2b$12$x"),
        (2, "lee", "lee@example.org", "viewer", "boss", None),
        (3, "no-name", "no-name@example.org", "viewer", None, None),
    ]
    # What referred to a user by number still does, and the trigger of others still works.
    run(database, "INSERT INTO badges (user_id) VALUES (3)", "public")
    with pytest.raises(Exception, match="badges_user_id_fkey"):
        run(database, "INSERT INTO badges (user_id) VALUES (4)", "public")
    assert rows(database, "SELECT count(*) FROM audit") == [(0,)]
    run(database, "INSERT INTO tasks (agent_name, task_type) VALUES ('e', 'f')")
    assert rows(database, "SELECT count(*) FROM audit") == [(1,)]


def test_who_could_write_still_can(empty_database: Database, shared_server: SharedServer) -> None:
    database = empty_database
    name = database.dsn.partition("dbname=")[2].split()[0]
    role = f"writer_{name}"
    superuser = Database(shared_server.superuser_dsn(name), database.schema)
    run(superuser, f"CREATE ROLE {role}")
    try:
        run(database, f"{GUIDE_TABLE} GRANT SELECT, INSERT, UPDATE ON tasks TO {role};", "public")
        adopt(database)
        run(
            superuser,
            f"SET ROLE {role};"
            " INSERT INTO tasks (id, agent_name, task_type, status, created_at)"
            " VALUES (gen_random_uuid(), 'a', 'b', 'pending', now());"
            " UPDATE tasks SET status = 'completed';",
        )
        assert rows(database, "SELECT finished_at IS NOT NULL FROM tasks") == [(True,)]
    finally:
        run(superuser, f"DROP OWNED BY {role}; DROP ROLE {role};")


def test_a_superuser_leaves_all_to_the_owner(
    empty_database: Database, shared_server: SharedServer
) -> None:
    run(empty_database, GUIDE_TABLE, "public")
    name = empty_database.dsn.partition("dbname=")[2].split()[0]
    adopt(Database(shared_server.superuser_dsn(name), empty_database.schema))
    assert rows(
        empty_database,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class"
        " WHERE relnamespace = 'agentic_ai'::regnamespace",
    ) == [("admin",)]
    assert ours(empty_database) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE tasks ADD COLUMN priority boolean", "tasks.priority is boolean, and"),
        ("ALTER TABLE tasks ADD COLUMN worker text", "tasks.worker would get another meaning"),
        ("ALTER TABLE tasks ALTER agent_name TYPE text; INSERT INTO tasks VALUES"
         " (gen_random_uuid(), repeat('x', 101))", "has values that do not fit"),
        ("ALTER TABLE tasks ALTER agent_name TYPE text; CREATE VIEW v AS"
         " SELECT agent_name FROM tasks", "but v reads it"),
        ("ALTER TABLE tasks DROP CONSTRAINT tasks_pkey, ALTER id DROP NOT NULL;"
         " INSERT INTO tasks VALUES (NULL, 'a')",
         "1 rows of tasks are without a key"),
        ("ALTER TABLE tasks ENABLE ROW LEVEL SECURITY", "no plain table"),
        ("CREATE TABLE workers ()", "the schema agentic_ai has a workers already"),
        ("CREATE TABLE schedules ()", "the schema agentic_ai has a schedules already"),
        ("CREATE TABLE limits ()", "the schema agentic_ai has a limits already"),
        ("CREATE TABLE limit_starts ()", "the schema agentic_ai has a limit_starts already"),
        ("CREATE TABLE paused_agents ()", "the schema agentic_ai has a paused_agents already"),
        ("CREATE TABLE task_events ()", "the schema agentic_ai has a task_events already"),
        ("CREATE VIEW ruled AS SELECT 1", "the schema agentic_ai has a ruled already"),
        ("ALTER TABLE tasks ADD COLUMN lane integer", "tasks.lane would get another meaning"),
        ("CREATE INDEX tasks_lane_idx ON tasks (status)", "has a tasks_lane_idx already"),
    ],
)  # fmt: skip
def test_what_is_in_the_way_is_said(empty_database: Database, change: str, said: str) -> None:
    database = empty_database
    run(database, GUIDE_TABLE, "agentic_ai")
    run(database, change, "agentic_ai")
    with unchanged(database, "agentic_ai"):
        for call in (plan_adoption, adopt):
            with pytest.raises(AdoptionRefused, match=said):
                call(database)


@pytest.mark.parametrize(
    "what", ["TABLE schedules ()", "TABLE workers ()", "VIEW ruled AS SELECT 1"]
)
def test_names_that_are_taken_where_the_tables_go(empty_database: Database, what: str) -> None:
    run(empty_database, GUIDE_TABLE, "public")
    run(empty_database, f"CREATE {what}", "agentic_ai")
    with unchanged(empty_database, "public"), pytest.raises(AdoptionRefused, match="already"):
        adopt(empty_database)


def test_what_stays_behind_is_in_nobodys_way(empty_database: Database) -> None:
    run(empty_database, GUIDE_TABLE, "public")
    run(empty_database, "CREATE TABLE schedules (mine integer)", "public")
    adopt(empty_database)
    assert ours(empty_database) == []
    assert rows(empty_database, "SELECT mine FROM public.schedules") == []


def test_all_that_is_in_the_way_is_said_at_once(empty_database: Database) -> None:
    run(empty_database, GUIDE_TABLE, "public")
    run(empty_database, "ALTER TABLE tasks ADD priority boolean, ADD payload integer", "public")
    with pytest.raises(AdoptionRefused) as refused:
        plan_adoption(empty_database)
    assert [values["column"] for _, values in refused.value.obstacles] == ["priority", "payload"]


def test_values_that_contradict_undo_everything(empty_database: Database) -> None:
    run(empty_database, GUIDE_TABLE, "public")
    run(
        empty_database,
        "ALTER TABLE tasks ADD COLUMN priority integer;"
        " INSERT INTO tasks (id, priority) VALUES (gen_random_uuid(), 5000)",
        "public",
    )
    with (
        unchanged(empty_database, "public"),
        pytest.raises(AdoptionRefused, match="tasks_priority_in_range"),
    ):
        adopt(empty_database)


def test_where_the_tables_are(empty_database: Database) -> None:
    with pytest.raises(AdoptionRefused, match="no schema has a table tasks"):
        plan_adoption(empty_database)
    run(empty_database, GUIDE_TABLE, "one")
    run(empty_database, GUIDE_TABLE, "two")
    with pytest.raises(AdoptionRefused, match="choose one with --from: one, two"):
        plan_adoption(empty_database)
    with pytest.raises(AdoptionRefused, match="schema three has no table tasks"):
        plan_adoption(empty_database, Wishes(source="three"))
    with pytest.raises(AdoptionRefused, match="no time zone Mars"):
        plan_adoption(empty_database, Wishes(source="two", time_zone="Mars"))
    assert adopt(empty_database, Wishes(source="two")).source == "two"
    assert rows(empty_database, "SELECT to_regclass('one.tasks')::text") == [("one.tasks",)]
    with pytest.raises(AdoptionRefused, match="is agentpg's already"):
        plan_adoption(empty_database)


def test_tables_that_changed_since_or_are_used(empty_database: Database) -> None:
    database = empty_database
    run(database, GUIDE_TABLE, "public")
    shown = plan_adoption(database)
    run(database, "ALTER TABLE tasks ADD COLUMN priority integer", "public")
    with pytest.raises(AdoptionRefused, match="changed since the plan was shown"):
        adopt(database, shown=shown)
    with connect(database, autocommit=False) as other:
        other.execute("SELECT FROM public.tasks")
        with (
            unchanged(database, "public"),
            pytest.raises(AdoptionRefused, match="other sessions are using the tables"),
        ):
            adopt(database, lock_timeout=timedelta(milliseconds=100))
    adopt(database)


def _noon_in_seoul(day: int) -> datetime:
    return datetime(2026, 1, day, 3)  # noqa: DTZ001 - it is read in UTC and without its zone
