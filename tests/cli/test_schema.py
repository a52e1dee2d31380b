"""`agentpg schema` on real databases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentpg.db import Database
from agentpg.schema import released_migrations
from tests.cli.conftest import Call
from tests.schema.old import DEPENDENTS, GUIDE_ROWS, GUIDE_TABLE, rows, run

pytestmark = pytest.mark.one_server


@pytest.fixture
def empty(empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A fresh database without the schema, which the calls use."""
    monkeypatch.setenv("AGENTPG_DSN", empty_database.dsn)
    return empty_database


def test_migrate_says_what_it_did(call: Call, empty: Database) -> None:
    printed = call("schema", "migrate", "--sql")
    assert "CREATE TABLE tasks" in printed.out
    assert call("schema", "verify").code == 4
    applied = "".join(f"Applied {migration}.\n" for migration in released_migrations())
    assert call("schema", "migrate").out == applied
    assert "there is nothing to do" in call("schema", "migrate").out
    assert call("schema", "migrate", "--sql").out == ""
    assert json.loads(call("schema", "migrate", "--json").out) == []


def test_verify_tells_what_differs(call: Call, installed: Database) -> None:
    well = call("schema", "verify")
    assert (well.code, well.out) == (0, "The schema is as this release expects it.\n")
    run(installed, "ALTER TABLE tasks ADD COLUMN colour text", "agentic_ai")
    assert call("schema", "verify").code == 0
    run(installed, "DROP INDEX tasks_created_at_idx", "agentic_ai")
    wrong = call("schema", "verify")
    assert wrong.code == 1
    assert "missing: index tasks.tasks_created_at_idx" in wrong.out
    assert "extra: column tasks.colour" in wrong.out
    kinds = [d["kind"] for d in json.loads(call("schema", "verify", "--json").out)]
    assert kinds == ["missing", "extra"]


def test_show_explains_tables(call: Call, installed: Database) -> None:
    shown = call("schema", "show", "tasks")
    assert shown.code == 0
    assert "0 to 1000, the smaller runs first" in " ".join(shown.out.split())
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    names = [t["name"] for t in json.loads(call("schema", "show", "--json").out)]
    assert {"tasks", "agent_executions", "llm_requests", "users", "agent_statistics"} <= set(names)
    missing = call("schema", "show", "toys")
    assert missing.code == 1
    assert "the schema has no table toys" in missing.err
    assert call("schema", "show", "--sql").out.startswith("-- The whole schema of agentpg")


def test_docs_are_written(call: Call, installed: Database, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    called = call("schema", "docs", "--folder", str(folder))
    assert called.code == 0, called.err
    assert (folder / "tasks.md").is_file()
    assert str(folder / "tasks.md") in called.out.split()


def test_adopt_shows_its_plan_and_asks(call: Call, empty: Database) -> None:
    run(empty, GUIDE_TABLE + GUIDE_ROWS + DEPENDENTS, "public")
    assert "ALTER TABLE" in call("schema", "adopt", "--sql").out
    asked = call("schema", "adopt")
    assert asked.code == 2
    assert "Say --yes to go ahead." in asked.err
    assert "archived" in asked.out
    assert "open_tasks" in asked.out
    assert rows(empty, "SELECT to_regclass('public.tasks')::text") == [("tasks",)]

    done = call("schema", "adopt", "--yes")
    assert done.code == 0, done.err
    assert "with every row" in done.out
    assert rows(empty, "SELECT count(*) FROM agentic_ai.tasks") == [(5000,)]
    assert call("schema", "verify").code == 0
    again = call("schema", "adopt", "--yes")
    assert again.code == 4
    assert "the schema agentic_ai is agentpg's already" in again.err


def test_adopt_speaks_korean_and_json(call: Call, empty: Database) -> None:
    run(empty, GUIDE_TABLE, "public")
    run(empty, "ALTER TABLE tasks ADD COLUMN worker text", "public")
    refused = call("--lang", "ko", "schema", "adopt", "--yes")
    assert refused.code == 4
    assert "tasks.worker" in refused.err
    assert "would get" not in refused.err
    run(empty, "ALTER TABLE tasks DROP COLUMN worker", "public")
    done = call("schema", "adopt", "--yes", "--json")
    assert json.loads(done.out) == {
        "source": "public",
        "schema": "agentic_ai",
        "rows": {"tasks": 0},
    }
