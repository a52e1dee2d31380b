"""Reading the state of the engine as a whole, for operators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from agentpg.db import Connection, Statements, class_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """How many tasks have not ended, by what they wait for."""

    ready: int
    delayed: int
    held: int
    running: int
    waiting: int
    oldest_ready: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A worker as the table of workers has it."""

    id: UUID
    host: str
    pid: int
    version: str
    concurrency: int
    lease_seconds: float
    handlers: list[list[str]]
    started_at: datetime
    heartbeat_at: datetime
    idle: bool
    running: int
    ended_at: datetime | None
    ended_how: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Pending tasks that no living worker has a handler for."""

    agent_name: str
    task_type: str
    tasks: int


def unfinished(connection: Connection[Any], schema: str) -> Unfinished:
    """Tasks that have not ended."""
    cursor = connection.cursor(row_factory=class_row(Unfinished))
    found = cursor.execute(Statements("lookup", schema)["unfinished_counts"]).fetchone()
    assert found is not None  # noqa: S101 - an aggregate without GROUP BY has one row
    return found


def finished_today(connection: Connection[Any], schema: str) -> dict[str, int]:
    """Tasks created within the last 24 hours that have ended, by state."""
    return dict(connection.execute(Statements("lookup", schema)["finished_counts"]).fetchall())


def workers(connection: Connection[Any], schema: str) -> list[WorkerRow]:
    """Workers that live, the newest first, and those that ended within a day."""
    cursor = connection.cursor(row_factory=class_row(WorkerRow))
    return cursor.execute(Statements("lookup", schema)["workers"]).fetchall()


def nobody_knows(connection: Connection[Any], schema: str) -> list[Unknown]:
    """Pending tasks that no living worker has a handler for, the most first."""
    cursor = connection.cursor(row_factory=class_row(Unknown))
    return cursor.execute(Statements("lookup", schema)["nobody_knows"]).fetchall()
