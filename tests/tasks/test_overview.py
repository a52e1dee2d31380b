"""The installation as a whole: server facts need no schema, activity does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agentpg.db import Database, connect
from agentpg.tasks.client import Client
from agentpg.tasks.overview import activity, server_facts


def test_server_facts_need_no_schema(empty_database: Database) -> None:
    with connect(empty_database) as connection:
        facts = server_facts(connection)
        assert facts.version.split(".")[0] == str(connection.info.server_version // 10000)
    assert not facts.in_recovery
    assert facts.size_bytes > 1_000_000
    assert facts.started_at < facts.now
    assert abs(facts.now - datetime.now(UTC)) < timedelta(minutes=1)


def test_activity_counts_tasks_and_names_what_nobody_knows(database: Database) -> None:
    with Client(database) as client:
        client.submit("A", "b")
        client.submit("A", "b", delay=timedelta(hours=1))
        client.cancel(client.submit("A", "c"))
    with connect(database) as connection:
        found = activity(connection, database.schema)
    assert (found.tasks.ready, found.tasks.delayed, found.tasks.running) == (1, 1, 0)
    assert found.finished == {"cancelled": 1}
    assert found.workers == []
    assert [(u.agent_name, u.task_type, u.tasks) for u in found.nobody_knows] == [("A", "b", 2)]
