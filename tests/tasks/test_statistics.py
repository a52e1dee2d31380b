"""The statistics agree with the guide's own SQL, with the views and with each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from agentpg.db import Connection, Database, connect, snapshot
from agentpg.tasks.statistics import Activity, AgentWork, Statistics, Window
from tests.desk.history import write_history
from tests.servers import SharedServer

_GUIDE = """
    SELECT
        agent_name,
        COUNT(*) as total_executions,
        AVG(duration_seconds) as avg_duration,
        SUM(llm_total_tokens) as total_tokens
    FROM agent_executions
    WHERE execution_start >= CURRENT_DATE - INTERVAL '7 days'
    GROUP BY agent_name
"""


@pytest.fixture(scope="module")
def busy(shared_server: SharedServer) -> Iterator[Database]:
    with shared_server.database() as database:
        write_history(database)
        yield database


@pytest.fixture
def reading(busy: Database) -> Iterator[Connection[Any]]:
    with snapshot(busy) as connection:
        yield connection


@pytest.fixture
def statistics(reading: Connection[Any]) -> Statistics:
    return Statistics(reading, "agentic_ai")


def _level(activity: list[Activity], level: str) -> list[Activity]:
    return [a for a in activity if a.level == level]


def _ask(database: Database, *statements: str) -> None:
    with connect(database) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _now(database: Database) -> tuple[list[Activity], list[AgentWork]]:
    with snapshot(database) as connection:
        read = Statistics(connection, database.schema)
        return read.activity(read.window(7)), read.agents()


def test_the_guides_query_gives_the_same(database: Database) -> None:
    write_history(database, days=9)
    _ask(
        database,
        "DELETE FROM agent_executions WHERE outcome = 'released'",
    )
    with snapshot(database) as connection:
        guide = {row[0]: row[1:] for row in connection.execute(_GUIDE)}
        ours = Statistics(connection, "agentic_ai").agent_statistics()
    assert {a.agent_name for a in ours} == set(guide)
    for one in ours:
        total, average, tokens = guide[one.agent_name]
        assert (one.total_executions, one.total_tokens) == (total, tokens)
        assert one.avg_duration_seconds == pytest.approx(average)


def test_seven_days_of_activity_equal_the_view(statistics: Statistics) -> None:
    by_agent = _level(statistics.activity(statistics.window(7)), "agent")
    view = {one.agent_name: one for one in statistics.agent_statistics()}
    assert {a.agent_name for a in by_agent} == set(view)
    for one in by_agent:
        same = view[one.agent_name]
        assert (one.executions, one.failed, one.lost, one.tokens, one.cost_usd) == (
            same.total_executions, same.failed, same.lost, same.total_tokens, same.cost_usd
        )  # fmt: skip
        assert one.p95_seconds == same.p95_duration_seconds


@pytest.mark.parametrize("level", ["agent", "type", "day"])
def test_every_level_adds_up_to_the_total(statistics: Statistics, level: str) -> None:
    activity = statistics.activity(statistics.window(7))
    (total,) = _level(activity, "total")
    parts = _level(activity, level)
    assert total.executions > 100
    for name in ("executions", "completed", "failed", "lost", "retries", "tokens", "llm_calls"):
        assert sum(getattr(p, name) for p in parts) == getattr(total, name), name
    assert sum(p.cost_usd for p in parts if p.cost_usd) == total.cost_usd


def test_models_add_up_to_the_executions(statistics: Statistics) -> None:
    window = statistics.window(7)
    (total,) = _level(statistics.activity(window), "total")
    models = statistics.models(window)
    assert sum(m.calls for m in models) == total.llm_calls
    assert sum(m.unknown_calls for m in models) == total.unknown_calls
    assert sum(m.unpriced_calls for m in models) == total.unpriced_calls
    assert sum(m.cost_usd for m in models if m.cost_usd) == total.cost_usd
    local = next(m for m in models if m.provider == "local")
    assert (local.cost_usd, local.unpriced_calls) == (None, local.calls)


def test_windows_meet_and_their_days_are_whole(statistics: Statistics) -> None:
    window = statistics.window(7)
    assert (window.since.hour, window.since.minute) == (0, 0)
    assert len(window.days) == 8
    assert window.before.until == window.since
    assert window.before.until - window.before.since == window.until - window.since


def test_released_executions_are_counted_only_as_handed_back(database: Database) -> None:
    _ask(
        database,
        "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, "
        "execution_start, execution_end, outcome, llm_calls, llm_total_tokens, cost_usd) "
        "VALUES (uuid7(), 1, 'A', 't', now(), now(), 'released', 2, 30, 0.5)",
    )
    activity, _ = _now(database)
    assert [a.executions for a in activity] == [0]
    with snapshot(database) as connection:
        read = Statistics(connection, database.schema)
        window = read.window(7)
        later = Window(
            since=window.since, until=window.until + timedelta(seconds=1), time_zone="UTC"
        )
        back = read.handed_back(later)
    assert (back.executions, back.tokens, str(back.cost_usd)) == (1, 30, "0.5000000000")


def test_a_retry_follows_an_execution_that_counts(database: Database) -> None:
    _ask(
        database,
        "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, "
        "execution_start, execution_end, outcome) "
        "SELECT id, attempt, 'A', 't', now() - interval '1 min', now(), outcome FROM (VALUES "
        "('00000000-0000-7000-8000-000000000001'::uuid, 1, 'failed'), "
        "('00000000-0000-7000-8000-000000000001', 2, 'lost'), "
        "('00000000-0000-7000-8000-000000000001', 3, 'completed'), "
        "('00000000-0000-7000-8000-000000000002', 1, 'released'), "
        "('00000000-0000-7000-8000-000000000002', 2, 'completed')"
        ") AS one (id, attempt, outcome)",
    )
    (total,) = _level(_now(database)[0], "total")
    assert (total.executions, total.retries, total.bad) == (4, 2, 2)


def test_the_wait_is_from_ready_to_claimed(database: Database) -> None:
    _ask(
        database,
        "INSERT INTO tasks (id, agent_name, task_type, status, created_at, run_at, attempt, "
        "started_at, finished_at) VALUES ('00000000-0000-7000-8000-000000000001', 'A', 't', "
        "'completed', now() - interval '1 hour', now() - interval '50 s', 1, "
        "now() - interval '40 s', now())",
        "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, "
        "execution_start, execution_end, outcome, duration_seconds) "
        "SELECT id, 1, 'A', 't', started_at, finished_at, 'completed', 40 FROM tasks",
    )
    (total,) = _level(_now(database)[0], "total")
    assert total.p50_wait_seconds == pytest.approx(10)


def test_alike_errors_are_one(statistics: Statistics) -> None:
    errors = statistics.errors(statistics.window(14), limit=50)
    texts = {e.error for e in errors}
    assert "OverloadedError: Overloaded (request …)" in texts
    assert "RateLimitError: 429 Too Many Requests, retry after # s" in texts
    assert [e.executions for e in errors] == sorted((e.executions for e in errors), reverse=True)
    assert all(e.outcome in ("failed", "timed_out") for e in errors)


def test_lost_executions_name_their_worker(statistics: Statistics) -> None:
    (loss,) = statistics.losses(statistics.window(7))
    assert (loss.host, loss.pid) == ("agents-2", 815)
    assert loss.executions > 0


def test_submissions_tell_what_became_of_them(statistics: Statistics) -> None:
    submissions = statistics.submissions(statistics.window(7))
    assert submissions.unfinished == 11
    assert submissions.completed > submissions.failed > 0


def test_views_can_be_read_as_they_are(statistics: Statistics) -> None:
    counts = {(c.agent_name, c.status): c.tasks for c in statistics.task_counts()}
    assert counts["BillingAgent", "pending"] == 4
    since = statistics.window(7).since
    usage = statistics.llm_usage(since)
    assert {u.provider for u in usage} == {"openai", "anthropic", "local"}
    assert min(u.day for u in usage) >= since


def test_agents_are_known_by_tasks_and_by_workers(statistics: Statistics) -> None:
    agents = {(w.agent_name, w.task_type): w for w in statistics.agents()}
    assert agents["ReportAgent", "weekly_report"].workers == 1
    billing = agents["BillingAgent", "invoice"]
    assert (billing.workers, billing.pending, billing.nobody_knows) == (0, 4, True)
    document = agents["DocumentAgent", "summarize"]
    assert (document.pending, document.held, document.nobody_knows) == (6, 1, False)


def test_an_agent_with_only_finished_tasks_is_listed_without_type(database: Database) -> None:
    _ask(
        database,
        "INSERT INTO tasks (agent_name, task_type, status) "
        "SELECT name, 't', 'completed' FROM unnest(ARRAY['B', 'A', 'B', 'C']) AS name",
    )
    _, agents = _now(database)
    assert [(w.agent_name, w.task_type, w.pending) for w in agents] == [
        ("A", None, 0), ("B", None, 0), ("C", None, 0)
    ]  # fmt: skip


def test_a_silent_worker_knows_nothing(database: Database) -> None:
    _ask(
        database,
        "INSERT INTO workers (id, host, pid, version, concurrency, lease_seconds, handlers, "
        "heartbeat_at) VALUES (uuid7(), 'h', 1, '0', 1, 30, '[[\"A\", \"t\"]]', "
        "now() - interval '31 s')",
        "INSERT INTO tasks (agent_name, task_type) VALUES ('A', 't')",
    )
    _, (work,) = _now(database)
    assert work.nobody_knows


def test_what_the_guide_had_recorded_is_counted(database: Database) -> None:
    """Rows from before agentpg have no outcome, and perhaps no agent."""
    _ask(
        database,
        "INSERT INTO agent_executions (task_id, attempt, execution_start, execution_end, "
        "duration_seconds, llm_total_tokens, adopted) "
        "VALUES (uuid7(), 1, now() - interval '1 min', now(), 60, 5, true)",
    )
    (total,) = _level(_now(database)[0], "total")
    assert (total.executions, total.open, total.bad, total.tokens) == (1, 0, 0, 5)
