"""Every schema that was ever released can be upgraded to this release's."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.schema import check_version, migrate, released_migrations, verify
from tests.invariants import contradictions
from tests.schema.old import rows, run

RECORDED = sorted(Path(__file__).parent.glob("*_recorded.sql"))

# What no upgrade may lose or change.
KEPT = (
    "SELECT id::text, agent_name, task_type, status, created_at, result, error_message"
    " FROM agentic_ai.tasks ORDER BY id",
    "SELECT task_id::text, attempt, outcome, execution_start, execution_end, llm_calls,"
    " llm_total_tokens, cost_usd FROM agentic_ai.agent_executions ORDER BY 1, 2",
    "SELECT id::text, status, input_tokens, output_tokens, cost_usd"
    " FROM agentic_ai.llm_requests ORDER BY 1",
    "SELECT id::text, username, role, password_hash FROM agentic_ai.users ORDER BY 1",
)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_schema_is_upgraded(empty_database: Database, recorded: Path) -> None:
    run(empty_database, recorded.read_text(encoding="utf-8"))
    before = [rows(empty_database, query) for query in KEPT]
    assert all(before)

    migrate(empty_database)

    check_version(empty_database)
    assert verify(empty_database) == []
    assert [rows(empty_database, query) for query in KEPT] == before
    assert contradictions(empty_database) == {}
    with connect(empty_database) as connection:
        connection.execute("INSERT INTO tasks (agent_name, task_type) VALUES ('a', 'b')")


def test_this_release_is_recorded() -> None:
    newest = f"{released_migrations()[-1].version:04}_recorded.sql"
    assert newest in {path.name for path in RECORDED}, "python -m tests.migrations.record"
