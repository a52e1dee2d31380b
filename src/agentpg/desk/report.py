"""The operations and cost report of the last days, from the recorded executions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agentpg.db import Database
from agentpg.desk.files import create_files
from agentpg.desk.report_data import DEFAULT_DAYS, Report, collect_report
from agentpg.desk.report_html import html_report
from agentpg.desk.report_markdown import markdown_report

FOLDER = Path("reports")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """A report as text and as files."""

    report: Report
    markdown: str
    markdown_path: Path
    html_path: Path


def write_report(
    database: Database, folder: Path, days: int = DEFAULT_DAYS, language: str = "en"
) -> WrittenReport:
    """Write the report into new files report-YYYYMMDD-HHMMSS.md and .html in `folder`.

    The time in the name is the report's end, by the database's clock. Raises UsageError,
    FileNotWritten, and the errors of the database.
    """
    report = collect_report(database, days)
    markdown = markdown_report(report, language)
    texts = {".md": markdown, ".html": html_report(report, language)}
    stem = f"report-{report.window.until:%Y%m%d-%H%M%S}"
    markdown_path, html_path = create_files(folder, stem, texts)
    return WrittenReport(
        report=report, markdown=markdown, markdown_path=markdown_path, html_path=html_path
    )
