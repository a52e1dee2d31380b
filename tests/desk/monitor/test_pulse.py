"""What the live view knows: the pace of the server and of the agents, and what is missing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentpg.db import Database, connect
from agentpg.desk.monitor import pulse as module
from agentpg.desk.monitor.pulse import Pulse
from agentpg.errors import SchemaMissing, ServerBusy
from tests.desk.history import write_history
from tests.waiting import eventually

_SLOW = """
INSERT INTO tasks (agent_name, task_type) VALUES ('A', 'b');
ALTER TABLE tasks RENAME TO tasks_behind;
CREATE VIEW tasks AS
SELECT * FROM tasks_behind WHERE status <> 'pending' OR pg_sleep(1) IS NOT NULL;
"""
_JUST_NOW = """
WITH done AS (
    INSERT INTO tasks (agent_name, task_type, status, attempt, created_at, run_at)
    SELECT 'Quick', 'work', 'completed', 1, now() - interval '20 s', now() - interval '20 s'
    FROM generate_series(1, 12)
    RETURNING id, agent_name, task_type
)
INSERT INTO agent_executions
    (task_id, attempt, agent_name, task_type, execution_start, execution_end, outcome)
SELECT id, 1, agent_name, task_type, now() - interval '10 s', now(),
       CASE WHEN row_number() OVER () <= 3 THEN 'failed' ELSE 'completed' END
FROM done
"""


def test_the_pace_is_that_of_the_last_minute(database: Database) -> None:
    write_history(database, days=2)
    with connect(database) as connection:
        connection.execute(_JUST_NOW)
    pulse = Pulse(database)
    first, second = pulse.look(), pulse.look()
    assert first.pace.transactions is None
    # The server publishes its counters once a second.
    assert eventually(lambda: pulse.look().pace.transactions)
    pulse.close()
    assert second.beat.now > first.beat.now
    assert second.agents is not None
    by_name = {one.name: one for one in second.agents}
    assert second.agents[0].name == "Quick"
    assert by_name["Quick"].ended == pytest.approx(12, abs=0.5)
    assert by_name["Quick"].failed == pytest.approx(3, abs=0.5)
    assert by_name["BillingAgent"].ready == 4
    assert by_name["BillingAgent"].oldest_seconds == pytest.approx(10800, abs=99)
    assert second.total.held == 1
    assert second.workers is not None
    assert second.workers.alive == 1


def test_a_queue_that_takes_too_long_leaves_the_sessions_and_rests(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STATEMENT_TIMEOUT", timedelta(milliseconds=300))
    with connect(database) as connection:
        connection.execute(_SLOW)
    pulse = Pulse(database)
    first, second = pulse.look(), pulse.look()
    pulse.close()
    assert isinstance(first.problem, ServerBusy)
    assert first.activity.connections.sessions > 0
    assert second.problem is first.problem


def test_without_our_schema_the_server_is_shown_alone(empty_database: Database) -> None:
    pulse = Pulse(empty_database)
    found = pulse.look()
    pulse.close()
    assert found.agents is None
    assert isinstance(found.problem, SchemaMissing)
    assert found.activity.connections.sessions > 0
