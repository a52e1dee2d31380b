"""The figures of a report."""

from __future__ import annotations

import json

import pytest

from agentpg.db import Database, connect
from agentpg.desk.report_data import Report, collect_report, report_totals
from agentpg.errors import SchemaMissing, UsageError
from tests.desk.history import write_history


def test_totals_are_json_and_tell_what_is_not_known(busy_report: Report) -> None:
    totals = report_totals(busy_report)
    assert json.loads(json.dumps(totals)) == totals
    assert totals["executions"] == busy_report.total.executions
    assert totals["unpriced_calls"] == busy_report.total.unpriced_calls > 0
    assert isinstance(totals["cost_usd"], str)
    assert isinstance(totals["before"], dict)


def test_nothing_done_is_nothing_known(empty_report: Report) -> None:
    totals = report_totals(empty_report)
    assert (totals["executions"], totals["failure_share"], totals["cost_usd"]) == (0, None, None)
    assert totals["before"] is None


def test_only_unknown_tokens_are_not_zero(database: Database) -> None:
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, "
            "execution_start, llm_calls, llm_unknown_calls, llm_unpriced_calls) "
            "VALUES (uuid7(), 1, 'A', 't', now() - interval '1 s', 2, 2, 2)"
        )
    totals = report_totals(collect_report(database))
    assert (totals["tokens"], totals["cost_usd"], totals["open"]) == (None, None, 1)


def test_without_a_time_before_there_is_no_comparison(database: Database) -> None:
    write_history(database, days=3)
    assert collect_report(database).before is None


@pytest.mark.parametrize("days", [0, -1, 367])
def test_days_out_of_range_are_refused(database: Database, days: int) -> None:
    with pytest.raises(UsageError, match="1 to 366"):
        collect_report(database, days)


def test_without_the_schema_it_says_so(empty_database: Database) -> None:
    with pytest.raises(SchemaMissing):
        collect_report(empty_database)
