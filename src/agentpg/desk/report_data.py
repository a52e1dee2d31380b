"""The figures of the operations and cost report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from agentpg.db import Database, snapshot
from agentpg.errors import UsageError
from agentpg.language import N_
from agentpg.tasks.statistics import (
    Activity,
    AgentWork,
    ErrorGroup,
    HandedBack,
    ModelUse,
    Statistics,
    Submissions,
    Window,
    WorkerLoss,
)

DEFAULT_DAYS = 7
MOST_DAYS = 366


@dataclass(frozen=True, kw_only=True)
class Report:
    """All figures of one report, as of one moment.

    `before` counts the time of the same length before; None where nothing was done then.
    """

    database: str
    days: int
    window: Window
    activity: list[Activity]
    before: Activity | None
    handed_back: HandedBack
    models: list[ModelUse]
    errors: list[ErrorGroup]
    losses: list[WorkerLoss]
    submissions: Submissions
    agents_now: list[AgentWork]

    @cached_property
    def total(self) -> Activity:
        """All executions together."""
        return self._of("total")[0]

    @cached_property
    def by_agent(self) -> list[Activity]:
        """One row an agent, the most active first."""
        return self._of("agent")

    @cached_property
    def by_type(self) -> list[Activity]:
        """One row an agent's task type, the slowest first."""
        return sorted(self._of("type"), key=lambda a: -(a.p95_seconds or 0))

    @cached_property
    def by_day(self) -> list[Activity]:
        """One row an agent's day that saw executions."""
        return self._of("day")

    def _of(self, level: str) -> list[Activity]:
        return [a for a in self.activity if a.level == level]


def collect_report(database: Database, days: int = DEFAULT_DAYS) -> Report:
    """Read the last `days` days (1 to 366) and today so far.

    Raises UsageError for another number of days, and the errors of the database.
    """
    if not 1 <= days <= MOST_DAYS:
        raise UsageError(N_("a report has 1 to 366 days"))
    with snapshot(database, "agentpg report") as connection:
        read = Statistics(connection, database.schema)
        window = read.window(days)
        before = next(a for a in read.activity(window.before) if a.level == "total")
        return Report(
            database=connection.info.dbname,
            days=days,
            window=window,
            activity=read.activity(window),
            before=before if before.executions else None,
            handed_back=read.handed_back(window),
            models=read.models(window),
            errors=read.errors(window),
            losses=read.losses(window),
            submissions=read.submissions(window),
            agents_now=read.agents(),
        )


def report_totals(report: Report) -> dict[str, object]:
    """The totals in the terms of JSON; what is not known is None, cost is exact text."""
    back = report.handed_back
    return {
        "database": report.database,
        "since": report.window.since.isoformat(),
        "until": report.window.until.isoformat(),
        "days": report.days,
        **_counts(report.total),
        "handed_back": back.executions,
        "handed_back_cost_usd": None if back.cost_usd is None else str(back.cost_usd),
        "before": _counts(report.before) if report.before else None,
    }


def _counts(total: Activity) -> dict[str, object]:
    all_unknown = total.llm_calls and total.unknown_calls >= total.llm_calls
    return {
        "executions": total.executions,
        "open": total.open,
        "completed": total.completed,
        "failed": total.failed,
        "timed_out": total.timed_out,
        "cancelled": total.cancelled,
        "lost": total.lost,
        "retries": total.retries,
        "failure_share": total.bad / total.ended if total.ended else None,
        "llm_calls": total.llm_calls,
        "tokens": None if all_unknown else total.tokens,
        "unknown_calls": total.unknown_calls,
        "cost_usd": None if total.cost_usd is None else str(total.cost_usd),
        "unpriced_calls": total.unpriced_calls,
    }
