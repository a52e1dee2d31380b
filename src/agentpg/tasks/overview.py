"""The installation as a whole, at one moment: server, tasks and workers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentpg.db import Connection, Statements, class_row, lasting
from agentpg.tasks.limits import PausedAgent, paused_agents
from agentpg.tasks.lookup import (
    Unfinished,
    Unknown,
    WorkerRow,
    finished_today,
    nobody_knows,
    unfinished,
    workers,
)
from agentpg.tasks.schedules import ScheduleState


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What the server says about itself; `now` is its clock, `size_bytes` the database's.

    `pooled`: the connection goes through a pooler, so workers that use the same one look for
    tasks instead of being notified.
    """

    version: str
    started_at: datetime
    now: datetime
    size_bytes: int
    in_recovery: bool
    pooled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Tasks that have not ended, tasks of the last 24 hours that have, workers of the last
    24 hours, pending tasks that no living worker has a handler for, and the schedules."""

    tasks: Unfinished
    finished: dict[str, int]
    workers: list[WorkerRow]
    nobody_knows: list[Unknown]
    schedules: ScheduleState
    paused: list[PausedAgent]


def server_facts(connection: Connection[Any]) -> ServerFacts:
    """What the server says about itself; needs no schema."""
    pooled = lasting(connection) == "transaction"
    cursor = connection.cursor(row_factory=class_row(ServerFacts))
    found = cursor.execute(Statements("overview", "")["server_facts"], {"pooled": pooled})
    [facts] = found.fetchall()
    return facts


def activity(connection: Connection[Any], schema: str) -> Activity:
    """What the tasks and the workers of an installation do now."""
    return Activity(
        tasks=unfinished(connection, schema),
        finished=finished_today(connection, schema),
        workers=workers(connection, schema),
        nobody_knows=nobody_knows(connection, schema),
        schedules=schedule_state(connection, schema),
        paused=paused_agents(connection, schema),
    )


def schedule_state(connection: Connection[Any], schema: str) -> ScheduleState:
    """How many schedules there are, and how many need a look."""
    cursor = connection.cursor(row_factory=class_row(ScheduleState))
    found = cursor.execute(Statements("schedules", schema)["state"]).fetchone()
    assert found is not None  # noqa: S101 - an aggregate without GROUP BY has one row
    return found
