"""ReportAgent writes the operations and cost report."""

from __future__ import annotations

from datetime import timedelta

from agentpg.agents.surroundings import folder_of, language_of, own_database
from agentpg.desk.report import FOLDER, write_report
from agentpg.desk.report_data import DEFAULT_DAYS, report_totals
from agentpg.errors import UsageError
from agentpg.tasks.handlers import App, Permanent
from agentpg.tasks.run import Run

_TIMEOUT = timedelta(minutes=10)


def report_app(time_zone: str = "UTC") -> App:
    """The handler ReportAgent/weekly_report, which needs the setting `dsn_monitor`, and its
    schedule: Monday at seven in `time_zone`."""
    app = App()
    app.add(weekly_report, agent_name="ReportAgent", task_type="weekly_report", timeout=_TIMEOUT)
    app.schedule(
        "weekly-report",
        cron="0 7 * * mon",
        time_zone=time_zone,
        agent_name="ReportAgent",
        task_type="weekly_report",
    )
    return app


def weekly_report(
    run: Run, days: int = DEFAULT_DAYS, folder: str | None = None
) -> dict[str, object]:
    """Write the report of the last `days` days into `folder`, reports in `home` by default.

    The result holds the report as Markdown, the paths of both files, and the totals.
    """
    _require_whole(days)
    database = own_database(run, "AGENTPG_DSN_MONITOR", run.settings.dsn_monitor)
    try:
        written = write_report(database, folder_of(run, folder, FOLDER), days, language_of(run))
    except UsageError as error:
        raise Permanent(str(error)) from None
    run.log.info("wrote %s", written.html_path)
    return {
        "markdown": written.markdown,
        "markdown_path": str(written.markdown_path),
        "html_path": str(written.html_path),
        "totals": report_totals(written.report),
    }


def _require_whole(days: object) -> None:
    if not isinstance(days, int) or isinstance(days, bool):
        raise Permanent(f"days is a whole number, not {days!r}")
