"""ReportAgent through the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentpg.agents.report_agent import report_app
from tests.desk.history import write_history
from tests.tasks.engine import Engine


def test_the_report_is_files_and_the_result(engine: Engine, tmp_path: Path) -> None:
    write_history(engine.database, days=3)
    engine.work(
        report_app(), dsn_monitor=engine.as_part("monitor").dsn, home=str(tmp_path), lang="ko"
    )
    task = engine.run("ReportAgent", "weekly_report", {"days": 7})
    assert task.status == "completed", task.error_message
    markdown = Path(task.result["markdown_path"])
    assert markdown.parent == tmp_path / "reports"
    assert markdown.read_text(encoding="utf-8") == task.result["markdown"]
    assert task.result["markdown"].startswith("# 운영 및 비용 보고서")
    page = Path(task.result["html_path"]).read_text(encoding="utf-8")
    assert '<html lang="ko">' in page
    assert task.result["totals"]["executions"] > 100


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"days": 0}, "1 to 366"),
        ({"days": "seven"}, "days is a whole number"),
        ({"days": True}, "days is a whole number"),
        ({"folder": "/tmp"}, "is not below"),
        ({"dayz": 7}, "does not fit the handler"),
    ],
)
def test_a_wrong_payload_fails_at_once(
    engine: Engine, tmp_path: Path, payload: Any, reason: str
) -> None:
    engine.work(
        report_app(), dsn_monitor=engine.as_part("monitor").dsn, home=str(tmp_path / "home")
    )
    task = engine.run("ReportAgent", "weekly_report", payload)
    assert (task.status, engine.outcomes(task.id)) == ("failed", ["failed"])
    assert reason in (task.error_message or "")
