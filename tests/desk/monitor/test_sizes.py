"""Sizes: what the guide's queries say, what has changed, and tables that somebody rewrites."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.monitor.reading import reading
from agentpg.desk.monitor.samples import keep_sample
from agentpg.desk.monitor.sizes import Sizes, TableSize, compared, read_sample, read_sizes
from agentpg.errors import FileNotRead, SampleNotRead
from tests.waiting import eventually

_ROWS = """
INSERT INTO tasks (agent_name, task_type, payload)
SELECT 'Billing', 'invoice', jsonb_build_object('text', (
    SELECT string_agg(md5(n || ':' || m), '') FROM generate_series(1, 100) AS m
))
FROM generate_series(1, 500) AS n
"""


def look(database: Database) -> Sizes:
    with reading(database, "the test") as reader:
        return read_sizes(reader)


def table(sizes: Sizes, name: str) -> TableSize:
    return next(one for one in sizes.tables if one.name == name)


def test_parts_add_up_and_the_largest_comes_first(database: Database) -> None:
    with connect(database) as connection:
        connection.execute(_ROWS)
        connection.execute("DELETE FROM tasks WHERE payload ->> 'text' < '8'")
        connection.execute("ANALYZE tasks")
        row = connection.execute("SELECT pg_total_relation_size('tasks')").fetchone()
    # What a session has counted is published when it ends.
    found = eventually(lambda: f if table(f := look(database), "tasks").dead_rows else None)
    assert found is not None
    tasks = table(found, "tasks")
    assert found.tables[0] == tasks
    assert row == (tasks.total_bytes,)
    parts = (tasks.heap_bytes, tasks.index_bytes, tasks.toast_bytes)
    assert sum(part or 0 for part in parts) == tasks.total_bytes
    # What does not fit a page lies beside the table.
    assert (tasks.toast_bytes or 0) > 1_000_000
    assert 0 < (tasks.estimated_rows or 0) < 500
    assert tasks.analyzed_at is not None


def test_what_has_changed_since_a_sample_in_a_file(database: Database, tmp_path: Path) -> None:
    from agentpg.cli.monitor_sizes import sizes_document
    from agentpg.cli.output import plain

    with connect(database) as connection:
        connection.execute("CREATE TABLE passing (n int)")
        before = look(database)
        sample = tmp_path / "before.json"
        sample.write_text(json.dumps(plain(sizes_document(before))), encoding="utf-8")
        connection.execute("DROP TABLE passing")
        connection.execute("CREATE TABLE fresh (n int PRIMARY KEY)")
        connection.execute(_ROWS)
        connection.execute("ANALYZE tasks")
    found = compared(look(database), read_sample(sample))
    grown = table(found, "tasks")
    assert (grown.grown_bytes or 0) == (grown.total_bytes or 0) - (
        table(before, "tasks").total_bytes or 0
    )
    assert table(found, "fresh").is_new
    assert found.gone == ("agentic_ai.passing",)
    assert found.since == before.taken_at
    assert (found.grown_bytes or 0) > 1_000_000
    assert found.grown_a_day is None  # a moment tells no pace


def test_a_table_that_is_rewritten_is_not_waited_for(database: Database) -> None:
    with connect(database, autocommit=False) as rewriting:
        rewriting.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        found = look(database)
    assert table(found, "tasks").total_bytes is None
    assert (table(found, "users").total_bytes or 0) > 0


def test_an_index_that_is_built_anew_is_not_waited_for(database: Database) -> None:
    with connect(database, autocommit=False) as rebuilding:
        rebuilding.execute("REINDEX INDEX tasks_pkey")
        found = look(database)
        kept = keep_sample(database)
    assert table(found, "tasks").total_bytes is None
    assert (table(found, "users").total_bytes or 0) > 0
    # What was left out of a sample is not new.
    later = compared(look(database), kept.sizes)
    tasks = table(later, "tasks")
    assert (tasks.is_new, tasks.grown_bytes) == (False, None)


@pytest.mark.without_server
def test_a_file_that_is_no_sample_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    for text in ("", "[]", '{"tables": [{}]}', '{"tables": [], "taken_at": 1, "bytes": 1}'):
        wrong.write_text(text, encoding="utf-8")
        with pytest.raises(SampleNotRead, match=r"wrong\.json"):
            read_sample(wrong)
    with pytest.raises(FileNotRead):
        read_sample(tmp_path / "missing.json")
