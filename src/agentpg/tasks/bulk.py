"""Retrying many failed tasks at once, or releasing held ones, after a look at what they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from agentpg.db import Database, Statements, class_row, connect, driver_errors, work_channel_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedGroup:
    """The failed tasks of one agent and type; `counted_at` is the moment of the count."""

    agent_name: str | None
    task_type: str | None
    tasks: int
    first_failed_at: datetime | None
    last_failed_at: datetime | None
    last_error: str | None
    counted_at: datetime


@dataclass(frozen=True, slots=True)
class FailedFilter:
    """Which failed tasks are meant; None matches all."""

    agent_name: str | None = None
    task_type: str | None = None

    def parameters(self) -> dict[str, str | None]:
        """As the statements take it."""
        return {"agent_name": self.agent_name, "task_type": self.task_type}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGroup:
    """The tasks of one agent and type that are held for one reason; `counted_at` is the moment
    of the count."""

    agent_name: str | None
    task_type: str | None
    reason: str
    tasks: int
    first_created_at: datetime | None
    counted_at: datetime


@dataclass(frozen=True, slots=True)
class HeldFilter:
    """Which held tasks are meant: of whom, and how their reason begins; None matches all."""

    agent_name: str | None = None
    task_type: str | None = None
    reason: str | None = None

    def parameters(self) -> dict[str, str | None]:
        """As the statements take it."""
        return {
            "agent_name": self.agent_name,
            "task_type": self.task_type,
            "reason": self.reason,
        }


def failed_groups(database: Database, which: FailedFilter) -> list[FailedGroup]:
    """The failed tasks that match, the largest group first."""
    sql = Statements("bulk", database.schema)
    with driver_errors(database.target()), connect(database, "agentpg task retry") as connection:
        cursor = connection.cursor(row_factory=class_row(FailedGroup))
        return cursor.execute(sql["count_failed"], which.parameters()).fetchall()


def retry_failed(database: Database, which: FailedFilter, until: datetime) -> Iterator[int]:
    """Open the tasks again that match and had failed by `until`; yields after each batch how
    many it had."""
    return _in_batches(database, "retry_failed", {**which.parameters(), "until": until})


def held_groups(database: Database, which: HeldFilter) -> list[HeldGroup]:
    """The held tasks that match, the largest group first."""
    sql = Statements("bulk", database.schema)
    with driver_errors(database.target()), connect(database, "agentpg task release") as connection:
        cursor = connection.cursor(row_factory=class_row(HeldGroup))
        return cursor.execute(sql["count_held"], which.parameters()).fetchall()


def release_held(database: Database, which: HeldFilter, until: datetime) -> Iterator[int]:
    """Let the tasks be claimed again that match and were submitted by `until`; yields after
    each batch how many it had."""
    return _in_batches(database, "release_held", {**which.parameters(), "until": until})


def _in_batches(
    database: Database, statement: str, parameters: dict[str, str | datetime | None]
) -> Iterator[int]:
    sql = Statements("bulk", database.schema)
    channel = work_channel_of(database.schema)
    with driver_errors(database.target()), connect(database, "agentpg task") as connection:
        while True:
            row = connection.execute(sql[statement], {**parameters, "channel": channel}).fetchone()
            if not row or not row[0]:
                return
            yield row[0]
