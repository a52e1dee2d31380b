"""The report as Markdown."""

from __future__ import annotations

import re

from agentpg.db import Database, connect
from agentpg.desk.report_data import Report, collect_report
from agentpg.desk.report_markdown import markdown_report


def test_all_parts_are_there(busy_report: Report) -> None:
    text = markdown_report(busy_report)
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert titles == [
        "Day by day", "Agents", "Models", "Durations and waits", "Errors", "Lost executions",
        "Unfinished now",
    ]  # fmt: skip
    assert text.startswith("# Operations and cost report\n")
    assert "- **Cost**: $" in text


def test_tables_keep_their_shape_whatever_is_in_them(database: Database) -> None:
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, "
            "execution_start, execution_end, outcome, error_message) VALUES (uuid7(), 1, "
            "'a|b', '<b>`x`', now() - interval '1 s', now(), 'failed', 'E | `y` <script>')"
        )
    text = markdown_report(collect_report(database))
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table
    assert r"a\|b / \<b\>\`x\`" in text


def test_nothing_done_is_said_in_both_languages(empty_report: Report) -> None:
    assert "No execution was recorded in this time." in markdown_report(empty_report)
    assert "이 기간에 기록된 실행이 없습니다." in markdown_report(empty_report, "ko")


def test_korean_leaves_no_english_title(busy_report: Report) -> None:
    titles = re.findall(r"^#+ (.+)$", markdown_report(busy_report, "ko"), re.MULTILINE)
    assert all(re.search(r"[가-힣]", title) for title in titles)
