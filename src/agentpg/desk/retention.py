"""How long finished history is kept, and what would go by that now.

Nothing goes that a policy does not name: no setting, no removal. `removal.py` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agentpg.db import Connection, Database, Statements, class_row, snapshot
from agentpg.errors import RetentionTooShort
from agentpg.language import N_
from agentpg.quantities import format_duration
from agentpg.settings import Settings
from agentpg.tasks.upkeep import longest_retry

# A task first, then all that hangs on it by its `task_id`.
TABLES = ("tasks", "agent_executions", "llm_requests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long tasks are kept after they ended, by their state; None keeps them for ever.

    `adopted` lets rows from before agentpg go as well. Raises RetentionTooShort where a
    period is shorter than a task with the defaults may be tried.
    """

    completed: timedelta | None = None
    failed: timedelta | None = None
    cancelled: timedelta | None = None
    adopted: bool = False

    def __post_init__(self) -> None:
        longest = longest_retry()
        for status, period in self.periods():
            if period is not None and period < longest:
                raise RetentionTooShort(
                    status=status, period=format_duration(period), longest=format_duration(longest)
                )

    def periods(self) -> Sequence[tuple[str, timedelta | None]]:
        """The final states and how long each is kept."""
        return (
            (N_("completed"), self.completed),
            (N_("failed"), self.failed),
            (N_("cancelled"), self.cancelled),
        )

    @property
    def keeps_all(self) -> bool:
        """Whether nothing ever goes."""
        return all(period is None for _, period in self.periods())


def policy_of(
    settings: Settings, older_than: timedelta | None = None, *, adopted: bool = False
) -> Policy:
    """The policy of the settings; `older_than` stands for all three periods.

    Raises RetentionTooShort, with the name of the setting where it is one.
    """
    adopted = adopted or settings.retention_adopted
    if older_than is not None:
        return Policy(
            completed=older_than, failed=older_than, cancelled=older_than, adopted=adopted
        )
    try:
        return Policy(
            completed=settings.retention_completed,
            failed=settings.retention_failed,
            cancelled=settings.retention_cancelled,
            adopted=adopted,
        )
    except RetentionTooShort as error:
        raise error.of_setting() from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Before which moment a task must have ended to go, by its state; None keeps all."""

    now: datetime
    completed: datetime | None
    failed: datetime | None
    cancelled: datetime | None

    def parameters(self, policy: Policy) -> dict[str, object]:
        """As the statements take it."""
        return {
            "completed": self.completed,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "adopted": policy.adopted,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """Tasks of one agent, type and state that would go, with what hangs on them.

    `size_bytes` is about what they take, indexes included.
    """

    agent_name: str | None
    task_type: str | None
    status: str
    tasks: int
    executions: int
    llm_requests: int
    size_bytes: int
    oldest_at: datetime
    newest_at: datetime


def find_moments(connection: Connection[Any], schema: str, policy: Policy) -> Moments:
    """The policy's periods before the database's now."""
    cursor = connection.cursor(row_factory=class_row(Moments))
    parameters = dict(policy.periods())
    return cursor.execute(Statements("retention", schema)["moments"], parameters).fetchall()[0]


def find_expired(database: Database, policy: Policy) -> list[Expired]:
    """What would go now, the most first; reads the whole table and changes nothing."""
    sql = Statements("retention", database.schema)
    with snapshot(database, "agentpg retention show") as connection:
        moments = find_moments(connection, database.schema, policy)
        rows = connection.execute(
            sql["row_bytes"], {"schema": database.schema, "tables": list(TABLES)}
        ).fetchall()
        row_bytes = dict(rows)
        cursor = connection.cursor()
        cursor.execute(sql["expired"], moments.parameters(policy))
        names = [column.name for column in cursor.description or ()]
        return [_expired(dict(zip(names, row, strict=True)), row_bytes) for row in cursor]


def _expired(row: dict[str, Any], row_bytes: dict[str, float]) -> Expired:
    size = row.pop("wide_bytes") + sum(
        row[counted] * row_bytes.get(table, 0)
        for table, counted in zip(TABLES, ("tasks", "executions", "llm_requests"), strict=True)
    )
    return Expired(**row, size_bytes=round(size))
