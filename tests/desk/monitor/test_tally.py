"""Each execution and call is counted once, when it has ended, and nothing of the history."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from agentpg.db import Connection, Database, connect
from agentpg.desk.monitor import tally as module
from agentpg.desk.monitor.reading import Reader, reading
from agentpg.desk.monitor.tally import BOUNDS, OTHER, Histogram, Names, Tally

_TASK = """
INSERT INTO tasks (id, agent_name, task_type, status, attempt, created_at, run_at, started_at)
SELECT uuid7(), %(agent)s, 'work', 'running', 1, now() - %(ago)s::interval - interval '7 s',
       now() - %(ago)s::interval - interval '7 s', now() - %(ago)s::interval
RETURNING id
"""
_EXECUTION = """
INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, execution_start)
SELECT id, attempt, agent_name, task_type, started_at FROM tasks WHERE id = %(id)s
"""
_CALL = """
INSERT INTO llm_requests (task_id, attempt, agent_name, provider, model, started_at)
SELECT id, attempt, agent_name, 'openai', 'gpt-4o-mini', started_at FROM tasks WHERE id = %(id)s
"""
# Whoever reads the execution of half an hour ago takes a second.
_SLOW = """
ALTER TABLE agent_executions RENAME TO executions_behind;
CREATE VIEW agent_executions AS
SELECT e.* FROM executions_behind e
WHERE NOT (e.execution_start BETWEEN now() - interval '31 min' AND now() - interval '29 min'
           AND pg_sleep(1) IS NULL);
"""
_END = """
UPDATE agent_executions SET execution_end = now(), outcome = %(outcome)s, duration_seconds = 2
WHERE task_id = %(id)s
"""
_END_TASK = "UPDATE tasks SET status = 'completed' WHERE id = %(id)s"
_END_CALL = """
UPDATE llm_requests SET status = 'ok', ended_at = now(), input_tokens = 100, output_tokens = 20,
    cost_usd = 0.25, cost_source = 'test'
WHERE task_id = %(id)s
"""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims of the test are committed when it looks."""
    monkeypatch.setattr(module, "_BEHIND_SECONDS", 0.0)


def begin(connection: Connection[tuple[object, ...]], agent: str, ago: str = "0 s") -> object:
    row = connection.execute(_TASK, {"agent": agent, "ago": ago}).fetchone()
    assert row is not None
    for statement in (_EXECUTION, _CALL):
        connection.execute(statement, {"id": row[0]})
    return row[0]


def end(connection: Connection[tuple[object, ...]], task: object, outcome: str) -> None:
    connection.execute(_END, {"id": task, "outcome": outcome})
    connection.execute(_END_CALL, {"id": task})
    connection.execute(_END_TASK, {"id": task})


def test_each_is_counted_once_and_only_when_it_has_ended(database: Database) -> None:
    tally = Tally()
    with connect(database) as connection, reading(database, "the test") as reader:
        old = begin(connection, "Old", "1 hour")
        end(connection, begin(connection, "History", "1 hour"), "completed")
        tally.look(reader)
        assert tally.open == 1
        quick, slow = begin(connection, "Quick"), begin(connection, "Slow")
        end(connection, quick, "completed")
        tally.look(reader)
        assert tally.counts.executions == {("Quick", "completed"): 1}
        assert tally.open == 2
        end(connection, slow, "failed")
        # Under way when the tally began.
        end(connection, old, "lost")
        for _ in range(2):
            tally.look(reader)
    assert tally.counts.executions == {
        ("Quick", "completed"): 1,
        ("Slow", "failed"): 1,
        ("Old", "lost"): 1,
    }
    assert tally.open == 0
    runs, waits = tally.counts.runs["Slow"], tally.counts.waits["Slow"]
    assert (sum(runs.counts), runs.seconds) == (1, 2.0)
    assert (sum(waits.counts), round(waits.seconds)) == (1, 7)
    assert tally.counts.calls["Old", "gpt-4o-mini", "ok"] == 1
    spent = tally.counts.spent["Slow", "gpt-4o-mini"]
    assert (spent.tokens["input"], spent.tokens["output"]) == (100, 20)
    assert spent.cost_usd == Decimal("0.25")


def test_what_takes_too_long_is_read_in_slices_and_at_last_left_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 60.0)
    monkeypatch.setattr(module, "_SHORTEST_SLICE", timedelta(minutes=2))
    with connect(database) as connection, connect(database) as looking:
        for ago in ("50 min", "30 min", "1 min"):
            end(connection, begin(connection, "A", ago), "completed")
        connection.execute(_SLOW)
        tally = Tally(timedelta(hours=1))
        reader = Reader(database, looking, timedelta(milliseconds=300))
        tally.look(reader)
        assert tally.counts.executions == {("A", "completed"): 2}
        assert tally.left_out == 1
        tally.look(reader)
    assert tally.counts.executions == {("A", "completed"): 2}


def test_a_first_look_can_reach_back(database: Database) -> None:
    with connect(database) as connection, reading(database, "the test") as reader:
        end(connection, begin(connection, "Late", "30 min"), "completed")
        end(connection, begin(connection, "Early", "2 hours"), "completed")
        tally = Tally(timedelta(hours=1))
        tally.look(reader)
    assert tally.counts.executions == {("Late", "completed"): 1}


@pytest.mark.without_server
def test_names_beyond_a_number_are_one_and_stay_what_they_were() -> None:
    names = Names(2)
    assert [names(n) for n in ("a", "b", "c", "a", None)] == ["a", "b", OTHER, "a", OTHER]


@pytest.mark.without_server
def test_a_time_at_a_bound_is_within_it() -> None:
    histogram = Histogram()
    # The server counts the bounds that are at or above.
    for seconds in (0.1, 0.2, 99_999.0):
        histogram.add(sum(bound >= seconds for bound in BOUNDS), 1, seconds)
    found = dict(histogram.cumulative())
    assert (found["0.1"], found["0.5"], found["14400.0"], found["+Inf"]) == (1, 2, 2, 3)
