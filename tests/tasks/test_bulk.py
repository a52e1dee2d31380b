"""Retrying many failed tasks: what is counted is what is retried, and each only once."""

from __future__ import annotations

from agentpg.db import Database, connect, work_channel_of
from agentpg.tasks.bulk import FailedFilter, failed_groups, retry_failed


def _fail(database: Database, agent: str, number: int, task_type: str = "x") -> None:
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO tasks (agent_name, task_type, status, error_message, attempt, errors,"
            " max_attempts, result) SELECT %s, %s, 'failed', 'away', 3, 3, 3, '1'"
            " FROM generate_series(1, %s)",
            (agent, task_type, number),
        )


def _statuses(database: Database) -> dict[str, int]:
    with connect(database) as connection:
        return dict(
            connection.execute("SELECT status, count(*) FROM tasks GROUP BY status").fetchall()
        )


def test_failed_tasks_are_counted_by_agent_and_type(database: Database) -> None:
    _fail(database, "A", 3)
    _fail(database, "A", 1, "y")
    _fail(database, "B", 2)
    groups = failed_groups(database, FailedFilter())
    assert [(g.agent_name, g.task_type, g.tasks) for g in groups] == [
        ("A", "x", 3),
        ("B", "x", 2),
        ("A", "y", 1),
    ]
    assert groups[0].last_error == "away"
    assert [g.tasks for g in failed_groups(database, FailedFilter("A", "x"))] == [3]
    assert failed_groups(database, FailedFilter("C")) == []


def test_all_that_match_are_opened_again_in_batches(database: Database) -> None:
    _fail(database, "A", 2500)
    _fail(database, "B", 2)
    which = FailedFilter("A")
    until = failed_groups(database, which)[0].counted_at
    assert list(retry_failed(database, which, until)) == [1000, 1000, 500]
    assert _statuses(database) == {"pending": 2500, "failed": 2}
    with connect(database) as connection:
        row = connection.execute(
            "SELECT count(*) FROM tasks WHERE status = 'pending' AND errors = 0 AND attempt = 3"
            " AND error_message IS NULL AND result IS NULL AND finished_at IS NULL"
        ).fetchone()
    assert row == (2500,)


def test_what_fails_after_the_count_is_left_alone(database: Database) -> None:
    _fail(database, "A", 1)
    until = failed_groups(database, FailedFilter())[0].counted_at
    _fail(database, "A", 1)
    assert list(retry_failed(database, FailedFilter(), until)) == [1]
    assert _statuses(database) == {"pending": 1, "failed": 1}


def test_idle_workers_are_told(database: Database) -> None:
    _fail(database, "A", 3)
    until = failed_groups(database, FailedFilter())[0].counted_at
    with connect(database) as listening:
        listening.execute(f'LISTEN "{work_channel_of(database.schema)}"')
        list(retry_failed(database, FailedFilter(), until))
        heard = [n.payload for n in listening.notifies(timeout=5, stop_after=1)]
    assert heard == [""]
