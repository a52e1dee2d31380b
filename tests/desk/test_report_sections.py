"""The tables of a report."""

from __future__ import annotations

from agentpg.db import Database, connect
from agentpg.desk.report_data import Report, collect_report
from agentpg.desk.report_page import words_of
from agentpg.desk.report_sections import Section, day_totals, notes, sections

ENGLISH = words_of("en")


def _section(report: Report, key: str) -> Section:
    return next(s for s in sections(report, ENGLISH) if s.key == key)


def test_parts_come_in_order_and_only_with_something_to_say(
    busy_report: Report, empty_report: Report
) -> None:
    keys = [s.key for s in sections(busy_report, ENGLISH)]
    assert keys == ["days", "agents", "models", "durations", "errors", "losses", "now"]
    assert sections(empty_report, ENGLISH) == []


def test_every_row_is_as_wide_as_its_head(busy_report: Report) -> None:
    for section in sections(busy_report, ENGLISH):
        assert all(len(row) == len(section.table.columns) for row in section.table.rows)


def test_every_day_has_a_row_the_newest_first(busy_report: Report) -> None:
    days = [row[0] for row in _section(busy_report, "days").table.rows]
    assert days == [day.isoformat() for day in reversed(busy_report.window.days)]
    totals = day_totals(busy_report)
    assert sum(d.sum(lambda a: a.executions) for d in totals) == busy_report.total.executions


def test_cost_is_unknown_or_nothing_but_never_zero(busy_report: Report) -> None:
    costs = {row[0]: row[-1] for row in _section(busy_report, "agents").table.rows}
    assert costs["TriageAgent"] == "unknown"
    assert costs["SchemaAgent"] == "–"
    assert costs["ResearchAgent"].startswith("$")


def test_a_waiting_task_without_worker_is_marked(busy_report: Report) -> None:
    rows = {row[0]: row for row in _section(busy_report, "now").table.rows}
    assert "no worker knows this" in rows["BillingAgent / invoice"]


def test_what_was_handed_back_is_told_beside(busy_report: Report) -> None:
    assert busy_report.handed_back.executions > 0
    assert any(n.startswith("Handed back by workers") for n in notes(busy_report, ENGLISH))


def test_long_tables_say_what_they_leave_out(database: Database) -> None:
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, "
            "execution_start) SELECT uuid7(), 1, 'Agent' || n, 't', now() - interval '1 s' "
            "FROM generate_series(1, 40) AS n"
        )
    table = _section(collect_report(database), "agents").table
    assert (len(table.rows), table.more) == (25, "and 15 more")


def test_waiting_tasks_are_shown_though_nothing_was_done(database: Database) -> None:
    with connect(database) as connection:
        connection.execute("INSERT INTO tasks (agent_name, task_type) VALUES ('A', 't')")
    assert [s.key for s in sections(collect_report(database), ENGLISH)] == ["now"]
