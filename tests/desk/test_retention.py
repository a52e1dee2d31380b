"""What may go by a policy, and what a policy may be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentpg.db import Database
from agentpg.desk.retention import Policy, find_expired, policy_of
from agentpg.errors import RetentionTooShort
from agentpg.settings import load_settings
from tests.desk.ended import change, write_ended

MONTH = timedelta(days=30)


def test_nothing_goes_unless_a_setting_says_so() -> None:
    assert policy_of(load_settings()).keeps_all
    policy = policy_of(load_settings(retention_failed="90d"))
    assert (policy.completed, policy.failed, policy.keeps_all) == (None, timedelta(days=90), False)


def test_a_given_age_stands_for_all_periods() -> None:
    policy = policy_of(load_settings(retention_failed="90d"), MONTH)
    assert [period for _, period in policy.periods()] == [MONTH] * 3


def test_shorter_than_the_longest_retry_is_refused_with_both_values() -> None:
    with pytest.raises(RetentionTooShort) as raised:
        Policy(failed=timedelta(hours=1))
    assert "failed tasks cannot be kept for 1h only" in str(raised.value)
    assert "216min" in str(raised.value)
    Policy(failed=timedelta(minutes=216))


def test_what_would_go_is_counted_by_agent_type_and_state(database: Database) -> None:
    write_ended(database, 3, age="50 days")
    write_ended(database, 2, status="failed")
    write_ended(database, 1, status="cancelled")
    write_ended(database, 4, age="1 day")
    completed, failed = find_expired(database, Policy(completed=MONTH, failed=MONTH))
    assert (completed.status, completed.tasks, completed.executions) == ("completed", 3, 6)
    assert (completed.agent_name, completed.task_type, completed.llm_requests) == ("Old", "work", 3)
    assert (failed.status, failed.tasks) == ("failed", 2)
    assert completed.oldest_at < failed.oldest_at


def test_sizes_tell_wide_payloads_from_narrow_ones(database: Database) -> None:
    write_ended(database, 50)
    change(database, "UPDATE tasks SET task_type = 'narrow'")
    write_ended(database, 50)
    # What does not compress is kept apart from its row.
    change(
        database,
        "UPDATE tasks SET payload = (SELECT to_jsonb(string_agg(gen_random_uuid()::text, ''))"
        " FROM generate_series(1, 1000) WHERE tasks.id IS NOT NULL) WHERE task_type = 'work'",
    )
    change(database, "VACUUM ANALYZE")
    sizes = {e.task_type: e.size_bytes for e in find_expired(database, Policy(completed=MONTH))}
    assert 50 * 20_000 < sizes["work"] < 50 * 60_000
    assert 50 * 200 < sizes["narrow"] < 50 * 5_000
