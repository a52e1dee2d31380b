"""What was done, how long it took and what it cost, as the database has recorded it.

Released executions, which a stopping worker handed back, are counted nowhere but in
`handed_back`. Tokens and cost are those that are known; `unknown_calls` and
`unpriced_calls` say how many calls to language models are not in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from agentpg.db import Connection, Statements, class_row

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time, `since` included and `until` excluded; days are those of `time_zone`."""

    since: datetime
    until: datetime
    time_zone: str

    @property
    def before(self) -> Window:
        """The time of the same length that ends where this one begins."""
        length = self.until - self.since
        return Window(since=self.since - length, until=self.since, time_zone=self.time_zone)

    @property
    def days(self) -> list[date]:
        """Every day of it, the last one perhaps not over."""
        first, last = self.since.date(), self.until.date()
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatistics:
    """A row of the view agent_statistics: one agent's last seven days and today."""

    agent_name: str | None
    total_executions: int
    open: int
    completed: int
    failed: int
    timed_out: int
    cancelled: int
    lost: int
    avg_duration_seconds: float | None
    p95_duration_seconds: float | None
    llm_calls: int
    total_tokens: int
    unknown_calls: int
    unpriced_calls: int
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCount:
    """A row of the view task_counts."""

    agent_name: str | None
    task_type: str | None
    status: str | None
    tasks: int
    oldest_created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmUsage:
    """A row of the view llm_usage."""

    day: datetime
    agent_name: str
    task_type: str | None
    submitted_by: str | None
    provider: str | None
    model: str | None
    calls: int
    failed_calls: int
    unknown_calls: int
    unpriced_calls: int
    input_tokens: int | None
    cache_read_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Executions counted together: all (`level` is "total"), those of an agent ("agent"),
    of an agent's task type ("type"), or of an agent on one day ("day").

    Durations are the handlers' own. A wait is from when a task could have run to its
    newest claim. `retries` are the executions of a task after its first.
    """

    level: str
    agent_name: str | None
    task_type: str | None
    day: date | None
    executions: int
    open: int
    completed: int
    failed: int
    timed_out: int
    cancelled: int
    lost: int
    retries: int
    avg_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    max_seconds: float | None
    p50_wait_seconds: float | None
    p95_wait_seconds: float | None
    llm_calls: int
    tokens: int
    unknown_calls: int
    unpriced_calls: int
    cost_usd: Decimal | None

    @property
    def bad(self) -> int:
        """Executions that failed, ran out of time or were lost."""
        return self.failed + self.timed_out + self.lost

    @property
    def ended(self) -> int:
        """Executions that are not under way any more."""
        return self.executions - self.open


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedBack:
    """Released executions and what they had spent before."""

    executions: int
    llm_calls: int
    tokens: int
    unknown_calls: int
    unpriced_calls: int
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """The calls to one model; `lost_calls` had no answer when their worker died."""

    provider: str | None
    model: str | None
    calls: int
    failed_calls: int
    lost_calls: int
    unknown_calls: int
    unpriced_calls: int
    input_tokens: int | None
    cache_read_tokens: int | None
    output_tokens: int | None
    p50_seconds: float | None
    p95_seconds: float | None
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """Alike errors of one handler; in `error`, numbers are "#" and ids are "…"."""

    agent_name: str | None
    task_type: str | None
    outcome: str
    error: str | None
    executions: int
    tasks: int
    last_at: datetime
    last_task: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLoss:
    """A worker that died with executions in its hands; its place may be forgotten."""

    worker: UUID | None
    host: str | None
    pid: int | None
    executions: int
    agents: list[str] | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submissions:
    """Tasks that were submitted in a time, and how many of them have ended since."""

    submitted: int
    completed: int
    failed: int
    cancelled: int

    @property
    def unfinished(self) -> int:
        """Those that have not ended."""
        return self.submitted - self.completed - self.failed - self.cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentWork:
    """One agent's task type now: living workers that handle it, and unfinished tasks.

    `task_type` is None for an agent that has neither, only finished tasks.
    """

    agent_name: str | None
    task_type: str | None
    workers: int
    pending: int
    held: int
    running: int
    waiting: int
    oldest_ready_at: datetime | None

    @property
    def nobody_knows(self) -> bool:
        """Whether tasks wait for a handler that no living worker has."""
        return self.workers == 0 and self.pending > 0


class Statistics:
    """Reads the statistics of one installation.

    Give it the connection of a `snapshot` where the figures have to fit each other.
    """

    def __init__(self, connection: Connection[Any], schema: str) -> None:
        self._connection = connection
        self._statements = Statements("statistics", schema)

    def window(self, days: int) -> Window:
        """The last `days` whole days and today so far, by the database's clock and zone."""
        return self._rows("window", Window, days=days)[0]

    def agent_statistics(self) -> list[AgentStatistics]:
        """The last seven days and today, by agent."""
        return self._rows("agent_statistics", AgentStatistics)

    def task_counts(self) -> list[TaskCount]:
        """All tasks there are, by agent, type and state."""
        return self._rows("task_counts", TaskCount)

    def llm_usage(self, since: datetime) -> list[LlmUsage]:
        """Calls to language models since the beginning of a day."""
        return self._rows("llm_usage", LlmUsage, since=since)

    def activity(self, window: Window) -> list[Activity]:
        """Executions that began in a time, at all four levels, the most active first."""
        return self._rows("activity", Activity, since=window.since, until=window.until)

    def handed_back(self, window: Window) -> HandedBack:
        """Executions that began in a time and were handed back."""
        return self._rows("handed_back", HandedBack, since=window.since, until=window.until)[0]

    def models(self, window: Window) -> list[ModelUse]:
        """Models called by executions that began in a time, the dearest first."""
        return self._rows("models", ModelUse, since=window.since, until=window.until)

    def errors(self, window: Window, limit: int = 10) -> list[ErrorGroup]:
        """The commonest errors of executions that began in a time."""
        values = {"since": window.since, "until": window.until, "limit": limit}
        return self._rows("errors", ErrorGroup, **values)

    def losses(self, window: Window, limit: int = 20) -> list[WorkerLoss]:
        """Workers that died during executions that began in a time, the newest first."""
        values = {"since": window.since, "until": window.until, "limit": limit}
        return self._rows("losses", WorkerLoss, **values)

    def submissions(self, window: Window) -> Submissions:
        """Tasks that were submitted in a time."""
        return self._rows("submissions", Submissions, since=window.since, until=window.until)[0]

    def agents(self) -> list[AgentWork]:
        """Agents that have tasks or living workers, by name and task type."""
        return self._rows("agents", AgentWork)

    def knows_agent(self, agent_name: str) -> bool:
        """Whether a task, or a worker that has not ended, names this agent."""
        parameters = {"agent_name": agent_name}
        row = self._connection.execute(self._statements["knows_agent"], parameters).fetchone()
        return row is not None and bool(row[0])

    def _rows(self, name: str, kind: type[Row], **values: object) -> list[Row]:
        parameters: Mapping[str, object] = values
        with self._connection.cursor(row_factory=class_row(kind)) as cursor:
            return cursor.execute(self._statements[name], parameters).fetchall()
